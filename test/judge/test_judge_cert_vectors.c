/* Certificates that real CAs issued, against the deviations other people's tools found in them. */
#include "judge_cert.h"

#include <openssl/pkcs7.h>

#include "judge_kit.h"

OWNED(PKCS7, PKCS7_free)

/* A vector's deviation, by the front of its id, is a finding of this id. */
static const struct {
	const char *deviation, *id;
} meanings[] = {
	{ "subject.", "cert.subject" },
	{ "san.", "cert.san" },
	{ "ku.", "cert.ku" },
	{ "eku.", "cert.eku" },
	{ "bc.", "cert.bc" },
	{ "validity.", "cert.validity" },
	{ "version", "cert.version" },
	{ "ski.", "cert.ski" },
	{ "aki.", "cert.aki" },
	{ "ext.added:2.5.29.31", "cert.crldp" },
	{ "ext.added:", "cert.extra" },
	{ "serial.", "cert.serial" },
};

static const char *vector(const char *folder, const char *name)
{
	char relative[300];
	const char *path;

	(void)snprintf(relative, sizeof(relative), "est/%s/%s", folder, name);
	path = testing_vector(relative);
	if (path == NULL)
		testing_skip("the vectors");
	return path;
}

static EVP_PKEY *request_key(const char *path)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *request = NULL;
	struct err e = { 0 };

	testing_read(path, &der);
	assert_ok(x509_parse_request(der.data, der.len, &request, ERR_DEVICE, &e), &e);
	return X509_REQ_get_pubkey(request);
}

static void read_pem(const char *path, struct buf *ret)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(X509_STACK) *certs = NULL;
	struct err e = { 0 };

	testing_read(path, &pem);
	assert_ok(x509_parse_pem(path, &pem, &certs, ERR_CONFIG, &e), &e);
	for (int i = 0; i < sk_X509_num(certs); i++)
		assert_ok(x509_add_der(sk_X509_value(certs, i), ret, &e), &e);
}

static void trust_vector(struct profile *p, const char *folder, const json_t *entry)
{
	AUTO_STRUCT(buf) issuer = { 0 }, intermediates = { 0 };
	struct err e = { 0 };
	const json_t *path;
	size_t i;

	read_pem(vector(folder, json_string_value(json_object_get(entry, "trust_anchor"))),
	    &issuer);
	json_array_foreach(json_object_get(entry, "intermediates"), i, path)
	    read_pem(vector(folder, json_string_value(path)), &intermediates);
	assert_ok(profile_anchors_take(&p->issuer, &issuer, &e), &e);
	assert_ok(profile_anchors_take(&p->intermediates, &intermediates, &e), &e);
}

static const char *meaning(const char *deviation)
{
	for (size_t i = 0; i < COUNT(meanings); i++)
		if (strncmp(deviation, meanings[i].deviation, strlen(meanings[i].deviation)) == 0)
			return meanings[i].id;
	fail_msg("a deviation of unknown meaning: %s", deviation);
	return NULL;
}

static size_t count_findings(const struct cert_report *r, const char *id)
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		count += strcmp(r->findings[i].id, id) == 0;
	return count;
}

static size_t count_deviations(const json_t *entry, const char *id)
{
	const json_t *deviation;
	size_t i, count = 0;

	json_array_foreach(json_object_get(entry, "deviations"), i, deviation) count +=
	    strcmp(meaning(json_string_value(json_object_get(deviation, "id"))), id) == 0;
	return count;
}

/* As many findings as deviations of each kind. A serial number's entropy can only be guessed at. */
static void compare(const json_t *entry, const struct cert_report *r)
{
	const char *file = json_string_value(json_object_get(entry, "file"));

	for (size_t i = 0; i < COUNT(meanings); i++) {
		size_t have = count_findings(r, meanings[i].id);
		size_t want = count_deviations(entry, meanings[i].id);

		if (have != want && strcmp(meanings[i].id, "cert.serial") != 0) {
			for (size_t k = 0; k < r->count; k++)
				print_message("  %s %s\n", r->findings[k].id,
				    r->findings[k].message);
			fail_msg("%s: %zu findings %s, %zu expected", file, have, meanings[i].id,
			    want);
		}
	}
	assert_int_equal(count_findings(r, "cert.chain"), 0);
	assert_int_equal(count_findings(r, "cert.signature"), 0);
	assert_int_equal(count_findings(r, "cert.spki"), 0);
	assert_int_equal(count_findings(r, "cert.critical"), 0);
}

static void judge_altered(const struct kit *kit, const json_t *entry, EVP_PKEY *key)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) leaf = { 0 };
	bool follows = json_is_true(json_object_get(entry, "follows_request"));
	struct cert_question q = { .leaf = &leaf, .key = key, .at = KIT_NOW };
	struct err e = { 0 };

	trust_vector(kit->profile, "altered", entry);
	testing_read(vector("altered", json_string_value(json_object_get(entry, "file"))), &leaf);
	if (follows)
		assert_ok(judge_cert(kit->profile, &kit->unit, &q, &report, &e), &e);
	else
		assert_int_equal(judge_cert(kit->profile, &kit->unit, &q, &report, &e), -1);
	assert_true(report.chain_length > 0);
	compare(entry, &report);
}

static void test_altered(void **state)
{
	AUTO(json_t) *index = testing_json(vector("altered", "index.json"));
	AUTO(EVP_PKEY) *key = request_key(vector("altered", "request.der"));
	const json_t *entry;
	struct kit kit;
	size_t i;

	(void)state;
	kit_open(&kit);
	kit.profile->outlives_issuer = true;
	json_array_foreach(json_object_get(index, "certificates"), i, entry)
	    judge_altered(&kit, entry, key);
	assert_int_equal(i, 8);
	kit_close(&kit);
}

static const uint8_t *body_of(const struct buf *http, size_t *ret_len)
{
	const uint8_t *end = memmem(http->data, http->len, "\r\n\r\n", 4);

	if (end == NULL || memmem(http->data, (size_t)(end - http->data), "chunked", 7) != NULL)
		return NULL;
	*ret_len = http->len - (size_t)(end + 4 - http->data);
	return end + 4;
}

/* Only the plain form, base64 of PKCS#7: the others are the enroller's to read. NULL for those. */
static PKCS7 *read_answer(const char *path)
{
	AUTO_STRUCT(buf) http = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	int got = 0, rest = 0;
	size_t len = 0;
	const uint8_t *body, *p;
	struct err e = { 0 };
	PKCS7 *answer = NULL;

	testing_read(path, &http);
	body = body_of(&http, &len);
	if (body != NULL && buf_room(&der, len + 1, &e) != NULL) {
		EVP_DecodeInit(ctx);
		p = der.data;
		if (EVP_DecodeUpdate(ctx, der.data, &got, body, (int)len) >= 0 && got > 0 &&
		    EVP_DecodeFinal(ctx, der.data + got, &rest) >= 0)
			answer = d2i_PKCS7(NULL, &p, got + rest);
	}
	EVP_ENCODE_CTX_free(ctx);
	return answer;
}

/* The one for the key goes to leaf, the rest to others. */
static bool split(const PKCS7 *answer, EVP_PKEY *key, struct buf *leaf, X509_STACK *others)
{
	const X509_STACK *certs = PKCS7_type_is_signed(answer) ? answer->d.sign->cert : NULL;

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		if (EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1) {
			kit_der(cert, leaf);
			continue;
		}
		assert_int_equal(X509_up_ref(cert), 1);
		assert_true(sk_X509_push(others, cert) > 0);
	}
	return leaf->len > 0;
}

static size_t count_errors(const struct cert_report *r, const char *id)
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		count += r->findings[i].is_error && strcmp(r->findings[i].id, id) == 0;
	return count;
}

static const char *const chain_ids[] = { "cert.chain", "cert.signature", "cert.validity",
	"cert.der", "cert.spki", "cert.aki", "cert.bc" };

static bool judge_answer(const struct kit *kit, const json_t *entry, size_t *accepted)
{
	const char *fails_at = json_string_value(json_object_get(entry, "fails_at"));
	const char *csr = json_string_value(json_object_get(entry, "csr"));
	const char *file = json_string_value(json_object_get(entry, "file"));
	bool good = strncmp(json_string_value(json_object_get(entry, "verdict")), "accept", 6) == 0;
	AUTO(PKCS7) *answer = NULL;
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(X509_STACK) *others = sk_X509_new_null();
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) leaf = { 0 };
	struct err e = { 0 };
	size_t found = 0;

	if (csr == NULL || (!good && (fails_at == NULL || (strcmp(fails_at, "chain") != 0 &&
							      strcmp(fails_at, "lint") != 0))))
		return false;
	answer = read_answer(vector("", file));
	key = request_key(vector("", csr));
	if (answer == NULL || !split(answer, key, &leaf, others))
		return false;
	trust_vector(kit->profile, "", entry);
	/* Its names are not this profile's: only the findings below count. */
	assert_int_equal(judge_cert(kit->profile, &kit->unit,
			     &(struct cert_question){ .leaf = &leaf,
				 .others = others,
				 .key = key,
				 .at = KIT_NOW },
			     &report, &e),
	    -1);
	for (size_t i = 0; i < COUNT(chain_ids); i++)
		found += count_errors(&report, chain_ids[i]);
	if (good != (found == 0) || good != (report.chain_length > 0 && found == 0))
		fail_msg("%s: %zu findings about the chain (%s)", file, found, e.message);
	if (fails_at != NULL && strcmp(fails_at, "lint") == 0)
		assert_true(count_findings(&report, "cert.bc") > 0);
	*accepted += good;
	return true;
}

static void test_answers(void **state)
{
	static const char *const lists[] = { "answers", "rewrapped" };
	AUTO(json_t) *index = testing_json(vector("", "index.json"));
	size_t judged = 0, accepted = 0, i;
	const json_t *entry;
	struct kit kit;

	(void)state;
	kit_open(&kit);
	kit.profile->min_days = 0;
	kit.profile->max_days = 36500;
	kit.profile->outlives_issuer = true;
	kit.profile->authority_key_id = kit.profile->basic_constraints = PRESENCE_OPTIONAL;
	for (size_t n = 0; n < COUNT(lists); n++)
		json_array_foreach(json_object_get(index, lists[n]), i, entry) judged +=
		    judge_answer(&kit, entry, &accepted);
	print_message("%zu answers judged, %zu of them good\n", judged, accepted);
	assert_true(accepted >= 25);
	assert_int_equal(judged - accepted, 6);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
