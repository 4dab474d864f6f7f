/* Answers that others captured from the reference responder, played to the driver's parts. */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "spdm/certificate.h"
#include "spdm/check_chain.h"
#include "spdm/csr.h"
#include "spdm/key_pair.h"
#include "spdm_rig.h"
#include "x509.h"

enum { STEPS_MAX = 96 };

/* A captured exchange as a script, but for the requests that the driver does not make. */
struct replay {
	json_t *file;
	struct rig_step steps[STEPS_MAX];
	struct rig rig;
	struct rig_side side;
};

static const json_t *message_at(const struct replay *p, size_t i)
{
	return json_object_get(json_array_get(json_object_get(p->file, "exchange"), i), "spdm");
}

static void replay_open(struct replay *p, const char *name, const char *section,
    const char *algorithm, const char *leave_out)
{
	char path[96];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "spdm/%s.json", name);
	if (testing_vector(path) == NULL)
		testing_skip("the captured SPDM exchanges");
	p->file = testing_json(testing_vector(path));
	p->rig = (struct rig){ .base = { &rig_ops }, .script = p->steps, .scripted_setup = true };
	for (size_t i = 0; message_at(p, i) != NULL; i += 2) {
		const char *request = json_string_value(message_at(p, i));
		uint8_t code;

		assert_true(hex_decode((const char[]){ request[2], request[3], '\0' }, &code, 1));
		if (strstr(leave_out, (const char[]){ request[2], request[3], '\0' }) != NULL)
			continue;
		assert_true(p->rig.script_len < STEPS_MAX);
		p->steps[p->rig.script_len++] =
		    (struct rig_step){ code, json_string_value(message_at(p, i + 1)) };
	}
	p->side.profile = rig_profile(section, algorithm, "reuse");
	assert_ok(spdm_options_read(p->side.profile, &p->side.options, &e), &e);
	spdm_connection_init(&p->side.c, &p->side.options, &p->rig.base, 115200);
	p->side.c.peer.deadline = clock_now_ms() + 5000;
}

static void replay_close(struct replay *p)
{
	p->rig.at = p->rig.script_len; /* what was not asked for is no error here */
	rig_side_close(&p->side, &p->rig);
	json_decref(p->file);
}

/* The chain is what the captured proof says it was. */
static void check_leaf(const struct replay *p, const struct buf *chain)
{
	const json_t *entry = json_array_get(json_object_get(p->file, "signatures"), 0);
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO_STRUCT(buf) leaf = { 0 };
	struct err e = { 0 };

	testing_hex(json_string_value(json_object_get(entry, "leaf_certificate_der")), &leaf);
	assert_ok(spdm_chain_read(p->side.options.algorithm, chain, "device.chain", &ders, &e), &e);
	assert_int_equal(spdm_chain_leaf_len(&ders), leaf.len);
	assert_memory_equal(ders.data, leaf.data, leaf.len);
}

#define SECTION_12 "{ identity: vendor, vendor_pen: 1, versions: [\"1.2\"] }"
#define SECTION_13 "{ identity: vendor, vendor_pen: 1, versions: [\"1.3\"], key_pair: 4 }"

static void flows_are_followed(void **state)
{
	static const struct {
		const char *name, *section, *algorithm;
		bool pairs;
	} flows[] = {
		{ "flow_12_p256_sha256", SECTION_12, "EC:P-256", false },
		{ "flow_12_p384_sha384", SECTION_12, "EC:P-384", false },
		{ "flow_13_p256_sha256_multikey", SECTION_13, "EC:P-256", true },
	};
	static const struct buf nothing = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(flows); i++) {
		struct replay p = { 0 };
		AUTO_STRUCT(buf) chain = { 0 };
		AUTO_STRUCT(buf) der = { 0 };
		AUTO(X509_REQ) *csr = NULL;
		struct err e = { 0 };
		bool flag = false;

		replay_open(&p, flows[i].name, flows[i].section, flows[i].algorithm, "83");
		assert_ok(spdm_connect(&p.side.c, &e), &e);
		assert_int_equal(p.side.c.multi_key, flows[i].pairs);
		assert_true(p.side.c.measurements);
		p.side.c.has_read = true; /* it began with GET_DIGESTS */
		assert_ok(spdm_get_chain(&p.side.c, &chain, &e), &e);
		check_leaf(&p, &chain);
		if (flows[i].pairs)
			assert_ok(spdm_key_present(&p.side.c, &flag, &e), &e);
		assert_int_equal(flag, flows[i].pairs);
		assert_ok(spdm_get_csr(&p.side.c, &nothing, 0, &der, &e), &e);
		assert_ok(x509_parse_request(der.data, der.len, &csr, ERR_DEVICE, &e), &e);
		assert_int_equal(X509_REQ_verify(csr, X509_REQ_get0_pubkey(csr)), 1);
		assert_ok(spdm_set_chain(&p.side.c, &chain, &flag, &e), &e);
		assert_false(flag);
		assert_int_equal(p.rig.at, p.rig.script_len);
		replay_close(&p);
	}
}

/* The captured requester asks for portions of 1024 bytes, this one for as many as it takes at once. */
static void ask_for_more(struct buf *messages)
{
	static const uint8_t get[] = { 0x12, SPDM_GET_CERTIFICATE, 0, 0 };

	for (size_t i = 0; i + 8 <= messages->len; i++)
		if (memcmp(messages->data + i, get, sizeof(get)) == 0 &&
		    get_u16le(messages->data + i + 6) == 1024) {
			messages->data[i + 6] = (SPDM_EXPECTED_LEN - 8) & 0xff;
			messages->data[i + 7] = (SPDM_EXPECTED_LEN - 8) >> 8;
		}
}

/* But for that, requests, answers in chunks and transcript are byte by byte those of the captured requester. */
static void chunks_are_put_together(void **state)
{
	struct replay p = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) transcript = { 0 };
	struct err e = { 0 };
	size_t setup = 4 + 16 + 20 + 20 + 32 + 36;

	(void)state;
	replay_open(&p, "chunk_12_p256_sha256", SECTION_12, "EC:P-256", "");
	assert_ok(spdm_connect(&p.side.c, &e), &e);
	buf_clear(&p.rig.requests);
	p.side.c.has_read = true; /* it began with GET_DIGESTS */
	assert_ok(spdm_get_chain(&p.side.c, &chain, &e), &e);
	check_leaf(&p, &chain);
	testing_hex(json_string_value(
			json_object_get(json_array_get(json_object_get(p.file, "signatures"), 0),
			    "transcript")),
	    &transcript);
	ask_for_more(&transcript);
	assert_int_equal(p.side.c.transcript.len, transcript.len - 36 - 70);
	assert_memory_equal(p.side.c.transcript.data + setup, transcript.data + setup,
	    p.side.c.transcript.len - setup);
	for (size_t i = 6, at = 0; at < p.rig.requests.len; i += 2) {
		AUTO_STRUCT(buf) want = { 0 };

		testing_hex(json_string_value(message_at(&p, i)), &want);
		ask_for_more(&want);
		assert_true(at + want.len <= p.rig.requests.len);
		assert_memory_equal(p.rig.requests.data + at, want.data, want.len);
		at += want.len;
	}
	replay_close(&p);
}

static void required_resets_are_seen(void **state)
{
	static const struct {
		const char *name, *section;
		uint8_t tag;
	} files[] = {
		{ "reset_required_12", SECTION_12, 0 },
		{ "reset_required_13", SECTION_13, 1 },
	};
	static const struct buf nothing = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct replay p = { 0 };
		AUTO_STRUCT(buf) der = { 0 };
		AUTO_STRUCT(buf) chain = { 0 };
		struct err e = { 0 };
		bool reset = false;

		replay_open(&p, files[i].name, files[i].section, "EC:P-256", "");
		assert_ok(spdm_connect(&p.side.c, &e), &e);
		assert_err(spdm_get_csr(&p.side.c, &nothing, 0, &der, &e), &e, "device.refused");
		assert_int_equal(p.side.c.peer.error_code, SPDM_ERROR_RESET_REQUIRED);
		assert_int_equal(p.side.c.peer.error_data, files[i].tag);
		assert_ok(spdm_get_csr(&p.side.c, &nothing, files[i].tag, &der, &e), &e);
		while (p.steps[p.rig.at].code != SPDM_SET_CERTIFICATE)
			p.rig.at++;
		assert_ok(buf_add(&chain, "chain", 5, &e), &e);
		assert_ok(spdm_set_chain(&p.side.c, &chain, &reset, &e), &e);
		assert_true(reset);
		replay_close(&p);
	}
}

/* Whatever the reference refuses has a name in the message. */
static void captured_refusals_have_names(void **state)
{
	static const char *const files[] = { "errors_12", "errors_13", "misc_13", "key_pair_13",
		"response_too_large_12" };
	size_t refusals = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct replay p = { 0 };
		AUTO_STRUCT(buf) request = { 0 };
		AUTO_STRUCT(buf) answer = { 0 };

		replay_open(&p, files[i], SECTION_13, "EC:P-256", "");
		p.side.c.peer.transfer_max = p.side.c.peer.message_max = SPDM_MESSAGE_MAX;
		for (size_t n = 0; message_at(&p, n) != NULL; n += 2) {
			struct err e = { 0 };

			testing_hex(json_string_value(message_at(&p, n)), &request);
			if (strncmp(json_string_value(message_at(&p, n + 1)) + 2, "7f", 2) != 0)
				continue;
			p.rig.at = n / 2;
			assert_int_equal(spdm_exchange(&p.side.c.peer, &request, SPDM_PLAIN,
					     &answer, &e),
			    -1);
			if (!err_is(&e, "device.refused"))
				continue; /* a version byte that no requester sends */
			assert_null(strstr(e.message, "refused: unknown"));
			refusals++;
		}
		replay_close(&p);
	}
	assert_true(refusals > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_followed),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(required_resets_are_seen),
		cmocka_unit_test(captured_refusals_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
