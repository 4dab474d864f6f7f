/* The vendor-defined messages of profiles/spdm/README.md. */
#include "spdm_twin_kit.h"

/* Head of a request with enterprise number 32473; the payload's length and the payload follow. */
#define VENDOR                                                                                     \
	"13fe0000"                                                                                 \
	"0400"                                                                                     \
	"04"                                                                                       \
	"d97e0000"
#define ANSWER                                                                                     \
	"137e0000"                                                                                 \
	"0400"                                                                                     \
	"04"                                                                                       \
	"d97e0000"
#define INVALID "137f0100"

static int setup(void **state)
{
	static struct kit k;

	kit_open(&k, NULL, NULL);
	kit_connect(&k, "13", true, false);
	*state = &k;
	return 0;
}

static int teardown(void **state)
{
	kit_close(*state);
	return 0;
}

/* Value of a TLV in the answer to GET_IDENTITY. */
static const uint8_t *tlv(const struct buf *answer, uint8_t type, size_t *ret_len)
{
	for (size_t at = 15; at + 2 <= answer->len; at += 2U + answer->data[at + 1]) {
		*ret_len = answer->data[at + 1];
		assert_true(at + 2 + *ret_len <= answer->len);
		if (answer->data[at] == type)
			return answer->data + at + 2;
	}
	fail_msg("there is no TLV %d", type);
	return NULL;
}

static void expect_text(const struct buf *answer, uint8_t type, const char *want)
{
	size_t len;
	const uint8_t *value = tlv(answer, type, &len);

	assert_int_equal(len, strlen(want));
	assert_memory_equal(value, want, len);
}

static void test_identity(void **state)
{
	const struct buf *answer = kit_expect_code(*state, VENDOR "02000101", 0x7e);
	size_t len;

	kit_expect_bytes(&(struct buf){ .data = answer->data, .len = 11 }, ANSWER);
	assert_int_equal(get_u16le(answer->data + 11), answer->len - 13);
	assert_memory_equal(answer->data + 13, "\x01\x81", 2);
	expect_text(answer, VENDOR_TLV_MODEL, "IP3-A");
	expect_text(answer, VENDOR_TLV_SERIAL, "IP30000001");
	expect_text(answer, VENDOR_TLV_FIRMWARE, "3.4.2");
	expect_text(answer, VENDOR_TLV_LIFECYCLE, "manufacturing");
	(void)tlv(answer, VENDOR_TLV_FIRMWARE_DIGEST, &len);
	assert_int_equal(len, 32);
	assert_int_equal(tlv(answer, VENDOR_TLV_UUID, &len)[6] >> 4, 8);
	assert_int_equal(len, 16);
}

static void test_heads(void **state)
{
	static const struct {
		const char *request, *answer;
	} heads[] = {
		{ "13fe0000", INVALID },
		{ "13fe0000"
		  "0400"
		  "04"
		  "d97e0000",
		    INVALID },
		{ "13fe0000"
		  "0400"
		  "02"
		  "d97e"
		  "02000101",
		    INVALID },
		{ "13fe0000"
		  "0300"
		  "02"
		  "d97e"
		  "02000101",
		    "137f07fe" }, /* PCI-SIG */
		{ "13fe0000"
		  "0400"
		  "04"
		  "d87e0000"
		  "02000101",
		    "137f07fe" },
		{ VENDOR "03000101", INVALID }, /* longer than the message */
		{ VENDOR "010001", INVALID },
		{ VENDOR "02000201", INVALID },    /* layout */
		{ VENDOR "02000106", "137f07fe" }, /* command */
		{ VENDOR "0300010100", INVALID },
		{ VENDOR "0300010300", INVALID },
		{ VENDOR "0300010400", INVALID },
		{ VENDOR "0300010500", INVALID },
	};

	for (size_t i = 0; i < COUNT(heads); i++)
		kit_expect(*state, heads[i].request, heads[i].answer);
}

static void test_needs_negotiation(void **state)
{
	(void)kit_expect_code(*state, "10840000", SPDM_VERSION);
	kit_expect(*state, VENDOR "02000101", "107f4100");
}

#define NO_ANCHORS                                                                                 \
	ANSWER "2600"                                                                              \
	       "0183"                                                                              \
	       "00000000"                                                                          \
	       "0000000000000000000000000000000000000000000000000000000000000000"
/* "abcdef" and its SHA-256 */
#define SIX_ANCHORS                                                                                \
	ANSWER "2600"                                                                              \
	       "0183"                                                                              \
	       "06000000"                                                                          \
	       "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
#define PUT_OK ANSWER "02000182"

static void test_anchors(void **state)
{
	struct kit *k = *state;

	kit_expect(k, VENDOR "02000103", NO_ANCHORS);
	kit_expect(k,
	    VENDOR "0d000102"
		   "06000000"
		   "00000000"
		   "616263",
	    PUT_OK);
	kit_expect(k, VENDOR "02000103", NO_ANCHORS); /* not before it is whole */
	kit_expect(k,
	    VENDOR "0d000102"
		   "06000000"
		   "03000000"
		   "646566",
	    PUT_OK);
	kit_expect(k, VENDOR "02000103", SIX_ANCHORS);
	/* an unfinished transfer leaves what is there, also over a reset */
	kit_expect(k,
	    VENDOR "0d000102"
		   "06000000"
		   "00000000"
		   "787878",
	    PUT_OK);
	kit_reboot(k);
	kit_connect(k, "13", true, false);
	kit_expect(k, VENDOR "02000103", SIX_ANCHORS);
	kit_expect(k,
	    VENDOR "0d000102"
		   "06000000"
		   "03000000"
		   "646566",
	    "137f0400");
}

static void test_anchor_refusals(void **state)
{
	struct kit *k = *state;

	kit_expect(k,
	    VENDOR "0a000102"
		   "00000000"
		   "00000000",
	    INVALID); /* nothing */
	kit_expect(k,
	    VENDOR "0b000102"
		   "01400000"
		   "00000000"
		   "61",
	    INVALID); /* 16385 */
	kit_expect(k,
	    VENDOR "0c000102"
		   "01000000"
		   "00000000"
		   "6161",
	    INVALID); /* beyond total */
	kit_expect(k,
	    VENDOR "0b000102"
		   "04000000"
		   "04000000"
		   "61",
	    INVALID);
	kit_expect(k,
	    VENDOR "0b000102"
		   "04000000"
		   "ffffffff"
		   "61",
	    INVALID);
	kit_expect(k,
	    VENDOR "0b000102"
		   "04000000"
		   "01000000"
		   "61",
	    "137f0400"); /* not begun */
	kit_expect(k,
	    VENDOR "0b000102"
		   "04000000"
		   "00000000"
		   "61",
	    PUT_OK);
	kit_expect(k,
	    VENDOR "0b000102"
		   "04000000"
		   "02000000"
		   "61",
	    "137f0400"); /* a gap */
	kit_expect(k,
	    VENDOR "0b000102"
		   "05000000"
		   "01000000"
		   "61",
	    "137f0400"); /* another total */
}

static void test_portion_limit(void **state)
{
	struct kit *k = *state;
	struct buf message = { 0 };
	struct err e = { 0 };

	testing_hex(VENDOR "0b040102"
			   "01040000"
			   "00000000",
	    &message);
	while (message.len < 13 + 0x40b)
		assert_ok(buf_add_u8(&message, 0x61, &e), &e);
	kit_expect_bytes(kit_ask(k, message.data, message.len), INVALID); /* 1025 bytes */
	put_u16le(message.data + 11, 0x40a);
	kit_expect_bytes(kit_ask(k, message.data, message.len), PUT_OK);
	buf_free(&message);
}

static void test_seal(void **state)
{
	struct kit *k = *state;

	kit_make_key(k, false);
	kit_expect(k, VENDOR "02000104", ANSWER "02000184");
	kit_expect(k, VENDOR "02000104", ANSWER "02000184");
	kit_reboot(k);
	kit_connect(k, "13", true, false);
	expect_text(kit_expect_code(k, VENDOR "02000101", 0x7e), VENDOR_TLV_LIFECYCLE, "sealed");
	kit_expect(k,
	    VENDOR "0b000102"
		   "01000000"
		   "00000000"
		   "61",
	    "137f0400");
	kit_expect(k, "13ed010100000000", "137f0400");
	kit_expect(k, "13fd010001", "137f0400");
	kit_expect(k, "13ee8000", "137f0400");
	kit_expect(k, VENDOR "02000103", NO_ANCHORS);
}

static void test_reset(void **state)
{
	struct kit *k = *state;

	assert_false(k->device.reset);
	kit_expect(k, VENDOR "02000105", ANSWER "02000185");
	assert_true(k->device.reset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_needs_negotiation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anchors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anchor_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_portion_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
