/* What may come between a request and its answer. */
#include "spdm/exchange.h"

#include "spdm_rig.h"

/* One exchange of GET_DIGESTS on a 1.3 connection. */
static int get_digests(struct rig *r, int64_t ms, struct buf *ret, struct spdm_peer *ret_peer,
    struct err *e)
{
	AUTO_STRUCT(buf) request = { 0 };
	struct rig_side s;
	int rc;

	testing_hex("13810000", &request);
	rig_side_open(&s, r, RIG_SECTION, ms);
	assert_ok(spdm_connect(&s.c, e), e);
	rc = spdm_exchange(&s.c.peer, &request, SPDM_PLAIN, ret, e);
	*ret_peer = s.c.peer;
	spdm_connection_free(&s.c);
	profile_free(s.profile);
	return rc;
}

#define DIGESTS "13010000"

/* The requests after connecting, as one hex text; ends the rig. */
static void expect_requests(struct rig *r, const char *hex)
{
	AUTO_STRUCT(buf) want = { 0 };

	testing_hex(hex, &want);
	assert_true(buf_equal(&r->requests, &want));
	rig_done(r);
}

static void busy_is_asked_again(void **state)
{
	struct rig r = RIG({ SPDM_GET_DIGESTS, "137f0300" }, { SPDM_GET_DIGESTS, "137f0300" },
	    { SPDM_GET_DIGESTS, DIGESTS });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	assert_ok(get_digests(&r, 5000, &answer, &peer, &e), &e);
	assert_true(r.waited_ms >= 50 + 100 - 20); /* longer each time */
	expect_requests(&r, "138100001381000013810000");
}

static void busy_ends_at_the_deadline(void **state)
{
	struct rig r = RIG({ SPDM_GET_DIGESTS, "137f0300" });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	r.endless = true;
	assert_err(get_digests(&r, 300, &answer, &peer, &e), &e, "device.busy");
	assert_true(e.retry);
	rig_done(&r);
}

static void not_ready_is_responded_to(void **state)
{
	/* exponent 17: 131 ms; then 10: 1 ms; Busy in between */
	struct rig r = RIG({ SPDM_GET_DIGESTS, "137f420011810a02" },
	    { SPDM_RESPOND_IF_READY, "137f42000a810a02" }, { SPDM_RESPOND_IF_READY, "137f0300" },
	    { SPDM_RESPOND_IF_READY, DIGESTS });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	assert_ok(get_digests(&r, 5000, &answer, &peer, &e), &e);
	assert_true(r.waited_ms >= 131 + 5 + 50 - 20);
	expect_requests(&r, "1381000013ff810a13ff810a13ff810a");
}

static void bad_not_ready_is_refused(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "137f420001820a02", "device.protocol" }, /* about another request */
		{ "137f420020810a02", "device.protocol" }, /* exponent over 31 */
		{ "137f420001810a", "device.protocol" }, { "137f4200", "device.protocol" },
		{ "137f42001f810a02", "device.busy" }, /* 35 minutes */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_DIGESTS, cases[i].answer });
		AUTO_STRUCT(buf) answer = { 0 };
		struct spdm_peer peer;
		struct err e = { 0 };

		assert_err(get_digests(&r, 5000, &answer, &peer, &e), &e, cases[i].code);
		rig_done(&r);
	}
}

static void every_refusal_has_its_name(void **state)
{
	static const struct {
		const char *answer, *name;
		uint8_t code, data;
		bool retry;
	} cases[] = {
		{ "137f0100", "InvalidRequest (01", 0x01, 0, false },
		{ "137f0400", "UnexpectedRequest (04", 0x04, 0, false },
		{ "137f0500", "Unspecified (05", 0x05, 0, false },
		{ "137f0600", "DecryptError (06", 0x06, 0, false },
		{ "137f0781", "UnsupportedRequest (07, data 81", 0x07, 0x81, false },
		{ "137f0800", "RequestInFlight (08", 0x08, 0, false },
		{ "137f0900", "InvalidResponseCode (09", 0x09, 0, false },
		{ "137f0a00", "SessionLimitExceeded (0A", 0x0a, 0, false },
		{ "137f0b00", "SessionRequired (0B", 0x0b, 0, false },
		{ "137f0c03", "ResetRequired (0C, data 03", 0x0c, 3, false },
		{ "137f0d0000010000", "ResponseTooLarge (0D", 0x0d, 0, false },
		{ "137f0e00", "RequestTooLarge (0E", 0x0e, 0, false },
		{ "137f1000", "MessageLost (10", 0x10, 0, false },
		{ "137f1100", "InvalidPolicy (11", 0x11, 0, false },
		{ "137f4100", "VersionMismatch (41", 0x41, 0, false },
		{ "107f4100", "VersionMismatch (41", 0x41, 0, false },
		{ "137f4300", "RequestResynch (43", 0x43, 0, true },
		{ "137f4400", "OperationFailed (44", 0x44, 0, false },
		{ "137f4500", "NoPendingRequests (45", 0x45, 0, false },
		{ "137fff04", "VendorDefined (FF", 0xff, 4, false },
		{ "137f7700", "unknown (77", 0x77, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_DIGESTS, cases[i].answer });
		AUTO_STRUCT(buf) answer = { 0 };
		struct spdm_peer peer;
		struct err e = { 0 };

		assert_err(get_digests(&r, 1000, &answer, &peer, &e), &e, "device.refused");
		if (strstr(e.message, cases[i].name) == NULL ||
		    strstr(e.message, "GET_DIGESTS") == NULL)
			fail_msg("%s: %s", cases[i].answer, e.message);
		assert_int_equal(e.domain, ERR_DEVICE);
		assert_int_equal(peer.error_code, cases[i].code);
		assert_int_equal(peer.error_data, cases[i].data);
		assert_int_equal(e.retry, cases[i].retry);
		rig_done(&r);
	}
}

static void other_answers_are_refused(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "13", "device.protocol" },
		{ "130100", "device.protocol" },
		{ "12010000", "device.protocol" },   /* version */
		{ "10010000", "device.protocol" },   /* only ERROR may be 1.0 */
		{ "13020000", "device.protocol" },   /* another code */
		{ "13810000", "device.protocol" },   /* an echo */
		{ "137f0f00", "device.protocol" },   /* LargeResponse without a handle */
		{ "137f0f0001", "device.protocol" }, /* and without CHUNK_CAP */
		{ RIG_OLD_TAG, "link.timeout" },
		{ RIG_BAD_FCS, "link.timeout" },
		{ RIG_GARBAGE, "link.timeout" },
		{ RIG_SILENT, "link.timeout" },
		{ RIG_GONE, "link.gone" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_DIGESTS, cases[i].answer });
		AUTO_STRUCT(buf) answer = { 0 };
		struct spdm_peer peer;
		struct err e = { 0 };

		assert_err(get_digests(&r, 1000, &answer, &peer, &e), &e, cases[i].code);
		rig_done(&r);
	}
}

static void the_wait_fits_the_work(void **state)
{
	struct rig r = RIG({ SPDM_GET_DIGESTS, RIG_SILENT });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	assert_err(get_digests(&r, 60000, &answer, &peer, &e), &e, "link.timeout");
	assert_true(r.waited_ms > 3000 && r.waited_ms < 5000);
	rig_done(&r);
}

#define CHUNK_0                                                                                    \
	"13060001"                                                                                 \
	"0000"                                                                                     \
	"0000"                                                                                     \
	"1a000000"                                                                                 \
	"2c000000"
#define DATA_26                                                                                    \
	"13010000"                                                                                 \
	"00000000000000000000000000000000000000000000"
#define CHUNK_1                                                                                    \
	"13060101"                                                                                 \
	"0100"                                                                                     \
	"0000"                                                                                     \
	"12000000"
#define DATA_18 "000000000000000000000000000000000000"

static void large_answers_come_in_chunks(void **state)
{
	struct rig r = RIG({ SPDM_GET_DIGESTS, "137f0f0001" }, { SPDM_CHUNK_GET, CHUNK_0 DATA_26 },
	    { SPDM_CHUNK_GET, CHUNK_1 DATA_18 });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	r.capabilities = RIG_CAPABILITIES_SMALL;
	assert_ok(get_digests(&r, 1000, &answer, &peer, &e), &e);
	assert_int_equal(answer.len, 44);
	assert_int_equal(answer.data[1], SPDM_DIGESTS);
	expect_requests(&r, "13810000138600010000138600010100");
}

static void bad_chunks_are_refused(void **state)
{
	static const struct {
		const char *first, *second; /* second NULL: the first is refused */
	} cases[] = {
		{ "13060001000000001a0000", NULL },                   /* cut off */
		{ "13060002000000001a0000002c000000" DATA_26, NULL }, /* handle */
		{ "13060001010000001a0000002c000000" DATA_26, NULL }, /* sequence */
		{ "13060001000000001b0000002c000000" DATA_26, NULL }, /* size */
		{ "1306000100000000000000002c000000" DATA_26, NULL }, /* empty */
		{ "1306000100000000190000002c000000" DATA_26, NULL }, /* too small */
		{ "13060001000000001a0000002c000200" DATA_26, NULL }, /* too much */
		{ "13060001000000001a000000ffffffff" DATA_26, NULL },
		{ "13060001000000001a00000019000000" DATA_26, NULL }, /* past its end */
		{ "13060101000000001a0000002c000000" DATA_26, NULL }, /* not the last */
		{ "13060001000000001a0000001a000000" DATA_26, NULL }, /* the last */
		{ CHUNK_0 DATA_26, "130600010100000012000000" DATA_18 },
		{ CHUNK_0 DATA_26, "130601010200000012000000" DATA_18 },
		{ CHUNK_0 DATA_26, "130601010100000011000000" DATA_18 },
		{ "13060001000000001a0000002c000000130200000000000000000000000000000000000000000000"
		  "0000",
		    CHUNK_1 DATA_18 }, /* another message than asked for */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_DIGESTS, "137f0f0001" },
		    { SPDM_CHUNK_GET, cases[i].first }, { SPDM_CHUNK_GET, cases[i].second });
		AUTO_STRUCT(buf) answer = { 0 };
		struct spdm_peer peer;
		struct err e = { 0 };

		r.capabilities = RIG_CAPABILITIES_SMALL;
		if (cases[i].second == NULL)
			r.script_len = 2;
		assert_err(get_digests(&r, 1000, &answer, &peer, &e), &e, "device.protocol");
		rig_done(&r);
	}
}

/* A request of 60 bytes to a device that takes 42: 26, 30 and 4 bytes. */
static int send_large(struct rig *r, struct buf *ret, struct spdm_peer *ret_peer, struct err *e)
{
	AUTO_STRUCT(buf) request = { 0 };
	struct rig_side s;
	int rc;

	testing_hex("13ee0000", &request);
	while (request.len < 60)
		assert_ok(buf_add_u8(&request, (uint8_t)request.len, e), e);
	r->capabilities = RIG_CAPABILITIES_SMALL;
	rig_side_open(&s, r, RIG_SECTION, 1000);
	assert_ok(spdm_connect(&s.c, e), e);
	rc = spdm_exchange(&s.c.peer, &request, SPDM_CRYPTO, ret, e);
	*ret_peer = s.c.peer;
	spdm_connection_free(&s.c);
	profile_free(s.profile);
	return rc;
}

static void large_requests_go_in_chunks(void **state)
{
	struct rig r = RIG({ SPDM_CHUNK_SEND, "130500010000" }, { SPDM_CHUNK_SEND, "130500010100" },
	    { SPDM_CHUNK_SEND, "130500010200136e0000" });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	assert_ok(send_large(&r, &answer, &peer, &e), &e);
	assert_int_equal(answer.len, 4);
	assert_int_equal(answer.data[1], SPDM_SET_CERTIFICATE_RSP);
	expect_requests(&r, "13850001000000001a0000003c00000013ee00000405060708090a0b0c0d0e0f101112"
			    "1314151617181913850001010000001e0000001a1b1c1d1e1f20212223242526272829"
			    "2a2b2c2d2e2f303132333435363713850101020000000400000038393a3b");
}

static void refusals_of_chunks_are_seen(void **state)
{
	static const struct {
		const char *answer, *code;
		uint8_t error;
	} cases[] = {
		{ "130501010000137f0100", "device.refused", 1 }, /* early error */
		{ "137f0400", "device.refused", 4 },             /* instead of an acknowledgement */
		{ "130500020000", "device.protocol", 0 },        /* handle */
		{ "130500010100", "device.protocol", 0 },        /* sequence */
		{ "1305000100", "device.protocol", 0 },
		{ "13050101000013", "device.protocol", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_CHUNK_SEND, cases[i].answer });
		AUTO_STRUCT(buf) answer = { 0 };
		struct spdm_peer peer;
		struct err e = { 0 };

		assert_err(send_large(&r, &answer, &peer, &e), &e, cases[i].code);
		assert_int_equal(peer.error_code, cases[i].error);
		rig_done(&r);
	}
}

/* The whole large request again, under another handle. */
static void busy_to_the_last_chunk_sends_all_again(void **state)
{
	struct rig r = RIG({ SPDM_CHUNK_SEND, "130500010000" }, { SPDM_CHUNK_SEND, "130500010100" },
	    { SPDM_CHUNK_SEND, "130500010200137f0300" }, { SPDM_CHUNK_SEND, "130500020000" },
	    { SPDM_CHUNK_SEND, "130500020100" }, { SPDM_CHUNK_SEND, "130500020200136e0000" });
	AUTO_STRUCT(buf) answer = { 0 };
	struct spdm_peer peer;
	struct err e = { 0 };

	(void)state;
	assert_ok(send_large(&r, &answer, &peer, &e), &e);
	rig_done(&r);
}

static void what_the_device_can_not_take_is_not_sent(void **state)
{
	struct rig r = RIG({ 0, DIGESTS });
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	struct rig_side s;
	struct err e = { 0 };

	(void)state;
	r.script_len = 0;
	rig_side_open(&s, &r, RIG_SECTION, 1000);
	assert_ok(spdm_connect(&s.c, &e), &e);
	testing_hex("13ee0000", &request);
	while (request.len < 0x1201)
		assert_ok(buf_add_u8(&request, 0, &e), &e);
	assert_err(spdm_exchange(&s.c.peer, &request, SPDM_CRYPTO, &answer, &e), &e,
	    "device.unsupported");
	rig_side_close(&s, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_is_asked_again),
		cmocka_unit_test(busy_ends_at_the_deadline),
		cmocka_unit_test(not_ready_is_responded_to),
		cmocka_unit_test(bad_not_ready_is_refused),
		cmocka_unit_test(every_refusal_has_its_name),
		cmocka_unit_test(other_answers_are_refused),
		cmocka_unit_test(the_wait_fits_the_work),
		cmocka_unit_test(large_answers_come_in_chunks),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(large_requests_go_in_chunks),
		cmocka_unit_test(refusals_of_chunks_are_seen),
		cmocka_unit_test(busy_to_the_last_chunk_sends_all_again),
		cmocka_unit_test(what_the_device_can_not_take_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
