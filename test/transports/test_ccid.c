#include "ccid.h"

#include "reader.h"

static void the_descriptor_is_read(void **state)
{
	struct reader r;
	struct ccid c;

	(void)state;
	open_reader(&r, &c, TPDU, NULL, 0);
	assert_int_equal(c.level, CCID_TPDU);
	assert_int_equal(c.message_max, 0x10012);
	assert_int_equal(c.features, TPDU);
	assert_int_equal(c.protocols, 3);
	assert_int_equal(c.voltages, 7);
	open_reader(&r, &c, SHORT, NULL, 0);
	assert_int_equal(c.level, CCID_SHORT_APDU);
	open_reader(&r, &c, EXTENDED, NULL, 0);
	assert_int_equal(c.level, CCID_EXTENDED_APDU);
}

static void other_readers_are_refused(void **state)
{
	static const struct {
		uint32_t features;
		uint8_t at, value;
		const char *why;
	} cases[] = {
		{ 0xba, 0, 54, "characters" },
		{ 0x70000, 0, 54, "characters" },
		{ 0x10230, 0, 54, "parameters of T=0" },
		{ TPDU, 0, 53, "descriptor of 54" },
		{ TPDU, 1, 0x22, "descriptor of 54" },
		{ TPDU, 46, 0, "messages of 18" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reader r;
		struct ccid c;
		struct err e = { 0 };

		reader_init(&r, cases[i].features, NULL, 0);
		r.descriptor[cases[i].at] = cases[i].value;
		assert_err(ccid_init(&c, &reader_port, &r.wire.base, &e), &e, "ccid.reader");
		if (strstr(e.message, cases[i].why) == NULL)
			fail_msg("case %zu: %s", i, e.message);
	}
}

static void t0_commands_lose_what_t0_has_not(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_ACTIVE, { POWER_ON, ATR_PLAIN },
		{ "6f0500000000ss0000000020008000", "800200000000ss00000063c5" },       /* case 1 */
		{ "6f0500000000ss00000000fd000000", "800500000000ss0000000504009000" }, /* 2 */
		{ "6f0700000000ss00000000db3fff02aabb", "800200000000ss0000009000" },   /* 3 */
		{ "6f0700000000ss00000000cb3fff02aabb", "800200000000ss0000006105" } }; /* 4 */
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, TPDU, script, COUNT(script));
	power_on(&c);
	assert_ok(apdu(&c, "00200080", answer, &e), &e);
	assert_string_equal(answer, "63c5");
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "0504009000");
	assert_ok(apdu(&c, "00db3fff02aabb", answer, &e), &e);
	assert_ok(apdu(&c, "00cb3fff02aabb00", answer, &e), &e);
	assert_string_equal(answer, "6105");
	assert_int_equal(r.at, r.script_len);
	reader_close(&r);
}

static void apdu_readers_get_apdus(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_ACTIVE, { POWER_ON, ATR_T0 },
		{ "6f0400000000ss00000000200080", "800200000000ss0000ff63c5" },
		{ "6f0800000000ss00000000cb3fff02aabb00", "800200000000ss0000ff6105" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	reader_init(&r, SHORT, script, COUNT(script));
	assert_ok(ccid_init(&c, &reader_port, &r.wire.base, &e), &e);
	power_on(&c);
	assert_ok(apdu(&c, "00200080", answer, &e), &e);
	assert_string_equal(answer, "63c5"); /* its chain byte has no meaning */
	assert_ok(apdu(&c, "00cb3fff02aabb00", answer, &e), &e);
	reader_close(&r);
}

#define EXTENDED_START                                                                             \
	READER_STATUS_ACTIVE,                                                                      \
	{                                                                                          \
		POWER_ON, ATR_T0                                                                   \
	}

static void parts_of_an_answer_are_joined(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", "800200000000ss0000010102" },
		{ "6f0000000000ss001000", "800200000000ss0000030304" },
		{ "6f0000000000ss001000", "800300000000ss000002059000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "01020304059000");
	reader_close(&r);
}

static void parts_out_of_place_are_refused(void **state)
{
	static const struct reader_step scripts[][5] = {
		{ EXTENDED_START,
		    { "6f0500000000ss00000000fd000000", "800200000000ss0000020102" } },
		{ EXTENDED_START,
		    { "6f0500000000ss00000000fd000000", "800200000000ss0000030102" } },
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800000000000ss000010" } },
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800200000000ss0000010102" },
		    { "6f0000000000ss001000", "800200000000ss0000009000" } },
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800200000000ss0000010102" },
		    { "6f0000000000ss001000", "800000000000ss000003" } },
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800000000000ss000000" } },
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800100000000ss00000090" } },
		/* announces more than any answer has */
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "800401000000ss000000" } },
		/* another kind of message */
		{ EXTENDED_START, { "6f0500000000ss00000000fd000000", "810000000000ss000000" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++) {
		struct reader r;
		struct ccid c;
		struct err e = { 0 };
		char answer[600];

		open_reader(&r, &c, EXTENDED, scripts[i], COUNT(scripts[i]));
		power_on(&c);
		if (apdu(&c, "00fd000000", answer, &e) == 0)
			fail_msg("case %zu: accepted %s", i, answer);
		if (!err_is(&e, "ccid.protocol"))
			fail_msg("case %zu: %s: %s", i, e.code, e.message);
		reader_close(&r);
	}
}

/* What an answer announces and does not bring is no answer. */
static void short_answers_time_out(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", "800500000000ss0000000504" },
		{ "720000000000ss000000", "810000000000ss000000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	assert_err(apdu(&c, "00fd000000", answer, &e), &e, "link.timeout");
	reader_close(&r);
}

static void bytes_may_come_one_by_one(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", "800500000000ss0000000504009000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	r.wire.portion = 1;
	power_on(&c);
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "0504009000");
	reader_close(&r);
}

static void time_is_granted(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", "800000000000ss800100"
						    "800000000000ss800100"
						    "800500000000ss0000000504009000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "0504009000");
	reader_close(&r);
}

/* An answer to an earlier command, or of another slot, is not this one's. */
static void stale_answers_are_dropped(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", "800200000000pp0000006d00"
						    "800200000001ss0000006d00"
						    "800500000000ss0000000504009000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "0504009000");
	reader_close(&r);
}

static void slot_errors_are_told_apart(void **state)
{
	static const struct {
		const char *answer, *code, *why;
		enum err_domain domain;
		bool powered;
	} cases[] = {
		{ "800000000000ss40fe00", "ccid.mute", "does not answer", ERR_DEVICE, true },
		{ "800000000000ss42fe00", "ccid.removed", "left", ERR_LINK, false },
		{ "800000000000ss41fb00", "ccid.slot", "0xfb: hardware error", ERR_DEVICE, false },
		{ "800000000000ss40e000", "ccid.slot", "0xe0: the slot is busy", ERR_DEVICE, true },
		{ "800000000000ss400000", "ccid.slot", "0x00: the reader does not know", ERR_DEVICE,
		    true },
		{ "800000000000ss400100", "ccid.slot", "0x01: a field", ERR_DEVICE, true },
		{ "800000000000ss40c100", "ccid.slot", "0xc1: unknown", ERR_DEVICE, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct reader_step script[] = { EXTENDED_START,
			{ "6f0500000000ss00000000fd000000", cases[i].answer } };
		struct reader r;
		struct ccid c;
		struct err e = { 0 };
		char answer[600];

		open_reader(&r, &c, EXTENDED, script, COUNT(script));
		power_on(&c);
		assert_err(apdu(&c, "00fd000000", answer, &e), &e, cases[i].code);
		assert_int_equal(e.domain, cases[i].domain);
		assert_int_equal(c.powered, cases[i].powered);
		assert_non_null(strstr(e.message, cases[i].why));
		if (!c.powered)
			assert_err(apdu(&c, "00fd000000", answer, &e), &e, "ccid.power");
		reader_close(&r);
	}
}

/* After a deadline the command is aborted, and the next one works. */
static void a_deadline_aborts(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", NULL },
		{ "720000000000ss000000", "800000000000pp40ff00"
					  "810000000000ss000000" },
		{ "6f0500000000ss00000000fd000000", "800500000000ss0000000504009000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	assert_err(apdu(&c, "00fd000000", answer, &e), &e, "link.timeout");
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.request_value, (uint16_t)(c.sequence << 8));
	assert_true(c.powered);
	assert_ok(apdu(&c, "00fd000000", answer, &e), &e);
	assert_string_equal(answer, "0504009000");
	reader_close(&r);
}

static void without_an_abort_the_card_is_reset(void **state)
{
	static const struct reader_step stalls[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", NULL } };
	static const struct reader_step refuses[] = { EXTENDED_START,
		{ "6f0500000000ss00000000fd000000", NULL },
		{ "720000000000ss000000", "810000000000ss400000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, EXTENDED, stalls, COUNT(stalls));
	power_on(&c);
	r.no_abort = true;
	assert_err(apdu(&c, "00fd000000", answer, &e), &e, "link.timeout");
	assert_false(c.powered);
	reader_close(&r);
	open_reader(&r, &c, EXTENDED, refuses, COUNT(refuses));
	power_on(&c);
	assert_err(apdu(&c, "00fd000000", answer, &e), &e, "link.timeout");
	assert_false(c.powered);
	assert_err(apdu(&c, "00fd000000", answer, &e), &e, "ccid.power");
	reader_close(&r);
}

static void what_is_no_apdu_is_not_sent(void **state)
{
	static const struct reader_step script[] = { EXTENDED_START };
	AUTO_STRUCT(buf) in = { 0 };
	AUTO_STRUCT(buf) out = { 0 };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };

	(void)state;
	open_reader(&r, &c, EXTENDED, script, COUNT(script));
	power_on(&c);
	testing_hex("00fd00", &in);
	assert_err(ccid_transmit(&c, &in, &out, INT64_MAX, &e), &e, "ccid.apdu");
	for (int i = 0; i < 262; i++)
		assert_ok(buf_add_u8(&in, 0, &e), &e);
	assert_err(ccid_transmit(&c, &in, &out, INT64_MAX, &e), &e, "ccid.apdu");
	reader_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_descriptor_is_read),
		cmocka_unit_test(other_readers_are_refused),
		cmocka_unit_test(t0_commands_lose_what_t0_has_not),
		cmocka_unit_test(apdu_readers_get_apdus),
		cmocka_unit_test(parts_of_an_answer_are_joined),
		cmocka_unit_test(parts_out_of_place_are_refused),
		cmocka_unit_test(short_answers_time_out),
		cmocka_unit_test(bytes_may_come_one_by_one),
		cmocka_unit_test(time_is_granted),
		cmocka_unit_test(stale_answers_are_dropped),
		cmocka_unit_test(slot_errors_are_told_apart),
		cmocka_unit_test(a_deadline_aborts),
		cmocka_unit_test(without_an_abort_the_card_is_reset),
		cmocka_unit_test(what_is_no_apdu_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
