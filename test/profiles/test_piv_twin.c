#include "piv_twin_kit.h"

static void test_lengths_and_classes(void **state)
{
	static const struct {
		const char *apdu;
		uint16_t sw;
	} rows[] = {
		{ "", 0x6700 },
		{ "00a404", 0x6700 },
		{ "00a4040005a0000003", 0x6700 },       /* Lc is larger than the rest */
		{ "00a4040005a0000003080000", 0x6700 }, /* two bytes behind Lc's */
		{ "00a404000000", 0x6700 },             /* Lc of 0 */
		{ "00a40400000005a000000308", 0x9000 }, /* extended */
		{ "00a40400000005a0000003080000", 0x9000 },
		{ "00a40400000005a00000030800", 0x6700 }, /* Le of one byte in it */
		{ "00a404000000", 0x6700 },
		{ "80a4040005a000000308", 0x6e00 },
		{ "0ca4040005a000000308", 0x6e00 },
		{ "0099000000", 0x6d00 },
		{ "00a4000005a000000308", 0x6a86 },
		{ "00a4040005a000000309", 0x6a82 },
		{ "00a4040004a0000003", 0x6a82 },
		{ "00a4040009a00000030800001000", 0x9000 },
		{ "00a404000ca000000308000010000100ff", 0x6a82 },
	};
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	for (size_t i = 0; i < COUNT(rows); i++)
		kit_expect(&k, rows[i].apdu, rows[i].sw);
	kit_shut(&k);
}

/* 61 { 4F PIX, 79 { 4F authority }, .. }, in every variant. */
static void test_application_template(void **state)
{
	(void)state;
	for (size_t i = 0; twin_card_variants[i] != NULL; i++) {
		struct kit k;

		kit_open(&k, twin_card_variants[i], NULL);
		kit_expect(&k, KIT_SELECT, 0x9000);
		assert_int_equal(k.answer.data[0], 0x61);
		assert_int_equal(k.answer.data[1], k.answer.len - 4);
		assert_memory_equal(k.answer.data + 2, "\x4f\x06\x00\x00\x10\x00\x01\x00", 8);
		assert_memory_equal(k.answer.data + 10, "\x79\x07\x4f\x05\xa0\x00\x00\x03\x08", 9);
		kit_shut(&k);
	}
}

static void test_nothing_before_select(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, "00fd000000", 0x6d00);
	kit_expect(&k, KIT_PIN, 0x6d00);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00fd000000", 0x9000);
	twin_card_reset(&k.card);
	kit_expect(&k, "00fd000000", 0x6d00);
	kit_shut(&k);
}

static void test_only_extended_is_refused(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "reader", NULL);
	kit_expect(&k, "00a40400000005a0000003080000", 0x6700);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_shut(&k);
}

static void test_serial(void **state)
{
	static const struct {
		const char *serial;
		uint8_t want[4];
	} rows[] = {
		{ "PIV0000042", { 0, 0, 0, 42 } },
		{ "30000001", { 0x01, 0xc9, 0xc3, 0x81 } },
		{ "A1B7", { 0, 0, 0, 7 } },
		{ "0000000000000000000000009a000042", { 0, 0, 0, 42 } },
		{ "99999999999999999999999030000001", { 0x01, 0xc9, 0xc3, 0x81 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct kit k;

		kit_open_serial(&k, NULL, NULL, rows[i].serial);
		kit_expect(&k, KIT_SELECT, 0x9000);
		kit_expect(&k, "00f8000000", 0x9000);
		assert_memory_equal(k.answer.data, rows[i].want, 4);
		kit_shut(&k);
	}
}

/* A serial that is a GUID is the card's; any other gives one. */
static void test_guid(void **state)
{
	struct kit k;

	(void)state;
	kit_open_serial(&k, "plain", NULL, "000102030405060708090a0b20000001");
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00cb3fff055c035fc10200", 0x9000);
	assert_memory_equal(k.answer.data + 29,
	    "\x34\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x20\x00\x00\x01", 18);
	kit_shut(&k);
	kit_open(&k, "plain", NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00cb3fff055c035fc10200", 0x9000);
	assert_memory_equal(k.answer.data + 29, "\x34\x10", 2);
	assert_int_equal(k.answer.data[37] & 0xf0, 0x80); /* version, then variant */
	assert_int_equal(k.answer.data[39] & 0xc0, 0x80);
	kit_shut(&k);
}

static void test_pin(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "yubico", NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00200080", 0x63c3);
	kit_expect(&k, "0020008008393939393939ffff", 0x63c2);
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_expect(&k, "00200080", 0x9000);
	kit_expect(&k, "0020ff80", 0x9000); /* logs out */
	kit_expect(&k, "00200080", 0x63c3);
	kit_expect(&k, "0020008106313233343536", 0x6a88);
	kit_expect(&k, "0020008006313233343536", 0x6a80);
	kit_expect(&k, "0020008008393939393939ffff", 0x63c2);
	kit_reboot(&k); /* the counter is in the flash */
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "0020008008393939393939ffff", 0x63c1);
	kit_expect(&k, "0020008008393939393939ffff", 0x63c0);
	kit_expect(&k, KIT_PIN, 0x6983);
	kit_expect(&k, "00200080", 0x6983);
	kit_shut(&k);
}

static void test_pin_changes(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "yubico", NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "0024008010313233343536ffff363534333231ffff", 0x9000);
	kit_expect(&k, KIT_PIN, 0x63c2);
	kit_expect(&k, "0020008008363534333231ffff", 0x9000);
	kit_expect(&k, "0024008010363534333231ffff3132333435ffffff", 0x6a80); /* five digits */
	kit_expect(&k,
	    "0024008110393939393939393938373635343332"
	    "31",
	    0x63c2);
	kit_expect(&k,
	    "00240081103132333435363738"
	    "3837363534333231",
	    0x9000);
	for (int i = 2; i >= 0; i--)
		kit_expect(&k, "0020008008393939393939ffff", (uint16_t)(0x63c0 + i));
	kit_expect(&k,
	    "002c0080103132333435363738"
	    "313233343536ffff",
	    0x63c2);
	kit_expect(&k,
	    "002c0080103837363534333231"
	    "313233343536ffff",
	    0x9000);
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_shut(&k);
}

/* A witness is for the command that follows; an old one, or one the card did not give, is none. */
/* The other way: the card's challenge in clear, the host's answer encrypted. */
static void test_select_drops_status(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_authenticate(&k);
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00200080", 0x63c5);
	kit_expect(&k, KIT_P256, 0x6982);
	kit_shut(&k);
	kit_open(&k, "plain", NULL); /* SP 800-73-4 part 2, 3.1.1 */
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00200080", 0x9000);
	kit_shut(&k);
}

static void test_objects(void **state)
{
	struct buf data = { 0 }, point = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_make_key(&k, &point);
	kit_expect(&k, "00cb3fff055c035fc10500", 0x6a82);
	kit_expect(&k, "00cb3ffe055c035fc10500", 0x6a86);
	kit_expect(&k, "00cb3fff065c045fc1050000", 0x6a80);
	kit_expect(&k, "00db3fff095c030010055302aabb", 0x6a82);
	kit_expect(&k, "00db3fff0a5c035fc1055302aabbcc", 0x6a80);
	kit_put_certificate(&k, 3072);
	kit_reboot(&k);
	kit_expect(&k, KIT_SELECT, 0x9000);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fc10500", &data), 0x9000);
	assert_int_equal(data.len, 4 + 3072);
	assert_memory_equal(data.data, "\x53\x82\x0c\x00\x01\x08\x0f", 7);
	kit_expect(&k, "00cb3fff0000055c035fc1050000", 0x9000); /* extended: at once */
	assert_int_equal(k.answer.len, data.len + 2);
	assert_memory_equal(k.answer.data, data.data, data.len);
	kit_authenticate(&k);
	kit_expect(&k, "00db3fff075c035fc1055300", 0x9000); /* empty: removed */
	kit_expect(&k, "00cb3fff055c035fc10500", 0x6a82);
	kit_expect(&k, "00cb3fff055c035fc10300", 0x6982); /* fingerprints: with the PIN */
	buf_free(&data);
	buf_free(&point);
	kit_shut(&k);
}

static void test_object_limit(void **state)
{
	struct buf data = { 0 };
	struct err e = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_authenticate(&k);
	testing_hex("5c035fc10553820c01", &data);
	assert_non_null(buf_room(&data, 3073, &e));
	memset(data.data + data.len, 0, 3073);
	data.len += 3073;
	assert_int_equal(kit_send_chain(&k, "00db3fff", &data), 0x6a84);
	kit_expect(&k, "00cb3fff055c035fc10500", 0x6a82);
	buf_free(&data);
	kit_shut(&k);
}

/* A chain that another command breaks off is forgotten, and no part of it is in the next. */
static void test_broken_chain(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_authenticate(&k);
	kit_expect(&k, "10db3fff055c035fc105", 0x9000);
	kit_expect(&k, "00fd000000", 0x9000);
	kit_expect(&k, "00db3fff045302aabb", 0x6a80);
	kit_expect(&k, "10db3fff055c035fc105", 0x9000);
	kit_expect(&k, "00db3fff045302aabb", 0x9000);
	kit_expect(&k, "00c0000000", 0x6985); /* there is no rest */
	kit_shut(&k);
}

static void test_discovery_chuid_ccc(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "plain", NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00cb3fff035c017e00", 0x9000);
	assert_memory_equal(k.answer.data, "\x7e\x12\x4f\x0b\xa0\x00\x00\x03\x08", 9);
	kit_expect(&k, "00cb3fff055c035fc10200", 0x9000);
	assert_memory_equal(k.answer.data, "\x53\x3b\x30\x19", 4);
	kit_expect(&k, "00cb3fff055c035fc10700", 0x9000);
	assert_memory_equal(k.answer.data, "\x53\x33\xf0\x15\xa0\x00\x00\x01\x16", 9);
	kit_expect(&k, "00fd000000", 0x6d00); /* and nothing of Yubico's */
	kit_expect(&k, "00f8000000", 0x6d00);
	kit_expect(&k, "00f99a0000", 0x6d00);
	kit_shut(&k);
}

static void test_reset(void **state)
{
	struct buf point = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, "token", NULL);
	kit_make_key(&k, &point);
	kit_put_certificate(&k, 100);
	kit_expect(&k, "00fb000000", 0x6985);
	for (int i = 4; i >= 0; i--) {
		kit_expect(&k, "0020008008393939393939ffff", (uint16_t)(0x63c0 + i));
		kit_expect(&k,
		    "0024008110"
		    "39393939393939393132333435363738",
		    (uint16_t)(0x63c0 + i));
	}
	kit_expect(&k, "00fb000000", 0x9000);
	kit_expect(&k, "00cb3fff055c035fc10500", 0x6a82);
	kit_expect(&k, "00f7009a00", 0x6a88);
	kit_expect(&k, KIT_PIN, 0x9000);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fff0100", &point), 0x9000); /* stays */
	buf_free(&point);
	kit_shut(&k);
}

static void test_retries(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00fa0804", 0x6982);
	kit_authenticate(&k);
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_expect(&k, "00fa0804", 0x9000);
	kit_expect(&k, "0020ff80", 0x9000);
	kit_expect(&k, "00200080", 0x63c8);
	kit_shut(&k);
}

/* The chain ends at the root that the fleet trusts; the statement is about this card and this key. */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths_and_classes),
		cmocka_unit_test(test_application_template),
		cmocka_unit_test(test_nothing_before_select),
		cmocka_unit_test(test_only_extended_is_refused),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_guid),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_pin_changes),
		cmocka_unit_test(test_select_drops_status),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_object_limit),
		cmocka_unit_test(test_broken_chain),
		cmocka_unit_test(test_discovery_chuid_ccc),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_retries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
