#include "spdm/connection.h"

#include "spdm_rig.h"

#define SECTION_12 "{ identity: vendor, vendor_pen: 32473, versions: [\"1.2\"] }"
#define SECTION_13 "{ identity: vendor, vendor_pen: 32473, versions: [\"1.3\"] }"
#define ALGORITHMS                                                                                 \
	"13630000240001000200000010000000010000000000000000000000000000000000000000000000"
#define HELLO                                                                                      \
	{                                                                                          \
		SPDM_GET_VERSION, "10040000000200120013"                                           \
	}
#define CAPABLE                                                                                    \
	{                                                                                          \
		SPDM_GET_CAPABILITIES, RIG_CAPABILITIES                                            \
	}

static void the_highest_common_version_is_chosen(void **state)
{
	static const struct {
		const char *section, *answer;
		uint8_t version; /* 0: none */
	} cases[] = {
		{ RIG_SECTION, "10040000000500100011001200130014", 0x13 },
		{ RIG_SECTION, "10040000000200130012", 0x13 },
		{ RIG_SECTION, "1004000000010012", 0x12 },
		{ RIG_SECTION, "1004000000011212ffff", 0x12 }, /* update, alpha; surplus */
		{ SECTION_12, "10040000000200120013", 0x12 },
		{ SECTION_13, "1004000000010012", 0 },
		{ RIG_SECTION, "10040000000200110014", 0 },
		{ RIG_SECTION, "100400000000", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_VERSION, cases[i].answer },
		    { SPDM_GET_CAPABILITIES, RIG_CAPABILITIES }, { 0, ALGORITHMS });
		char caps[64];
		char algorithms[128];
		struct rig_step steps[] = { r.script[0], { SPDM_GET_CAPABILITIES, caps },
			{ SPDM_NEGOTIATE_ALGORITHMS, algorithms } };
		struct rig_side s;
		struct err e = { 0 };
		int rc;

		(void)snprintf(caps, sizeof(caps), "%02x%s", cases[i].version,
		    &RIG_CAPABILITIES[2]);
		(void)snprintf(algorithms, sizeof(algorithms), "%02x%s", cases[i].version,
		    &ALGORITHMS[2]);
		r.scripted_setup = true;
		r.script = steps;
		r.script_len = cases[i].version != 0 ? 3 : 1;
		rig_side_open(&s, &r, cases[i].section, 1000);
		rc = spdm_connect(&s.c, &e);
		if (cases[i].version == 0) {
			assert_err(rc, &e, "device.version");
		} else {
			assert_ok(rc, &e);
			assert_int_equal(s.c.peer.version, cases[i].version);
		}
		rig_side_close(&s, &r);
	}
}

static void the_transcript_is_what_was_said(void **state)
{
	struct rig r = RIG({ SPDM_GET_VERSION, "10040000000200120013aabb" }, CAPABLE,
	    { SPDM_NEGOTIATE_ALGORITHMS, ALGORITHMS "ff" });
	AUTO_STRUCT(buf) want = { 0 };
	struct rig_side s;
	struct err e = { 0 };

	(void)state;
	r.scripted_setup = true;
	rig_side_open(&s, &r, RIG_SECTION, 1000);
	/* what is behind the defined length of a message does not count */
	testing_hex(
	    "108400001004000000020012001313e1000000000000000002000004010000040100" RIG_CAPABILITIES
	    "13e3000020000102100000000100000000000000000000000000000000000000",
	    &want);
	assert_ok(spdm_connect(&s.c, &e), &e);
	assert_int_equal(s.c.transcript.len, want.len + 36);
	assert_memory_equal(s.c.transcript.data, want.data, want.len);
	rig_side_close(&s, &r);
}

static void lost_setup_begins_anew(void **state)
{
	struct rig r = RIG({ SPDM_GET_VERSION, RIG_SILENT }, { SPDM_GET_VERSION, RIG_GARBAGE },
	    { SPDM_GET_VERSION, RIG_BAD_FCS }, { SPDM_GET_VERSION, RIG_OLD_TAG }, HELLO,
	    { SPDM_GET_CAPABILITIES, RIG_SILENT }, HELLO, CAPABLE,
	    { SPDM_NEGOTIATE_ALGORITHMS, RIG_BAD_FCS }, HELLO, CAPABLE,
	    { SPDM_NEGOTIATE_ALGORITHMS, ALGORITHMS });
	struct rig_side s;
	struct err e = { 0 };

	(void)state;
	r.scripted_setup = true;
	rig_side_open(&s, &r, RIG_SECTION, 5000);
	assert_ok(spdm_connect(&s.c, &e), &e);
	assert_int_equal(s.c.transcript.len, 4 + 10 + 20 + 20 + 32 + 36);
	rig_side_close(&s, &r);
}

static void a_silent_device_ends_at_the_deadline(void **state)
{
	struct rig r = RIG({ SPDM_GET_VERSION, RIG_SILENT });
	struct rig_side s;
	struct err e = { 0 };
	int64_t before = clock_now_ms();

	(void)state;
	r.scripted_setup = r.endless = true;
	rig_side_open(&s, &r, RIG_SECTION, 20);
	assert_err(spdm_connect(&s.c, &e), &e, "link.timeout");
	assert_true(e.retry);
	assert_non_null(strstr(e.message, "GET_VERSION"));
	assert_true(clock_now_ms() - before < 1000);
	rig_side_close(&s, &r);
}

static void an_unplugged_device_is_not_asked_again(void **state)
{
	struct rig r = RIG(HELLO, { SPDM_GET_CAPABILITIES, RIG_GONE });
	struct rig_side s;
	struct err e = { 0 };

	(void)state;
	r.scripted_setup = true;
	rig_side_open(&s, &r, RIG_SECTION, 1000);
	assert_err(spdm_connect(&s.c, &e), &e, "link.gone");
	rig_side_close(&s, &r);
}

/* Answers to the three messages that no connection comes of. */
static void bad_setup_is_refused(void **state)
{
	static const struct {
		const char *version, *capabilities, *algorithms, *code;
	} cases[] = {
		{ "10040000000300120013", NULL, NULL, "device.protocol" },
		{ "1004000000", NULL, NULL, "device.protocol" },
		{ "1004", NULL, NULL, "device.protocol" },
		{ "13040000000200120013", NULL, NULL, "device.protocol" },
		{ "10050000000200120013", NULL, NULL, "device.protocol" },
		{ "107f0100", NULL, NULL, "device.refused" },
		{ NULL, "13610000000000000600183000120000001200", NULL, "device.protocol" },
		{ NULL, "1361010000000000060018300012000000120000", NULL, "device.protocol" },
		{ NULL, "1361000000200000060018300012000000120000", NULL, "device.protocol" },
		{ NULL, "1361000000000000060018302900000029000000", NULL, "device.protocol" },
		{ NULL, "1361000000000000060018300012000000110000", NULL, "device.protocol" },
		{ NULL, "13610000000000000600183c0012000000120000", NULL, "device.protocol" },
		{ NULL, "13610000000000001e0018300012000000120000", NULL, "device.protocol" },
		{ NULL, "1261000000000000060018300012000000120000", NULL, "device.protocol" },
		{ NULL, NULL, "137f0100", "device.refused" },
		{ NULL, NULL, "136300002400", "device.protocol" },
		{ NULL, NULL,
		    "136301002400010002000000100000000100000000000000000000000000000000000000",
		    "device.protocol" },
		{ NULL, NULL,
		    "136300002400010002000000800000000100000000000000000000000000000000000000",
		    "device.algorithm" },
		{ NULL, NULL,
		    "136300002400010002000000100000000200000000000000000000000000000000000000",
		    "device.algorithm" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig_step steps[] = { HELLO, CAPABLE,
			{ SPDM_NEGOTIATE_ALGORITHMS, cases[i].algorithms } };
		struct rig r = { .base = { &rig_ops }, .script = steps, .scripted_setup = true };
		struct rig_side s;
		struct err e = { 0 };

		r.script_len = cases[i].algorithms != NULL     ? 3
			       : cases[i].capabilities != NULL ? 2
							       : 1;
		if (cases[i].capabilities != NULL)
			steps[1].answer = cases[i].capabilities;
		if (cases[i].version != NULL)
			steps[0].answer = cases[i].version;
		rig_side_open(&s, &r, RIG_SECTION, 1000);
		if (spdm_connect(&s.c, &e) == 0 || !err_is(&e, cases[i].code))
			fail_msg("case %zu: %s: %s", i, e.code, e.message);
		rig_side_close(&s, &r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_common_version_is_chosen),
		cmocka_unit_test(the_transcript_is_what_was_said),
		cmocka_unit_test(lost_setup_begins_anew),
		cmocka_unit_test(a_silent_device_ends_at_the_deadline),
		cmocka_unit_test(an_unplugged_device_is_not_asked_again),
		cmocka_unit_test(bad_setup_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
