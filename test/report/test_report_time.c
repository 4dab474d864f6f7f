#include "report_world.h"

static void end(struct world *w, int64_t job, const char *outcome, const char *domain,
    const char *code)
{
	must_tell(w, "{s:s, s:I, s:s, s:{s:s, s:s, s:s, s:s}}", "event", "end", "job", job,
	    "outcome", outcome, "error", "domain", domain, "scope", "unit", "code", code, "message",
	    "it did not work");
}

static void note(struct world *w, const char *at, const char *what)
{
	line_at(at);
	must_tell(w, "{s:s, s:s}", "event", "station", "what", what);
}

static void test_outages_are_cut_to_the_period(void **state)
{
	AUTO_PTR(report) *r = NULL;
	AUTO_PTR(report) *rest = NULL;

	note(*state, "2026-11-28T05:50Z", "ca-down");
	note(*state, "2026-11-28T06:10Z", "ca-up");
	note(*state, "2026-11-28T08:00Z", "ca-down");
	note(*state, "2026-11-28T08:01Z", "hsm-down");
	note(*state, "2026-11-28T08:05Z", "stop");
	note(*state, "2026-11-28T13:50Z", "hsm-down");
	r = line_report(*state, "2026-11-28T06:00", "2026-11-28T14:00");
	assert_int_equal(r->ca_outages, 2);
	assert_int_equal(r->ca_outage_ms, (10 + 5) * 60000);
	assert_int_equal(r->hsm_outages, 2);
	assert_int_equal(r->hsm_outage_ms, (4 + 10) * 60000);
	rest = line_report(*state, "2026-11-28T14:00", "2026-11-28T22:00");
	assert_int_equal(rest->hsm_outages, 0); /* nothing of it is in these eight hours */
}

static void test_the_rate_on_days_with_a_change_of_the_clock(void **state)
{
	static const struct {
		const char *from, *to;
		size_t buckets;
	} rows[] = {
		{ "2026-03-29", "2026-03-30", 23 },
		{ "2026-10-25", "2026-10-26", 25 },
		{ "2026-11-28T22:00", "2026-11-29T06:00", 32 },
		{ "2026-11-28T06:07", "2026-11-28T06:20", 3 },
		{ "2026-10-01", "2026-11-01", 31 },
		{ "2026-01-01", "2027-01-01", 1 + 52 / 2 },
		{ "1970-01-02", "9999-01-01", 0 },
	};
	AUTO_PTR(report) *r = NULL;

	line_zone("Europe/Vienna");
	if (line_ms("2026-07-01T00:00") != 1782856800000)
		testing_skip("the time zones (package tzdata)");
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_PTR(report) *empty = line_report(*state, rows[i].from, rows[i].to);
		char text[ZONE_TEXT];

		if (rows[i].buckets > 0 && empty->bucket_count != rows[i].buckets)
			fail_msg("%s: %zu buckets", rows[i].from, empty->bucket_count);
		assert_in_range(empty->bucket_count, 1, REPORT_BUCKETS_MAX);
		assert_int_equal(empty->buckets[empty->bucket_count].from_ms, empty->span.to_ms);
		for (size_t k = 1; k <= empty->bucket_count; k++)
			assert_true(empty->buckets[k - 1].from_ms < empty->buckets[k].from_ms);
		if (strlen(rows[i].from) == 10 && empty->bucket_count > 27) {
			zone_text(empty->buckets[27].from_ms, text); /* behind the change */
			assert_non_null(strstr(text, "T00:00:00+01:00"));
		}
	}
	line_at("2026-10-25T02:30+02:00");
	(void)world_pass(*state, "A", NULL);
	line_at("2026-10-25T02:30+01:00");
	(void)world_pass(*state, "B", NULL);
	r = line_report(*state, "2026-10-25", "2026-10-26");
	assert_int_equal(r->buckets[2].passed, 1);
	assert_int_equal(r->buckets[3].passed, 1);
	assert_int_equal(report_per_hour(r), 1); /* 2 units, an hour and a bit: cut */
}

static void test_a_shift_over_midnight(void **state)
{
	AUTO_PTR(report) *r = NULL;

	line_at("2026-11-28T21:59:59Z");
	end(*state, world_claim(*state, "A", NULL), "failed", "device", "csr.pop");
	line_at("2026-11-28T22:00Z");
	(void)world_pass(*state, "B", NULL);
	line_at("2026-11-29T05:59:59Z");
	(void)world_pass(*state, "C", NULL);
	line_at("2026-11-29T06:00Z");
	end(*state, world_claim(*state, "D", NULL), "failed", "device", "csr.pop");
	r = line_report(*state, "2026-11-28T22:00", "2026-11-29T06:00");
	assert_units(r, 2, 0, 0, 0, 0);
	assert_int_equal(r->buckets[0].passed, 1);
	assert_int_equal(r->buckets[r->bucket_count - 1].passed, 1);
}

/* The chain's places are those of the period's first and last event. */
static void test_where_in_the_chain(void **state)
{
	struct world *w = *state;
	AUTO_PTR(report) *r = NULL;
	uint8_t head[SHA256_LEN];
	char hash[2 * SHA256_LEN + 1];
	struct err e = { 0 };
	int64_t seq;

	(void)world_pass(w, "Z", NULL);
	line_at("2026-11-28T08:00Z");
	(void)world_pass(w, "B", NULL);
	(void)world_pass(w, "A", NULL);
	assert_ok(records_head(w->r, &seq, head, &e), &e);
	hex_encode(head, sizeof(head), hash);
	r = line_report(w, "2026-11-28", "2026-11-29");
	assert_int_equal(r->chain_count, 1);
	assert_string_equal(r->chains[0].station, "line-1");
	assert_int_equal(r->chains[0].last_seq, seq);
	assert_string_equal(r->chains[0].last_hash, hash);
	assert_int_equal(r->chains[0].last_seq - r->chains[0].first_seq + 1, r->chains[0].events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test(test_outages_are_cut_to_the_period),
		line_test(test_the_rate_on_days_with_a_change_of_the_clock),
		line_test(test_a_shift_over_midnight),
		line_test(test_where_in_the_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
