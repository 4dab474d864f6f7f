/* When a secret that devices refuse is the station's fault. */
#include "refusals.h"

#include "job.h"
#include "station.h"
#include "testing.h"

static const char *const codes[] = { "x.pin", "x.key", NULL };
static const struct family family = { .name = "x", .secret_refusals = codes };

static int note(struct refusals *r, const char *serial, const char *code, struct err *e)
{
	struct err why = { 0 };

	if (code != NULL)
		(void)err_set(&why, ERR_DEVICE, code, "no");
	return refusals_note(r, &family, serial, &why, e);
}

static void test_two_units_in_a_row(void **state)
{
	struct refusals r = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(note(&r, "A", "x.pin", &e), &e);
	assert_err(note(&r, "B", "x.key", &e), &e, "device.secret");
	assert_int_equal(e.domain, ERR_CONFIG);
	assert_int_equal(e.scope, SCOPE_STATION);
	assert_non_null(strstr(e.message, "unit B refuses the secret (x.key)"));
	assert_non_null(strstr(e.message, "unit A (x.pin)"));
}

static void test_one_unit_is_its_own_fault(void **state)
{
	struct refusals r = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_ok(note(&r, "A", "x.pin", &e), &e);
	assert_err(note(&r, "B", "x.pin", &e), &e, "device.secret");
}

static void test_a_pass_shows_that_the_secret_is_right(void **state)
{
	struct refusals r = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(note(&r, "A", "x.pin", &e), &e);
	assert_ok(note(&r, "B", NULL, &e), &e);
	assert_ok(note(&r, "C", "x.pin", &e), &e);
	assert_err(note(&r, "D", "x.pin", &e), &e, "device.secret");
	assert_non_null(strstr(e.message, "unit C"));
}

static void test_other_failures_say_nothing(void **state)
{
	struct refusals r = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(note(&r, "A", "x.pi", &e), &e);
	assert_ok(note(&r, "B", "x.pin", &e), &e);
	assert_ok(note(&r, "C", "link.gone", &e), &e);
	assert_err(note(&r, "D", "x.pin", &e), &e, "device.secret");
}

static void test_a_family_without_secrets(void **state)
{
	static const struct family none = { .name = "y" };
	struct refusals r = { 0 };
	struct err why = { 0 }, e = { 0 };

	(void)state;
	(void)err_set(&why, ERR_DEVICE, "x.pin", "no");
	assert_ok(refusals_note(&r, &none, "A", &why, &e), &e);
	assert_ok(refusals_note(&r, &none, "B", &why, &e), &e);
}

static void test_what_the_piv_family_names(void **state)
{
	static const char *const named[] = { "piv.pin", "piv.management-key" };
	const struct family *piv = family_find("piv");

	(void)state;
	for (size_t i = 0; i < COUNT(named); i++) {
		struct refusals r = { 0 };
		struct err why = { 0 }, e = { 0 };

		(void)err_set(&why, ERR_DEVICE, named[i], "no");
		assert_ok(refusals_note(&r, piv, "A", &why, &e), &e);
		assert_err(refusals_note(&r, piv, "B", &why, &e), &e, "device.secret");
	}
}

static void on_event(void *context, const json_t *event)
{
	if (strcmp(json_opt_str(event, "what", ""), "broken") == 0)
		assert_string_equal(json_opt_str(event, "code", ""), "device.secret");
	++*(int *)context;
}

static void never(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
}

static void end_job(struct station *s, const char *serial, const char *code)
{
	struct job j = { .station = s };

	(void)snprintf(j.identity.serial, sizeof(j.identity.serial), "%s", serial);
	if (code != NULL)
		(void)err_set(&j.verdict, ERR_DEVICE, code, "no");
	station_job_begins(s, &j);
	station_job_over(s, &j);
}

/* Where jobs end, in whatever slot. */
static void test_the_station_stops(void **state)
{
	static const struct gate_terms terms = { .first_ms = 1000,
		.max_ms = 1000,
		.patience_ms = 1 };
	struct event_base *loop = event_base_new();
	int events = 0;
	struct station s = { .family = &family,
		.loop = loop,
		.hooks = { .event = on_event, .context = &events },
		.idle = evtimer_new(loop, never, NULL) };
	struct err e = { 0 };

	(void)state;
	assert_ok(door_open(&s.ca_door, &s, "ca", "the CA", &terms, &e), &e);
	assert_ok(door_open(&s.hsm_door, &s, "hsm", "the HSM", &terms, &e), &e);
	end_job(&s, "A", "x.pin");
	end_job(&s, "B", NULL);
	end_job(&s, "C", "x.pin");
	assert_int_equal(s.broken.domain, ERR_NONE);
	assert_int_equal(events, 0);
	end_job(&s, "D", "x.pin");
	assert_err(s.broken.domain == ERR_NONE ? 0 : -1, &s.broken, "device.secret");
	assert_true(s.draining);
	assert_int_equal(events, 1);
	door_close(s.ca_door);
	door_close(s.hsm_door);
	event_free(s.idle);
	event_base_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_units_in_a_row),
		cmocka_unit_test(test_one_unit_is_its_own_fault),
		cmocka_unit_test(test_a_pass_shows_that_the_secret_is_right),
		cmocka_unit_test(test_other_failures_say_nothing),
		cmocka_unit_test(test_a_family_without_secrets),
		cmocka_unit_test(test_what_the_piv_family_names),
		cmocka_unit_test(test_the_station_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
