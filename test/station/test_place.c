#include "testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

enum { PATIENCE_S = 10 };

struct watch {
	struct event_base *loop;
	char seen[64]; /* "+" a device came, "-" it went, with the place's number */
	size_t wanted;
};

static void on_change(void *context, size_t index, bool present)
{
	struct watch *w = context;
	size_t len = strlen(w->seen);

	(void)snprintf(w->seen + len, sizeof(w->seen) - len, "%c%zu", present ? '+' : '-', index);
	if (strlen(w->seen) >= w->wanted)
		(void)event_base_loopbreak(w->loop);
}

/* Runs until that was seen, and nothing else. */
static void expect(struct watch *w, const char *wanted)
{
	const struct timeval patience = { PATIENCE_S, 0 };

	w->wanted = strlen(wanted);
	if (strlen(w->seen) < w->wanted) {
		assert_int_equal(event_base_loopexit(w->loop, &patience), 0);
		assert_int_equal(event_base_dispatch(w->loop), 0);
	}
	assert_string_equal(w->seen, wanted);
	w->seen[0] = '\0';
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void test_devices_come_and_go(void **state)
{
	char *folder = testing_folder();
	char one[4200], two[4200], target[4200], address_one[4300], address_two[4300];
	const char *const addresses[] = { address_one, address_two };
	struct watch w = { .loop = event_base_new() };
	AUTO_PTR(places) *p = NULL;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(one, sizeof(one), "%s/one", folder);
	(void)snprintf(two, sizeof(two), "%s/later/two", folder);
	(void)snprintf(target, sizeof(target), "%s/target", folder);
	(void)snprintf(address_one, sizeof(address_one), "serial:%s?baud=1", one);
	(void)snprintf(address_two, sizeof(address_two), "serial:%s", two);
	touch(target);
	assert_int_equal(symlink(target, one), 0);
	assert_ok(places_start(&p, w.loop, addresses, 2, on_change, &w, &e), &e);
	assert_string_equal(w.seen, "");
	expect(&w, "+0");
	assert_int_equal(unlink(one), 0);
	expect(&w, "-0");
	/* Gone and back before anybody looked: another link to the same node is another device. */
	assert_int_equal(symlink(target, one), 0);
	expect(&w, "+0");
	assert_int_equal(unlink(one), 0);
	assert_int_equal(symlink(target, one), 0);
	expect(&w, "-0+0");
	/* A folder that does not exist yet is found by the slow look. */
	(void)snprintf(target, sizeof(target), "%s/later", folder);
	assert_int_equal(mkdir(target, 0700), 0);
	touch(two);
	expect(&w, "+1");
	assert_int_equal(unlink(two), 0);
	expect(&w, "-1");
	places_stop(steal(&p));
	event_base_free(w.loop);
	testing_folder_remove(folder);
}

static void test_a_bad_address(void **state)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(place_path("/dev/ttyUSB0", &path, &e), &e, "link.address");
	assert_ok(place_path("serial:/dev/x?a=b", &path, &e), &e);
	assert_string_equal((const char *)path.data, "/dev/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices_come_and_go),
		cmocka_unit_test(test_a_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
