#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "login.h"

struct world {
	struct event_base *loop;
	struct login *login;
	char *folder, path[4200];
	struct people *people;
};

struct heard {
	int count;
	char name[PERSON_NAME_MAX + 1], code[40];
	int64_t at_ms;
};

static void on_done(void *context, const struct person *who, const struct err *why)
{
	struct heard *h = context;

	h->count++;
	h->at_ms = clock_now_ms();
	(void)snprintf(h->name, sizeof(h->name), "%s", who != NULL ? who->name : "");
	(void)snprintf(h->code, sizeof(h->code), "%s", who != NULL ? "" : why->code);
}

static void add(struct world *w, const char *name, const char *pin)
{
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };

	assert_ok(secret_set(&s, pin, strlen(pin), &e), &e);
	assert_ok(people_add(w->people, name, ROLE_OPERATOR, NULL, &s, &e), &e);
	assert_ok(people_save(w->people, w->path, &e), &e);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = { 0 };

	assert_non_null(w);
	w->folder = testing_folder();
	w->loop = event_base_new();
	assert_non_null(w->loop);
	(void)snprintf(w->path, sizeof(w->path), "%s/operators.yaml", w->folder);
	assert_ok(people_new(&w->people, 1, &e), &e);
	add(w, "eva", "4711");
	assert_ok(login_new(&w->login, w->loop, w->path, &e), &e);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->login != NULL)
		login_free(w->login);
	people_free(w->people);
	event_base_free(w->loop);
	testing_folder_remove(w->folder);
	free(w);
	return 0;
}

static int try(struct world *w, const char *name, const char *pin, struct heard *h, struct err *e)
{
	AUTO_STRUCT(credential) c = { 0 };

	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	assert_ok(secret_set(&c.pin, pin, strlen(pin), e), e);
	return login_try(w->login, &c, on_done, h, e);
}

static void wait_for(struct world *w, const struct heard *h)
{
	while (h->count == 0)
		assert_int_equal(event_base_loop(w->loop, EVLOOP_ONCE), 0);
}

static void test_wrong_ones_make_the_next_wait(void **state)
{
	struct world *w = *state;
	struct heard wrong = { 0 }, twice = { 0 }, right = { 0 };
	struct err e = { 0 };

	assert_ok(try(w, "eva", "0000", &wrong, &e), &e);
	assert_ok(try(w, "max", "4711", &twice, &e), &e);
	assert_ok(try(w, "eva", "4711", &right, &e), &e);
	assert_int_equal(wrong.count, 0);
	wait_for(w, &right);
	assert_string_equal(wrong.code, "operator.unknown");
	assert_string_equal(twice.code, "operator.unknown");
	assert_string_equal(right.name, "eva");
	assert_true(twice.at_ms - wrong.at_ms >= LOGIN_DELAY_MS - 1);
	assert_true(right.at_ms - twice.at_ms >= 2 * LOGIN_DELAY_MS - 1);
}

static void test_a_right_one_does_not_undo_the_wrong_ones(void **state)
{
	struct world *w = *state;
	struct heard wrong = { 0 }, own = { 0 }, more = { 0 }, last = { 0 };
	struct err e = { 0 };

	assert_ok(try(w, "eva", "0000", &wrong, &e), &e);
	wait_for(w, &wrong);
	assert_ok(try(w, "eva", "4711", &own, &e), &e);
	wait_for(w, &own);
	assert_string_equal(own.name, "eva");
	assert_ok(try(w, "eva", "0001", &more, &e), &e);
	wait_for(w, &more);
	assert_int_equal(login_failures(w->login), 2);
	assert_ok(try(w, "eva", "4711", &last, &e), &e);
	wait_for(w, &last);
	assert_true(last.at_ms - more.at_ms >= 2 * LOGIN_DELAY_MS - 1);
}

/* Whoever is right all the time does not keep the loop from all else. */
static void test_right_ones_leave_the_loop_most_of_the_time(void **state)
{
	struct world *w = *state;
	struct heard heard[LOGIN_QUEUE_MAX] = { 0 };
	int64_t begun_ms = clock_now_ms();
	clock_t begun = clock();
	struct err e = { 0 };
	int64_t busy_ms;

	for (size_t i = 0; i < LOGIN_QUEUE_MAX; i++)
		assert_ok(try(w, "eva", "4711", &heard[i], &e), &e);
	wait_for(w, &heard[LOGIN_QUEUE_MAX - 1]);
	busy_ms = (int64_t)(clock() - begun) * 1000 / CLOCKS_PER_SEC;
	assert_true(heard[LOGIN_QUEUE_MAX - 1].at_ms - begun_ms >= 2 * busy_ms);
}

static void test_too_many_at_once_are_refused_and_nobody_is_forgotten(void **state)
{
	struct world *w = *state;
	struct heard heard[LOGIN_QUEUE_MAX] = { 0 }, more = { 0 };
	struct err e = { 0 };
	size_t taken = 0;

	while (taken < LOGIN_QUEUE_MAX && try(w, "eva", "0000", &heard[taken], &e) == 0)
		taken++;
	assert_true(taken >= 2);
	assert_err(try(w, "eva", "4711", &more, &e), &e, "operator.busy");
	login_free(steal(&w->login));
	for (size_t i = 0; i < taken; i++) {
		assert_int_equal(heard[i].count, 1);
		assert_string_equal(heard[i].code, "station.ending");
	}
	assert_int_equal(more.count, 0);
}

static void test_the_file_is_read_again_when_it_has_changed(void **state)
{
	struct world *w = *state;
	struct heard before = { 0 }, after = { 0 }, broken = { 0 };
	struct err e = { 0 };

	assert_ok(try(w, "max", "0815", &before, &e), &e);
	wait_for(w, &before);
	assert_string_equal(before.code, "operator.unknown");
	add(w, "max", "0815");
	assert_ok(try(w, "max", "0815", &after, &e), &e);
	wait_for(w, &after);
	assert_string_equal(after.name, "max");
	assert_int_equal(unlink(w->path), 0);
	assert_ok(try(w, "max", "0815", &broken, &e), &e);
	wait_for(w, &broken);
	assert_string_equal(broken.code, "operator.file");
	assert_int_equal(login_failures(w->login), 1);
}

static void test_what_is_shown(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"badge\":1}",
		"{\"badge\":\"\"}",
		"{\"badge\":\"B\",\"pin\":\"4711\"}",
		"{\"badge\":\"B\",\"name\":\"eva\"}",
		"{\"name\":\"eva\"}",
		"{\"pin\":\"4711\"}",
		"{\"name\":\"\",\"pin\":\"4711\"}",
		"{\"name\":\"eva\",\"pin\":4711}",
		"{\"name\":\"eva\",\"pin\":null}",
	};
	AUTO_STRUCT(credential) c = { 0 };
	AUTO(json_t) *good = NULL;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO_STRUCT(credential) none = { 0 };
		AUTO(json_t) *object = NULL;

		assert_ok(json_parse(bad[i], strlen(bad[i]), &object, ERR_OPERATOR, &e), &e);
		assert_err(credential_read(&none, object, &e), &e, "operator.credential");
		assert_null(strstr(e.message, "4711"));
	}
	good = json_pack("{s:s, s:s}", "name", "eva", "pin", "4711");
	assert_ok(credential_read(&c, good, &e), &e);
	assert_string_equal(c.name, "eva");
	assert_string_equal(secret_reveal(&c.pin), "4711");
	assert_int_equal(json_string_value(json_object_get(good, "pin"))[0], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong_ones_make_the_next_wait, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_right_one_does_not_undo_the_wrong_ones,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_right_ones_leave_the_loop_most_of_the_time,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_too_many_at_once_are_refused_and_nobody_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_file_is_read_again_when_it_has_changed,
		    setup, teardown),
		cmocka_unit_test(test_what_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
