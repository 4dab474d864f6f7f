#include "reader.h"

static void t1_parameters_are_read(void **state)
{
	static const struct {
		const char *atr; /* of so many bytes */
		int ifsc;        /* 0: refused */
		const char *code;
	} cases[] = {
		{ "3b8081", 0, "ccid.mute" },       /* TD2 is missing */
		{ "3b800100", 32, NULL },           /* T=1 without group 3 */
		{ "3b80811140", 0x40, NULL },       /* TA3: IFSC */
		{ "3b80814101", 0, "ccid.reader" }, /* TC3: CRC */
		{ "3b80811100", 0, "ccid.mute" },   /* IFSC 0 */
		{ "3b808111ff", 0, "ccid.mute" },
		{ "3bd518ff8191fe1fc38073c821100a", 0xfe, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char answer[120];
		struct reader_step script[] = { READER_STATUS_ACTIVE, { POWER_ON, answer } };
		struct reader r;
		struct ccid c;
		struct err e = { 0 };

		(void)snprintf(answer, sizeof(answer), "80%02zx00000000ss000000%s",
		    strlen(cases[i].atr) / 2, cases[i].atr);
		open_reader(&r, &c, TPDU, script, COUNT(script));
		if (cases[i].ifsc == 0) {
			assert_err(ccid_power_on(&c, INT64_MAX, &e), &e, cases[i].code);
		} else {
			assert_ok(ccid_power_on(&c, INT64_MAX, &e), &e);
			assert_true(c.t1.used);
			assert_int_equal(c.t1.information_max, cases[i].ifsc);
		}
		reader_close(&r);
	}
}

/* Blocks of T=1 are NAD PCB LEN INF LRC. The card takes 4 bytes in one. */
#define T1_START                                                                                   \
	READER_STATUS_ACTIVE,                                                                      \
	{                                                                                          \
		POWER_ON, "800500000000ss0000003b80811104"                                         \
	}

static void t1_carries_apdus(void **state)
{
	static const struct reader_step script[] = {
		T1_START,
		{ "6f0800000000ss00000000200400fd0000d9",
		    "800400000000ss00000000900090" }, /* R(1): go on */
		{ "6f0500000000ss0000000040010041", "800500000000ss00000000c30102c0" }, /* WTX */
		{ "6f0500000000ss00000000e30102e0",
		    "800700000000ss00000000200305040022" }, /* I(0), more follows */
		{ "6f0400000000ss00000000900090", "800600000000ss0000000040029000d2" },
		{ "6f0800000000ss00000000000400200080a4", "800600000000ss00000000000263c5a4" },
		{ "6f0800000000ss00000000400400200080e4",
		    "800500000000ss00000000c10120e0" }, /* IFS */
		{ "6f0500000000ss00000000e10120c0", "800600000000ss00000000400263c5e4" },
		{ "6f0900000000ss00000000000500fd000000f8",
		    "800900000000ss000000000005050400900094" }, /* now in one block */
	};
	static const char *const answers[][2] = { { "00fd000000", "0504009000" },
		{ "00200080", "63c5" }, { "00200080", "63c5" }, { "00fd000000", "0504009000" } };
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, TPDU, script, COUNT(script));
	power_on(&c);
	for (size_t i = 0; i < COUNT(answers); i++) {
		assert_ok(apdu(&c, answers[i][0], answer, &e), &e);
		assert_string_equal(answer, answers[i][1]);
	}
	assert_int_equal(r.at, r.script_len);
	reader_close(&r);
}

static void damaged_t1_blocks_are_sent_again(void **state)
{
	static const struct reader_step script[] = {
		T1_START,
		{ "6f0800000000ss00000000000400200080a4", "800600000000ss00000000000263c5a5" },
		{ "6f0400000000ss00000000810081", "800600000000ss00000000000263c5a4" },
		{ "6f0800000000ss00000000400400200080e4", "800400000000ss00000000910091" },
		{ "6f0800000000ss00000000400400200080e4", "800600000000ss00000000400263c5e4" },
	};
	struct reader r;
	struct ccid c;
	struct err e = { 0 };
	char answer[600];

	(void)state;
	open_reader(&r, &c, TPDU, script, COUNT(script));
	power_on(&c);
	for (int i = 0; i < 2; i++) {
		assert_ok(apdu(&c, "00200080", answer, &e), &e);
		assert_string_equal(answer, "63c5");
	}
	assert_int_equal(r.at, r.script_len);
	reader_close(&r);
}

static void other_t1_blocks_are_refused(void **state)
{
	static const struct {
		const char *apdu;
		struct reader_step script[6];
	} cases[] = {
		{ "00200080",
		    { T1_START,
			{ "6f0800000000ss00000000000400200080a4",
			    "800600000000ss000000000002900093" },
			{ "6f0400000000ss00000000810081", "800600000000ss000000000002900093" },
			{ "6f0400000000ss00000000810081", "800600000000ss000000000002900093" },
			{ "6f0400000000ss00000000810081", "800600000000ss000000000002900093" } } },
		{ "00200080",
		    { T1_START,
			{ "6f0800000000ss00000000000400200080a4", "800400000000ss00000000800080" },
			{ "6f0800000000ss00000000000400200080a4", "800400000000ss00000000800080" },
			{ "6f0800000000ss00000000000400200080a4", "800400000000ss00000000800080" },
			{ "6f0800000000ss00000000000400200080a4",
			    "800400000000ss00000000800080" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800600000000ss0000000040029000d2" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800400000000ss00000000900090" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800400000000ss00000000c200c2" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800400000000ss00000000c300c3" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800500000000ss00000000c10100c0" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800500000000ss00000000c101ff3f" } } },
		{ "002000800100", { T1_START, { "6f0800000000ss0000000020040020008084",
						  "800600000000ss000000000002900092" } } },
		{ "00200080", { T1_START, { "6f0800000000ss00000000000400200080a4",
					      "800500000000ss0000000000019091" } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reader r;
		struct ccid c;
		struct err e = { 0 };
		char answer[600];

		open_reader(&r, &c, TPDU, cases[i].script, COUNT(cases[i].script));
		power_on(&c);
		if (apdu(&c, cases[i].apdu, answer, &e) == 0)
			fail_msg("case %zu: accepted %s", i, answer);
		if (!err_is(&e, "ccid.protocol"))
			fail_msg("case %zu: %s: %s", i, e.code, e.message);
		if (i + 1 < COUNT(cases))
			assert_false(c.powered);
		reader_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t1_parameters_are_read),
		cmocka_unit_test(t1_carries_apdus),
		cmocka_unit_test(damaged_t1_blocks_are_sent_again),
		cmocka_unit_test(other_t1_blocks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
