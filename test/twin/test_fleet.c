#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet.h"
#include "testing.h"

struct rig {
	struct options options;
	struct fleet fleet;
	char *folder;
};

static int setup(void **state)
{
	static struct rig r;
	struct err e = { 0 };

	memset(&r, 0, sizeof(r));
	r.folder = testing_folder();
	r.options = (struct options){ .family = twin_find("spdm"),
		.skin = &pty_skin,
		.dir = r.folder,
		.slots = 2,
		.devices = 3,
		.model = "IP3-A",
		.serial = "S1" };
	assert_ok(fleet_open(&r.fleet, &r.options, &e), &e);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fleet_close(&r->fleet);
	testing_folder_remove(r->folder);
	return 0;
}

/* Before any device is plugged, so that a profile can be made that believes them. */
static void test_whom_to_believe_is_there_from_the_start(void **state)
{
	static struct options options;
	struct rig *r = *state;
	AUTO_STRUCT(buf) pem = { 0 };
	struct fleet fleet = { 0 };
	char path[300];
	struct err e = { 0 };

	options = r->options;
	options.family = twin_find("piv");
	assert_ok(fleet_open(&fleet, &options, &e), &e);
	(void)snprintf(path, sizeof(path), "%s/device/" TWIN_ATTESTATION_FILE, r->folder);
	testing_read(path, &pem);
	assert_non_null(memmem(pem.data, pem.len, "BEGIN CERTIFICATE", 17));
	assert_null(memmem(pem.data, pem.len, "PRIVATE", 7));
	fleet_close(&fleet);
}

static bool has_port(const struct rig *r, size_t slot)
{
	struct stat st;

	return stat(r->fleet.slots[slot - 1].port, &st) == 0 && S_ISCHR(st.st_mode);
}

static void expect_next(struct rig *r, int64_t slot, const char *want)
{
	const char *serial;
	struct err e = { 0 };

	assert_ok(fleet_plug_next(&r->fleet, slot, &serial, &e), &e);
	if (want == NULL)
		assert_null(serial);
	else
		assert_string_equal(serial, want);
}

static void expect_unplugged(struct rig *r, int64_t slot, const char *want)
{
	const char *serial;
	struct err e = { 0 };

	assert_ok(fleet_unplug(&r->fleet, slot, &serial, &e), &e);
	if (want == NULL)
		assert_null(serial);
	else
		assert_string_equal(serial, want);
	assert_false(has_port(r, (size_t)slot));
}

static void test_each_device_once(void **state)
{
	struct rig *r = *state;

	assert_false(has_port(r, 1));
	expect_next(r, 1, "S1");
	expect_next(r, 2, "S2");
	assert_true(has_port(r, 1) && has_port(r, 2));
	expect_unplugged(r, 1, "S1");
	expect_next(r, 1, "S3");
	expect_unplugged(r, 1, "S3");
	expect_next(r, 1, NULL);
	expect_unplugged(r, 1, NULL);
}

static void test_a_device_returns(void **state)
{
	struct rig *r = *state;
	struct err e = { 0 };

	expect_next(r, 1, "S1");
	assert_err(fleet_plug(&r->fleet, 2, "S1", &e), &e, "twin.serial");
	assert_err(fleet_plug(&r->fleet, 2, "S4", &e), &e, "twin.serial");
	assert_err(fleet_plug(&r->fleet, 1, "S2", &e), &e, "twin.slot");
	assert_err(fleet_plug(&r->fleet, 3, "S2", &e), &e, "twin.slot");
	assert_err(fleet_plug(&r->fleet, 0, "S2", &e), &e, "twin.slot");
	expect_unplugged(r, 1, "S1");
	assert_ok(fleet_plug(&r->fleet, 2, "S1", &e), &e);
	assert_true(has_port(r, 2));
}

static void test_a_device_that_dies(void **state)
{
	struct rig *r = *state;
	siginfo_t info;

	expect_next(r, 1, "S1");
	assert_int_equal(kill(r->fleet.slots[0].process.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)r->fleet.slots[0].process.pid, &info,
			     WEXITED | WNOWAIT),
	    0);
	fleet_reap(&r->fleet);
	assert_int_equal(r->fleet.slots[0].process.pid, 0);
	assert_false(has_port(r, 1));
	expect_next(r, 1, "S2");
}

/* The device that follows is another one, in the process of the one before it. */
static void test_a_process_serves_one_device_after_the_other(void **state)
{
	struct rig *r = *state;
	const struct fleet_slot *s = &r->fleet.slots[0];
	pid_t first;

	expect_next(r, 1, "S1");
	first = s->process.pid;
	assert_non_null(strstr(s->plugged->folder, "/device/S1"));
	expect_unplugged(r, 1, "S1");
	expect_next(r, 1, "S2");
	assert_true(has_port(r, 1));
	assert_int_equal(s->process.pid, first);
	assert_non_null(strstr(s->plugged->folder, "/device/S2"));
	assert_string_equal(s->plugged->config.serial, "S2");
	assert_true(s->plugged->account.shown_us > 0);
}

static void test_a_process_that_does_not_let_go(void **state)
{
	struct rig *r = *state;
	siginfo_t info;
	pid_t first;

	expect_next(r, 1, "S1");
	first = r->fleet.slots[0].process.pid;
	assert_int_equal(kill(first, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)first, &info, WSTOPPED | WNOWAIT), 0);
	expect_unplugged(r, 1, "S1");
	assert_int_equal(kill(first, 0), -1);
	expect_next(r, 1, "S2");
	assert_true(has_port(r, 1));
}

static void test_a_process_that_ends_between_two_devices(void **state)
{
	struct rig *r = *state;
	siginfo_t info;
	pid_t first;

	expect_next(r, 1, "S1");
	first = r->fleet.slots[0].process.pid;
	expect_unplugged(r, 1, "S1");
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT), 0);
	fleet_reap(&r->fleet);
	expect_next(r, 1, "S2");
	assert_true(has_port(r, 1));
}

static void test_lists(void **state)
{
	struct rig *r = *state;
	json_t *list, *ports, *serials;

	expect_next(r, 2, "S1");
	list = fleet_list(&r->fleet);
	ports = fleet_ports(&r->fleet);
	serials = fleet_serials(&r->fleet);
	assert_null(json_object_get(json_array_get(list, 0), "serial"));
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "serial")),
	    "S1");
	assert_int_equal(json_array_size(ports), 2);
	assert_string_equal(json_string_value(json_array_get(ports, 1)), r->fleet.slots[1].port);
	assert_int_equal(json_array_size(serials), 3);
	json_decref(list);
	json_decref(ports);
	json_decref(serials);
}

/* A link that a killed run left is replaced; something else in its place is an error. */
static void test_what_is_in_the_way(void **state)
{
	struct rig *r = *state;
	struct fleet again = { 0 };
	struct err e = { 0 };

	assert_int_equal(symlink("/dev/pts/none", r->fleet.slots[0].port), 0);
	assert_ok(fleet_open(&again, &r->options, &e), &e);
	fleet_close(&again);
	assert_int_equal(mkdir(r->fleet.slots[0].port, 0700), 0);
	assert_err(fleet_open(&again, &r->options, &e), &e, "twin.port");
}

/* A device whose flash can not be read does not look like one that is plugged for long. */
static void test_broken_flash(void **state)
{
	struct rig *r = *state;
	char path[PATH_MAX];
	siginfo_t info;
	FILE *flash;

	(void)snprintf(path, sizeof(path), "%s/device/S1", r->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/device/S1/flash", r->folder);
	flash = fopen(path, "w");
	assert_non_null(flash);
	for (long bank = 0; bank < 2; bank++) {
		assert_int_equal(fseek(flash, bank << 20, SEEK_SET), 0);
		assert_true(fputs("no record, and not empty", flash) >= 0);
	}
	assert_int_equal(fclose(flash), 0);
	expect_next(r, 1, "S1");
	assert_int_equal(waitid(P_PID, (id_t)r->fleet.slots[0].process.pid, &info,
			     WEXITED | WNOWAIT),
	    0);
	assert_int_equal(info.si_status, 1);
	fleet_reap(&r->fleet);
	assert_false(has_port(r, 1));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_whom_to_believe_is_there_from_the_start),
		ROW(test_each_device_once),
		ROW(test_a_device_returns),
		ROW(test_a_device_that_dies),
		ROW(test_a_process_serves_one_device_after_the_other),
		ROW(test_a_process_that_does_not_let_go),
		ROW(test_a_process_that_ends_between_two_devices),
		ROW(test_lists),
		ROW(test_what_is_in_the_way),
		ROW(test_broken_flash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
