#include "report_world.h"

static void end(struct world *w, int64_t job, const char *outcome, const char *domain,
    const char *code)
{
	must_tell(w, "{s:s, s:I, s:s, s:{s:s, s:s, s:s, s:s}}", "event", "end", "job", job,
	    "outcome", outcome, "error", "domain", domain, "scope", "unit", "code", code, "message",
	    "it did not work");
}

static void park(struct world *w, int64_t job, const char *domain, const char *code)
{
	must_tell(w, "{s:s, s:I, s:{s:s, s:s, s:s, s:s}}", "event", "park", "job", job, "error",
	    "domain", domain, "scope", "station", "code", code, "message", "it waits");
}

static void turn_away(struct world *w, const char *serial, const char *domain, const char *scope,
    const char *code)
{
	must_tell(w, "{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "event", "refused", "serial",
	    serial, "slot", "2", "what", "identify", "error", "domain", domain, "scope", scope,
	    "code", code, "message", "go away");
}

static void test_counts_and_yield(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "A", NULL);
	(void)world_pass(w, "B", NULL);
	(void)world_pass(w, "C", NULL);
	end(w, world_claim(w, "D", NULL), "failed", "device", "csr.pop");
	(void)world_claim(w, "E", NULL);
	end(w, world_claim(w, "F", NULL), "refused", "operator", "claim.quota");
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 3, 1, 1, 0, 1);
	assert_int_equal(report_yield_ppm(r), 750000);
	assert_first(r, 3, 4);
	assert_int_equal(report_first_pass_ppm(r), 750000);
	assert_int_equal(r->jobs_opened, 6);
	assert_int_equal(r->jobs_passed, 3);
	assert_int_equal(r->jobs_failed, 1);
	assert_int_equal(r->jobs_refused, 1);
	assert_int_equal(r->retests + r->reworks + r->continued, 0);
	assert_int_equal(r->failures.count, 1);
	assert_reason(&r->failures, "csr.pop", 1, 1);
	assert_int_equal(r->refusals.count, 1);
	assert_reason(&r->refusals, "claim.quota", 1, 1);
	assert_int_equal(r->slots.count, 1);
	assert_int_equal(r->slots.list[0].passed, 3);
	assert_string_equal(r->products.list[0].name, "pump 1");
	assert_int_equal(r->operators.count, 0);
}

static void test_times_of_steps_and_of_whom(void **state)
{
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T08:00Z");
	(void)world_pass(*state, "A", NULL);
	r = line_report(*state, "2026-11-28", "2026-11-29");
	assert_int_equal(r->steps[STEP_KEYGEN].count, 1);
	assert_int_equal(histogram_percentile(&r->steps[STEP_KEYGEN], 50), 7);
	assert_int_equal(histogram_percentile(&r->steps[STEP_ENROL], 95), 40);
	assert_int_equal(r->steps[STEP_SEAL].count, 0);
	assert_int_equal(histogram_percentile(&r->split[WHO_DEVICE], 50), 7 + 3 + 20 + 5 + 9);
	assert_int_equal(histogram_percentile(&r->split[WHO_CA], 50), 40);
	assert_int_equal(histogram_percentile(&r->split[WHO_HSM], 50), 2);
	/* Twelve events, 10 ms each, from the claim to the end. */
	assert_int_equal(r->whole.sum_ms, 120);
	assert_int_equal(histogram_percentile(&r->split[WHO_STATION], 50), 120 - 44 - 40 - 2);
	assert_int_equal(report_bottleneck(r), WHO_DEVICE);
	assert_int_equal(report_longest_step(r, WHO_DEVICE), STEP_INSTALL);
	assert_int_equal(report_longest_step(r, WHO_CA), STEP_ENROL);
	assert_int_equal(report_longest_step(r, WHO_STATION), STEP_COUNT);
}

static void test_nothing_happened(void **state)
{
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T08:00Z");
	(void)world_pass(*state, "A", NULL);
	r = line_report(*state, "2026-11-27", "2026-11-28");
	assert_units(r, 0, 0, 0, 0, 0);
	assert_int_equal(report_yield_ppm(r), -1);
	assert_int_equal(report_first_pass_ppm(r), -1);
	assert_int_equal(report_per_hour(r), -1);
	assert_int_equal(report_bottleneck(r), WHO_COUNT);
	assert_int_equal(r->chain_count, 0);
	assert_int_equal(r->bucket_count, 24);
	for (size_t i = 0; i < r->bucket_count; i++)
		assert_int_equal(r->buckets[i].passed + r->buckets[i].failed, 0);
}

static void test_a_retest(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *day = NULL;
	AUTO_PTR(report) *first = NULL;
	AUTO_PTR(report) *second = NULL;

	line_at("2026-11-27T08:00Z");
	end(w, world_claim(w, "A", NULL), "failed", "device", "csr.pop");
	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "A", NULL);
	first = line_report(w, "2026-11-27", "2026-11-28");
	assert_units(first, 0, 1, 0, 0, 0);
	assert_first(first, 0, 1);
	assert_reason(&first->failures, "csr.pop", 1, 1);
	/* It counted in the first-pass yield once, and ends well once. */
	second = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(second, 1, 0, 0, 0, 0);
	assert_first(second, 0, 0);
	assert_int_equal(second->retests, 1);
	assert_int_equal(second->retests_passed, 1);
	assert_int_equal(second->passed_after_failure, 1);
	assert_int_equal(second->failures.count, 0);
	/* Both days: a failure that no unit has in the end. */
	day = line_report(w, "2026-11-27", "2026-11-29");
	assert_units(day, 1, 0, 0, 0, 0);
	assert_int_equal(report_yield_ppm(day), 1000000);
	assert_first(day, 0, 1);
	assert_reason(&day->failures, "csr.pop", 1, 0);
	assert_int_equal(day->jobs_failed, 1);
}

/* A job that nobody judged is neither a first one nor a failure. */
static void test_refused_then_passed(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T08:00Z");
	end(w, world_claim(w, "A", NULL), "refused", "operator", "claim.quota");
	(void)world_pass(w, "A", NULL);
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 1, 0, 0, 0, 0);
	assert_first(r, 1, 1);
	assert_int_equal(r->retests, 0);
	assert_int_equal(r->refusals.count, 0);
}

static void test_parked_then_passed(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *before = NULL;
	AUTO_PTR(report) *after = NULL;
	int64_t job;

	line_at("2026-11-27T23:59Z");
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
	park(w, job, "ca", "ca.unreachable");
	line_at("2026-11-28T00:01Z");
	assert_int_equal(world_claim(w, "A", NULL), job);
	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_finish(w, job, "cert");
	before = line_report(w, "2026-11-27", "2026-11-28");
	assert_units(before, 0, 0, 0, 1, 0);
	assert_int_equal(report_yield_ppm(before), -1);
	assert_reason(&before->waits, "ca.unreachable", 1, 1);
	assert_int_equal(before->slots.list[0].waits, 1);
	after = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(after, 1, 0, 0, 0, 0);
	assert_int_equal(report_yield_ppm(after), 1000000);
	assert_first(after, 0, 1);
	assert_int_equal(after->passed_after_wait, 1);
	assert_int_equal(after->continued, 1);
	assert_int_equal(after->jobs_opened, 0);
	assert_int_equal(after->waits.count, 0);
	/* The time in the cupboard is nobody's. */
	assert_true(after->whole.max_ms < 1000);
}

/* The station was killed and goes on with the job: it passed, and not at once. */
static void test_a_job_that_was_continued(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;
	int64_t job;

	line_at("2026-11-28T08:00Z");
	job = world_claim(w, "A", NULL);
	assert_int_equal(world_claim(w, "A", NULL), job);
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_finish(w, job, "cert");
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 1, 0, 0, 0, 0);
	assert_first(r, 0, 1);
	assert_int_equal(r->jobs_opened, 1);
	assert_int_equal(r->continued, 1);
}

static void test_a_rework(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "A", NULL);
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason", "board",
	    "by", "Mayer");
	(void)world_pass(w, "A", NULL);
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 1, 0, 0, 0, 0);
	assert_first(r, 1, 1);
	assert_int_equal(r->reworks, 1);
	assert_int_equal(r->retests, 0);
	assert_int_equal(r->passed_as_rework, 1);
	assert_int_equal(r->jobs_passed, 2);
	assert_int_equal(r->decision_count, 1);
	assert_string_equal(r->decisions[0].what, "rework");
	assert_string_equal(r->decisions[0].by, "Mayer");
	assert_int_equal(r->orphans, 1);
	assert_int_equal(r->orphans_unrevoked, 1);
	assert_string_equal(r->orphan_list[0].serial, "A");
}

static void test_scrapped_units_have_failed(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *morning = NULL;
	AUTO_PTR(report) *day = NULL;
	AUTO_PTR(report) *later = NULL;
	static const char scrap[] = "{s:s, s:s, s:s, s:s}";

	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "A", NULL);
	park(w, world_claim(w, "B", NULL), "link", "link.gone");
	end(w, world_claim(w, "C", NULL), "failed", "device", "csr.pop");
	(void)world_pass(w, "D", NULL);
	line_at("2026-11-28T15:00Z");
	must_tell(w, scrap, "event", "scrap", "serial", "A", "reason", "fell", "by", "Mayer");
	must_tell(w, scrap, "event", "scrap", "serial", "B", "reason", "fell", "by", "Mayer");
	must_tell(w, scrap, "event", "scrap", "serial", "C", "reason", "fell", "by", "Mayer");
	line_at("2026-11-29T08:00Z");
	must_tell(w, scrap, "event", "scrap", "serial", "D", "reason", "fell", "by", "Mayer");
	morning = line_report(w, "2026-11-28T06:00", "2026-11-28T14:00");
	assert_units(morning, 2, 1, 0, 1, 0);
	day = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(day, 1, 3, 0, 0, 0);
	assert_reason(&day->failures, "unit.scrapped", 2, 2);
	assert_reason(&day->failures, "csr.pop", 1, 1);
	assert_int_equal(day->decisions[0].times, 3);
	/* A decision of the office alone makes no unit of that day. */
	later = line_report(w, "2026-11-29", "2026-11-30");
	assert_units(later, 0, 0, 0, 0, 0);
	assert_int_equal(later->decisions[0].times, 1);
}

static void test_who_is_turned_away(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;
	AUTO_PTR(report) *next = NULL;
	struct err e = { 0 };

	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "A", NULL);
	turn_away(w, "A", "operator", "unit", "claim.passed");
	assert_err(world_try_claim(w, "A", NULL, NULL, &e), &e, "claim.passed");
	turn_away(w, "B", "operator", "unit", "list.unlisted");
	turn_away(w, "B", "operator", "unit", "list.unlisted");
	turn_away(w, "C", "device", "unit", "identity.model");
	turn_away(w, "D", "records", "station", "records.space");
	turn_away(w, "E", "link", "unit", "link.timeout");
	turn_away(w, "", "link", "unit", "link.timeout");
	turn_away(w, "", "device", "unit", "identity.text");
	turn_away(w, "", "device", "unit", "identity.text");
	line_at("2026-11-29T08:00Z");
	turn_away(w, "A", "operator", "unit", "claim.passed");
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 1, 1, 1, 2, 0);
	assert_reason(&r->refusals, "list.unlisted", 1, 1);
	assert_int_equal(r->refusals.count, 1);
	assert_reason(&r->failures, "identity.model", 1, 1);
	assert_reason(&r->waits, "records.space", 1, 1);
	assert_reason(&r->waits, "link.timeout", 1, 1);
	assert_int_equal(r->unidentified_times, 3);
	assert_reason(&r->unidentified, "identity.text", 2, 0);
	assert_string_equal(r->unidentified.list[0].code, "identity.text");
	assert_first(r, 1, 1);
	next = line_report(w, "2026-11-29", "2026-11-30");
	assert_units(next, 0, 0, 1, 0, 0);
}

static int take_unit(void *context, const struct report_unit *unit, struct err *e)
{
	struct report_unit *last = context;

	(void)e;
	*last = *unit;
	return 0;
}

static void test_an_order_and_its_places(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *w1 = NULL;
	AUTO_PTR(report) *w2 = NULL;
	struct report_unit last = { 0 };
	const struct report_hook hook = { take_unit, &last };

	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "W1", "quantity", 5);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "W2", "quantity", 5);
	line_at("2026-11-28T08:00Z");
	end(w, world_claim(w, "A", "W1"), "failed", "device", "csr.pop");
	(void)world_pass(w, "B", "W1");
	(void)world_pass(w, "A", "W2");
	(void)world_pass(w, "C", "W2");
	turn_away(w, "D", "operator", "unit", "list.unlisted");
	w1 = line_report_with(w, "2026-11-28", "2026-11-29", "W1", &hook);
	assert_units(w1, 1, 1, 0, 0, 0);
	assert_int_equal(w1->refusals.count, 0);
	assert_string_equal(last.serial, "B");
	assert_string_equal(last.order, "W1");
	assert_int_equal(last.ordinal, 1); /* A's was given back */
	assert_int_equal(last.step_ms[STEP_ENROL], 40);
	assert_int_equal(last.step_ms[STEP_SEAL], -1);
	w2 = line_report_with(w, "2026-11-28", "2026-11-29", "W2", &hook);
	assert_units(w2, 2, 0, 0, 0, 0);
	assert_int_equal(w2->passed_after_failure, 1);
	assert_first(w2, 1, 1);
	assert_int_equal(w2->steps[STEP_ENROL].count, 2);
}

static void test_operators(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	AUTO_PTR(report) *r = NULL;
	struct err e = { 0 };

	line_at("2026-11-28T08:00Z");
	assert_ok(world_append(w,
		      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "event", "claim", "serial",
			  "A", "model", "P1", "slot", "10", "profile", "#product: pump", "reuse", 0,
			  "operator", "Öztürk"),
		      &job, &e),
	    &e);
	end(w, json_opt_int(job, "job", 0), "failed", "device", "csr.pop");
	(void)world_pass(w, "B", NULL);
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_int_equal(r->operators.count, 1);
	assert_string_equal(r->operators.list[0].name, "Öztürk");
	assert_int_equal(r->operators.list[0].failed, 1);
	assert_int_equal(r->slots.count, 2);
	assert_string_equal(r->slots.list[0].name, "1");
	assert_string_equal(r->slots.list[1].name, "10");
}

/* Of a period that is over nothing changes, whatever happens afterwards. */
static void test_it_stays_as_it_was(void **state)
{
	static const struct report_head head = { "t", "line-1", "", "", "r", "me", false };
	struct world *w = *state;
	AUTO_PTR(report) *first = NULL;
	AUTO_PTR(report) *again = NULL;
	AUTO_STRUCT(buf) a = { 0 };
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	line_at("2026-11-28T08:00Z");
	park(w, world_claim(w, "A", NULL), "link", "link.gone");
	end(w, world_claim(w, "B", NULL), "failed", "device", "csr.pop");
	(void)world_pass(w, "C", NULL);
	first = line_report(w, "2026-11-28", "2026-11-29");
	line_at("2026-11-29T00:00Z");
	end(w, world_claim(w, "A", NULL), "failed", "device", "csr.pop");
	(void)world_pass(w, "B", NULL);
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "C", "reason", "r", "by",
	    "m");
	again = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(again, 1, 1, 0, 1, 0);
	assert_ok(report_json(first, &head, &a, &e), &e);
	assert_ok(report_json(again, &head, &b, &e), &e);
	assert_true(buf_equal(&a, &b));
}

static void test_too_many_reasons_are_summed_up(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;
	const struct report_reason *others;

	line_at("2026-11-28T08:00Z");
	for (int i = 0; i < REPORT_REASONS_MAX + 20; i++) {
		char serial[20], code[20];

		(void)snprintf(serial, sizeof(serial), "S%03d", i);
		(void)snprintf(code, sizeof(code), "code.%d", i);
		end(w, world_claim(w, serial, NULL), "failed", "device", code);
	}
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_units(r, 0, REPORT_REASONS_MAX + 20, 0, 0, 0);
	assert_int_equal(r->failures.count, REPORT_REASONS_MAX + 1);
	others = &r->failures.list[REPORT_REASONS_MAX];
	assert_string_equal(others->code, REPORT_OTHERS);
	assert_int_equal(others->times, 20);
	assert_int_equal(others->units, 20);
}

static void assert_cell(const char *serial, const char *cell)
{
	struct report_unit u = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	(void)snprintf(u.serial, sizeof(u.serial), "%s", serial);
	report_csv_unit(out, &u);
	assert_int_equal(fclose(out), 0);
	assert_memory_equal(text, cell, strlen(cell));
	assert_int_equal(text[strlen(cell)], ',');
	free(text);
}

static void test_no_cell_is_a_formula_for_any_separator(void **state)
{
	(void)state;
	assert_cell("A-1+2;b; c", "A-1+2;b; c");
	assert_cell("=1", "'=1");
	assert_cell("a;=1;+1;-1;@a;", "a;'=1;'+1;'-1;'@a;");
	assert_cell("a;;=1", "a;;'=1");
	assert_cell("a; =1", "a;' =1");
	assert_cell("a;\"=1", "\"a;'\"\"=1\"");
	assert_cell("a;\"\" =1", "\"a;'\"\"\"\" =1\"");
	assert_cell("a\r\n=1", "\"a\r\n'=1\"");
	assert_cell("a\t=1", "a\t'=1");
	assert_cell("a;\t=1", "a;'\t'=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test(test_counts_and_yield),
		line_test(test_times_of_steps_and_of_whom),
		line_test(test_nothing_happened),
		line_test(test_a_retest),
		line_test(test_refused_then_passed),
		line_test(test_parked_then_passed),
		line_test(test_a_job_that_was_continued),
		line_test(test_a_rework),
		line_test(test_scrapped_units_have_failed),
		line_test(test_who_is_turned_away),
		line_test(test_an_order_and_its_places),
		line_test(test_operators),
		line_test(test_it_stays_as_it_was),
		line_test(test_too_many_reasons_are_summed_up),
		cmocka_unit_test(test_no_cell_is_a_formula_for_any_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
