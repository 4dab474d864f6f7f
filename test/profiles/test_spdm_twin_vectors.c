/*
 * The twin against exchanges captured from an independent responder: refusals byte for byte, and the
 * transcripts and signatures as they were seen.
 */
#include "spdm_twin_kit.h"

static json_t *load(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "spdm/%s.json", name);
	if (testing_vector(path) == NULL)
		testing_skip("the SPDM vectors");
	return testing_json(testing_vector(path));
}

static const char *message(const json_t *vector, size_t i)
{
	const json_t *list = json_object_get(vector, "exchange");

	return json_string_value(json_object_get(json_array_get(list, i), "spdm"));
}

static size_t length(const json_t *vector)
{
	return json_array_size(json_object_get(vector, "exchange"));
}

/* Where the twin is another device than the captured one, with what it says instead. */
struct difference {
	size_t index;
	const char *answer;
};

static const char *expected(const json_t *vector, size_t i, const struct difference *differences,
    size_t count)
{
	for (size_t n = 0; n < count; n++)
		if (differences[n].index == i)
			return differences[n].answer;
	return message(vector, i + 1);
}

/* Errors agree byte for byte, other answers in their code and Param1. */
static void replay(struct kit *k, const json_t *vector, size_t from, size_t to,
    const struct difference *differences, size_t count)
{
	for (size_t i = from; i < to; i += 2) {
		const char *want = expected(vector, i, differences, count);
		const struct buf *got = kit_ask_hex(k, message(vector, i));
		char head[17] = "";

		hex_encode(got->data, got->len <= 8 ? got->len : 4, head);
		if (strncmp(head, want, strncmp(want + 2, "7f", 2) == 0 ? strlen(want) : 4) != 0)
			fail_msg("message %zu %s: %s and not %s", i, message(vector, i), head,
			    want);
		if (k->count > KIT_LOG_MAX - 4)
			fail_msg("the log is too short");
	}
}

static void replay_errors(void **state, const char *name, const char *variant,
    const struct difference *differences, size_t count)
{
	json_t *vector = load(name);
	struct buf chain = { 0 };
	struct kit_ca ca;
	struct kit k;

	(void)state;
	kit_ca_open(&ca);
	kit_open(&k, variant, NULL);
	kit_provision(&k, &ca, &chain);
	kit_reboot(&k);
	k.count = 0;
	replay(&k, vector, 0, length(vector), differences, count);
	buf_free(&chain);
	kit_close(&k);
	kit_ca_close(&ca);
	json_decref(vector);
}

static void test_errors_12(void **state)
{
	/* the 1.2 twin has no CHUNK_CAP at all */
	static const struct difference none[] = { { 66, "127f0786" } };

	replay_errors(state, "errors_12", "1.2", none, COUNT(none));
}

static void test_errors_13(void **state)
{
	/* it has two key pairs, and its key is P-256 in the first of them */
	static const struct difference key[] = { { 68, "137c0000" } };

	replay_errors(state, "errors_13", "1.3-chunk", key, COUNT(key));
}

/* Up to the SET_CERTIFICATE, whose leaf is over a key that the twin does not have. */
static void replay_flow(const char *name, const char *variant, const char *ending)
{
	json_t *vector = load(name);
	size_t last = length(vector) - 2;
	struct buf chain = { 0 };
	struct kit_ca ca;
	struct kit k;

	kit_ca_open(&ca);
	kit_open(&k, variant, NULL);
	kit_provision(&k, &ca, &chain);
	kit_reboot(&k);
	k.count = 0;
	replay(&k, vector, 0, last, NULL, 0);
	kit_expect(&k, message(vector, last), ending);
	buf_free(&chain);
	kit_close(&k);
	kit_ca_close(&ca);
	json_decref(vector);
}

static void test_flow_12(void **state)
{
	(void)state;
	replay_flow("flow_12_p256_sha256", "1.2", "127f0500");
}

static void test_flow_13(void **state)
{
	(void)state;
	replay_flow("flow_13_p256_sha256", "1.3", "137f0500");
}

static void test_too_large(void **state)
{
	json_t *vector = load("response_too_large_12");
	struct buf chain = { 0 };
	struct kit_ca ca;
	struct kit k;

	(void)state;
	kit_ca_open(&ca);
	kit_open(&k, "1.2", NULL);
	kit_provision(&k, &ca, &chain);
	k.count = 0;
	replay(&k, vector, 0, 12, NULL, 0); /* the CSR's size is its own */
	assert_int_equal(kit_ask_hex(&k, message(vector, 12))->data[2],
	    SPDM_ERROR_RESPONSE_TOO_LARGE);
	buf_free(&chain);
	kit_close(&k);
	kit_ca_close(&ca);
	json_decref(vector);
}

static void hex_member(const json_t *object, const char *name, struct buf *ret)
{
	testing_hex(json_string_value(json_object_get(object, name)), ret);
}

/* The transcript module sees request i and its answer; where they are signed, compares. */
static void follow(struct twin_transcript *t, const json_t *vector, size_t i)
{
	const json_t *signatures = json_object_get(vector, "signatures"), *s;
	struct buf request = { 0 }, answer = { 0 }, want = { 0 }, got = { 0 };
	size_t n, signed_len = 0;
	struct err e = { 0 };

	testing_hex(message(vector, i), &request);
	testing_hex(message(vector, i + 1), &answer);
	twin_transcript_arrive(t, request.data[1]);
	json_array_foreach(signatures, n, s)
	{
		if ((size_t)json_integer_value(json_object_get(s, "request_index")) != i)
			continue;
		hex_member(s, "signature", &want);
		signed_len = want.len;
		answer.len -= signed_len;
		assert_ok(twin_transcript_signed(t, &request, &answer, &got, &e), &e);
		answer.len += signed_len;
		hex_member(s, "transcript", &want);
		assert_true(buf_equal(&want, &got));
	}
	if (answer.data[1] == SPDM_ERROR)
		twin_transcript_refuse(t, request.data[1]);
	else
		assert_ok(twin_transcript_accept(t, &request, &answer, signed_len, &e), &e);
	buf_free(&request);
	buf_free(&answer);
	buf_free(&want);
	buf_free(&got);
}

static void test_transcripts(void **state)
{
	static const char *const names[] = { "flow_12_p256_sha256", "flow_13_p256_sha256",
		"flow_13_p256_sha256_multikey", "flow_12_p384_sha384", "flow_13_p384_sha384",
		"flow_12_p521_sha512", "flow_12_rsapss3072_sha384", "flow_12_rsassa3072_sha256",
		"measurements_12_p256_sha256", "measurements_13_p256_sha256",
		"measurements_13_p384_sha384" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		json_t *vector = load(names[i]);
		struct twin_transcript t = { 0 };

		assert_true(json_array_size(json_object_get(vector, "signatures")) > 0);
		for (size_t n = 0; n + 1 < length(vector); n += 2)
			follow(&t, vector, n);
		twin_transcript_free(&t);
		json_decref(vector);
	}
}

static void check_signed_message(const json_t *signature, const char *hash_name)
{
	bool sha384 = strcmp(json_string_value(json_object_get(signature, "hash")), hash_name) != 0;
	bool measured =
	    strstr(json_string_value(json_object_get(signature, "kind")), "easure") != NULL;
	struct buf transcript = { 0 }, want = { 0 }, got = { 0 };
	struct err e = { 0 };
	uint8_t version;

	hex_member(signature, "transcript", &transcript);
	hex_member(signature, "message_verified", &want);
	version = want.data[13] == '3' ? SPDM_VERSION_13 : SPDM_VERSION_12;
	assert_ok(twin_signed_message(version, measured ? KIT_MEASUREMENTS : KIT_CHALLENGE,
		      twin_hash_of_base(sha384 ? SPDM_HASH_SHA384 : SPDM_HASH_SHA256), &transcript,
		      &got, &e),
	    &e);
	assert_true(buf_equal(&want, &got));
	buf_free(&transcript);
	buf_free(&want);
	buf_free(&got);
}

static void test_signed_messages(void **state)
{
	static const char *const names[] = { "flow_12_p256_sha256", "flow_13_p256_sha256",
		"flow_12_p384_sha384", "flow_13_p384_sha384", "measurements_12_p256_sha256",
		"measurements_13_p384_sha384" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		json_t *vector = load(names[i]);
		const json_t *list = json_object_get(vector, "signatures"), *s;
		const json_t *first = json_array_get(list, 0);
		const char *hash = json_string_value(json_object_get(first, "hash"));
		size_t n;

		json_array_foreach(list, n, s)
		    check_signed_message(s, strstr(names[i], "p384") != NULL ? "none" : hash);
		json_decref(vector);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_12),
		cmocka_unit_test(test_errors_13),
		cmocka_unit_test(test_flow_12),
		cmocka_unit_test(test_flow_13),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_signed_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
