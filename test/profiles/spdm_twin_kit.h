/*
 * What the tests of the SPDM twin share: an emulated device in memory, a log of what was said to it,
 * a throw-away CA, and the requester's side of the signatures, written from the specification.
 */
#ifndef KILN_SPDM_TWIN_KIT_H
#define KILN_SPDM_TWIN_KIT_H

#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include "bytes.h"
#include "spdm/twin_device.h"
#include "testing.h"
#include "x509.h"

enum { KIT_LOG_MAX = 64 };

struct kit {
	struct twin_config config;
	struct twin_device device;
	char *folder;
	int64_t now_ms;
	int64_t work_ms; /* of the last answer */
	struct buf requests[KIT_LOG_MAX], answers[KIT_LOG_MAX];
	size_t count; /* of the log; the newest is count - 1 */
};

static inline void kit_boot(struct kit *k)
{
	struct err e = { 0 };

	assert_ok(twin_device_boot(&k->device, &k->config, &e), &e);
}

static inline void kit_open_seeded(struct kit *k, const char *variant, const char *fault,
    uint64_t seed)
{
	memset(k, 0, sizeof(*k));
	k->folder = testing_folder();
	k->config = (struct twin_config){ .serial = "IP30000001",
		.model = "IP3-A",
		.folder = k->folder,
		.variant = variant,
		.fault = fault,
		.seed = seed };
	kit_boot(k);
}

static inline void kit_open(struct kit *k, const char *variant, const char *fault)
{
	kit_open_seeded(k, variant, fault, 1);
}

static inline void kit_close(struct kit *k)
{
	twin_device_free(&k->device);
	for (size_t i = 0; i < KIT_LOG_MAX; i++) {
		buf_free(&k->requests[i]);
		buf_free(&k->answers[i]);
	}
	testing_folder_remove(k->folder);
}

static inline void kit_reboot(struct kit *k)
{
	twin_device_free(&k->device);
	memset(&k->device, 0, sizeof(k->device));
	kit_boot(k);
}

/* Says a message; the answer lives until the log begins again (kit_connect). */
static inline const struct buf *kit_ask(struct kit *k, const void *request, size_t len)
{
	struct twin_answer a = { 0 };
	struct err e = { 0 };

	assert_true(k->count < KIT_LOG_MAX);
	assert_ok(buf_set(&k->requests[k->count], request, len, &e), &e);
	assert_ok(twin_device_answer(&k->device, &k->requests[k->count], k->now_ms, &a, &e), &e);
	k->work_ms = a.after_ms;
	buf_free(&k->answers[k->count]);
	k->answers[k->count] = a.message;
	return &k->answers[k->count++];
}

static inline const struct buf *kit_ask_hex(struct kit *k, const char *hex)
{
	struct buf request = { 0 };
	const struct buf *answer;

	testing_hex(hex, &request);
	answer = kit_ask(k, request.data, request.len);
	buf_free(&request);
	return answer;
}

static inline void kit_expect_bytes(const struct buf *answer, const char *hex)
{
	char *text = malloc(2 * answer->len + 1);

	assert_non_null(text);
	hex_encode(answer->data, answer->len, text);
	assert_string_equal(text, hex);
	free(text);
}

/* Says hex, and wants exactly this back. */
static inline void kit_expect(struct kit *k, const char *request, const char *answer)
{
	kit_expect_bytes(kit_ask_hex(k, request), answer);
}

static inline const struct buf *kit_expect_code(struct kit *k, const char *hex, uint8_t code)
{
	const struct buf *answer = kit_ask_hex(k, hex);

	assert_true(answer->len >= 4);
	if (answer->data[1] != code)
		print_error("%s answered %02x %02x %02x\n", hex, answer->data[1], answer->data[2],
		    answer->data[3]);
	assert_int_equal(answer->data[1], code);
	return answer;
}

/* "12" or "13"; multi_key only in 1.3; P-256 and SHA-256 unless p384. Log entries 0, 1, 2. */
static inline void kit_connect(struct kit *k, const char *version, bool multi_key, bool p384)
{
	char request[65];

	k->count = 0;
	(void)kit_expect_code(k, "10840000", SPDM_VERSION);
	(void)snprintf(request, sizeof(request), "%se1000000000000000000000012000000120000",
	    version);
	(void)kit_expect_code(k, request, SPDM_CAPABILITIES);
	(void)snprintf(request, sizeof(request), "%se30000200001%02x%02x000000%02x%038d", version,
	    multi_key ? 0x12 : 0x02, p384 ? 0x80 : 0x10, p384 ? 2 : 1, 0);
	(void)kit_expect_code(k, request, SPDM_ALGORITHMS);
}

/* Usage challenge and measurements, not yet in a slot. */
static inline void kit_make_key(struct kit *k, bool p384)
{
	(void)kit_expect_code(k, p384 ? "13fd0200010006001000000000" : "13fd0200010006000800000000",
	    SPDM_SET_KEY_PAIR_INFO_ACK);
}

/* --- a CA --- */

struct kit_ca {
	EVP_PKEY *root_key, *issuing_key;
	X509 *root, *issuing;
};

static inline void kit_add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: self-signed. */
static inline X509 *kit_issue(const char *name, EVP_PKEY *key, bool ca, const X509 *issuer,
    EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 86400));
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
			     (const unsigned char *)name, -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(cert,
			     issuer != NULL ? X509_get_subject_name(issuer) : subject),
	    1);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	kit_add_extension(cert, NID_basic_constraints,
	    ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	kit_add_extension(cert, NID_key_usage,
	    ca ? "critical,keyCertSign" : "critical,digitalSignature");
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

static inline void kit_ca_open(struct kit_ca *ca)
{
	ca->root_key = EVP_EC_gen("P-256");
	ca->issuing_key = EVP_EC_gen("P-256");
	ca->root = kit_issue("a root whose name is rather long: the chain is longer then",
	    ca->root_key, true, NULL, ca->root_key);
	ca->issuing = kit_issue("an issuing authority whose name is long for the same reason",
	    ca->issuing_key, true, ca->root, ca->root_key);
}

static inline void kit_ca_close(struct kit_ca *ca)
{
	EVP_PKEY_free(ca->root_key);
	EVP_PKEY_free(ca->issuing_key);
	X509_free(ca->root);
	X509_free(ca->issuing);
}

/* The chain structure as the specification has it. */
static inline void kit_add_chain(X509 *const certs[], size_t count, bool sha384, struct buf *ret)
{
	struct buf ders = { 0 };
	struct err e = { 0 };
	uint8_t digest[48];
	size_t hash_len = 0, root_len = 0;

	for (size_t i = 0; i < count; i++) {
		assert_ok(x509_add_der(certs[i], &ders, &e), &e);
		root_len = i == 0 ? ders.len : root_len;
	}
	assert_int_equal(EVP_Q_digest(NULL, sha384 ? "SHA384" : "SHA256", NULL, ders.data, root_len,
			     digest, &hash_len),
	    1);
	assert_ok(buf_add_u16le(ret, (uint16_t)(4 + hash_len + ders.len), &e), &e);
	assert_ok(buf_add_u16le(ret, 0, &e), &e);
	assert_ok(buf_add(ret, digest, hash_len, &e), &e);
	assert_ok(buf_add(ret, ders.data, ders.len, &e), &e);
	buf_free(&ders);
}

/* root, issuing, and a leaf over key. */
static inline void kit_add_chain_over(const struct kit_ca *ca, EVP_PKEY *key, bool sha384,
    struct buf *ret)
{
	X509 *leaf = kit_issue("a device of this test, with a name of some length", key, false,
	    ca->issuing, ca->issuing_key);
	X509 *const chain[] = { ca->root, ca->issuing, leaf };

	kit_add_chain(chain, COUNT(chain), sha384, ret);
	X509_free(leaf);
}

/* head: the four bytes of SET_CERTIFICATE in hex. */
static inline const struct buf *kit_set_certificate(struct kit *k, const char *head,
    const struct buf *chain)
{
	struct buf request = { 0 };
	const struct buf *answer;
	struct err e = { 0 };

	testing_hex(head, &request);
	assert_ok(buf_add(&request, chain->data, chain->len, &e), &e);
	answer = kit_ask(k, request.data, request.len);
	buf_free(&request);
	return answer;
}

/* The request in the answer to GET_CSR, its signature verified. */
static inline X509_REQ *kit_csr(const struct buf *answer)
{
	X509_REQ *request = NULL;
	struct err e = { 0 };

	assert_int_equal(answer->data[1], SPDM_CSR);
	assert_true(answer->len > 8);
	assert_int_equal(get_u16le(answer->data + 4), answer->len - 8);
	assert_int_equal(get_u16le(answer->data + 6), 0);
	assert_ok(x509_parse_request(answer->data + 8, answer->len - 8, &request, ERR_DEVICE, &e),
	    &e);
	assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
	return request;
}

/* A connected 1.3 multi-key device (or 1.2) with a key and a certificate of ca; ret: the chain. */
static inline void kit_provision(struct kit *k, const struct kit_ca *ca, struct buf *ret_chain)
{
	bool is_12 = k->device.traits->born_with != 0;
	X509_REQ *csr;

	kit_connect(k, is_12 ? "12" : "13", !is_12, false);
	if (!is_12)
		kit_make_key(k, false);
	csr = kit_csr(kit_ask_hex(k, is_12 ? "12ed000000000000" : "13ed010100000000"));
	kit_add_chain_over(ca, X509_REQ_get0_pubkey(csr), false, ret_chain);
	X509_REQ_free(csr);
	kit_expect_bytes(kit_set_certificate(k, is_12 ? "12ee0000" : "13ee1001", ret_chain),
	    is_12 ? "126e0000" : "136e0000");
}

/* --- signatures --- */

/* Messages of the log from..to (both included), requests and answers. */
static inline void kit_add_log(const struct kit *k, size_t from, size_t to, struct buf *ret)
{
	struct err e = { 0 };

	for (size_t i = from; i <= to; i++) {
		assert_ok(buf_add(ret, k->requests[i].data, k->requests[i].len, &e), &e);
		assert_ok(buf_add(ret, k->answers[i].data, k->answers[i].len, &e), &e);
	}
}

/* prefix || hash of the transcript; context with its zeros in front is 36 characters. */
static inline void kit_signed_message(const char *version, const char *context, bool sha384,
    const struct buf *transcript, struct buf *ret)
{
	uint8_t zeros[36] = { 0 };
	uint8_t digest[48];
	size_t len = 0;
	struct err e = { 0 };

	for (int i = 0; i < 4; i++)
		assert_ok(buf_printf(ret, &e, "dmtf-spdm-v%s.*", version), &e);
	assert_ok(buf_add(ret, zeros, sizeof(zeros) - strlen(context), &e), &e);
	assert_ok(buf_add_str(ret, context, &e), &e);
	assert_int_equal(EVP_Q_digest(NULL, sha384 ? "SHA384" : "SHA256", NULL, transcript->data,
			     transcript->len, digest, &len),
	    1);
	assert_ok(buf_add(ret, digest, len, &e), &e);
}

/* r || s at the end of the answer verifies over message under key. */
static inline bool kit_verify(EVP_PKEY *key, bool p384, const struct buf *message,
    const uint8_t *signature)
{
	int width = p384 ? 48 : 32;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	int len, rc;

	assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(signature, width, NULL),
			     BN_bin2bn(signature + width, width, NULL)),
	    1);
	len = i2d_ECDSA_SIG(sig, &der);
	assert_true(len > 0);
	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, p384 ? "SHA384" : "SHA256", NULL,
			     NULL, key, NULL),
	    1);
	rc = EVP_DigestVerify(context, der, (size_t)len, message->data, message->len);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(context);
	OPENSSL_free(der);
	return rc == 1;
}

/*
 * The last log entry is signed: over the entries 0..2 (A), then b_from..b_to (none where b_from is
 * 0), then itself without its signature.
 */
static inline bool kit_last_verifies(const struct kit *k, const char *context, EVP_PKEY *key,
    bool p384, size_t b_from, size_t b_to)
{
	const struct buf *request = &k->requests[k->count - 1];
	const struct buf *answer = &k->answers[k->count - 1];
	size_t unsigned_len = answer->len - (p384 ? 96 : 64);
	struct buf transcript = { 0 }, message = { 0 };
	struct err e = { 0 };
	bool ok;

	kit_add_log(k, 0, 2, &transcript);
	if (b_from > 0)
		kit_add_log(k, b_from, b_to, &transcript);
	assert_ok(buf_add(&transcript, request->data, request->len, &e), &e);
	assert_ok(buf_add(&transcript, answer->data, unsigned_len, &e), &e);
	kit_signed_message(request->data[0] == 0x13 ? "1.3" : "1.2", context, p384, &transcript,
	    &message);
	ok = kit_verify(key, p384, &message, answer->data + unsigned_len);
	buf_free(&transcript);
	buf_free(&message);
	return ok;
}

#define KIT_CHALLENGE    "responder-challenge_auth signing"
#define KIT_MEASUREMENTS "responder-measurements signing"
#define KIT_NONCE        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KIT_CONTEXT      "a0a1a2a3a4a5a6a7"

#endif
