#include "driver.h"

#include <glob.h>

#include "family.h"
#include "file.h"
#include "pki.h"
#include "shell_kit.h"
#include "x509.h"

static const uint8_t nonce[32] = { 1, 2, 3, 31 };

/* The variants of the twin with the profile each is made for. */
static const struct variant {
	const char *name, *profile, *login;
} variants[] = {
	{ "tpm2", "profiles/linux-shell/tpm2.yaml", NULL },
	{ "openssl", "profiles/linux-shell/openssl.yaml", NULL },
	{ "login", "profiles/linux-shell/openssl.yaml", "twin" },
};

static bool has_tpm(void)
{
	glob_t found = { 0 };
	bool has = access("/usr/bin/swtpm", X_OK) == 0 &&
		   glob("/usr/lib/*/ossl-modules/tpm2.so", 0, NULL, &found) == 0;

	globfree(&found);
	return has;
}

struct world {
	struct kit kit;
	struct profile *profile;
	struct secret secret;
	struct device *device;
	EVP_PKEY *ca_key;
	X509 *ca;
	struct err e;
};

static struct profile *load(const struct variant *v)
{
	AUTO_STRUCT(buf) text = { 0 }, changed = { 0 };
	struct profile *p = NULL;
	struct err e = { 0 };
	const char *all, *at;

	testing_read(testing_source(v->profile), &text);
	all = buf_str(&text, &e);
	at = strstr(all, "  setup:");
	assert_non_null(at);
	assert_ok(buf_printf(&changed, &e, "%.*s%s%s", (int)(at - all), all,
		      v->login != NULL ? "  login: { user: root }\n" : "", at),
	    &e);
	assert_ok(profile_parse(&p, "test", (const char *)changed.data, changed.len, &e), &e);
	return p;
}

static void open_driver(struct world *w)
{
	w->device = kit_driver(&w->kit, w->profile, &w->secret);
}

static struct world *begin(const struct variant *v, const char *fault)
{
	const struct pki_spec spec = { .name = "test CA", .constraints = "critical,CA:TRUE" };
	struct pki_spec ca = spec;
	struct world *w = calloc(1, sizeof(*w));

	if (strcmp(v->name, "tpm2") == 0 && !has_tpm())
		testing_skip("swtpm, tpm2-openssl");
	assert_non_null(w);
	w->profile = load(v);
	if (v->login != NULL)
		assert_ok(secret_set(&w->secret, v->login, strlen(v->login), &w->e), &w->e);
	ca.key = w->ca_key = pki_key("P-256");
	w->ca = pki_cert(&ca);
	kit_open(&w->kit, v->name, fault);
	open_driver(w);
	return w;
}

static void end(struct world *w)
{
	w->device->driver->close(w->device);
	kit_close(&w->kit);
	profile_free(w->profile);
	secret_free(&w->secret);
	EVP_PKEY_free(w->ca_key);
	X509_free(w->ca);
	free(w);
}

static int identify(struct world *w, struct identity *ret)
{
	w->device->deadline = kit_soon();
	return w->device->driver->identify(w->device, ret, &w->e);
}

static int keygen(struct world *w, bool replace)
{
	const struct key_spec spec = { "EC:P-256", replace };

	w->device->deadline = kit_soon();
	return w->device->driver->keygen(w->device, &spec, &w->e);
}

static int request(struct world *w, struct buf *ret)
{
	const struct identity identity = { .model = "IG2-E", .serial = "IG20000001" };
	AUTO_STRUCT(subject) s = { 0 };

	assert_ok(subject_render(&s, w->profile, &identity, &w->e), &w->e);
	w->device->deadline = kit_soon();
	return w->device->driver->request(w->device, &s, ret, &w->e);
}

static int install(struct world *w, enum object object, const struct buf *ders)
{
	w->device->deadline = kit_soon();
	return w->device->driver->install(w->device, object, ders, &w->e);
}

static int readback(struct world *w, enum object object, struct stored *ret)
{
	w->device->deadline = kit_soon();
	return w->device->driver->readback(w->device, object, ret, &w->e);
}

static int prove(struct world *w, struct proof *ret)
{
	w->device->deadline = kit_soon();
	return w->device->driver->prove(w->device, nonce, ret, &w->e);
}

/* The certificate that the CA makes of the request, and the CA's own behind it. */
static X509 *certify(struct world *w, const struct buf *csr, struct buf *ret_chain)
{
	AUTO(X509_REQ) *req = NULL;
	struct pki_spec leaf = { .name = "IG20000001", .issuer = w->ca, .issuer_key = w->ca_key };
	X509 *cert;

	assert_ok(x509_parse_request(csr->data, csr->len, &req, ERR_DEVICE, &w->e), &w->e);
	leaf.key = X509_REQ_get0_pubkey(req);
	cert = pki_cert(&leaf);
	assert_ok(x509_add_der(cert, ret_chain, &w->e), &w->e);
	assert_ok(x509_add_der(w->ca, ret_chain, &w->e), &w->e);
	return cert;
}

/* The claims of a proof, and whether the signature in it is by that certificate's key. */
static bool verifies(struct world *w, const struct proof *proof, X509 *cert)
{
	AUTO_STRUCT(proof_claims) claims = { 0 };
	uint8_t digest[SHA256_LEN];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good;

	assert_ok(family_find("linux-shell")->check_proof(w->profile, proof, &claims, &w->e),
	    &w->e);
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	assert_ok(x509_digest(cert, digest, &w->e), &w->e);
	assert_memory_equal(claims.leaf_sha256, digest, sizeof(digest));
	assert_non_null(md);
	assert_int_equal(EVP_DigestVerifyInit_ex(md, NULL, claims.digest, NULL, NULL,
			     X509_get0_pubkey(cert), NULL),
	    1);
	good = EVP_DigestVerify(md, claims.signature.data, claims.signature.len,
		   claims.message.data, claims.message.len) == 1;
	EVP_MD_CTX_free(md);
	return good;
}

static bool request_is_good(const struct buf *csr)
{
	AUTO(X509_REQ) *req = NULL;
	struct err e = { 0 };

	assert_ok(x509_parse_request(csr->data, csr->len, &req, ERR_DEVICE, &e), &e);
	return X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1;
}

/* profiles/driver.h from the first call to the last. */
static void whole_passage(const struct variant *v)
{
	struct world *w = begin(v, NULL);
	AUTO_STRUCT(identity) i = { 0 };
	AUTO_STRUCT(buf) csr = { 0 }, chain = { 0 }, anchors = { 0 };
	AUTO_STRUCT(stored) stored = { 0 }, stored_anchors = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO(X509) *cert = NULL;

	assert_ok(identify(w, &i), &w->e);
	assert_string_equal(i.model, "IG2-E");
	assert_string_equal(i.serial, "IG20000001");
	assert_string_equal(i.firmware, "2.4.1");
	assert_string_equal(i.uuid, "");
	assert_false(i.key_present);
	assert_ok(profile_match(w->profile, &i, &w->e), &w->e);

	assert_ok(keygen(w, false), &w->e);
	assert_ok(identify(w, &i), &w->e);
	assert_true(i.key_present);

	assert_ok(request(w, &csr), &w->e);
	assert_true(request_is_good(&csr));

	cert = certify(w, &csr, &chain);
	assert_ok(install(w, OBJECT_CHAIN, &chain), &w->e);
	assert_ok(x509_add_der(w->ca, &anchors, &w->e), &w->e);
	assert_ok(install(w, OBJECT_ANCHORS, &anchors), &w->e);
	assert_ok(readback(w, OBJECT_CHAIN, &stored), &w->e);
	assert_false(stored.is_digest);
	assert_true(buf_equal(&stored.bytes, &chain));
	assert_ok(readback(w, OBJECT_ANCHORS, &stored_anchors), &w->e);
	assert_true(buf_equal(&stored_anchors.bytes, &anchors));

	assert_ok(prove(w, &proof), &w->e);
	assert_true(verifies(w, &proof, cert));
	end(w);
}

static void test_the_passage_with_a_tpm(void **state)
{
	(void)state;
	whole_passage(&variants[0]);
}

static void test_the_passage_with_a_file(void **state)
{
	(void)state;
	whole_passage(&variants[1]);
}

static void test_the_passage_with_a_login(void **state)
{
	(void)state;
	whole_passage(&variants[2]);
}

static void spki_of(const struct buf *csr, uint8_t ret[static SHA256_LEN])
{
	AUTO(X509_REQ) *req = NULL;
	struct err e = { 0 };

	assert_ok(x509_parse_request(csr->data, csr->len, &req, ERR_DEVICE, &e), &e);
	assert_ok(x509_spki_digest(X509_REQ_get0_pubkey(req), ret, &e), &e);
}

static void test_a_key_is_kept_unless_it_shall_go(void **state)
{
	struct world *w = begin(&variants[1], NULL);
	uint8_t first[SHA256_LEN], second[SHA256_LEN], third[SHA256_LEN];
	uint8_t *const keys[] = { first, second, third };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO_STRUCT(buf) csr = { 0 };

		assert_ok(keygen(w, i == 2), &w->e);
		assert_ok(request(w, &csr), &w->e);
		spki_of(&csr, keys[i]);
	}
	assert_memory_equal(first, second, SHA256_LEN);
	assert_memory_not_equal(first, third, SHA256_LEN);
	end(w);
}

/* What a device has, it has when it comes back; the slot that meets it then is a new one. */
static void test_a_device_that_was_away(void **state)
{
	const struct variant *v = &variants[has_tpm() ? 0 : 1];
	struct world *w = begin(v, NULL);
	AUTO_STRUCT(buf) before = { 0 }, after = { 0 };
	uint8_t first[SHA256_LEN], second[SHA256_LEN];

	(void)state;
	assert_ok(keygen(w, false), &w->e);
	assert_ok(request(w, &before), &w->e);
	w->device->driver->close(w->device);
	kit_unplug(&w->kit);
	kit_plug(&w->kit);
	open_driver(w);
	assert_ok(keygen(w, false), &w->e);
	assert_ok(request(w, &after), &w->e);
	spki_of(&before, first);
	spki_of(&after, second);
	assert_memory_equal(first, second, SHA256_LEN);
	end(w);
}

static void test_another_algorithm_is_refused(void **state)
{
	const struct key_spec spec = { "EC:P-384", false };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	assert_err(w->device->driver->keygen(w->device, &spec, &w->e), &w->e, "shell.keygen");
	assert_int_equal(w->e.domain, ERR_CONFIG);
	end(w);
}

static void test_objects_without_a_file(void **state)
{
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	assert_err(readback(w, OBJECT_LEAF, &stored), &w->e, "shell.object");
	assert_err(install(w, OBJECT_LEAF, &der), &w->e, "shell.object");
	assert_err(readback(w, OBJECT_CHAIN, &stored), &w->e, "shell.command");
	assert_int_equal(w->e.domain, ERR_DEVICE);
	assert_err(w->device->driver->seal(w->device, &w->e), &w->e, "shell.seal");
	end(w);
}

static void write_in_folder(struct world *w, const char *name, const char *text)
{
	AUTO_STRUCT(buf) path = { 0 };

	assert_ok(buf_printf(&path, &w->e, "%s/%s", w->kit.folder, name), &w->e);
	assert_ok(file_write(buf_str(&path, &w->e), text, strlen(text), 0755, &w->e), &w->e);
}

static void test_only_certificates_are_read_back(void **state)
{
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	assert_ok(keygen(w, false), &w->e);
	write_in_folder(w, "certs/device.pem", "no certificate\n");
	assert_int_equal(readback(w, OBJECT_CHAIN, &stored), -1);
	assert_int_equal(w->e.domain, ERR_DEVICE);
	assert_ok(x509_add_pem(w->ca, &pem, &w->e), &w->e);
	assert_ok(buf_add_str(&pem, "and more\n", &w->e), &w->e);
	write_in_folder(w, "certs/device.pem", buf_str(&pem, &w->e));
	assert_err(readback(w, OBJECT_CHAIN, &stored), &w->e, "shell.pem");
	end(w);
}

static void test_identities_that_are_none(void **state)
{
	static const char *const texts[] = { "", "\n", "two\nlines\n", "ab\ncd", "\xc3\xa4\n",
		"0123456789012345678901234567890123456789012345678901234567890123456789\n" };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	assert_ok(keygen(w, false), &w->e);
	for (size_t i = 0; i < COUNT(texts); i++) {
		AUTO_STRUCT(identity) identity = { 0 };

		write_in_folder(w, "identity/serial", texts[i]);
		assert_err(identify(w, &identity), &w->e, "shell.identity");
	}
	end(w);
}

static void test_a_key_test_that_fails(void **state)
{
	AUTO_STRUCT(identity) identity = { 0 };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	profile_free(w->profile);
	w->device->driver->close(w->device);
	w->profile = kit_profile("test -s keys/device.pem", "nosuchcommand");
	open_driver(w);
	assert_err(identify(w, &identity), &w->e, "shell.command");
	assert_non_null(strstr(w->e.message, "status 127"));
	end(w);
}

static void test_pem_requests_become_der(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	profile_free(w->profile);
	w->device->driver->close(w->device);
	w->profile = kit_profile("-outform DER ", "");
	open_driver(w);
	assert_ok(keygen(w, false), &w->e);
	assert_ok(request(w, &csr), &w->e);
	assert_true(request_is_good(&csr));
	end(w);
}

static void test_seal_runs_its_command(void **state)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct world *w = begin(&variants[1], NULL);

	(void)state;
	profile_free(w->profile);
	w->device->driver->close(w->device);
	w->profile = kit_profile("  files:\n", "    seal: touch sealed\n  files:\n");
	open_driver(w);
	assert_ok(w->device->driver->seal(w->device, &w->e), &w->e);
	assert_ok(buf_printf(&path, &w->e, "%s/sealed", w->kit.folder), &w->e);
	assert_int_equal(access(buf_str(&path, &w->e), F_OK), 0);
	end(w);
}

/* The first op that a fault spoils, or STEP_COUNT; code is its error's. */
static enum step_id first_failure(struct world *w, X509 **ret_cert)
{
	AUTO_STRUCT(identity) i = { 0 };
	AUTO_STRUCT(buf) csr = { 0 }, chain = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };

	if (identify(w, &i) != 0)
		return STEP_IDENTIFY;
	if (keygen(w, false) != 0)
		return STEP_KEYGEN;
	if (request(w, &csr) != 0 || !request_is_good(&csr))
		return STEP_REQUEST;
	*ret_cert = certify(w, &csr, &chain);
	if (install(w, OBJECT_CHAIN, &chain) != 0)
		return STEP_INSTALL;
	if (readback(w, OBJECT_CHAIN, &stored) != 0 || !buf_equal(&stored.bytes, &chain))
		return STEP_READBACK;
	if (prove(w, &proof) != 0 || !verifies(w, &proof, *ret_cert))
		return STEP_PROVE;
	return STEP_COUNT;
}

static void test_faults_show(void **state)
{
	static const struct {
		const char *fault;
		enum step_id step;
		const char *code; /* "" where the judge sees it and the driver can not */
	} rows[] = {
		{ "corrupt:identify", STEP_IDENTIFY, "shell.corrupt" },
		{ "reset:keygen", STEP_KEYGEN, "link.gone" },
		{ "reset:prove", STEP_PROVE, "link.gone" },
		{ "refuse:identify", STEP_IDENTIFY, "shell.command" },
		{ "refuse:keygen", STEP_KEYGEN, "shell.command" },
		{ "refuse:request", STEP_REQUEST, "shell.command" },
		{ "refuse:install", STEP_INSTALL, "shell.command" },
		{ "refuse:readback", STEP_READBACK, "shell.command" },
		{ "refuse:prove", STEP_PROVE, "shell.command" },
		{ "bad-csr-signature", STEP_REQUEST, "" },
		{ "lying-readback", STEP_READBACK, "" },
		{ "wrong-key", STEP_PROVE, "" },
		{ "wrong-nonce", STEP_PROVE, "" },
		{ "duplicate-serial", STEP_COUNT, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world *w = begin(&variants[1], rows[i].fault);
		AUTO(X509) *cert = NULL;
		enum step_id step = first_failure(w, &cert);

		if (step != rows[i].step || strcmp(w->e.code, rows[i].code) != 0)
			fail_msg("%s: %s in %s", rows[i].fault, w->e.code,
			    step < STEP_COUNT ? step_name(step) : "no step");
		end(w);
	}
}

/* A lost answer costs a deadline and no more: the step can be asked again. */
static void test_a_lost_answer_is_lost_once(void **state)
{
	struct world *w = begin(&variants[1], "drop:keygen");
	const struct key_spec spec = { "EC:P-256", false };
	AUTO(X509) *cert = NULL;

	(void)state;
	w->device->deadline = clock_now_ms() + 5000;
	assert_err(w->device->driver->keygen(w->device, &spec, &w->e), &w->e, "link.timeout");
	assert_true(w->e.retry);
	assert_int_equal(first_failure(w, &cert), STEP_COUNT);
	end(w);
}

static void test_a_stalled_device_meets_every_deadline(void **state)
{
	struct world *w = begin(&variants[1], "stall:keygen");
	const struct key_spec spec = { "EC:P-256", false };
	AUTO_STRUCT(identity) i = { 0 };

	(void)state;
	assert_ok(identify(w, &i), &w->e);
	/* long enough that a busy machine's shell gets as far as to stall */
	w->device->deadline = clock_now_ms() + 5000;
	assert_err(w->device->driver->keygen(w->device, &spec, &w->e), &w->e, "link.timeout");
	w->device->deadline = clock_now_ms() + 300;
	assert_err(w->device->driver->identify(w->device, &i, &w->e), &w->e, "shell.silent");
	end(w);
}

static void test_another_serial_with_a_key(void **state)
{
	struct world *w = begin(&variants[1], "wrong-serial");
	AUTO_STRUCT(identity) before = { 0 }, after = { 0 };

	(void)state;
	assert_ok(identify(w, &before), &w->e);
	assert_string_equal(before.serial, "IG20000001");
	assert_ok(keygen(w, false), &w->e);
	assert_ok(identify(w, &after), &w->e);
	assert_string_not_equal(after.serial, before.serial);
	assert_int_equal(strlen(after.serial), strlen(before.serial));
	end(w);
}

static void test_another_subject(void **state)
{
	struct world *w = begin(&variants[1], "other-csr-subject");
	AUTO_STRUCT(buf) csr = { 0 };

	(void)state;
	assert_ok(keygen(w, false), &w->e);
	assert_ok(request(w, &csr), &w->e);
	assert_true(request_is_good(&csr));
	assert_non_null(memmem(csr.data, csr.len, "somebody else", 13));
	end(w);
}

/* At 9600 baud and with a slow key the same passage only takes longer. */
static void test_a_slow_device(void **state)
{
	struct world *w = begin(&variants[1], NULL);
	AUTO_STRUCT(identity) i = { 0 };
	int64_t started;

	(void)state;
	w->device->driver->close(w->device);
	kit_unplug(&w->kit);
	w->kit.config.baud = 9600;
	w->kit.config.keygen_ms = 400;
	kit_plug(&w->kit);
	open_driver(w);
	started = clock_now_ms();
	assert_ok(identify(w, &i), &w->e);
	assert_true(clock_now_ms() - started > 500); /* some 1500 characters */
	started = clock_now_ms();
	assert_ok(keygen(w, false), &w->e);
	assert_true(clock_now_ms() - started > 400);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_passage_with_a_tpm),
		cmocka_unit_test(test_the_passage_with_a_file),
		cmocka_unit_test(test_the_passage_with_a_login),
		cmocka_unit_test(test_a_key_is_kept_unless_it_shall_go),
		cmocka_unit_test(test_a_device_that_was_away),
		cmocka_unit_test(test_another_algorithm_is_refused),
		cmocka_unit_test(test_objects_without_a_file),
		cmocka_unit_test(test_only_certificates_are_read_back),
		cmocka_unit_test(test_identities_that_are_none),
		cmocka_unit_test(test_a_key_test_that_fails),
		cmocka_unit_test(test_pem_requests_become_der),
		cmocka_unit_test(test_seal_runs_its_command),
		cmocka_unit_test(test_faults_show),
		cmocka_unit_test(test_a_lost_answer_is_lost_once),
		cmocka_unit_test(test_a_stalled_device_meets_every_deadline),
		cmocka_unit_test(test_another_serial_with_a_key),
		cmocka_unit_test(test_another_subject),
		cmocka_unit_test(test_a_slow_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
