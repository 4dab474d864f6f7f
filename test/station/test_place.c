#include "testing.h"

#include "fake_usb.h"
#include "place.h"

enum { PATIENCE_S = 10, SETTLE_MS = 300 };

struct watch {
	struct event_base *loop;
	char seen
	    [64]; /* "+" a device came, "!" with trouble, "-" it went, with the place's number */
	char place[128]; /* where it came */
	char trouble[40];
	size_t wanted;
};

static void on_change(void *context, size_t index, const struct place_now *now)
{
	struct watch *w = context;
	size_t len = strlen(w->seen);

	(void)snprintf(w->seen + len, sizeof(w->seen) - len, "%c%zu",
	    now->trouble != NULL ? '!'
	    : now->present       ? '+'
				 : '-',
	    index);
	if (now->place != NULL)
		(void)snprintf(w->place, sizeof(w->place), "%s", now->place);
	if (now->trouble != NULL)
		(void)snprintf(w->trouble, sizeof(w->trouble), "%s", now->trouble->code);
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
	const struct config_slot slots[] = { { .address = address_one },
		{ .address = address_two } };
	const struct place_terms terms = { .root = folder };
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
	assert_ok(places_start(&p, w.loop, slots, 2, &terms, on_change, &w, &e), &e);
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

/* One slot with two places, watched in an artificial sysfs. */
struct fixture {
	char *root;
	struct config_slot slot;
	struct watch w;
	struct places *places;
};

static void open_fixture(struct fixture *f, enum profile_link link)
{
	struct place_terms terms = { .link = link, .tty_interface = -1, .settle_ms = SETTLE_MS };
	struct err e = { 0 };

	f->root = testing_folder();
	fake_usb_open(f->root);
	f->slot = (struct config_slot){ .name = "7",
		.places = { FAKE_USB2 "3", FAKE_USB3 "3" },
		.place_count = 2 };
	f->w = (struct watch){ .loop = event_base_new() };
	terms.root = f->root;
	assert_ok(places_start(&f->places, f->w.loop, &f->slot, 1, &terms, on_change, &f->w, &e),
	    &e);
}

static void close_fixture(struct fixture *f)
{
	places_stop(f->places);
	event_base_free(f->w.loop);
	testing_folder_remove(f->root);
}

/* The loop runs for that long, and nothing is told. */
static void expect_nothing(struct watch *w, int ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	w->wanted = sizeof(w->seen);
	assert_int_equal(event_base_loopexit(w->loop, &t), 0);
	assert_int_equal(event_base_dispatch(w->loop), 0);
	assert_string_equal(w->seen, "");
}

static void test_a_device_in_usb(void **state)
{
	const struct fake_usb_device first = { .name = "1-3", .number = 4, .class = 0x14 };
	const struct fake_usb_device again = { .name = "1-3", .number = 5, .class = 0x14 };
	const struct fake_usb_device fast = { .name = "2-3", .number = 2, .class = 0x14 };
	const struct fake_usb_device other = { .name = "1-2", .number = 9, .class = 0x14 };
	struct fixture f;

	(void)state;
	open_fixture(&f, LINK_USB_MCTP);
	fake_usb_plug(f.root, &other);
	fake_usb_plug(f.root, &first);
	expect(&f.w, "+0");
	assert_string_equal(f.w.place, FAKE_USB2 "3");
	/* It re-enumerates before anybody looked: another one. */
	fake_usb_unplug(f.root, "1-3");
	fake_usb_plug(f.root, &again);
	expect(&f.w, "-0+0");
	fake_usb_unplug(f.root, "1-3");
	expect(&f.w, "-0");
	/* In the same connector, by its other half. */
	fake_usb_plug(f.root, &fast);
	expect(&f.w, "+0");
	assert_string_equal(f.w.place, FAKE_USB3 "3");
	close_fixture(&f);
}

static void test_a_device_that_is_not_ready_is_waited_for(void **state)
{
	const struct fake_usb_device d = { .name = "1-3",
		.number = 4,
		.class = 2,
		.tty = "ttyACM0" };
	struct fake_usb_device bare = d;
	struct fixture f;

	(void)state;
	open_fixture(&f, LINK_SERIAL);
	bare.no_node = true;
	fake_usb_plug(f.root, &bare);
	fake_usb_node(f.root, &d);
	expect(&f.w, "+0");
	fake_usb_unplug(f.root, "1-3");
	expect(&f.w, "-0");
	/* Its tty never comes: told all the same, and again when it is there. */
	bare = (struct fake_usb_device){ .name = "1-3", .number = 5, .class = 2 };
	fake_usb_plug(f.root, &bare);
	expect(&f.w, "+0");
	fake_usb_write(f.root, FAKE_CTRL "/usb1/1-3/1-3:1.0/tty/ttyACM0", "dev", "166:0\n");
	expect(&f.w, "-0+0");
	close_fixture(&f);
}

static void test_a_hub_and_two_at_once(void **state)
{
	const struct fake_usb_device hub = { .name = "1-3", .number = 4, .hub = true };
	const struct fake_usb_device slow = { .name = "1-3", .number = 5, .class = 0x14 };
	const struct fake_usb_device fast = { .name = "2-3", .number = 2, .class = 0x14 };
	struct fixture f;

	(void)state;
	open_fixture(&f, LINK_USB_MCTP);
	fake_usb_plug(f.root, &hub);
	expect_nothing(&f.w, 1200);
	fake_usb_unplug(f.root, "1-3");
	fake_usb_plug(f.root, &slow);
	expect(&f.w, "+0");
	fake_usb_plug(f.root, &fast);
	expect(&f.w, "-0!0");
	assert_string_equal(f.w.trouble, "slot.two-devices");
	fake_usb_unplug(f.root, "1-3");
	expect(&f.w, "-0+0");
	assert_string_equal(f.w.place, FAKE_USB3 "3");
	close_fixture(&f);
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
		cmocka_unit_test(test_a_device_in_usb),
		cmocka_unit_test(test_a_device_that_is_not_ready_is_waited_for),
		cmocka_unit_test(test_a_hub_and_two_at_once),
		cmocka_unit_test(test_a_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
