#include "records_world.h"

#include "clock.h"

enum { EVENTS_MAX = 200 };

/* What a pass gave: "unit event at", one after the other. */
struct seen {
	char lines[EVENTS_MAX][200];
	size_t count;
};

static int see(const json_t *event, void *context, struct err *e)
{
	struct seen *s = context;

	(void)e;
	assert_true(s->count < EVENTS_MAX);
	assert_int_equal(strlen(json_opt_str(event, "hash", "")), 2 * SHA256_LEN);
	(void)snprintf(s->lines[s->count++], sizeof(s->lines[0]), "%s %s %s",
	    json_opt_str(event, "unit", "-"), json_opt_str(event, "event", ""),
	    json_opt_str(event, "what", ""));
	return 0;
}

static void pass(struct world *w, int64_t from, int64_t to, const char *order, struct seen *ret)
{
	const struct records_span span = { from, to, order };
	struct err e = { 0 };

	*ret = (struct seen){ 0 };
	assert_ok(records_period(w->r, &span, see, ret, &e), &e);
}

static void assert_seen(const struct seen *s, const char *const want[])
{
	size_t i = 0;

	for (; want[i] != NULL; i++) {
		if (i == s->count)
			fail_msg("\"%s\" did not come", want[i]);
		assert_string_equal(s->lines[i], want[i]);
	}
	if (i < s->count)
		fail_msg("\"%s\" came", s->lines[i]);
}

/* Hours of one day as wall ms, and as "at" says it. */
static int64_t hour(int h)
{
	return (INT64_C(20000) * 24 + h) * 3600000;
}

static void note(struct world *w, int h, const char *what)
{
	char at[40];

	(void)snprintf(at, sizeof(at), "%s-%02dT%02d:00:00.000Z", "2024-10", 4 + h / 24, h % 24);
	must_tell(w, "{s:s, s:s, s:s}", "event", "station", "what", what, "at", at);
}

static void claim(struct world *w, int h, const char *serial, const char *order)
{
	char at[40];

	(void)snprintf(at, sizeof(at), "%s-%02dT%02d:00:00.000Z", "2024-10", 4 + h / 24, h % 24);
	must_tell(w, "{s:s, s:s, s:s, s:s, s:s, s:s*, s:b, s:s}", "event", "claim", "serial",
	    serial, "model", "P1", "slot", "1", "profile", "#product: pump", "order", order,
	    "reuse", 0, "at", at);
}

static void profile(struct world *w)
{
	must_tell(w, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
	    "#product: pump", "product", "pump", "version", "1", "text", "@product: pump",
	    "anchors", "@anchors", "at", "2024-10-04T00:00:00.000Z");
}

static void test_units_come_with_their_history(void **state)
{
	struct seen s;

	profile(*state);
	note(*state, 1, "start");
	claim(*state, 2, "B", NULL);
	claim(*state, 3, "A", NULL);
	claim(*state, 10, "B", NULL);
	note(*state, 11, "stop");
	claim(*state, 20, "B", NULL);
	claim(*state, 21, "C", NULL);
	pass(*state, hour(9), hour(12), NULL, &s);
	/* The slack of an hour gives no more: A and C have nothing near. */
	assert_seen(&s, (const char *const[]){ "- station stop", "B claim ", "B claim ", NULL });
	pass(*state, hour(0), hour(24), NULL, &s);
	assert_seen(&s, (const char *const[]){ "- profile ", "- station start", "- station stop",
			    "A claim ", "B claim ", "B claim ", "B claim ", "C claim ", NULL });
	pass(*state, hour(22), hour(23), NULL, &s);
	/* Within the slack, so that it is looked at; that it is not of the period is for who counts. */
	assert_seen(&s, (const char *const[]){ "C claim ", NULL });
	pass(*state, hour(100), hour(200), NULL, &s);
	assert_int_equal(s.count, 0);
}

static void test_the_ends_of_a_period(void **state)
{
	struct seen s;

	profile(*state);
	note(*state, 5, "five");
	note(*state, 6, "six");
	pass(*state, hour(5), hour(6), NULL, &s);
	assert_seen(&s, (const char *const[]){ "- station five", NULL });
	pass(*state, hour(5) + 1, hour(6) + 1, NULL, &s);
	assert_seen(&s, (const char *const[]){ "- station six", NULL });
}

/* A clock was two days ahead for a while: both days are found whole. D is near the second in the records. */
static void test_a_clock_that_was_wrong(void **state)
{
	struct seen s;

	profile(*state);
	note(*state, 1, "start");
	claim(*state, 2, "A", NULL);
	note(*state, 51, "start");
	claim(*state, 52, "B", NULL);
	claim(*state, 53, "C", NULL);
	note(*state, 5, "start");
	note(*state, 5, "stop");
	note(*state, 6, "clock-accepted");
	claim(*state, 7, "D", NULL);
	note(*state, 54, "start");
	claim(*state, 55, "E", NULL);
	pass(*state, hour(0), hour(24), NULL, &s);
	assert_seen(&s,
	    (const char *const[]){ "- profile ", "- station start", "- station start",
		"- station stop", "- station clock-accepted", "A claim ", "D claim ", NULL });
	pass(*state, hour(48), hour(72), NULL, &s);
	assert_seen(&s, (const char *const[]){ "- station start", "- station start", "B claim ",
			    "C claim ", "D claim ", "E claim ", NULL });
}

static void claim_ten(struct world *w, int h, char name)
{
	for (int i = 0; i < 10; i++) {
		const char serial[] = { name, (char)('0' + i), '\0' };

		claim(w, h, serial, NULL);
	}
}

static int count_of(const struct seen *s, char name)
{
	int count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += s->lines[i][0] == name;
	return count;
}

/* What lies between is no reason to miss one side: each run of the station is searched by itself. */
static void test_a_wrong_day_in_the_middle(void **state)
{
	struct seen s;

	profile(*state);
	claim_ten(*state, 2, 'A');
	note(*state, 51, "start");
	claim_ten(*state, 52, 'B');
	note(*state, 6, "clock-accepted");
	claim_ten(*state, 7, 'C');
	pass(*state, hour(0), hour(24), NULL, &s);
	assert_int_equal(count_of(&s, 'A'), 10);
	assert_int_equal(count_of(&s, 'C'), 10);
	assert_int_equal(count_of(&s, 'B'), 0);
	pass(*state, hour(48), hour(72), NULL, &s);
	assert_int_equal(count_of(&s, 'B'), 10);
}

static int see_places(const json_t *event, void *context, struct err *e)
{
	char *text = context;
	size_t len = strlen(text);

	(void)e;
	if (json_object_get(event, "ordinal") != NULL)
		(void)snprintf(text + len, 200 - len, "%s=%lld %s/%s ",
		    json_opt_str(event, "unit", ""), (long long)json_opt_int(event, "ordinal", 0),
		    json_opt_str(event, "product", ""), json_opt_str(event, "version", ""));
	return 0;
}

static void test_an_order(void **state)
{
	struct world *w = *state;
	struct records_span span = { hour(0), hour(1000), "W1" };
	struct seen s;
	char places[200] = "";
	struct err e = { 0 };

	profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "W1", "quantity", 5);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "W2", "quantity", 5);
	assert_ok(records_order_span(w->r, "W1", &span, &e), &e);
	assert_int_equal(span.from_ms, -1);
	claim(w, 2, "B", "W1");
	claim(w, 3, "X", "W2");
	claim(w, 4, "A", "W1");
	claim(w, 8, "A", "W1");
	assert_ok(records_order_span(w->r, "W1", &span, &e), &e);
	assert_int_equal(span.from_ms, hour(2));
	assert_int_equal(span.to_ms, hour(8) + 1);
	pass(w, span.from_ms, span.to_ms, "W1", &s);
	assert_seen(&s, (const char *const[]){ "A claim ", "A claim ", "B claim ", NULL });
	assert_ok(records_period(w->r, &span, see_places, places, &e), &e);
	assert_string_equal(places, "A=2 pump/1 B=1 pump/1 ");
	assert_err(records_order_span(w->r, "W3", &span, &e), &e, "order.unknown");
}

static int count(const json_t *orphan, void *context, struct err *e)
{
	char *text = context;
	size_t len = strlen(text);

	(void)e;
	(void)snprintf(text + len, 200 - len, "%s %s; ", json_opt_str(orphan, "serial", ""),
	    json_opt_str(orphan, "revocation", ""));
	return 0;
}

/* The same as records_orphans says, each since the same time. */
static void test_orphans(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *all = NULL;
	struct err e = { 0 };
	int64_t job;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_answer(w, job, "possibly-issued");
	all = world_orphans(w);
	assert_int_equal(json_array_size(all), 1);
	for (int revoked = 0; revoked < 2; revoked++) {
		int64_t at = clock_parse(json_opt_str(json_array_get(all, 0), "at", ""));
		const struct records_span with = { at, at + 1, NULL }, without = { 0, at, NULL };
		char text[200] = "", none[200] = "";

		assert_ok(records_period_orphans(w->r, &with, count, text, &e), &e);
		assert_string_equal(text, revoked ? "A revoked; " : "A undecided; ");
		assert_ok(records_period_orphans(w->r, &without, count, none, &e), &e);
		assert_string_equal(none, "");
		if (revoked)
			break;
		must_tell(w, "{s:s, s:s, s:s}", "event", "revoked", "orphan",
		    json_opt_str(json_array_get(all, 0), "id", ""), "by", "the CA's owner");
		json_decref(all);
		all = world_orphans(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_units_come_with_their_history),
		world_test(test_the_ends_of_a_period),
		world_test(test_a_clock_that_was_wrong),
		world_test(test_a_wrong_day_in_the_middle),
		world_test(test_an_order),
		world_test(test_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
