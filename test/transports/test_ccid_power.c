#include "reader.h"

static void a_card_is_powered(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_INACTIVE, { POWER_ON, ATR_T0 } };
	static const uint8_t atr[] = { 0x3b, 0x80, 0x80, 0x01, 0x01 };
	struct reader r;
	struct ccid c;

	(void)state;
	open_reader(&r, &c, TPDU, script, COUNT(script));
	power_on(&c);
	assert_int_equal(c.atr_len, sizeof(atr));
	assert_memory_equal(c.atr, atr, sizeof(atr));
	assert_false(c.t1.used);
	reader_close(&r);
}

/* The lowest voltage first; a card that stays mute gets the next. */
static void voltages_go_up(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_INACTIVE,
		{ "620000000000ss030000", "800000000000ss41fe00" },
		{ "620000000000ss020000", "800000000000ss41fe00" },
		{ "620000000000ss010000", ATR_T0 } };
	static const struct reader_step mute[] = { READER_STATUS_INACTIVE,
		{ "620000000000ss010000", "800000000000ss41fe00" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };

	(void)state;
	open_reader(&r, &c, TPDU & ~8u, script, COUNT(script));
	power_on(&c);
	reader_close(&r);
	reader_init(&r, TPDU & ~8u, mute, COUNT(mute));
	r.descriptor[5] = 1;
	assert_ok(ccid_init(&c, &reader_port, &r.wire.base, &e), &e);
	assert_err(ccid_power_on(&c, INT64_MAX, &e), &e, "ccid.mute");
	assert_int_equal(e.domain, ERR_DEVICE);
	reader_close(&r);
	reader_init(&r, TPDU & ~8u, mute, 1);
	r.descriptor[5] = 0;
	assert_ok(ccid_init(&c, &reader_port, &r.wire.base, &e), &e);
	assert_err(ccid_power_on(&c, INT64_MAX, &e), &e, "ccid.reader");
	reader_close(&r);
}

static void a_card_is_awaited(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_ABSENT, READER_STATUS_ABSENT,
		READER_STATUS_INACTIVE, { POWER_ON, ATR_T0 } };
	struct reader r;
	struct ccid c;

	(void)state;
	open_reader(&r, &c, TPDU, script, COUNT(script));
	r.has_interrupt = true;
	r.notice = "5003";
	power_on(&c);
	assert_int_equal(r.notices, 2);
	reader_close(&r);
	/* without interrupts it is asked again */
	open_reader(&r, &c, TPDU, script, COUNT(script));
	power_on(&c);
	reader_close(&r);
}

/* A reader whose card never comes, and that says nothing. */
static int absent(struct wire *w, struct err *e)
{
	const uint8_t answer[] = { 0x81, 0, 0, 0, 0, 0, w->out.data[6], 0x42, 0xfe, 0 };

	buf_clear(&w->out);
	return buf_add(&w->in, answer, sizeof(answer), e);
}

static void no_card_is_told(void **state)
{
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	int rc;

	(void)state;
	open_reader(&r, &c, TPDU, NULL, 0);
	r.wire.answer = absent;
	rc = ccid_power_on(&c, clock_now_ms() + 50, &e);
	assert_int_equal(rc, -1);
	/* The deadline may also pass inside a question. */
	if (!err_is(&e, "ccid.no-card"))
		assert_err(rc, &e, "link.timeout");
	else
		assert_true(e.retry);
	assert_false(c.powered);
	r.wire.unplugged = true;
	r.wire.answer = NULL;
	assert_err(ccid_power_on(&c, clock_now_ms() + 5000, &e), &e, "link.gone");
	reader_close(&r);
}

static void answers_to_reset_are_judged(void **state)
{
	static const struct {
		const char *atr, *code;
	} cases[] = {
		{ "800000000000ss000000", "ccid.mute" }, { "800100000000ss0000003b", "ccid.mute" },
		{ "800200000000ss0000003b80", "ccid.mute" },     /* TD1 is missing */
		{ "800200000000ss0000003c00", "ccid.mute" },     /* TS */
		{ "800300000000ss0000003b8002", "ccid.reader" }, /* T=2 */
		{ "802200000000ss0000003b00000000000000000000000000000000000000000000000000000000"
		  "00000000000000",
		    "ccid.mute" }, /* 34 bytes */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct reader_step script[] = { READER_STATUS_ACTIVE,
			{ POWER_ON, cases[i].atr } };
		struct reader r;
		struct ccid c;
		struct err e = { 0 };

		open_reader(&r, &c, TPDU, script, COUNT(script));
		assert_err(ccid_power_on(&c, INT64_MAX, &e), &e, cases[i].code);
		assert_false(c.powered);
		reader_close(&r);
	}
}

static void a_protocol_the_reader_lacks_is_refused(void **state)
{
	static const struct reader_step script[] = { READER_STATUS_ACTIVE,
		{ POWER_ON, "800300000000ss0000003b8001" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };

	(void)state;
	reader_init(&r, TPDU, script, COUNT(script));
	r.descriptor[6] = 1; /* T=0 alone */
	assert_ok(ccid_init(&c, &reader_port, &r.wire.base, &e), &e);
	assert_err(ccid_power_on(&c, INT64_MAX, &e), &e, "ccid.reader");
	reader_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_is_powered),
		cmocka_unit_test(voltages_go_up),
		cmocka_unit_test(a_card_is_awaited),
		cmocka_unit_test(no_card_is_told),
		cmocka_unit_test(answers_to_reset_are_judged),
		cmocka_unit_test(a_protocol_the_reader_lacks_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
