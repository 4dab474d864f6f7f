/* The emulated device's flash: torn at any byte it holds the old content or the complete new one. */
#include <unistd.h>

#include "spdm_twin_kit.h"

struct chip {
	char *folder;
	char path[256];
};

static void chip_open(struct chip *c)
{
	c->folder = testing_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/flash", c->folder);
}

static void store(const struct chip *c, uint32_t number, const char *text,
    const struct twin_tear *tear)
{
	AUTO_STRUCT(buf) content = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add_str(&content, text, &e), &e);
	assert_ok(twin_bank_store(c->path, number, &content, tear, &e), &e);
}

static void holds(const struct chip *c, uint32_t number, const char *text)
{
	AUTO_STRUCT(buf) content = { 0 };
	struct err e = { 0 };
	uint32_t found = 99;

	assert_ok(twin_bank_load(c->path, &content, &found, &e), &e);
	assert_int_equal(found, number);
	assert_string_equal(buf_str(&content, &e), text);
}

static void test_the_newest_whole_record_counts(void **state)
{
	struct chip c;

	(void)state;
	chip_open(&c);
	holds(&c, 0, "");
	store(&c, 1, "one", NULL);
	holds(&c, 1, "one");
	store(&c, 2, "two, and longer", NULL);
	holds(&c, 2, "two, and longer");
	store(&c, 3, "", NULL);
	holds(&c, 3, "");
	testing_folder_remove(c.folder);
}

static void test_torn_is_old_or_complete(void **state)
{
	static const char *const old[] = { "", "the first", "the second one" };
	struct chip c;

	(void)state;
	chip_open(&c);
	for (uint32_t before = 0; before < 3; before++) {
		for (unsigned fraction = 0; fraction <= 256; fraction++) {
			for (enum twin_rest rest = 0; rest < TWIN_RESTS; rest++) {
				const struct twin_tear tear = { fraction, rest };
				bool whole = fraction == 256;

				(void)unlink(c.path); /* there is none the first time */
				for (uint32_t i = 1; i <= before; i++)
					store(&c, i, old[i], NULL);
				store(&c, before + 1, "what is being written", &tear);
				holds(&c, whole ? before + 1 : before,
				    whole ? "what is being written" : old[before]);
				store(&c, before + 1, "again", NULL);
				holds(&c, before + 1, "again");
			}
		}
	}
	testing_folder_remove(c.folder);
}

static void test_two_spoilt_banks_are_not_a_new_device(void **state)
{
	const struct twin_tear tear = { 100, TWIN_REST_GARBAGE };
	AUTO_STRUCT(buf) content = { 0 };
	struct err e = { 0 };
	uint32_t number;
	struct chip c;

	(void)state;
	chip_open(&c);
	store(&c, 1, "one", &tear);
	store(&c, 2, "two", &tear);
	assert_err(twin_bank_load(c.path, &content, &number, &e), &e, "twin.flash");
	testing_folder_remove(c.folder);
}

static int ask(struct kit *k, const char *hex, struct err *e)
{
	AUTO_STRUCT(buf) request = { 0 };
	struct twin_answer a = { 0 };
	int rc;

	testing_hex(hex, &request);
	rc = twin_device_answer(&k->device, &request, 0, &a, e);
	twin_answer_free(&a);
	return rc;
}

/* Whatever the seed makes of the write, the key is there as a whole or not at all, and can be made again. */
static void test_a_key_that_was_being_made(void **state)
{
	unsigned made = 0, lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct err e = { 0 };
		struct kit k;

		kit_open_seeded(&k, NULL, "power-cut:1", seed);
		kit_connect(&k, "13", true, false);
		assert_err(ask(&k, "13fd0200010006000800000000", &e), &e, "twin.power");
		kit_reboot(&k);
		made += k.device.flash.pairs[0].key != NULL;
		lost += k.device.flash.pairs[0].key == NULL;
		assert_int_equal(k.device.flash.number, k.device.flash.pairs[0].key != NULL);
		kit_connect(&k, "13", true, false);
		if (k.device.flash.pairs[0].key == NULL)
			kit_make_key(&k, false);
		kit_reboot(&k);
		assert_non_null(k.device.flash.pairs[0].key);
		kit_close(&k);
	}
	assert_true(made > 0 && lost > 0);
}

static void test_each_write_is_logged(void **state)
{
	struct buf text = { 0 };
	struct kit k;
	char path[300];

	(void)state;
	kit_open(&k, NULL, "power-cut:9999");
	kit_connect(&k, "13", true, false);
	kit_make_key(&k, false);
	kit_reboot(&k);
	assert_int_equal(k.device.flash.writes, 1);
	(void)snprintf(path, sizeof(path), "%s/flash.log", k.folder);
	testing_read(path, &text);
	assert_memory_equal(text.data, "1 ", 2);
	buf_free(&text);
	kit_close(&k);
}

static void test_which_write(void **state)
{
	static const char *const wrong[] = { "power-cut:", "power-cut:0", "power-cut:10000",
		"power-cut:-1", "power-cut:1x", "power-cut:keygen", "power-cut: 1" };
	struct twin_plan p;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(twin_plan_parse(&p, wrong[i], 1, true, &e), &e, "twin.fault");
	assert_ok(twin_plan_parse(&p, "power-cut:17", 1, true, &e), &e);
	assert_int_equal(p.cut, 17);
	assert_ok(twin_plan_parse(&p, "power-cut", 1, true, &e), &e);
	assert_in_range(p.cut, 1, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_newest_whole_record_counts),
		cmocka_unit_test(test_torn_is_old_or_complete),
		cmocka_unit_test(test_two_spoilt_banks_are_not_a_new_device),
		cmocka_unit_test(test_a_key_that_was_being_made),
		cmocka_unit_test(test_each_write_is_logged),
		cmocka_unit_test(test_which_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
