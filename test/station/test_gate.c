#include "testing.h"

#include "gate.h"

enum { FIRST = 1000, MAX = 60000, PATIENCE = 300000, WIDTH = 4, MIDDLE = INT32_MAX };

static const struct gate_terms terms = { FIRST, MAX, PATIENCE, WIDTH };

static struct gate_pass enter(struct gate *g, int64_t now)
{
	struct gate_pass p = { 0 };

	assert_true(gate_enter(g, &p, now));
	assert_true(p.held);
	return p;
}

static void refuse(struct gate *g, int64_t now)
{
	struct gate_pass p = { 0 };

	assert_false(gate_enter(g, &p, now));
	assert_false(p.held);
}

static bool fail_at(struct gate *g, struct gate_pass *p, int64_t now)
{
	return gate_failed(g, p, GATE_OUTAGE, 0, now, (uint32_t)MIDDLE);
}

/* A gate whose outage began at 0, by one failure. */
static void make_down(struct gate *g, enum gate_cause cause, int64_t retry_ms)
{
	struct gate_pass p;

	gate_init(g, &terms);
	p = enter(g, 0);
	assert_true(gate_failed(g, &p, cause, retry_ms, 0, (uint32_t)MIDDLE));
}

static void test_while_he_answers_as_many_go_in_as_there_is_room(void **state)
{
	struct gate_pass p[WIDTH];
	struct gate g;

	(void)state;
	gate_init(&g, &terms);
	for (size_t i = 0; i < WIDTH; i++)
		p[i] = enter(&g, 0);
	refuse(&g, 0);
	assert_true(gate_next_ms(&g, 0) == INT64_MAX);
	assert_false(gate_worked(&g, &p[0]));
	assert_false(p[0].held);
	assert_int_equal(gate_next_ms(&g, 0), 0);
	p[0] = enter(&g, 0);
	gate_left(&g, &p[1], 0);
	p[1] = enter(&g, 0);
	refuse(&g, 0);
}

static void test_after_a_failure_nobody_goes_in_until_the_pause_is_over(void **state)
{
	struct gate g;

	(void)state;
	make_down(&g, GATE_OUTAGE, 0);
	assert_int_equal(g.state, GATE_DOWN);
	assert_in_range(g.until_ms, FIRST - 20, FIRST);
	refuse(&g, 0);
	refuse(&g, g.until_ms - 1);
	assert_int_equal(gate_next_ms(&g, 0), g.until_ms);
	(void)enter(&g, g.until_ms);
	assert_int_equal(g.state, GATE_PROBE);
}

static void test_one_probe_decides_for_all(void **state)
{
	struct gate_pass probe, next;
	struct gate g;

	(void)state;
	make_down(&g, GATE_OUTAGE, 0);
	probe = enter(&g, g.until_ms);
	for (int i = 0; i < 64; i++)
		refuse(&g, g.until_ms + i * 1000);
	assert_true(gate_next_ms(&g, g.until_ms + 64000) == INT64_MAX);
	assert_true(gate_worked(&g, &probe));
	assert_int_equal(g.state, GATE_UP);
	assert_int_equal(g.failures, 0);
	for (int i = 0; i < WIDTH; i++)
		next = enter(&g, 70000);
	refuse(&g, 70000);
	assert_false(gate_worked(&g, &next));
}

static void test_pauses_double_up_to_the_longest(void **state)
{
	int64_t now = 0, want = FIRST;
	struct gate_pass p;
	struct gate g;

	(void)state;
	make_down(&g, GATE_OUTAGE, 0);
	for (int i = 0; i < 40; i++) {
		int64_t pause = g.until_ms - now;

		assert_in_range(pause, want - want / 32, want);
		now = g.until_ms;
		p = enter(&g, now);
		assert_true(fail_at(&g, &p, now));
		want = want * 2 < MAX ? want * 2 : MAX;
	}
	assert_int_equal(g.failures, 41);
	assert_int_equal(g.since_ms, 0);
	p = enter(&g, g.until_ms);
	assert_true(gate_worked(&g, &p));
	p = enter(&g, now);
	assert_true(fail_at(&g, &p, now));
	assert_in_range(g.until_ms - now, FIRST - 20, FIRST);
	assert_int_equal(g.since_ms, now);
}

/* Stations that lost the CA together do not come back together. */
static void test_chance_spreads_the_pause_by_a_quarter(void **state)
{
	static const uint32_t chances[] = { 0, 1U << 30, 1U << 31, UINT32_MAX };
	int64_t last = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
		struct gate_pass p;
		struct gate g;

		gate_init(&g, &terms);
		p = enter(&g, 0);
		assert_true(gate_failed(&g, &p, GATE_OUTAGE, 0, 0, chances[i]));
		assert_in_range(g.until_ms, FIRST * 3 / 4 - 20, FIRST * 5 / 4);
		assert_true(g.until_ms > last);
		last = g.until_ms;
	}
	assert_true(last > FIRST * 5 / 4 - 20);
}

static void test_what_he_asks_for_is_kept_and_bounded(void **state)
{
	static const uint32_t chances[] = { 0, 1U << 31, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
		struct gate_pass p;
		struct gate g;

		gate_init(&g, &terms);
		p = enter(&g, 0);
		assert_true(gate_failed(&g, &p, GATE_OUTAGE, 32000, 0, chances[i]));
		assert_in_range(g.until_ms, 32000, 40000);
		p = enter(&g, g.until_ms);
		assert_true(gate_failed(&g, &p, GATE_OUTAGE, INT64_MAX / 4, 0, chances[i]));
		assert_int_equal(g.until_ms, MAX);
	}
}

/* Several were inside when he went away, or came back. */
static void test_what_was_asked_before_says_nothing_of_now(void **state)
{
	struct gate_pass a, b, c, d, probe;
	struct gate g;
	int64_t until;

	(void)state;
	gate_init(&g, &terms);
	a = enter(&g, 0);
	b = enter(&g, 0);
	c = enter(&g, 0);
	d = enter(&g, 0);
	assert_true(fail_at(&g, &a, 10));
	until = g.until_ms;
	assert_false(fail_at(&g, &b, 500));
	assert_int_equal(g.until_ms, until);
	assert_int_equal(g.failures, 1);
	assert_false(gate_worked(&g, &c));
	assert_int_equal(g.state, GATE_DOWN);
	probe = enter(&g, until);
	assert_true(gate_worked(&g, &probe));
	assert_false(fail_at(&g, &d, until));
	assert_int_equal(g.state, GATE_UP);
	assert_int_equal(g.inside, 0);
}

static void test_a_probe_that_never_asked_makes_room_for_another(void **state)
{
	struct gate_pass probe;
	struct gate g;

	(void)state;
	make_down(&g, GATE_OUTAGE, 0);
	probe = enter(&g, 5000);
	gate_left(&g, &probe, 6000);
	assert_int_equal(g.state, GATE_DOWN);
	probe = enter(&g, 6000);
	assert_true(gate_worked(&g, &probe));
}

static void test_a_child_that_is_back_ends_only_its_own_outage(void **state)
{
	struct gate g;

	(void)state;
	make_down(&g, GATE_CHILD, 0);
	gate_mended(&g, 100);
	(void)enter(&g, 100);
	gate_mended(&g, 100);
	assert_int_equal(g.state, GATE_PROBE);
	make_down(&g, GATE_OUTAGE, 0);
	gate_mended(&g, 100);
	refuse(&g, 100);
	gate_init(&g, &terms);
	gate_mended(&g, 100);
	assert_int_equal(g.state, GATE_UP);
}

/* Fails until `failures` are reached, the last one at `at`. */
static void fail_more(struct gate *g, unsigned failures, enum gate_cause cause, int64_t at)
{
	while (g->failures < failures) {
		struct gate_pass p = enter(g, g->until_ms);

		assert_true(gate_failed(g, &p, cause, 0, at, (uint32_t)MIDDLE));
	}
}

static void test_patience_needs_time_and_three_failures(void **state)
{
	struct gate g;

	(void)state;
	gate_init(&g, &terms);
	assert_false(gate_gives_up(&g, INT64_MAX));
	make_down(&g, GATE_OUTAGE, 0);
	assert_false(gate_gives_up(&g, PATIENCE * 2));
	fail_more(&g, 2, GATE_OUTAGE, 1);
	assert_false(gate_gives_up(&g, PATIENCE * 2));
	fail_more(&g, 3, GATE_OUTAGE, 1);
	assert_false(gate_gives_up(&g, PATIENCE - 1));
	assert_true(gate_gives_up(&g, PATIENCE));
}

static void test_a_refusal_of_the_station_is_waited_for_three_times(void **state)
{
	struct gate g;

	(void)state;
	make_down(&g, GATE_DENIED, 0);
	fail_more(&g, 2, GATE_DENIED, 1);
	assert_false(gate_gives_up(&g, 1));
	fail_more(&g, 3, GATE_DENIED, 1);
	assert_true(gate_gives_up(&g, 1));
}

static void test_what_only_a_restart_mends_is_not_waited_for(void **state)
{
	struct gate g;

	(void)state;
	make_down(&g, GATE_FINAL, 0);
	assert_true(gate_gives_up(&g, 0));
	(void)enter(&g, 0); /* whoever comes learns it at once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_while_he_answers_as_many_go_in_as_there_is_room),
		cmocka_unit_test(test_after_a_failure_nobody_goes_in_until_the_pause_is_over),
		cmocka_unit_test(test_one_probe_decides_for_all),
		cmocka_unit_test(test_pauses_double_up_to_the_longest),
		cmocka_unit_test(test_chance_spreads_the_pause_by_a_quarter),
		cmocka_unit_test(test_what_he_asks_for_is_kept_and_bounded),
		cmocka_unit_test(test_what_was_asked_before_says_nothing_of_now),
		cmocka_unit_test(test_a_probe_that_never_asked_makes_room_for_another),
		cmocka_unit_test(test_a_child_that_is_back_ends_only_its_own_outage),
		cmocka_unit_test(test_patience_needs_time_and_three_failures),
		cmocka_unit_test(test_a_refusal_of_the_station_is_waited_for_three_times),
		cmocka_unit_test(test_what_only_a_restart_mends_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
