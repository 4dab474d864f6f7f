#include "records_internal.h"

#include <stdio.h>
#include <string.h>

#include "profile.h"

/* A request that may have reached the CA binds the job to its CSR. */
static int check_same_csr(struct db *db, const json_t *job, const char *csr, struct err *e)
{
	int64_t asked;

	if (strcmp(csr, json_opt_str(job, "csr", csr)) == 0)
		return 0;
	if (db_number(db,
		"SELECT count(*) FROM intent WHERE job = ?1 AND kind = 'enrol'"
		" AND state NOT IN ('not-sent', 'rejected')",
		DB_ARGS(db_int(job_number(job))), 0, &asked, e) != 0)
		return -1;
	if (asked > 0)
		return err_set(e, ERR_DEVICE, "csr.changed",
		    "the device made another CSR after the first one was sent to the CA");
	return 0;
}

static int apply_request(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	AUTO(json_t) *key = NULL;
	const char *serial = json_opt_str(job, "serial", "");
	const char *csr, *spki;

	if (event_digest(ev, "csr", &csr, e) != 0 || event_digest(ev, "spki", &spki, e) != 0 ||
	    check_same_csr(db, job, csr, e) != 0 ||
	    db_row(db, "SELECT serial FROM device_key WHERE spki = ?1", DB_ARGS(db_text(spki)),
		&key, e) != 0)
		return -1;
	if (key != NULL && strcmp(json_opt_str(key, "serial", ""), serial) != 0)
		return err_set(e, ERR_DEVICE, "key.duplicate",
		    "unit %s has the key of unit %s: two devices must never share one", serial,
		    json_opt_str(key, "serial", ""));
	if (key == NULL &&
	    db_run(db, "INSERT INTO device_key (spki, serial, live) VALUES (?1, ?2, 0)",
		DB_ARGS(db_text(spki), db_text(serial)), e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET csr = ?2, spki = ?3 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(csr), db_text(spki)), e);
}

/* The members of a certificate, checked against the job. Texts are borrowed. */
struct issued {
	const char *sha256, *number, *issuer, *spki, *chain;
	int64_t attempt;
};

static int read_issued(struct db *db, const struct event *ev, const json_t *job, struct issued *ret,
    struct err *e)
{
	AUTO(json_t) *last = NULL;
	const char *state;

	if (event_digest(ev, "certificate", &ret->sha256, e) != 0 ||
	    event_text(ev, "number", RECORD_LONG_MAX, &ret->number, e) != 0 ||
	    event_text(ev, "issuer", RECORD_LONG_MAX, &ret->issuer, e) != 0 ||
	    event_digest(ev, "spki", &ret->spki, e) != 0 ||
	    event_opt_digest(ev, "chain", &ret->chain, e) != 0 ||
	    intent_last(db, job, "enrol", &last, e) != 0)
		return -1;
	state = json_opt_str(last, "state", "missing");
	if (strcmp(state, "open") != 0 && strcmp(state, "done") != 0 &&
	    strcmp(state, "pending") != 0)
		return err_set(e, ERR_RECORDS, "enrol.unasked",
		    "job %lld: no certificate was asked for, the last enrol intent is %s",
		    (long long)job_number(job), state);
	if (strcmp(ret->spki, json_opt_str(job, "spki", "")) != 0)
		return err_set(e, ERR_CERT, "certificate.key",
		    "the certificate is for another key than the one of job %lld",
		    (long long)job_number(job));
	ret->attempt = json_opt_int(last, "attempt", 0);
	return 0;
}

static int check_new_certificate(struct db *db, const json_t *job, const struct issued *c,
    struct err *e)
{
	AUTO(json_t) *other = NULL;

	if (db_row(db,
		"SELECT job FROM certificate WHERE sha256 = ?1 OR job = ?4"
		" OR (issuer = ?2 AND number = ?3)"
		" UNION SELECT job FROM orphan WHERE certificate = ?1",
		DB_ARGS(db_text(c->sha256), db_text(c->issuer), db_text(c->number),
		    db_int(job_number(job))),
		&other, e) != 0)
		return -1;
	if (other != NULL)
		return err_set(e, ERR_CERT, "certificate.duplicate",
		    "certificate number %s of this issuer, or one for this job, is recorded with "
		    "job %lld",
		    c->number, (long long)json_opt_int(other, "job", 0));
	return 0;
}

static int apply_enrol(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	struct issued c = { 0 };
	char why[80];

	if (read_issued(db, ev, job, &c, e) != 0 || check_new_certificate(db, job, &c, e) != 0)
		return -1;
	if (db_run(db,
		"INSERT INTO certificate (sha256, job, attempt, number, issuer, spki,"
		" profile, state)"
		" SELECT ?1, number, ?3, ?4, ?5, ?6, profile, 'issued' FROM job WHERE number = ?2",
		DB_ARGS(db_text(c.sha256), db_int(job_number(job)), db_int(c.attempt),
		    db_text(c.number), db_text(c.issuer), db_text(c.spki)),
		e) != 0 ||
	    db_run(db,
		"UPDATE intent SET state = 'done' WHERE job = ?1 AND kind = 'enrol'"
		" AND attempt = ?2",
		DB_ARGS(db_int(job_number(job)), db_int(c.attempt)), e) != 0 ||
	    db_run(db,
		"UPDATE job SET certificate = ?2, chain = ?3, retry_at = NULL WHERE number = ?1",
		DB_ARGS(db_int(job_number(job)), db_text(c.sha256), db_text(c.chain)), e) != 0)
		return -1;
	(void)snprintf(why, sizeof(why), "attempt %lld brought the certificate",
	    (long long)c.attempt);
	return orphan_leftovers(db, ev, job, c.attempt - 1, why, e);
}

static int apply_readback(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	const char *certificate;

	if (event_digest(ev, "certificate", &certificate, e) != 0)
		return -1;
	if (strcmp(certificate, json_opt_str(job, "certificate", "")) != 0)
		return err_set(e, ERR_DEVICE, "readback.certificate",
		    "what was read back is not the certificate of job %lld",
		    (long long)job_number(job));
	return db_run(db,
	    "UPDATE job SET readback = ?2, proof = NULL, statement = NULL, cms = NULL,"
	    " jws = NULL WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(certificate)), e);
}

/* The step before this one must be recorded in this attachment. */
static int check_order(const json_t *job, const char *step, const char *needed, struct err *e)
{
	if (json_object_get(job, needed) != NULL)
		return 0;
	return err_set(e, ERR_RECORDS, "step.order", "job %lld: %s without %s",
	    (long long)job_number(job), step, needed);
}

static int apply_prove(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	AUTO(json_t) *used = NULL;
	const char *nonce, *scheme, *preimage, *signature;

	if (event_digest(ev, "nonce", &nonce, e) != 0 ||
	    event_text(ev, "scheme", RECORD_TEXT_MAX, &scheme, e) != 0 ||
	    event_digest(ev, "preimage", &preimage, e) != 0 ||
	    event_digest(ev, "signature", &signature, e) != 0 ||
	    check_order(job, "prove", "readback", e) != 0 ||
	    db_row(db, "SELECT job FROM proof WHERE nonce = ?1", DB_ARGS(db_text(nonce)), &used,
		e) != 0)
		return -1;
	if (used != NULL)
		return err_set(e, ERR_RECORDS, "prove.nonce",
		    "this nonce has served job %lld already",
		    (long long)json_opt_int(used, "job", 0));
	if (db_run(db,
		"INSERT INTO proof (event, job, nonce, scheme, preimage, signature,"
		" certificate)"
		" SELECT ?1, number, ?3, ?4, ?5, ?6, readback FROM job WHERE number = ?2",
		DB_ARGS(db_int(ev->number), db_int(job_number(job)), db_text(nonce),
		    db_text(scheme), db_text(preimage), db_text(signature)),
		e) != 0)
		return -1;
	return db_run(db,
	    "UPDATE job SET proof = ?2, statement = NULL, cms = NULL, jws = NULL WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_int(ev->number)), e);
}

/* A sealed device is another device until it has proved itself again. */
static int apply_seal(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	(void)ev;
	return job_run(db, job,
	    "UPDATE job SET proof = NULL, statement = NULL, cms = NULL, jws = NULL"
	    " WHERE number = ?1",
	    e);
}

static int apply_attest(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	const char *statement, *cms, *jws;

	if (event_digest(ev, "statement", &statement, e) != 0 ||
	    event_digest(ev, "cms", &cms, e) != 0 || event_digest(ev, "jws", &jws, e) != 0 ||
	    check_order(job, "attest", "proof", e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET statement = ?2, cms = ?3, jws = ?4 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(statement), db_text(cms), db_text(jws)), e);
}

static const struct {
	enum step_id step;
	int (*apply)(struct db *db, const struct event *ev, const json_t *job, struct err *e);
} steps[] = {
	{ STEP_ATTEST, apply_attest },
	{ STEP_ENROL, apply_enrol },
	{ STEP_PROVE, apply_prove },
	{ STEP_READBACK, apply_readback },
	{ STEP_REQUEST, apply_request },
	{ STEP_SEAL, apply_seal },
};

/* A job that is continued does some steps again; it keeps the furthest as the one it has done. */
static int note_step(struct db *db, const json_t *job, enum step_id step, struct err *e)
{
	enum step_id furthest = STEP_IDENTIFY;

	if (step_parse(json_opt_str(job, "step", ""), &furthest) && furthest > step)
		return 0;
	return db_run(db, "UPDATE job SET step = ?2 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(step_name(step))), e);
}

/* The step that an intent announced is done; only what can not be undone is announced. */
static int finish_intent(struct db *db, const json_t *job, enum step_id step, struct err *e)
{
	if (step != STEP_KEYGEN && step != STEP_ENROL && step != STEP_SEAL)
		return 0;
	return db_run(db,
	    "UPDATE intent SET state = 'done' WHERE job = ?1 AND kind = ?2 AND state = 'open'",
	    DB_ARGS(db_int(job_number(job)), db_text(step_name(step))), e);
}

int apply_step(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *job = NULL;
	enum step_id step = STEP_IDENTIFY;
	const char *name;

	if (event_job(db, ev, false, &job, e) != 0 ||
	    event_text(ev, "step", RECORD_TEXT_MAX, &name, e) != 0)
		return -1;
	if (!step_parse(name, &step))
		return err_set(e, ERR_RECORDS, "record.invalid", "there is no step \"%s\"", name);
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].step == step && steps[i].apply(db, ev, job, e) != 0)
			return -1;
	if (finish_intent(db, job, step, e) != 0)
		return -1;
	return note_step(db, job, step, e);
}
