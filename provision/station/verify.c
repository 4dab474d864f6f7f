#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "attestation.h"
#include "clock.h"
#include "family.h"
#include "judge_cert.h"
#include "judge_csr.h"
#include "judge_origin.h"
#include "judge_proof.h"
#include "statement.h"

enum { PROFILES_MAX = 64 };

/* One passage, from its claim on: what its events said so far. */
struct passage {
	struct passage *next;
	char station[65];
	int64_t job;
	struct identity identity;
	struct profile *profile; /* borrowed from the audit */
	EVP_PKEY *key;
	char csr[65], spki[65], certificate[65], number[65], readback[65], attesting[65];
	char preimage[65], signature[65], nonce[65];
	char origin
	    [ORIGIN_SCHEME_MAX]; /* what is known of the key's origin, in the statement's words */
	X509 *leaf;
	int64_t position;
	bool made_key, proven, attested;
};

struct audit {
	struct records *records;
	const struct verify_options *options;
	struct passage *passages; /* open ones */
	struct profile *profiles[PROFILES_MAX];
	char digests[PROFILES_MAX][65];
	size_t profile_count;
	int64_t certificates, attestations, proofs, origins, restores, lost;
	bool signer_met;  /* the event that the signer remembers is there, or declared lost */
	bool signer_used; /* its station's chain holds attestations */
};

static int violation(const struct passage *p, struct err *e, const char *code, const char *what)
{
	return err_set(e, ERR_RECORDS, code, "serial %s, job %lld: %s", p->identity.serial,
	    (long long)p->job, what);
}

static void copy_text(char *ret, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		len = size - 1;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

static void passage_free(struct passage *p)
{
	identity_free(&p->identity);
	EVP_PKEY_free(p->key);
	X509_free(p->leaf);
	free(p);
}

static struct passage **find(struct audit *a, const json_t *event)
{
	int64_t job = json_opt_int(event, "job", -1);
	struct passage **p = &a->passages;

	while (*p != NULL && (*p)->job != job)
		p = &(*p)->next;
	return p;
}

static int blob_of(struct audit *a, const json_t *event, const char *member, struct buf *ret,
    struct err *e)
{
	const char *digest;

	if (json_get_str(event, member, &digest, ERR_RECORDS, e) != 0)
		return -1;
	return records_blob(a->records, digest, ret, e);
}

static int64_t seconds_of(const json_t *event)
{
	return clock_parse(json_opt_str(event, "at", "")) / 1000;
}

static int take_profile(struct audit *a, const json_t *event, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(buf) anchors = { 0 };
	AUTO_PTR(profile) *p = NULL;
	const char *digest = json_opt_str(event, "sha256", "");
	char own[65];

	for (size_t i = 0; i < a->profile_count; i++)
		if (strcmp(a->digests[i], digest) == 0)
			return 0;
	if (a->profile_count == PROFILES_MAX)
		return err_set(e, ERR_RECORDS, "verify.profile", "more than %d profiles",
		    PROFILES_MAX);
	if (blob_of(a, event, "text", &text, e) != 0 ||
	    blob_of(a, event, "anchors", &anchors, e) != 0 ||
	    profile_parse(&p, digest, (const char *)text.data, text.len, e) != 0 ||
	    profile_import_anchors(p, (const char *)anchors.data, anchors.len, e) != 0)
		return -1;
	hex_encode(p->digest, SHA256_LEN, own);
	if (strcmp(own, digest) != 0)
		return err_set(e, ERR_RECORDS, "verify.profile", "profile %s has other text",
		    digest);
	copy_text(a->digests[a->profile_count], 65, digest);
	a->profiles[a->profile_count++] = steal(&p);
	return 0;
}

static struct profile *find_profile(struct audit *a, const char *digest)
{
	for (size_t i = 0; i < a->profile_count; i++)
		if (strcmp(a->digests[i], digest) == 0)
			return a->profiles[i];
	return NULL;
}

/* What the claiming station saw: it may be another one than before, and newer firmware. */
static void take_identity(struct passage *p, const json_t *event)
{
	struct identity *i = &p->identity;

	copy_text(p->station, sizeof(p->station), json_opt_str(event, "station", ""));
	copy_text(i->serial, sizeof(i->serial), json_opt_str(event, "serial", ""));
	copy_text(i->model, sizeof(i->model), json_opt_str(event, "model", ""));
	copy_text(i->firmware, sizeof(i->firmware), json_opt_str(event, "firmware", ""));
	copy_text(i->uuid, sizeof(i->uuid), json_opt_str(event, "uuid", ""));
}

/* A claim opens a passage, or continues an open one of the same serial. */
static int take_claim(struct audit *a, const json_t *event, struct err *e)
{
	const char *serial = json_opt_str(event, "serial", "");
	struct passage *p;

	for (p = a->passages; p != NULL; p = p->next) {
		if (strcmp(p->identity.serial, serial) != 0)
			continue;
		take_identity(p, event);
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(e);
	p->next = a->passages;
	a->passages = p;
	p->job = json_opt_int(event, "record", 0);
	take_identity(p, event);
	p->profile = find_profile(a, json_opt_str(event, "profile", ""));
	return p->profile != NULL
		   ? 0
		   : violation(p, e, "verify.profile", "claimed under an unknown profile");
}

/* What the chip said of its key, judged by the roots that the profile had. */
static int check_origin(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	AUTO_STRUCT(buf) evidence = { 0 };

	if (json_object_get(event, "origin") != NULL &&
	    blob_of(a, event, "origin", &evidence, e) != 0)
		return -1;
	if (judge_origin(p->profile, &p->identity, &evidence, p->key, seconds_of(event), &claims,
		e) != 0)
		return -1;
	if (strcmp(claims.scheme, json_opt_str(event, "origin_evidence", "")) != 0)
		return violation(p, e, "verify.state",
		    "the evidence of the key's origin is not what it was recorded as");
	a->origins += claims.scheme[0] != '\0';
	copy_text(p->origin, sizeof(p->origin),
	    claims.scheme[0] != '\0' ? claims.scheme : STATEMENT_TOOL_ASSERTED);
	return 0;
}

static int check_request(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };

	if (blob_of(a, event, "csr", &csr, e) != 0 ||
	    judge_csr(p->profile, &p->identity, &csr, &facts, e) != 0)
		return -1;
	EVP_PKEY_free(p->key);
	p->key = steal(&facts.key);
	hex_encode(facts.spki_sha256, SHA256_LEN, p->spki);
	hex_encode(facts.csr_sha256, SHA256_LEN, p->csr);
	if (strcmp(p->spki, json_opt_str(event, "spki", "")) != 0)
		return violation(p, e, "verify.state", "the CSR's key is not the recorded one");
	return check_origin(a, p, event, e);
}

static int check_certificate(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) leaf = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO(X509_STACK) *others = NULL;
	struct cert_question question = { .key = p->key,
		.at = seconds_of(event),
		.accept_test_ca = a->options->accept_test_ca };

	if (p->key == NULL)
		return violation(p, e, "verify.rule", "a certificate without a judged CSR");
	if (blob_of(a, event, "certificate", &leaf, e) != 0 ||
	    blob_of(a, event, "chain", &chain, e) != 0 ||
	    x509_parse_list(chain.data, chain.len, &others, ERR_RECORDS, e) != 0)
		return -1;
	question.leaf = &leaf;
	question.others = others;
	if (judge_cert(p->profile, &p->identity, &question, &report, e) != 0)
		return -1;
	X509_free(p->leaf);
	p->leaf = steal(&report.leaf);
	copy_text(p->certificate, 65, json_opt_str(event, "certificate", ""));
	copy_text(p->number, 65, json_opt_str(event, "number", ""));
	a->certificates++;
	return 0;
}

/* I3: the signature over the nonce, under the certificate that was read back. */
static int check_proof(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	const struct family *family = family_find(p->profile->driver);
	AUTO_STRUCT(proof_claims) claims = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	uint8_t nonce[32];

	if (p->readback[0] == '\0' || strcmp(p->readback, p->certificate) != 0)
		return violation(p, e, "verify.rule",
		    "a proof without the certificate having been read back");
	copy_text(proof.scheme, sizeof(proof.scheme), json_opt_str(event, "scheme", ""));
	copy_text(p->nonce, 65, json_opt_str(event, "nonce", ""));
	copy_text(p->preimage, 65, json_opt_str(event, "preimage", ""));
	copy_text(p->signature, 65, json_opt_str(event, "signature", ""));
	if (!hex_decode(p->nonce, nonce, sizeof(nonce)))
		return violation(p, e, "verify.rule", "a proof without a nonce");
	if (blob_of(a, event, "preimage", &proof.preimage, e) != 0 ||
	    blob_of(a, event, "signature", &proof.signature, e) != 0 ||
	    family->check_proof(p->profile, &proof, &claims, e) != 0 ||
	    judge_proof(&claims, nonce, p->leaf, e) != 0)
		return -1;
	p->proven = true;
	a->proofs++;
	return 0;
}

struct said {
	const char *object, *member, *expected; /* object NULL: at the top */
};

static int compare_statement(const struct passage *p, const json_t *statement, struct err *e)
{
	bool judged = strcmp(p->origin, STATEMENT_TOOL_ASSERTED) != 0;
	const struct said all[] = {
		{ "device", "serial", p->identity.serial },
		{ "device", "model", p->identity.model },
		{ "key", "spki_sha256", p->spki },
		{ "key", "origin", judged || p->made_key ? "on-chip" : "unknown" },
		{ "key", "origin_evidence", p->origin },
		{ NULL, "csr_sha256", p->csr },
		{ "certificate", "sha256", p->certificate },
		{ "certificate", "number", p->number },
		{ "proof", "nonce", p->nonce },
		{ "proof", "preimage_sha256", p->preimage },
		{ "proof", "signature_sha256", p->signature },
		{ "station", "id", p->station },
		{ "chain", "station", p->station },
		{ "chain", "head", p->attesting },
	};
	struct statement_chain chain = statement_chain(statement);

	for (size_t i = 0; i < COUNT(all); i++) {
		const json_t *from =
		    all[i].object != NULL ? json_object_get(statement, all[i].object) : statement;

		if (strcmp(json_opt_str(from, all[i].member, ""), all[i].expected) != 0)
			return err_set(e, ERR_RECORDS, "verify.statement",
			    "serial %s, job %lld: the signed statement's %s%s%s is not what the "
			    "events say",
			    p->identity.serial, (long long)p->job,
			    all[i].object != NULL ? all[i].object : "",
			    all[i].object != NULL ? "." : "", all[i].member);
	}
	if (chain.seq != p->position)
		return violation(p, e, "verify.statement",
		    "the signed statement stands elsewhere in the chain");
	return 0;
}

static int check_attestation(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	AUTO_STRUCT(buf) recorded = { 0 };
	AUTO_STRUCT(buf) statement = { 0 };
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) jws = { 0 };
	AUTO(json_t) *said = NULL;
	AUTO(X509) *signer = NULL;
	const char *text;

	if (blob_of(a, event, "statement", &recorded, e) != 0 ||
	    blob_of(a, event, "cms", &cms, e) != 0 || blob_of(a, event, "jws", &jws, e) != 0)
		return -1;
	text = buf_str(&jws, e);
	if (text == NULL || attestation_verify(&cms, text, a->options->trust, seconds_of(event),
				&statement, &signer, e) != 0)
		return -1;
	if (!buf_equal(&recorded, &statement))
		return violation(p, e, "verify.statement",
		    "what was signed is not the recorded statement");
	if (statement_parse(statement.data, statement.len, &said, ERR_RECORDS, e) != 0 ||
	    compare_statement(p, said, e) != 0)
		return -1;
	p->attested = true;
	a->attestations++;
	if (a->options->signer != NULL && strcmp(p->station, a->options->signer->station) == 0)
		a->signer_used = true;
	return 0;
}

static int take_step(struct audit *a, struct passage *p, const json_t *event, struct err *e)
{
	enum step_id step = STEP_COUNT;

	if (!step_parse(json_opt_str(event, "step", ""), &step))
		return violation(p, e, "verify.rule", "an unknown step");
	p->made_key |= step == STEP_KEYGEN;
	if (step == STEP_REQUEST)
		return check_request(a, p, event, e);
	if (step == STEP_ENROL)
		return check_certificate(a, p, event, e);
	if (step == STEP_READBACK)
		copy_text(p->readback, 65, json_opt_str(event, "certificate", ""));
	if (step == STEP_PROVE)
		return check_proof(a, p, event, e);
	if (step == STEP_ATTEST)
		return check_attestation(a, p, event, e);
	return 0;
}

static int take_end(struct audit *a, struct passage **at, const json_t *event, struct err *e)
{
	struct passage *p = *at;

	if (strcmp(json_opt_str(event, "outcome", ""), "passed") == 0 &&
	    !(p->proven && p->attested))
		return violation(p, e, "verify.rule",
		    "passed without a proof and an attestation (I3)");
	(void)a;
	*at = p->next;
	passage_free(p);
	return 0;
}

static int take_attesting(struct passage *p, const json_t *event)
{
	p->position = json_opt_int(event, "seq", 0);
	copy_text(p->attesting, 65, json_opt_str(event, "hash", ""));
	return 0;
}

/* Nothing of a job goes unchecked because its claim is not known here. */
static int take_job_event(struct audit *a, const char *kind, const json_t *event, struct err *e)
{
	bool is_step = strcmp(kind, "step") == 0, is_end = strcmp(kind, "end") == 0;
	struct passage **at = find(a, event);

	if (!is_step && !is_end && strcmp(kind, "attesting") != 0)
		return 0;
	if (*at == NULL)
		return err_set(e, ERR_RECORDS, "verify.rule",
		    "it is of job %lld, which nobody claimed",
		    (long long)json_opt_int(event, "job", -1));
	if (is_step)
		return take_step(a, *at, event, e);
	return is_end ? take_end(a, at, event, e) : take_attesting(*at, event);
}

static bool is_signers(const struct audit *a, const json_t *event, const json_t *place)
{
	const struct records_place *signer = a->options->signer;

	return signer != NULL && strcmp(json_opt_str(event, "station", ""), signer->station) == 0 &&
	       json_opt_int(place, "seq", -1) == signer->seq &&
	       strcmp(json_opt_str(place, "hash", ""), signer->hash) == 0;
}

/* A restore that a person accepted: the gap is his, and is counted for everybody to see. */
static int take_restored(struct audit *a, const json_t *event)
{
	const json_t *lost = json_object_get(event, "lost");

	a->restores++;
	a->lost += json_opt_int(event, "to", 0) - json_opt_int(event, "from", 0) + 1;
	for (size_t i = 0; i < json_array_size(lost); i++)
		a->signer_met |= is_signers(a, event, json_array_get(lost, i));
	return 0;
}

static int take(const json_t *event, void *context, struct err *e)
{
	struct audit *a = context;
	const char *kind = json_opt_str(event, "event", "");
	int rc;

	a->signer_met |= is_signers(a, event, event);
	if (strcmp(kind, "restored") == 0)
		rc = take_restored(a, event);
	else if (strcmp(kind, "profile") == 0)
		rc = take_profile(a, event, e);
	else if (strcmp(kind, "claim") == 0)
		rc = take_claim(a, event, e);
	else
		rc = take_job_event(a, kind, event, e);
	if (rc != 0)
		return err_while(e, "event %s/%lld", json_opt_str(event, "station", ""),
		    (long long)json_opt_int(event, "seq", 0));
	return 0;
}

static void audit_free(struct audit *a)
{
	while (a->passages != NULL) {
		struct passage *p = a->passages;

		a->passages = p->next;
		passage_free(p);
	}
	for (size_t i = 0; i < a->profile_count; i++)
		profile_free(a->profiles[i]);
}
OWNED_STRUCT(audit, audit_free)

/* The chain alone does not show that its end is missing; what the signer remembers does. */
static int compare_with_signer(const struct audit *a, struct err *e)
{
	const struct records_place *signer = a->options->signer;

	if (signer == NULL || a->signer_met)
		return 0;
	if (signer->seq == 0 && !a->signer_used)
		return 0;
	if (signer->seq == 0)
		return err_set(e, ERR_RECORDS, "verify.position",
		    "these records hold attestations of station %s, whose signer remembers none: "
		    "its position file is "
		    "gone",
		    signer->station);
	return err_set(e, ERR_RECORDS, "verify.truncated",
	    "the signer attested event %s/%lld, which is not in these records: their end is "
	    "missing, or they are an "
	    "old copy",
	    signer->station, (long long)signer->seq);
}

int verify_records(struct records *r, const struct verify_options *options, json_t **ret,
    struct err *e)
{
	AUTO_STRUCT(audit) a = { .records = r, .options = options };
	AUTO(json_t) *counts = NULL;

	if (records_verify(r, &counts, e) != 0 || records_events(r, NULL, 0, take, &a, e) != 0)
		return -1;
	if (compare_with_signer(&a, e) != 0)
		return -1;
	if (json_set_int(counts, "checked_certificates", a.certificates, e) != 0 ||
	    json_set_int(counts, "checked_origins", a.origins, e) != 0 ||
	    json_set_int(counts, "checked_proofs", a.proofs, e) != 0 ||
	    json_set_int(counts, "checked_attestations", a.attestations, e) != 0)
		return -1;
	if (a.restores > 0 && json_set_int(counts, "lost_events", a.lost, e) != 0)
		return -1;
	*ret = steal(&counts);
	return 0;
}
