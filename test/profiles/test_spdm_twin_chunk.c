/* Messages of the twin that are larger than one transfer. */
#include "spdm_twin_kit.h"

static void connect_chunks(struct kit *k)
{
	k->count = 0;
	(void)kit_expect_code(k, "10840000", SPDM_VERSION);
	kit_expect(k, "13e1000000000000000002008000000000200000",
	    "13610000"
	    "00140000"
	    "16001a38"
	    "00010000"
	    "00040100");
	(void)kit_expect_code(k, "13e3000020000112100000000100000000000000000000000000000000000000",
	    SPDM_ALGORITHMS);
}

static void open_chunks(struct kit *k)
{
	kit_open(k, "1.3-chunk", NULL);
	connect_chunks(k);
	kit_make_key(k, false);
}

/* Fetches what LargeResponse announces; the number of chunks. */
static size_t fetch(struct kit *k, const struct buf *announced, struct buf *ret)
{
	uint8_t handle = announced->data[4];
	struct err e = { 0 };

	assert_int_equal(announced->len, 5);
	assert_memory_equal(announced->data + 1, "\x7f\x0f", 2);
	for (unsigned sequence = 0;; sequence++) {
		size_t head = sequence == 0 ? 16 : 12;
		const struct buf *answer;
		char request[13];

		(void)snprintf(request, sizeof(request), "138600%02x%02x00", handle, sequence);
		answer = kit_expect_code(k, request, SPDM_CHUNK_RESPONSE);
		assert_true(answer->len <= 128);
		assert_int_equal(answer->data[3], handle);
		assert_int_equal(get_u16le(answer->data + 4), sequence);
		assert_int_equal(get_u32le(answer->data + 8), answer->len - head);
		assert_ok(buf_add(ret, answer->data + head, answer->len - head, &e), &e);
		if ((answer->data[2] & 1) == 0)
			assert_int_equal(answer->len, 128);
		else
			return sequence + 1;
	}
}

static void test_large_answer(void **state)
{
	struct buf whole = { 0 };
	struct kit k;

	(void)state;
	open_chunks(&k);
	assert_true(fetch(&k, kit_ask_hex(&k, "13ed010100000000"), &whole) > 1);
	X509_REQ_free(kit_csr(&whole));
	kit_expect(&k, "138600010000", "137f0400"); /* nothing pending any more */
	buf_free(&whole);
	kit_close(&k);
}

static void test_large_answer_is_not_disturbed(void **state)
{
	const struct buf *announced;
	struct buf whole = { 0 };
	struct kit k;

	(void)state;
	open_chunks(&k);
	announced = kit_ask_hex(&k, "13ed010100000000");
	kit_expect(&k, "138600010100", "137f0100"); /* sequence */
	kit_expect(&k, "138600020000", "137f0100"); /* handle */
	kit_expect(&k, "13810000", "137f0400");
	(void)fetch(&k, announced, &whole);
	X509_REQ_free(kit_csr(&whole));
	announced = kit_ask_hex(&k, "13ed010100000000");
	assert_int_equal(announced->data[4], 2);
	connect_chunks(&k); /* GET_VERSION ends it */
	(void)kit_expect_code(&k, "13fc000001", SPDM_KEY_PAIR_INFO);
	buf_free(&whole);
	kit_close(&k);
}

/* Sends a large message in chunks of at most 128 bytes; the answer to the last. */
static const struct buf *send(struct kit *k, const struct buf *message)
{
	const struct buf *answer = NULL;
	uint16_t sequence = 0;
	struct err e = { 0 };

	for (size_t at = 0; at < message->len; sequence++) {
		size_t fits = sequence == 0 ? 112 : 116;
		size_t n = message->len - at < fits ? message->len - at : fits;
		struct buf chunk = { 0 };

		testing_hex("13850009", &chunk);
		chunk.data[2] = at + n == message->len;
		assert_ok(buf_add_u16le(&chunk, sequence, &e), &e);
		assert_ok(buf_add_u16le(&chunk, 0, &e), &e);
		assert_ok(buf_add_u32le(&chunk, (uint32_t)n, &e), &e);
		if (sequence == 0)
			assert_ok(buf_add_u32le(&chunk, (uint32_t)message->len, &e), &e);
		assert_ok(buf_add(&chunk, message->data + at, n, &e), &e);
		answer = kit_ask(k, chunk.data, chunk.len);
		assert_int_equal(answer->data[1], SPDM_CHUNK_SEND_ACK);
		assert_int_equal(get_u16le(answer->data + 4), sequence);
		at += n;
		if (at < message->len)
			assert_int_equal(answer->len, 6);
		buf_free(&chunk);
	}
	return answer;
}

/* A certificate in, and proof of it out: the transcript has the large messages, not the chunks. */
static void test_large_request(void **state)
{
	struct buf message = { 0 }, digests, transcript = { 0 }, signed_message = { 0 };
	struct buf challenge = { 0 }, answer = { 0 };
	EVP_PKEY *key;
	struct kit_ca ca;
	struct err e = { 0 };
	struct kit k;

	(void)state;
	kit_ca_open(&ca);
	open_chunks(&k);
	key = k.device.flash.pairs[0].key;
	testing_hex("13ee1001", &message);
	kit_add_chain_over(&ca, key, false, &message);
	kit_expect_bytes(send(&k, &message), "130500090b00"
					     "136e0000");
	connect_chunks(&k);
	(void)kit_expect_code(&k, "13810000", SPDM_DIGESTS);
	kit_add_log(&k, 0, 3, &transcript);
	digests = k.answers[3];
	testing_hex("13830000" KIT_NONCE KIT_CONTEXT, &challenge);
	(void)fetch(&k, kit_ask(&k, challenge.data, challenge.len), &answer);
	assert_memory_equal(answer.data + 4, digests.data + 4, 32);
	assert_ok(buf_add(&transcript, challenge.data, challenge.len, &e), &e);
	assert_ok(buf_add(&transcript, answer.data, answer.len - 64, &e), &e);
	kit_signed_message("1.3", KIT_CHALLENGE, false, &transcript, &signed_message);
	assert_true(kit_verify(key, false, &signed_message, answer.data + answer.len - 64));
	buf_free(&message);
	buf_free(&transcript);
	buf_free(&signed_message);
	buf_free(&challenge);
	buf_free(&answer);
	kit_close(&k);
	kit_ca_close(&ca);
}

static void test_chunk_refusals(void **state)
{
	/* 42 - 16 = 26 bytes are the least of a first chunk; the message is of 100 */
#define CHUNK_26                                                                                   \
	"13ee0000000000000000000000000000000000000000000000"                                       \
	"00"
	static const struct {
		const char *request, *answer;
	} chunks[] = {
		{ "1385000900000000"
		  "19000000"
		  "64000000" CHUNK_26,
		    "130501090000"
		    "137f0100" },
		{ "1385010900000000"
		  "1a000000"
		  "64000000" CHUNK_26,
		    "130501090000"
		    "137f0100" },
		{ "1385000900000000"
		  "1a000000"
		  "2a000000" CHUNK_26,
		    "130501090000"
		    "137f0100" },
		{ "1385000900000000"
		  "1b000000"
		  "64000000" CHUNK_26,
		    "130501090000"
		    "137f0100" },
		{ "1385000901000000"
		  "1a000000"
		  "64000000" CHUNK_26,
		    "130501090100"
		    "137f0100" },
		{ "138500090000", "137f0100" },
		{ "1385000900000000"
		  "1a000000"
		  "64000000" CHUNK_26,
		    "130500090000" },
		{ "13810000", "137f0400" }, /* while it runs */
		{ "1385000902000000"
		  "1e000000" CHUNK_26 "00000000",
		    "130501090200"
		    "137f0100" },
		{ "1385000901000000"
		  "1e000000" CHUNK_26 "00000000",
		    "130501090100"
		    "137f0100" },
	};
	struct kit k;

	(void)state;
	open_chunks(&k);
	for (size_t i = 0; i < COUNT(chunks); i++)
		kit_expect(&k, chunks[i].request, chunks[i].answer);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_answer),
		cmocka_unit_test(test_large_answer_is_not_disturbed),
		cmocka_unit_test(test_large_request),
		cmocka_unit_test(test_chunk_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
