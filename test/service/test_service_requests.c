#include "testing.h"

#include <string.h>

#include "service_internal.h"

static int ran;

static int run(struct service *s, struct control_question *q, const struct actor *by, struct err *e)
{
	(void)s;
	(void)q;
	(void)by;
	(void)e;
	ran++;
	return 0;
}

static void test_a_role_may_what_those_before_it_may(void **state)
{
	static const struct {
		enum role needs, role;
		const char *code; /* NULL: it is run */
	} rows[] = {
		{ ROLE_NONE, ROLE_NONE, NULL },
		{ ROLE_NONE, ROLE_OPERATOR, NULL },
		{ ROLE_OPERATOR, ROLE_NONE, "operator.needed" },
		{ ROLE_OPERATOR, ROLE_OPERATOR, NULL },
		{ ROLE_OPERATOR, ROLE_ENGINEER, NULL },
		{ ROLE_ENGINEER, ROLE_NONE, "operator.needed" },
		{ ROLE_ENGINEER, ROLE_OPERATOR, "operator.role" },
		{ ROLE_ENGINEER, ROLE_ENGINEER, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct request_kind kind = { "release", rows[i].needs, run };
		const struct actor by = { .name = "eva", .role = rows[i].role };
		struct service s = { 0 };
		struct control_question q = { 0 };
		struct err e = { 0 };
		int rc;

		ran = 0;
		rc = service_run_as(&s, &q, &kind, &by, &e);
		assert_int_equal(ran, rows[i].code == NULL);
		if (rows[i].code == NULL)
			assert_ok(rc, &e);
		else
			assert_err(rc, &e, rows[i].code);
	}
}

static void test_the_table_names_each_request_once(void **state)
{
	(void)state;
	for (const struct request_kind *a = request_kinds; a->name != NULL; a++) {
		assert_non_null(a->run);
		for (const struct request_kind *b = a + 1; b->name != NULL; b++)
			assert_string_not_equal(a->name, b->name);
	}
}

static void test_a_reason(void **state)
{
	AUTO(json_t) *request = json_pack("{s:s}", "do", "stop");
	struct control_question q = { .request = request };
	char text[REASON_MAX + 1] = { 0 };
	const char *reason = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(service_reason(&q, false, &reason, &e), &e);
	assert_string_equal(reason, "");
	assert_err(service_reason(&q, true, &reason, &e), &e, "station.reason");
	memset(text, 'x', REASON_MAX - 1);
	assert_ok(json_set_str(request, "reason", text, &e), &e);
	assert_ok(service_reason(&q, true, &reason, &e), &e);
	assert_string_equal(reason, text);
	memset(text, 'x', REASON_MAX);
	assert_ok(json_set_str(request, "reason", text, &e), &e);
	assert_err(service_reason(&q, true, &reason, &e), &e, "station.reason");
}

static void test_an_event_says_by_whom(void **state)
{
	const struct actor by = { .name = "eva", .role = ROLE_OPERATOR };
	AUTO(json_t) *plain = service_event("paused", &by, NULL);
	AUTO(json_t) *more = service_event("paused", &by, json_pack("{s:s}", "slot", "1"));
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(json_canonical(plain, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e),
	    "{\"detail\":{\"by\":\"eva\"},\"event\":\"station\",\"what\":\"paused\"}");
	buf_clear(&text);
	assert_ok(json_canonical(more, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "{\"detail\":{\"by\":\"eva\",\"slot\":\"1\"},"
						"\"event\":\"station\",\"what\":\"paused\"}");
}

static void test_what_holds_is_named_by_what_to_do_first(void **state)
{
	(void)state;
	assert_string_equal(hold_name(0), "");
	assert_string_equal(hold_name(HOLD_PAUSE), "pause");
	assert_string_equal(hold_name(HOLD_PAUSE | HOLD_OPERATOR), "operator");
	assert_string_equal(hold_name(HOLD_PAUSE | HOLD_OPERATOR | HOLD_LINE), "line");
	assert_string_equal(hold_name(HOLD_ACKNOWLEDGE | HOLD_STOP | HOLD_LINE), "stop");
	assert_string_equal(hold_name(HOLD_ACKNOWLEDGE), "acknowledge");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_role_may_what_those_before_it_may),
		cmocka_unit_test(test_the_table_names_each_request_once),
		cmocka_unit_test(test_a_reason),
		cmocka_unit_test(test_an_event_says_by_whom),
		cmocka_unit_test(test_what_holds_is_named_by_what_to_do_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
