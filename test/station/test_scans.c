#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scans.h"

enum { SLOTS = 3, NONE = SLOTS };

static const struct config *station_of(enum scan_order order)
{
	static struct config c;

	c = (struct config){ .slots = { { .name = "a" }, { .name = "b" }, { .name = "c" } },
		.slot_count = SLOTS,
		.scan = { .order = order } };
	return &c;
}

static int try(struct scans *s, const char *serial, const char *slot, size_t *ret, struct err *e)
{
	struct scan scan = { .by = "ada" };

	(void)snprintf(scan.text, sizeof(scan.text), "SN:%s", serial);
	(void)snprintf(scan.serial, sizeof(scan.serial), "%s", serial);
	return scans_take(s, &scan, slot, ret, e);
}

/* The slot whose label it is now. */
static size_t take(struct scans *s, const char *serial, const char *slot)
{
	struct err e = { 0 };
	size_t ret = 99;

	assert_ok(try(s, serial, slot, &ret, &e), &e);
	return ret;
}

static void refuse(struct scans *s, const char *serial, const char *slot, const char *code)
{
	struct err e = { 0 };
	size_t ret;

	assert_err(try(s, serial, slot, &ret, &e), &e, code);
}

static void assert_label(const struct scans *s, size_t slot, const char *serial)
{
	const struct scan *label = scans_of(s, slot);

	if (serial == NULL) {
		assert_null(label);
		return;
	}
	assert_non_null(label);
	assert_string_equal(label->serial, serial);
	assert_string_equal(label->by, "ada");
}

static void test_no_scans(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_NONE));
	assert_false(scans_arrived(&s, 0));
	refuse(&s, "A", NULL, "scan.none");
	assert_label(&s, 0, NULL);
}

static void test_first_the_oldest_label_goes_to_the_next_device(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_FIRST));
	assert_int_equal(take(&s, "A", NULL), NONE);
	assert_int_equal(take(&s, "B", NULL), NONE);
	assert_true(scans_arrived(&s, 2));
	assert_true(scans_arrived(&s, 0));
	assert_label(&s, 2, "A");
	assert_label(&s, 0, "B");
	assert_false(scans_arrived(&s, 1));
	assert_label(&s, 1, NULL);
	assert_int_equal(take(&s, "C", NULL), 1);
	assert_int_equal(s.pending_count, 0);
}

static void test_first_the_queue_is_bounded_and_a_label_can_be_taken_back(void **state)
{
	struct scans s = { 0 };
	struct err e = { 0 };
	char serial[8];

	(void)state;
	scans_init(&s, station_of(SCAN_FIRST));
	for (int i = 0; i < SCANS_PENDING_MAX; i++) {
		(void)snprintf(serial, sizeof(serial), "S%d", i);
		assert_int_equal(take(&s, serial, NULL), NONE);
	}
	refuse(&s, "more", NULL, "scan.full");
	refuse(&s, "S3", NULL, "scan.twice");
	assert_ok(scans_drop(&s, "S0", &e), &e);
	assert_err(scans_drop(&s, "S0", &e), &e, "scan.unknown");
	assert_int_equal(take(&s, "S0", NULL), NONE);
	assert_true(scans_arrived(&s, 0));
	assert_label(&s, 0, "S1");
}

static void test_first_a_plug_that_bounces_gives_its_label_back(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_FIRST));
	(void)take(&s, "A", NULL);
	(void)take(&s, "B", NULL);
	assert_true(scans_arrived(&s, 0));
	assert_true(scans_left(&s, 0));
	assert_true(scans_arrived(&s, 0));
	assert_label(&s, 0, "A");
	scans_ended(&s, 0); /* and a unit that was begun does not */
	assert_false(scans_left(&s, 0));
	assert_true(scans_arrived(&s, 0));
	assert_label(&s, 0, "B");
}

static void test_after_a_scan_goes_to_who_was_asked_first(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_AFTER));
	refuse(&s, "A", NULL, "scan.nobody");
	(void)scans_arrived(&s, 0);
	(void)scans_arrived(&s, 1);
	(void)scans_arrived(&s, 2);
	scans_ask(&s, 2);
	scans_ask(&s, 1);
	assert_int_equal(take(&s, "C", NULL), 2);
	assert_int_equal(take(&s, "B", NULL), 1);
	assert_int_equal(take(&s, "A", NULL), 0); /* not asked yet, but it is the only one */
	refuse(&s, "D", NULL, "scan.nobody");
}

static void test_a_named_slot(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_AFTER));
	(void)scans_arrived(&s, 0);
	(void)scans_arrived(&s, 1);
	assert_int_equal(take(&s, "B", "b"), 1);
	refuse(&s, "C", "b", "scan.nobody");
	refuse(&s, "C", "c", "scan.nobody");
	refuse(&s, "C", "d", "slot.unknown");
	assert_int_equal(take(&s, "A", "a"), 0);
}

static void test_a_label_is_scanned_once_while_its_unit_is_there(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_AFTER));
	(void)scans_arrived(&s, 0);
	(void)scans_arrived(&s, 1);
	(void)take(&s, "A", NULL);
	refuse(&s, "A", NULL, "scan.twice");
	scans_ended(&s, 0);
	refuse(&s, "A", NULL, "scan.twice");
	assert_false(scans_left(&s, 0));
	assert_int_equal(take(&s, "A", NULL), 1);
}

static void test_a_unit_that_is_tried_again_in_its_place_keeps_its_label(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_AFTER));
	(void)scans_arrived(&s, 0);
	(void)take(&s, "A", NULL);
	scans_ended(&s, 0);
	assert_false(scans_arrived(&s, 0));
	assert_label(&s, 0, "A");
	scans_wrong(&s, 0);
	scans_ended(&s, 0);
	(void)scans_arrived(&s, 0);
	assert_label(&s, 0, NULL);
	assert_int_equal(take(&s, "A", NULL), 0);
}

static void test_who_ended_or_left_waits_no_more(void **state)
{
	struct scans s = { 0 };

	(void)state;
	scans_init(&s, station_of(SCAN_AFTER));
	(void)scans_arrived(&s, 0);
	scans_ended(&s, 0);
	(void)scans_arrived(&s, 1);
	scans_ask(&s, 1);
	(void)scans_left(&s, 1);
	refuse(&s, "A", NULL, "scan.nobody");
}

/* A label is in one place at most, whatever comes in whatever order. */
static void test_whatever_happens(void **state)
{
	struct scans s = { 0 };
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t slot = (unsigned)rand_r(&seed) % SLOTS, ret, held = 0;
		struct err e = { 0 };
		char serial[8];

		if (i % 1000 == 0)
			scans_init(&s, station_of(i % 2000 == 0 ? SCAN_FIRST : SCAN_AFTER));
		(void)snprintf(serial, sizeof(serial), "S%d", rand_r(&seed) % 40);
		switch (rand_r(&seed) % 7) {
		case 0:
			(void)scans_left(&s, slot);
			break;
		case 1:
			scans_ended(&s, slot);
			break;
		case 2:
			if (scans_of(&s, slot) != NULL)
				scans_wrong(&s, slot);
			break;
		case 3:
			if (scans_drop(&s, serial, &e) != 0)
				assert_string_equal(e.code, "scan.unknown");
			break;
		case 4:
			(void)scans_arrived(&s, slot);
			break;
		default:
			if (try(&s, serial, NULL, &ret, &e) == 0)
				assert_true(ret <= SLOTS);
			break;
		}
		for (size_t k = 0; k < SLOTS; k++)
			held +=
			    scans_of(&s, k) != NULL && strcmp(scans_of(&s, k)->serial, serial) == 0;
		for (size_t k = 0; k < s.pending_count; k++)
			held += strcmp(s.pending[k].serial, serial) == 0;
		assert_true(held <= 1);
		assert_true(s.pending_count <= SCANS_PENDING_MAX + SLOTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_scans),
		cmocka_unit_test(test_first_the_oldest_label_goes_to_the_next_device),
		cmocka_unit_test(test_first_the_queue_is_bounded_and_a_label_can_be_taken_back),
		cmocka_unit_test(test_first_a_plug_that_bounces_gives_its_label_back),
		cmocka_unit_test(test_after_a_scan_goes_to_who_was_asked_first),
		cmocka_unit_test(test_a_named_slot),
		cmocka_unit_test(test_a_label_is_scanned_once_while_its_unit_is_there),
		cmocka_unit_test(test_a_unit_that_is_tried_again_in_its_place_keeps_its_label),
		cmocka_unit_test(test_who_ended_or_left_waits_no_more),
		cmocka_unit_test(test_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
