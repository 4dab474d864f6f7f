/* The reader as the specification has it: USB-IF CCID 1.10. */
#include "bytes.h"
#include "piv/twin_ccid.h"
#include "piv_twin_kit.h"
#include "twin.h"

extern const struct twin_family piv_twin;

struct reader_kit {
	struct kit kit;
	struct twin_ccid reader;
	uint8_t sequence;
	enum twin_ccid_fate fate;
};

static void open_reader(struct reader_kit *r, const char *variant, const char *fault)
{
	memset(r, 0, sizeof(*r));
	kit_open(&r->kit, variant, fault);
	r->reader.card = &r->kit.card;
}

static void close_reader(struct reader_kit *r)
{
	twin_ccid_free(&r->reader);
	kit_shut(&r->kit);
}

/* Says a command; the answer is of its type, and has its sequence number. */
static const uint8_t *say_to(struct reader_kit *r, uint8_t slot, uint8_t type, const char *hex,
    uint8_t answer)
{
	uint8_t message[600];
	struct err e = { 0 };
	size_t len = kit_ccid(message, type, slot, ++r->sequence, hex);

	assert_ok(twin_ccid_take(&r->reader, message, len, &r->fate, &e), &e);
	assert_int_equal(r->fate, TWIN_CCID_ANSWER);
	assert_true(r->reader.answer.len >= 10);
	assert_int_equal(r->reader.answer.data[0], answer);
	assert_int_equal(get_u32le(r->reader.answer.data + 1), r->reader.answer.len - 10);
	assert_int_equal(r->reader.answer.data[5], slot);
	assert_int_equal(r->reader.answer.data[6], r->sequence);
	return r->reader.answer.data;
}

static const uint8_t *say(struct reader_kit *r, uint8_t type, const char *hex, uint8_t answer)
{
	return say_to(r, 0, type, hex, answer);
}

/* bmCommandStatus and bmICCStatus, bError. */
static void expect_status(const uint8_t *answer, uint8_t status, uint8_t error)
{
	assert_int_equal(answer[7], status);
	assert_int_equal(answer[8], error);
}

static void test_descriptors(void **state)
{
	(void)state;
	assert_int_equal(twin_ccid_descriptor[0], 54);
	assert_int_equal(twin_ccid_descriptor[1], 0x21);
	assert_int_equal(get_u16le(twin_ccid_descriptor + 2), 0x0110);
	assert_int_equal(get_u32le(twin_ccid_descriptor + 40) & 0x70000, 0x40000);
	assert_int_equal(get_u32le(twin_ccid_descriptor_short + 40) & 0x70000, 0x20000);
	assert_int_equal(get_u32le(twin_ccid_descriptor + 44), TWIN_CCID_MESSAGE_MAX);
	assert_int_equal(twin_ccid_descriptor[53], 1);
	assert_int_equal(piv_twin.usb->class, 0x0b);
	assert_int_equal(piv_twin.usb->descriptor_len, 54);
	assert_memory_equal(piv_twin.usb->notice, "\x50\x03", 2);
	assert_false(piv_twin.serial);
}

static void test_power_and_presence(void **state)
{
	struct reader_kit r;
	const uint8_t *a;

	(void)state;
	open_reader(&r, NULL, NULL);
	expect_status(say(&r, 0x65, "", 0x81), 0x01, 0); /* there, without power */
	expect_status(say(&r, 0x6f, KIT_SELECT, 0x80), 0x41, 0xfe);
	a = say(&r, 0x62, "", 0x80);
	expect_status(a, 0x00, 0);
	assert_int_equal(r.reader.answer.len, 15);
	assert_memory_equal(a + 10, "\x3b\x80\x80\x01\x01", 5);
	expect_status(say(&r, 0x65, "", 0x81), 0x00, 0);
	a = say(&r, 0x6f, KIT_SELECT, 0x80);
	expect_status(a, 0x00, 0);
	assert_memory_equal(a + r.reader.answer.len - 2, "\x90\x00", 2);
	expect_status(say(&r, 0x63, "", 0x81), 0x01, 0);
	expect_status(say(&r, 0x62, "", 0x80), 0x00, 0);
	a = say(&r, 0x6f, "00fd000000", 0x80); /* without power it forgot what was selected */
	assert_memory_equal(a + 10, "\x6d\x00", 2);
	close_reader(&r);
}

static void test_parameters(void **state)
{
	struct reader_kit r;
	const uint8_t *a;

	(void)state;
	open_reader(&r, NULL, NULL);
	expect_status(say(&r, 0x6c, "", 0x82), 0x41, 0xfe);
	(void)say(&r, 0x62, "", 0x80);
	a = say(&r, 0x6c, "", 0x82);
	assert_int_equal(a[9], 1); /* T=1 */
	assert_int_equal(r.reader.answer.len, 17);
	expect_status(say(&r, 0x6d, "", 0x82), 0, 0);
	close_reader(&r);
}

static void test_refusals(void **state)
{
	static const struct {
		uint8_t type, answer;
	} rows[] = { { 0x6b, 0x83 }, { 0x69, 0x80 }, { 0x6e, 0x81 }, { 0x6a, 0x81 }, { 0x71, 0x81 },
		{ 0x73, 0x84 }, { 0x00, 0x81 }, { 0xff, 0x81 } };
	struct reader_kit r;

	(void)state;
	open_reader(&r, "reader", NULL);
	(void)say(&r, 0x62, "", 0x80);
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_status(say(&r, rows[i].type, "", rows[i].answer), 0x40, 0);
	expect_status(say_to(&r, 1, 0x65, "", 0x81), 0x40, 5);
	expect_status(say(&r, 0x6f, "00a4", 0x80), 0x40, 1);
	expect_status(say(&r, 0x72, "", 0x81), 0x00, 0);
	close_reader(&r);
}

/* wLevelParameter, dwLength that does not agree, a header that is none. */
static void test_malformed(void **state)
{
	uint8_t message[64];
	struct err e = { 0 };
	struct reader_kit r;
	size_t len;

	(void)state;
	open_reader(&r, NULL, NULL);
	(void)say(&r, 0x62, "", 0x80);
	len = kit_ccid(message, 0x6f, 0, 7, KIT_SELECT);
	message[8] = 1;
	assert_ok(twin_ccid_take(&r.reader, message, len, &r.fate, &e), &e);
	expect_status(r.reader.answer.data, 0x40, 8);
	message[8] = 0;
	assert_ok(twin_ccid_take(&r.reader, message, len - 1, &r.fate, &e), &e);
	expect_status(r.reader.answer.data, 0x40, 1);
	assert_ok(twin_ccid_take(&r.reader, message, 9, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_SILENT);
	assert_ok(twin_ccid_take(&r.reader, message, len, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_ANSWER);
	expect_status(r.reader.answer.data, 0x00, 0);
	close_reader(&r);
}

/* A command of several packets may come in several transfers; the last one is short, or empty. */
static void test_transfers_in_parts(void **state)
{
	uint8_t message[300] = { 0x6f, 118 };
	struct err e = { 0 };
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, NULL);
	(void)say(&r, 0x62, "", 0x80);
	memcpy(message + 10, "\x00\x99\x00\x00\x71", 5); /* 10 + 118 = 128 */
	assert_ok(twin_ccid_take(&r.reader, message, 64, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_SILENT);
	assert_ok(twin_ccid_take(&r.reader, message + 64, 64, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_ANSWER);
	assert_ok(twin_ccid_take(&r.reader, NULL, 0, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_SILENT);
	assert_ok(twin_ccid_take(&r.reader, message, 64, &r.fate, &e), &e);
	assert_ok(twin_ccid_take(&r.reader, message + 64, 10, &r.fate, &e), &e);
	assert_int_equal(r.fate, TWIN_CCID_ANSWER); /* a short packet ended it too early */
	expect_status(r.reader.answer.data, 0x40, 1);
	close_reader(&r);
}

static void test_short_and_extended(void **state)
{
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, NULL);
	(void)say(&r, 0x62, "", 0x80);
	(void)say(&r, 0x6f, KIT_SELECT, 0x80);
	(void)say(&r, 0x6f, "00cb3fff0000055c035fc1070000", 0x80);
	assert_int_equal(r.reader.answer.data[10], 0x53);
	close_reader(&r);
	open_reader(&r, "reader", NULL);
	(void)say(&r, 0x62, "", 0x80);
	(void)say(&r, 0x6f, KIT_SELECT, 0x80);
	(void)say(&r, 0x6f, "00cb3fff0000055c035fc1070000", 0x80);
	assert_memory_equal(r.reader.answer.data + 10, "\x67\x00", 2);
	close_reader(&r);
}

/* --- faults of the reader --- */

static void say_silence(struct reader_kit *r, const char *apdu, enum twin_ccid_fate fate)
{
	uint8_t message[300];
	struct err e = { 0 };
	size_t len = kit_ccid(message, 0x6f, 0, ++r->sequence, apdu);

	assert_ok(twin_ccid_take(&r->reader, message, len, &r->fate, &e), &e);
	assert_int_equal(r->fate, fate);
}

static void test_mute(void **state)
{
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, "mute:identify");
	expect_status(say(&r, 0x62, "", 0x80), 0x41, 0xfe);
	close_reader(&r);
	open_reader(&r, NULL, "mute:keygen");
	(void)say(&r, 0x62, "", 0x80);
	(void)say(&r, 0x6f, KIT_SELECT, 0x80);
	expect_status(say(&r, 0x6f, KIT_P256, 0x80), 0x41, 0xfe);
	expect_status(say(&r, 0x65, "", 0x81), 0x01, 0);
	close_reader(&r);
}

static void test_removed(void **state)
{
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, "removed:keygen");
	(void)say(&r, 0x62, "", 0x80);
	(void)say(&r, 0x6f, KIT_SELECT, 0x80);
	expect_status(say(&r, 0x6f, KIT_P256, 0x80), 0x42, 0xfe);
	expect_status(say(&r, 0x65, "", 0x81), 0x02, 0);
	expect_status(say(&r, 0x62, "", 0x80), 0x42, 0xfe);
	close_reader(&r);
}

static void test_once(void **state)
{
	static const struct {
		const char *fault;
		enum twin_ccid_fate fate;
	} rows[] = { { "drop:identify", TWIN_CCID_SILENT }, { "reset:identify", TWIN_CCID_LEAVE } };

	(void)state;
	for (uint64_t seed = 1; seed < 6; seed++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			struct reader_kit r;

			open_reader(&r, NULL, NULL);
			r.kit.config.fault = rows[i].fault;
			r.kit.config.seed = seed;
			kit_reboot(&r.kit);
			(void)say(&r, 0x62, "", 0x80);
			say_silence(&r, KIT_SELECT, rows[i].fate);
			kit_reboot(&r.kit); /* it has struck: that is in the flash */
			(void)say(&r, 0x6f, KIT_SELECT, 0x80);
			close_reader(&r);
		}
}

static void test_stall_stays(void **state)
{
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, "stall:identify");
	(void)say(&r, 0x62, "", 0x80);
	say_silence(&r, KIT_SELECT, TWIN_CCID_SILENT);
	say_silence(&r, KIT_SELECT, TWIN_CCID_SILENT);
	close_reader(&r);
}

static void test_corrupt(void **state)
{
	struct reader_kit r;

	(void)state;
	open_reader(&r, NULL, "corrupt:identify");
	(void)say(&r, 0x62, "", 0x80);
	say_silence(&r, KIT_SELECT, TWIN_CCID_ANSWER);
	assert_int_not_equal(r.reader.answer.data[6], r.sequence);
	(void)say(&r, 0x6f, KIT_SELECT, 0x80);
	close_reader(&r);
}

/* An answer that was announced or not: requests for more time are counted. */
/* The card is busy for ever: the slot says so, and an abort ends it. */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_power_and_presence),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_transfers_in_parts),
		cmocka_unit_test(test_short_and_extended),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_stall_stays),
		cmocka_unit_test(test_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
