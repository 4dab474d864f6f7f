/* One unit of a family whose chips attest their keys, from its claim to its PASS, in real records. */
#ifndef KILN_TEST_ORIGIN_WORLD_H
#define KILN_TEST_ORIGIN_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include <openssl/cms.h>

#include "judge_origin.h"
#include "profiles/origin_kit.h"
#include "profiles/pki.h"
#include "station.h"
#include "step_asks.h"
#include "subject.h"
#include "verify.h"

#define WORLD_FN     __attribute__((unused)) static
#define WORLD_SERIAL "SN0001"

struct origin_world {
	char *folder, path[300];
	struct config config;
	struct station station;
	struct job job;
	struct pki attester; /* of the station */
	EVP_PKEY *key, *chip_key, *ca_key;
	X509 *chip, *ca, *leaf;
	struct buf csr, evidence; /* as the device gives them */
	const char *says_origin;  /* the statement's key.origin, other than true; NULL: as asked */
	bool no_bytes;            /* what it gives as evidence is not even bytes */
	struct buf statement, cms, jws;
};

/* As pki_cert, valid around now: the station's clock is the real one. */
WORLD_FN X509 *world_cert(const struct pki_spec *spec)
{
	X509 *cert = pki_cert(spec);

	assert_int_equal(ASN1_INTEGER_set_int64(X509_get_serialNumber(cert), 0x7123456789abcdef),
	    1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -86400));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 1000L * 86400));
	assert_true(
	    X509_sign(cert, spec->issuer != NULL ? spec->issuer_key : spec->key, EVP_sha256()) > 0);
	return cert;
}

/* The chip's evidence of a key, under that name. */
WORLD_FN void world_attest_key(struct origin_world *w, const char *name, EVP_PKEY *key)
{
	X509 *cert = world_cert(&(struct pki_spec){ .name = name,
	    .key = key,
	    .issuer = w->chip,
	    .issuer_key = w->chip_key });
	struct err e = { 0 };

	buf_clear(&w->evidence);
	assert_ok(x509_add_der(cert, &w->evidence, &e), &e);
	X509_free(cert);
}

WORLD_FN void world_make_csr(struct origin_world *w)
{
	AUTO_STRUCT(subject) subject = { 0 };
	X509_REQ *request = X509_REQ_new();
	const uint8_t *p;
	uint8_t *der = NULL;
	X509_NAME *name;
	struct err e = { 0 };
	int len;

	assert_ok(subject_render(&subject, w->station.profile, &w->job.identity, &e), &e);
	p = subject.name.data;
	name = d2i_X509_NAME(NULL, &p, (long)subject.name.len);
	assert_true(request != NULL && name != NULL);
	assert_int_equal(X509_REQ_set_subject_name(request, name), 1);
	assert_int_equal(X509_REQ_set_pubkey(request, w->key), 1);
	assert_true(X509_REQ_sign(request, w->key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_ok(buf_set(&w->csr, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	X509_NAME_free(name);
	X509_REQ_free(request);
}

/* Appends it, as the walk would; takes over its members. */
WORLD_FN void world_append(struct origin_world *w, struct record *r)
{
	struct err e = { 0 };

	assert_ok(records_append(w->station.records, r, &e), &e);
}

/* An event in json_pack's form, with a member that names bytes, or NULL. */
WORLD_FN void world_tell(struct origin_world *w, json_t *body, const char *member,
    const struct buf *bytes)
{
	struct record r = { .body = body };
	AUTO_STRUCT(buf) copy = { 0 };
	struct err e = { 0 };

	assert_non_null(body);
	if (member != NULL) {
		assert_ok(buf_set(&copy, bytes->data, bytes->len, &e), &e);
		assert_ok(record_add_blob(&r, member, &copy, &e), &e);
	}
	world_append(w, &r);
	record_free(&r);
}

WORLD_FN json_t *world_step(const struct origin_world *w, const char *step)
{
	return json_pack("{s:s, s:I, s:s}", "event", "step", "job", (json_int_t)w->job.number,
	    "step", step);
}

WORLD_FN void world_record_profile(struct origin_world *w)
{
	const struct profile *p = w->station.profile;
	struct record r = { .body = json_pack("{s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
				w->station.profile_sha256, "product", p->product, "version",
				p->version) };
	AUTO_STRUCT(buf) text = { 0 }, anchors = { 0 };
	struct err e = { 0 };

	assert_ok(buf_set(&text, p->text.data, p->text.len, &e), &e);
	assert_ok(profile_export_anchors(p, &anchors, &e), &e);
	assert_ok(record_add_blob(&r, "text", &text, &e), &e);
	assert_ok(record_add_blob(&r, "anchors", &anchors, &e), &e);
	world_append(w, &r);
	record_free(&r);
}

WORLD_FN void world_free_job(struct job *j)
{
	struct buf *const bytes[] = { &j->csr, &j->leaf, &j->chain };

	for (size_t i = 0; i < COUNT(bytes); i++)
		buf_free(bytes[i]);
	json_decref(j->keys);
	json_decref(j->statement);
	proof_free(&j->proof);
	X509_free(j->readback);
	EVP_PKEY_free(j->key);
}

/* The unit comes, new or again: a job that knows only what the records say. */
WORLD_FN void world_claim(struct origin_world *w)
{
	const struct identity unit = { .model = "TP-A",
		.serial = WORLD_SERIAL,
		.key_present = w->csr.len > 0 };
	struct job *j = &w->job;
	struct record r = { .body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "event", "claim",
				"serial", unit.serial, "model", unit.model, "slot", "1", "profile",
				w->station.profile_sha256, "reuse", 0) };
	struct err e = { 0 };

	world_free_job(j);
	*j = (struct job){ .station = &w->station, .slot_name = "1", .identity = unit };
	world_append(w, &r);
	assert_ok(claimed(j, &r, &e), &e);
	record_free(&r);
}

WORLD_FN void world_keygen(struct origin_world *w)
{
	world_tell(w,
	    json_pack("{s:s, s:I, s:s, s:i}", "event", "intent", "job", (json_int_t)w->job.number,
		"kind", "keygen", "attempt", 1),
	    NULL, NULL);
	world_tell(w, world_step(w, "keygen"), NULL, NULL);
	w->job.made_key = true;
}

/* What the device answers to `request`, judged by the row of the step table; not recorded yet. */
WORLD_FN enum verdict world_judge_request(struct origin_world *w, step_judge *judge,
    struct record *r, struct err *e)
{
	AUTO(json_t) *answer = json_object();
	int64_t wait = 0;

	assert_ok(json_set_bytes(answer, "csr", w->csr.data, w->csr.len, e), e);
	if (w->no_bytes)
		assert_ok(json_set_str(answer, "origin", "no base64!", e), e);
	else if (w->evidence.len > 0)
		assert_ok(json_set_bytes(answer, "origin", w->evidence.data, w->evidence.len, e),
		    e);
	for (w->job.row = 0; steps[w->job.row].judge != judge; w->job.row++)
		assert_true(w->job.row < step_count);
	return judge(&w->job, answer, r, &wait, e);
}

WORLD_FN void world_request(struct origin_world *w)
{
	struct record r = { 0 };
	struct err e = { 0 };

	assert_ok(world_judge_request(w, judge_request, &r, &e) == VERDICT_DONE ? 0 : -1, &e);
	world_append(w, &r);
	record_free(&r);
}

WORLD_FN void world_enrol(struct origin_world *w)
{
	AUTO_STRUCT(buf) issuer = { 0 }, number = { 0 }, der = { 0 }, chain = { 0 };
	struct record r = { .body = world_step(w, "enrol") };
	struct err e = { 0 };

	world_tell(w,
	    json_pack("{s:s, s:I, s:s, s:i}", "event", "intent", "job", (json_int_t)w->job.number,
		"kind", "enrol", "attempt", 1),
	    "csr", &w->csr);
	assert_ok(x509_add_der(w->leaf, &der, &e), &e);
	assert_int_equal(X509_up_ref(w->leaf), 1);
	X509_free(w->job.readback);
	w->job.readback = w->leaf;
	assert_ok(buf_set(&chain, der.data, der.len, &e), &e);
	assert_ok(x509_add_der(w->ca, &chain, &e), &e);
	assert_ok(x509_add_issuer(w->leaf, &issuer, &e), &e);
	assert_ok(x509_add_serial(w->leaf, &number, &e), &e);
	assert_ok(json_set_str(r.body, "issuer", buf_str(&issuer, &e), &e), &e);
	assert_ok(json_set_str(r.body, "number", buf_str(&number, &e), &e), &e);
	assert_ok(json_set_str(r.body, "spki", w->job.spki, &e), &e);
	assert_ok(record_add_blob(&r, "certificate", &der, &e), &e);
	assert_ok(record_add_blob(&r, "chain", &chain, &e), &e);
	world_append(w, &r);
	record_free(&r);
}

WORLD_FN void world_prove(struct origin_world *w)
{
	struct record r = { .body = world_step(w, "prove") };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct proof *proof = &w->job.proof;
	AUTO_STRUCT(buf) preimage = { 0 }, signature = { 0 };
	uint8_t digest[SHA256_LEN], octets[256];
	size_t len = sizeof(octets);
	struct err e = { 0 };

	memcpy(proof->scheme, "fake", sizeof("fake"));
	assert_ok(x509_digest(w->job.readback, digest, &e), &e);
	assert_ok(buf_set(&proof->preimage, w->job.nonce, sizeof(w->job.nonce), &e), &e);
	assert_ok(buf_add(&proof->preimage, digest, sizeof(digest), &e), &e);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, w->key), 1);
	assert_int_equal(EVP_DigestSign(ctx, octets, &len, proof->preimage.data,
			     proof->preimage.len),
	    1);
	assert_ok(buf_set(&proof->signature, octets, len, &e), &e);
	assert_ok(buf_set(&preimage, proof->preimage.data, proof->preimage.len, &e), &e);
	assert_ok(buf_set(&signature, octets, len, &e), &e);
	assert_ok(json_set_str(r.body, "scheme", "fake", &e), &e);
	assert_ok(json_set_hex(r.body, "nonce", w->job.nonce, sizeof(w->job.nonce), &e), &e);
	assert_ok(record_add_blob(&r, "preimage", &preimage, &e), &e);
	assert_ok(record_add_blob(&r, "signature", &signature, &e), &e);
	world_append(w, &r);
	record_free(&r);
	EVP_MD_CTX_free(ctx);
}

WORLD_FN void world_install(struct origin_world *w)
{
	json_t *readback = world_step(w, "readback");
	uint8_t digest[SHA256_LEN];
	struct err e = { 0 };

	world_tell(w, world_step(w, "install"), NULL, NULL);
	assert_ok(x509_digest(w->job.readback, digest, &e), &e);
	assert_ok(json_set_hex(readback, "certificate", digest, sizeof(digest), &e), &e);
	world_tell(w, readback, NULL, NULL);
}

/* What the station asks the signer to sign. Borrowed from the job. */
WORLD_FN json_t *world_ask_statement(struct origin_world *w)
{
	struct record r = { .body = json_pack("{s:s, s:I}", "event", "attesting", "job",
				(json_int_t)w->job.number) };
	AUTO(json_t) *request = NULL;
	struct err e = { 0 };

	world_append(w, &r);
	attest_intended(&w->job, &r);
	record_free(&r);
	request = ask_attest(&w->job, &e);
	assert_non_null(request);
	return w->job.statement;
}

/* As the signer does. */
WORLD_FN void world_sign(struct origin_world *w)
{
	static const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL | CMS_CADES;
	const struct pki *p = &w->attester;
	ASN1_OBJECT *type = OBJ_txt2obj(OID_KILN_STATEMENT, 1);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, p->chain, NULL, flags);
	uint8_t *der = NULL;
	struct err e = { 0 };
	BIO *in;
	int len;

	assert_ok(json_set_str(w->job.statement, "jti", "000102030405060708090a0b0c0d0e0f", &e),
	    &e);
	assert_ok(json_canonical(w->job.statement, &w->statement, &e), &e);
	in = BIO_new_mem_buf(w->statement.data, (int)w->statement.len);
	assert_int_equal(CMS_set1_eContentType(cms, type), 1);
	assert_non_null(CMS_add1_signer(cms, p->leaf, p->key, EVP_sha256(), flags));
	assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
	len = i2d_CMS_ContentInfo(cms, &der);
	assert_ok(buf_set(&w->cms, der, (size_t)len, &e), &e);
	pki_jws(p, &w->statement, &w->jws);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	ASN1_OBJECT_free(type);
	BIO_free(in);
}

WORLD_FN void world_end(struct origin_world *w)
{
	struct record r = { .body = world_step(w, "attest") };
	struct err e = { 0 };

	assert_ok(record_add_blob(&r, "statement", &w->statement, &e), &e);
	assert_ok(record_add_blob(&r, "cms", &w->cms, &e), &e);
	assert_ok(record_add_blob(&r, "jws", &w->jws, &e), &e);
	world_append(w, &r);
	record_free(&r);
	world_tell(w,
	    json_pack("{s:s, s:I, s:s}", "event", "end", "job", (json_int_t)w->job.number,
		"outcome", "passed"),
	    NULL, NULL);
}

/* From the certificate to PASS; claims of the statement may be other than true: says, NULL as asked. */
WORLD_FN void world_finish(struct origin_world *w, const char *says)
{
	struct err e = { 0 };

	world_enrol(w);
	world_install(w);
	world_prove(w);
	(void)world_ask_statement(w); /* it is the job's */
	if (says != NULL)
		assert_ok(json_set_str(json_object_get(w->job.statement, "key"), "origin_evidence",
			      says, &e),
		    &e);
	if (w->says_origin != NULL)
		assert_ok(json_set_str(json_object_get(w->job.statement, "key"), "origin",
			      w->says_origin, &e),
		    &e);
	world_sign(w);
	world_end(w);
}

WORLD_FN int world_verify(struct origin_world *w, json_t **ret, struct err *e)
{
	const struct verify_options options = { .trust = w->attester.trust };

	return verify_records(w->station.records, &options, ret, e);
}

/* The station's own certificate, valid now. */
WORLD_FN void world_last(X509 *cert, EVP_PKEY *issuer_key)
{
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -86400));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 1000L * 86400));
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
}

WORLD_FN void world_make_certificates(struct origin_world *w)
{
	struct pki *p = &w->attester;

	*p = pki_attester("P-256");
	world_last(p->root, p->root_key);
	world_last(p->ca, p->root_key);
	world_last(p->leaf, p->ca_key);
	w->key = pki_key("P-256");
	w->chip_key = pki_key("P-256");
	w->ca_key = pki_key("P-256");
	w->chip = world_cert(&(struct pki_spec){ .name = "chip", .key = w->chip_key });
	w->ca = world_cert(&(struct pki_spec){ .name = "CA",
	    .key = w->ca_key,
	    .constraints = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign" });
	w->leaf = world_cert(&(struct pki_spec){ .name = WORLD_SERIAL,
	    .key = w->key,
	    .issuer = w->ca,
	    .issuer_key = w->ca_key,
	    .usage = "critical,digitalSignature",
	    .extended = "clientAuth" });
}

/* "{ file: F, sha256: H }" of one certificate. */
WORLD_FN void world_describe(X509 *root, char ret[static 200])
{
	char digest[2 * SHA256_LEN + 1];
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_der(root, &der, &e), &e);
	sha256_hex(der.data, der.len, digest);
	(void)snprintf(ret, 200, "{ file: x.pem, sha256: \"%s\" }", digest);
}

/* asks: the profile names the chip's maker. */
WORLD_FN void world_make_profile(struct origin_world *w, bool asks)
{
	static const char text[] = ORIGIN_PROFILE;
	AUTO_STRUCT(buf) changed = { 0 }, issuer_der = { 0 };
	char issuer[200], chip[200];
	struct profile **p = &w->station.profile;
	struct err e = { 0 };

	world_describe(w->ca, issuer);
	world_describe(w->chip, chip);
	assert_ok(yaml_replace("test", text, strlen(text), "/trust/issuer", issuer, &changed, &e),
	    &e);
	if (asks)
		assert_ok(buf_printf(&changed, &e, "  attestation: %s\n", chip), &e);
	assert_ok(profile_parse(p, "test", (const char *)changed.data, changed.len, &e), &e);
	assert_ok(x509_add_der(w->ca, &issuer_der, &e), &e);
	assert_ok(profile_anchors_take(&(*p)->issuer, &issuer_der, &e), &e);
	if (asks)
		assert_ok(x509_add_der(w->chip, &(*p)->attestation.ders, &e), &e);
	hex_encode((*p)->digest, SHA256_LEN, w->station.profile_sha256);
}

/* The unit is there, claimed, and has made its key. */
WORLD_FN int world_open(void **state, bool asks)
{
	struct origin_world *w = calloc(1, sizeof(*w));
	struct err e = { 0 };

	assert_non_null(w);
	w->folder = testing_folder();
	(void)snprintf(w->path, sizeof(w->path), "%s/records.db", w->folder);
	world_make_certificates(w);
	world_make_profile(w, asks);
	w->config = (struct config){ .station = "line-1", .site = "", .line = "" };
	w->station.config = &w->config;
	w->station.family = &origin_family;
	assert_ok(records_open(&w->station.records, w->path, "line-1", true, &e), &e);
	world_record_profile(w);
	world_claim(w);
	world_keygen(w);
	world_make_csr(w);
	world_attest_key(w, WORLD_SERIAL, w->key);
	*state = w;
	return 0;
}

WORLD_FN int world_asks(void **state)
{
	return world_open(state, true);
}

WORLD_FN int world_does_not_ask(void **state)
{
	return world_open(state, false);
}

WORLD_FN int world_close(void **state)
{
	struct origin_world *w = *state;
	struct buf *const bytes[] = { &w->csr, &w->evidence, &w->statement, &w->cms, &w->jws };
	X509 *const certs[] = { w->chip, w->ca, w->leaf };
	EVP_PKEY *const keys[] = { w->key, w->chip_key, w->ca_key };

	for (size_t i = 0; i < COUNT(bytes); i++)
		buf_free(bytes[i]);
	for (size_t i = 0; i < COUNT(certs); i++)
		X509_free(certs[i]);
	for (size_t i = 0; i < COUNT(keys); i++)
		EVP_PKEY_free(keys[i]);
	world_free_job(&w->job);
	records_close(w->station.records);
	profile_free(w->station.profile);
	pki_free(&w->attester);
	testing_folder_remove(w->folder);
	free(w);
	return 0;
}

#endif
