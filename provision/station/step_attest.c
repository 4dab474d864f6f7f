/* The station's word on what it did: one canonical statement, signed by the HSM. */
#include "step_asks.h"

#include <string.h>

#include "attestation.h"
#include "clock.h"
#include "serve.h"
#include "statement.h"
#include "version.h"

int intend_attest(struct job *j, struct record *r, struct err *e)
{
	r->body = json_pack("{s:s, s:I}", "event", "attesting", "job", (json_int_t)j->number);
	return r->body != NULL ? 0 : err_nomem(e);
}

/* Positions go to the signer in the order in which they became durable. */
void attest_intended(struct job *j, const struct record *r)
{
	j->position = r->seq;
	memcpy(j->head, r->head, sizeof(j->head));
}

static json_t *hex_of(const uint8_t *data, size_t len)
{
	char digest[2 * SHA256_LEN + 1];

	sha256_hex(data, len, digest);
	return json_string(digest);
}

static int add_device(const struct job *j, json_t *s, struct err *e)
{
	const struct identity *i = &j->identity;
	const struct profile *p = j->station->profile;
	bool judged = j->origin[0] != '\0';
	const char *origin = judged || j->made_key ? "on-chip" : "unknown";

	if (json_set_new(s, "device",
		json_pack("{s:s, s:s, s:s, s:s}", "serial", i->serial, "model", i->model,
		    "firmware", i->firmware, "lifecycle", i->lifecycle),
		e) != 0)
		return -1;
	return json_set_new(s, "key",
	    json_pack("{s:s, s:s, s:s, s:s, s:b}", "alg", p->key_algorithm, "spki_sha256", j->spki,
		"origin", origin, "origin_evidence", judged ? j->origin : STATEMENT_TOOL_ASSERTED,
		"pop_verified", 1),
	    e);
}

static int add_certificate(const struct job *j, json_t *s, struct err *e)
{
	const struct buf *anchors = &j->station->profile->anchors.ders;
	AUTO_STRUCT(buf) issuer = { 0 };
	AUTO_STRUCT(buf) number = { 0 };
	AUTO(json_t) *certificate = json_object();
	uint8_t digest[SHA256_LEN];

	if (x509_add_issuer(j->readback, &issuer, e) != 0 ||
	    x509_add_serial(j->readback, &number, e) != 0 ||
	    x509_digest(j->readback, digest, e) != 0 ||
	    json_set_new(s, "csr_sha256", hex_of(j->csr.data, j->csr.len), e) != 0)
		return -1;
	if (anchors->len > 0 &&
	    json_set_new(s, "anchors_sha256", hex_of(anchors->data, anchors->len), e) != 0)
		return -1;
	if (json_set_hex(certificate, "sha256", digest, sizeof(digest), e) != 0 ||
	    json_set_str(certificate, "issuer", buf_str(&issuer, e), e) != 0 ||
	    json_set_str(certificate, "number", buf_str(&number, e), e) != 0)
		return -1;
	return json_set_new(s, "certificate", steal(&certificate), e);
}

static int add_proof(const struct job *j, json_t *s, struct err *e)
{
	char nonce[65];

	hex_encode(j->nonce, sizeof(j->nonce), nonce);
	return json_set_new(s, "proof",
	    json_pack("{s:s, s:s, s:o, s:o}", "scheme", j->proof.scheme, "nonce", nonce,
		"preimage_sha256", hex_of(j->proof.preimage.data, j->proof.preimage.len),
		"signature_sha256", hex_of(j->proof.signature.data, j->proof.signature.len)),
	    e);
}

static int add_process(const struct job *j, json_t *s, struct err *e)
{
	const struct station *st = j->station;
	const struct config *c = st->config;
	AUTO(json_t) *place = json_pack("{s:s, s:s}", "id", c->station, "slot", j->slot_name);
	char head[2 * SHA256_LEN + 1];

	hex_encode(j->head, sizeof(j->head), head);
	if (place == NULL)
		return err_nomem(e);
	if ((c->line[0] != '\0' && json_set_str(place, "line", c->line, e) != 0) ||
	    (c->site[0] != '\0' && json_set_str(place, "site", c->site, e) != 0))
		return -1;
	if (json_set_new(s, "station", steal(&place), e) != 0 ||
	    json_set_new(s, "profile",
		json_pack("{s:s, s:s, s:s}", "product", st->profile->product, "version",
		    st->profile->version, "sha256", st->profile_sha256),
		e) != 0 ||
	    json_set_new(s, "tool",
		json_pack("{s:s, s:s}", "version", kiln_version(), "build", build_id()), e) != 0)
		return -1;
	if (c->order != NULL &&
	    json_set_new(s, "order",
		json_pack("{s:s, s:I, s:I}", "id", c->order, "ordinal", (json_int_t)j->ordinal,
		    "quantity", (json_int_t)c->quantity),
		e) != 0)
		return -1;
	return json_set_new(s, "chain",
	    json_pack("{s:s, s:I, s:s}", "station", c->station, "seq", (json_int_t)j->position,
		"head", head),
	    e);
}

json_t *ask_attest(struct job *j, struct err *e)
{
	AUTO(json_t) *request = json_pack("{s:s}", "do", "attest");
	AUTO(json_t) *s = json_pack("{s:s, s:i, s:I, s:b, s:s, s:s}", "typ", "kiln-statement",
	    "ver", 1, "iat", (json_int_t)clock_wall_s(), "readback_ok", 1, "outcome", "passed",
	    "time_source", clock_is_synchronised() ? "ntp" : "free-running");

	if (request == NULL || s == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (add_device(j, s, e) != 0 || add_certificate(j, s, e) != 0 || add_proof(j, s, e) != 0 ||
	    add_process(j, s, e) != 0 || json_set_new(request, "statement", json_incref(s), e) != 0)
		return NULL;
	json_decref(j->statement);
	j->statement = steal(&s);
	return steal(&request);
}

/* What was signed is what was asked for, and an id of the signer's. */
static int compare(const struct job *j, const struct buf *statement, struct err *e)
{
	AUTO(json_t) *said = NULL;

	if (statement_parse(statement->data, statement->len, &said, ERR_HSM, e) != 0)
		return -1;
	(void)json_object_del(said, "jti"); /* statement_parse has seen it */
	if (!json_equal(said, j->statement))
		return err_set(e, ERR_HSM, "attest.statement",
		    "the signer signed another statement");
	return 0;
}

static int record_attestation(struct job *j, struct buf *statement, struct buf *cms,
    const char *jws, struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (step_event(j, r, e) != 0 || record_add_blob(r, "statement", statement, e) != 0 ||
	    record_add_blob(r, "cms", cms, e) != 0 || buf_add_str(&text, jws, e) != 0)
		return -1;
	return record_add_blob(r, "jws", &text, e);
}

enum verdict judge_attestation(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) statement = { 0 };
	AUTO(X509) *signer = NULL;
	const char *jws;

	(void)ret_wait_ms;
	if (json_get_bytes(answer, "cms", &cms, ERR_HSM, e) != 0 ||
	    json_get_str(answer, "jws", &jws, ERR_HSM, e) != 0 ||
	    attestation_verify(&cms, jws, j->station->attestation_trust, clock_wall_s(), &statement,
		&signer, e) != 0 ||
	    compare(j, &statement, e) != 0 ||
	    record_attestation(j, &statement, &cms, jws, r, e) != 0)
		return VERDICT_FAIL;
	return VERDICT_DONE;
}
