/* What the device is asked to make, store and prove. */
#include "step_asks.h"

#include <string.h>

#include <openssl/rand.h>

#include "clock.h"
#include "judge_csr.h"
#include "judge_origin.h"
#include "judge_proof.h"

static json_t *request(const char *what, struct err *e)
{
	json_t *r = json_pack("{s:s}", "do", what);

	if (r == NULL)
		(void)err_nomem(e);
	return r;
}

int intend_keygen(struct job *j, struct record *r, struct err *e)
{
	return step_intent(j, r, "keygen", j->tries + 1, e);
}

json_t *ask_keygen(struct job *j, struct err *e)
{
	const struct profile *p = j->station->profile;
	AUTO(json_t) *r = request("keygen", e);
	if (r == NULL || json_set_str(r, "algorithm", p->key_algorithm, e) != 0 ||
	    json_set_bool(r, "replace", j->action == RECOVERY_REPLACE_KEY, e) != 0)
		return NULL;
	return steal(&r);
}

enum verdict judge_keygen(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	(void)answer;
	(void)ret_wait_ms;
	j->made_key = true;
	return step_event(j, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

json_t *ask_request(struct job *j, struct err *e)
{
	const struct identity *i = &j->identity;
	json_t *r = json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "do", "request", "identity",
	    "model", i->model, "serial", i->serial, "firmware", i->firmware, "lifecycle",
	    i->lifecycle, "uuid", i->uuid);

	if (r == NULL)
		(void)err_nomem(e);
	return r;
}

/* Evidence is kept also where it was not asked for, and then nothing is said of it. */
static int record_origin(const struct job *j, struct buf *origin, struct record *r, struct err *e)
{
	if (j->origin[0] != '\0' && json_set_str(r->body, "origin_evidence", j->origin, e) != 0)
		return -1;
	return origin->len > 0 ? record_add_blob(r, "origin", origin, e) : 0;
}

static int record_request(struct job *j, struct buf *csr, struct buf *origin, struct record *r,
    struct err *e)
{
	AUTO_STRUCT(buf) copy = { 0 };

	if (buf_add(&copy, csr->data, csr->len, e) != 0 || step_event(j, r, e) != 0 ||
	    json_set_str(r->body, "spki", j->spki, e) != 0 || record_origin(j, origin, r, e) != 0)
		return -1;
	buf_free(&j->csr);
	j->csr = buf_steal(csr);
	return record_add_blob(r, "csr", &copy, e);
}

/* The device's CSR, judged; the job takes its key. */
static int take_csr(struct job *j, const json_t *answer, struct buf *ret, struct csr_facts *facts,
    struct err *e)
{
	if (json_get_bytes(answer, "csr", ret, ERR_DEVICE, e) != 0)
		return -1;
	if (ret->len > JOB_CSR_MAX)
		return err_set(e, ERR_DEVICE, "csr.der", "a CSR of %zu bytes is refused", ret->len);
	if (judge_csr(j->station->profile, &j->identity, ret, facts, e) != 0)
		return -1;
	EVP_PKEY_free(j->key);
	j->key = steal(&facts->key);
	return 0;
}

static int read_origin(const json_t *answer, struct buf *ret, struct err *e)
{
	if (json_object_get(answer, "origin") != NULL &&
	    json_get_bytes(answer, "origin", ret, ERR_DEVICE, e) != 0)
		return -1;
	if (ret->len > JOB_ORIGIN_MAX)
		return err_set(e, ERR_DEVICE, "origin.malformed",
		    "evidence of a key's origin of %zu bytes is refused", ret->len);
	return 0;
}

/* What the chip says of the key that take_csr took, as far as the profile asks; what nobody asked for and
 * can not be kept is dropped. */
static int take_origin(struct job *j, const json_t *answer, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };

	if (read_origin(answer, ret, e) != 0) {
		if (j->station->profile->attestation.file != NULL || e->domain != ERR_DEVICE)
			return -1;
		buf_clear(ret);
	}
	if (judge_origin(j->station->profile, &j->identity, ret, j->key, clock_wall_s(), &claims,
		e) != 0)
		return -1;
	memcpy(j->origin, claims.scheme, sizeof(j->origin));
	return 0;
}

/* A job that has a CSR is bound to that key; one that has none knows the keys of its unit. */
static bool is_its_key(const struct job *j, const char *spki)
{
	if (j->csr.len > 0)
		return strcmp(spki, j->spki) == 0;
	for (size_t i = 0; i < json_array_size(j->keys); i++)
		if (strcmp(spki, json_string_value(json_array_get(j->keys, i))) == 0)
			return true;
	return false;
}

/* A CSR that is never sent: it only shows which key the device holds. */
enum verdict judge_which_key(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	char spki[2 * SHA256_LEN + 1];

	(void)r;
	(void)ret_wait_ms;
	if (take_csr(j, answer, &csr, &facts, e) != 0)
		return VERDICT_FAIL;
	hex_encode(facts.spki_sha256, SHA256_LEN, spki);
	return step_recover(j, is_its_key(j, spki) ? RECOVERY_ITS_KEY : RECOVERY_OTHER_KEY, e) == 0
		   ? VERDICT_DONE
		   : VERDICT_FAIL;
}

enum verdict judge_request(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) origin = { 0 };

	(void)ret_wait_ms;
	if (take_csr(j, answer, &csr, &facts, e) != 0 || take_origin(j, answer, &origin, e) != 0)
		return VERDICT_FAIL;
	hex_encode(facts.spki_sha256, SHA256_LEN, j->spki);
	return record_request(j, &csr, &origin, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

/* What an object holds, in install's form. Borrowed. */
static const struct buf *object_bytes(const struct job *j, enum object object)
{
	switch (object) {
	case OBJECT_LEAF:
		return &j->leaf;
	case OBJECT_CHAIN:
		return &j->chain;
	case OBJECT_ANCHORS:
		return &j->station->profile->anchors.ders;
	case OBJECT_COUNT:
		break;
	}
	return NULL;
}

static enum object present_object(const struct job *j)
{
	return j->station->profile->install[j->object];
}

json_t *ask_install(struct job *j, struct err *e)
{
	enum object object = present_object(j);
	const struct buf *bytes = object_bytes(j, object);
	AUTO(json_t) *r = request("install", e);

	if (r == NULL || json_set_str(r, "object", object_name(object), e) != 0 ||
	    json_set_bytes(r, "ders", bytes->data, bytes->len, e) != 0)
		return NULL;
	return steal(&r);
}

/* The same row is asked again for the next object. */
static bool has_next_object(struct job *j)
{
	return ++j->object < j->station->profile->install_count;
}

enum verdict judge_install(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	(void)answer;
	*ret_wait_ms = 0;
	if (has_next_object(j))
		return VERDICT_AGAIN;
	return step_event(j, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

json_t *ask_readback(struct job *j, struct err *e)
{
	AUTO(json_t) *r = request("readback", e);

	if (r == NULL || json_set_str(r, "object", object_name(present_object(j)), e) != 0)
		return NULL;
	return steal(&r);
}

/* The leaf as the device stores it: what the proof is judged under (I3). */
static int keep_leaf(struct job *j, enum object object, const struct stored *stored, struct err *e)
{
	const struct buf *from = stored->is_digest ? &j->leaf : &stored->bytes;
	AUTO(X509) *leaf = NULL;
	size_t len = x509_cut(from->data, from->len);

	if (object == OBJECT_ANCHORS)
		return 0;
	if (x509_is(j->issued, from->data, len) && X509_up_ref(j->issued) == 1)
		leaf = j->issued; /* decoded already */
	else if (x509_parse(from->data, len, &leaf, ERR_DEVICE, e) != 0)
		return -1;
	X509_free(j->readback);
	j->readback = steal(&leaf);
	return 0;
}

static int record_readback(struct job *j, struct record *r, struct err *e)
{
	uint8_t digest[SHA256_LEN];

	if (j->readback == NULL)
		return err_set(e, ERR_CONFIG, "profile.install",
		    "the profile installs no certificate");
	if (x509_digest(j->readback, digest, e) != 0 || step_event(j, r, e) != 0)
		return -1;
	return json_set_hex(r->body, "certificate", digest, sizeof(digest), e);
}

enum verdict judge_stored(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	enum object object = present_object(j);
	AUTO_STRUCT(stored) stored = { .is_digest = json_opt_bool(answer, "is_digest", false) };

	*ret_wait_ms = 0;
	if (json_get_bytes(answer, "bytes", &stored.bytes, ERR_DEVICE, e) != 0 ||
	    judge_readback(object, object_bytes(j, object), &stored, e) != 0 ||
	    keep_leaf(j, object, &stored, e) != 0)
		return VERDICT_FAIL;
	if (has_next_object(j))
		return VERDICT_AGAIN;
	return record_readback(j, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

json_t *ask_prove(struct job *j, struct err *e)
{
	AUTO(json_t) *r = request("prove", e);

	if (RAND_bytes(j->nonce, sizeof(j->nonce)) != 1) {
		(void)err_openssl(e, ERR_CONFIG, "random", "making a nonce");
		return NULL;
	}
	if (r == NULL || json_set_bytes(r, "nonce", j->nonce, sizeof(j->nonce), e) != 0)
		return NULL;
	return steal(&r);
}

static int read_proof(const json_t *answer, struct proof *ret, struct err *e)
{
	const char *scheme;

	if (json_get_str(answer, "scheme", &scheme, ERR_DEVICE, e) != 0 ||
	    json_get_bytes(answer, "preimage", &ret->preimage, ERR_DEVICE, e) != 0 ||
	    json_get_bytes(answer, "signature", &ret->signature, ERR_DEVICE, e) != 0)
		return -1;
	if (strlen(scheme) >= sizeof(ret->scheme))
		return err_set(e, ERR_DEVICE, "proof.scheme",
		    "the name of a proof's scheme is too long");
	memcpy(ret->scheme, scheme, strlen(scheme) + 1);
	return 0;
}

static int record_proof(struct job *j, struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) preimage = { 0 };
	AUTO_STRUCT(buf) signature = { 0 };

	if (buf_add(&preimage, j->proof.preimage.data, j->proof.preimage.len, e) != 0 ||
	    buf_add(&signature, j->proof.signature.data, j->proof.signature.len, e) != 0 ||
	    step_event(j, r, e) != 0 || json_set_str(r->body, "scheme", j->proof.scheme, e) != 0 ||
	    json_set_hex(r->body, "nonce", j->nonce, sizeof(j->nonce), e) != 0 ||
	    record_add_blob(r, "preimage", &preimage, e) != 0)
		return -1;
	return record_add_blob(r, "signature", &signature, e);
}

enum verdict judge_possession(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	const struct station *s = j->station;
	AUTO_STRUCT(proof_claims) claims = { 0 };

	(void)ret_wait_ms;
	proof_free(&j->proof);
	j->proof = (struct proof){ 0 };
	if (read_proof(answer, &j->proof, e) != 0 ||
	    s->family->check_proof(s->profile, &j->proof, &claims, e) != 0 ||
	    judge_proof(&claims, j->nonce, j->readback, e) != 0)
		return VERDICT_FAIL;
	return record_proof(j, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

int intend_seal(struct job *j, struct record *r, struct err *e)
{
	return step_intent(j, r, "seal", 1, e);
}

json_t *ask_seal(struct job *j, struct err *e)
{
	(void)j;
	return request("seal", e);
}

enum verdict judge_seal(struct job *j, const json_t *answer, struct record *r, int64_t *ret_wait_ms,
    struct err *e)
{
	(void)answer;
	(void)ret_wait_ms;
	return step_event(j, r, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}
