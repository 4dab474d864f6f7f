/* CSR to certificate. The intent is durable before the CSR leaves; the answer is judged before use. */
#include "step_asks.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "judge_cert.h"

/* In one passage: each may make a certificate that nobody gets. */
enum { UNKNOWN_ASKS_MAX = 3, PENDING_ASKS_MIN = 3 };
/* What the records keep of a CA's texts. */
enum { CA_TEXT_MAX = 4096, WARNINGS_MAX = 16, WARNING_MAX = 80, UNUSABLE_MAX = 8 };

int intend_enrol(struct job *j, struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) csr = { 0 };

	if (station_check_clock(j->station, e) != 0)
		return -1;
	j->attempt++;
	if (buf_add(&csr, j->csr.data, j->csr.len, e) != 0 ||
	    step_intent(j, r, "enrol", j->attempt, e) != 0)
		return -1;
	return record_add_blob(r, "csr", &csr, e);
}

json_t *ask_enrol(struct job *j, struct err *e)
{
	AUTO(json_t) *r = json_pack("{s:s}", "do", "enrol");

	if (r == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	return json_set_bytes(r, "csr", j->csr.data, j->csr.len, e) == 0 ? steal(&r) : NULL;
}

/*
 * Whoever was asked may have sent the CSR, however the silence came about: only the CA knows. Never asked is
 * only what the pool itself turned away, because no child starts ("pool.down") or will ever again: whoever
 * was asked is told while its own child still counts as one.
 */
json_t *enrol_unanswered(struct job *j, const struct err *why, struct err *e)
{
	bool lost = pool_is_lost(j->station->enrollers);
	bool asked = !lost && !err_is(why, "pool.down");
	json_t *answer =
	    json_pack("{s:s, s:s, s:s, s:b}", "outcome", asked ? "unknown" : "not_sent", "code",
		why->code, "message", why->message, "final", lost);

	if (answer == NULL)
		(void)err_nomem(e);
	return answer;
}

static int read_others(const json_t *answer, X509_STACK **ret, struct err *e)
{
	const json_t *list = json_object_get(answer, "others");
	AUTO(X509_STACK) *others = sk_X509_new_null();

	if (others == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(list) && i < 16; i++) {
		const json_t *text = json_array_get(list, i);
		AUTO_STRUCT(buf) der = { 0 };
		AUTO(X509) *cert = NULL;

		if (base64_decode(json_string_value(text), json_string_length(text), &der, ERR_CERT,
			e) != 0 ||
		    x509_parse(der.data, der.len, &cert, ERR_CERT, e) != 0)
			return -1;
		if (sk_X509_push(others, cert) <= 0)
			return err_nomem(e);
		cert = NULL;
	}
	*ret = steal(&others);
	return 0;
}

/* Who issued it, under which number. */
static int add_names(const X509 *cert, struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) issuer = { 0 };
	AUTO_STRUCT(buf) number = { 0 };

	if (x509_add_issuer(cert, &issuer, e) != 0 || x509_add_serial(cert, &number, e) != 0)
		return -1;
	if (issuer.len > CA_TEXT_MAX || number.len > CA_TEXT_MAX)
		return err_set(e, ERR_CERT, "cert.size",
		    "the certificate's issuer or number is longer than %d", CA_TEXT_MAX);
	if (json_set_str(r->body, "issuer", buf_str(&issuer, e), e) != 0)
		return -1;
	return json_set_str(r->body, "number", buf_str(&number, e), e);
}

static int describe(const struct buf *leaf, const X509 *parsed, struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) copy = { 0 };

	if (add_names(parsed, r, e) != 0 || buf_add(&copy, leaf->data, leaf->len, e) != 0)
		return -1;
	return record_add_blob(r, "certificate", &copy, e);
}

/*
 * A certificate for our key that must not be installed: the CA's owner has to revoke it. One that has no
 * number of a size that is one is no certificate to name: the request is listed, and it is evidence.
 */
static int record_orphan(struct job *j, const struct buf *leaf, const struct err *why,
    struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) copy = { 0 };
	AUTO(X509) *cert = NULL;
	char csr[2 * SHA256_LEN + 1];
	struct err unnamed = { 0 };
	bool named;

	sha256_hex(j->csr.data, j->csr.len, csr);
	r->body = json_pack("{s:s, s:I, s:s, s:s, s:s}", "event", "orphan", "job",
	    (json_int_t)j->number, "csr", csr, "spki", j->spki, "reason", why->message);
	if (r->body == NULL)
		return err_nomem(e);
	if (buf_add(&copy, leaf->data, leaf->len, e) != 0)
		return -1;
	named = x509_parse(leaf->data, leaf->len, &cert, ERR_CERT, &unnamed) == 0 &&
		add_names(cert, r, &unnamed) == 0;
	return record_add_blob(r, named ? "certificate" : "evidence", &copy, e);
}

/* What was tolerated: in the answer by the enroller, in the certificate by the lint. */
static int add_warnings(const json_t *answer, const struct cert_report *report, struct record *r,
    struct err *e)
{
	const json_t *said = json_object_get(answer, "warnings");
	json_t *warnings = json_array();
	json_t *lint = json_array();
	AUTO(json_t) *detail = json_pack("{s:o, s:o}", "warnings", warnings, "lint", lint);

	if (detail == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(said) && i < WARNINGS_MAX; i++)
		if (json_is_string(json_array_get(said, i)) &&
		    json_string_length(json_array_get(said, i)) <= WARNING_MAX &&
		    json_array_append(warnings, json_array_get(said, i)) != 0)
			return err_nomem(e);
	for (size_t i = 0; i < report->count; i++)
		if (!report->findings[i].is_error &&
		    json_array_append_new(lint,
			json_pack("{s:s, s:s}", "id", report->findings[i].id, "message",
			    report->findings[i].message)) != 0)
			return err_nomem(e);
	if (json_array_size(warnings) + json_array_size(lint) == 0)
		return 0;
	return json_set_new(r->body, "detail", steal(&detail), e);
}

static int record_issued(struct job *j, const json_t *answer, const struct cert_report *report,
    struct record *r, struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };

	if (step_event(j, r, e) != 0 || json_set_str(r->body, "spki", j->spki, e) != 0 ||
	    describe(&j->leaf, report->leaf, r, e) != 0 ||
	    buf_add(&chain, j->chain.data, j->chain.len, e) != 0)
		return -1;
	return add_warnings(answer, report, r, e) == 0 ? record_add_blob(r, "chain", &chain, e)
						       : -1;
}

/* Half a record is none: what may be issued is listed by the end of the job. */
static void drop_record(struct record *r)
{
	record_free(r);
	*r = (struct record){ 0 };
}

static enum verdict judge_issued(struct job *j, const json_t *answer, struct record *r,
    struct err *e)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) leaf = { 0 };
	AUTO(X509_STACK) *others = NULL;
	struct err why = { 0 };

	if (json_get_bytes(answer, "leaf", &leaf, ERR_CERT, e) != 0 ||
	    read_others(answer, &others, e) != 0)
		return VERDICT_FAIL;
	if (judge_cert(j->station->profile, &j->identity,
		&(struct cert_question){ .leaf = &leaf,
		    .others = others,
		    .key = j->key,
		    .at = clock_wall_s(),
		    .accept_test_ca = j->station->config->ca_test },
		&report, &why) != 0) {
		if (err_is(&why, "nomem") || record_orphan(j, &leaf, &why, r, e) == 0)
			*e = why;
		return VERDICT_FAIL;
	}
	buf_free(&j->leaf);
	buf_free(&j->chain);
	j->leaf = buf_steal(&leaf);
	j->chain = buf_steal(&report.chain);
	if (record_issued(j, answer, &report, r, e) == 0) {
		X509_free(j->issued);
		j->issued = steal(&report.leaf);
		return VERDICT_DONE;
	}
	drop_record(r);
	return VERDICT_FAIL;
}

enum then { THEN_ASK_LATER, THEN_WAIT, THEN_WAIT_SOMETIMES, THEN_END };

/* What the enroller's outcomes mean: recorded as which state, and what then. */
static const struct outcome {
	const char *name, *state;
	enum then then;
	enum err_scope scope;
	const char *code;
} outcomes[] = {
	{ "pending", "pending", THEN_ASK_LATER, SCOPE_STATION, "ca.pending" },
	/* "Not yet", and a certificate with it: waited for as any other, and never forgotten. */
	{ "pending_issued", "possibly-issued", THEN_ASK_LATER, SCOPE_STATION, "ca.pending" },
	{ "throttled", "not-sent", THEN_WAIT, SCOPE_STATION, "ca.throttled" },
	{ "not_sent", "not-sent", THEN_WAIT, SCOPE_STATION, "ca.unreachable" },
	{ "unknown", "possibly-issued", THEN_WAIT_SOMETIMES, SCOPE_STATION, "ca.unknown" },
	{ "denied", "rejected", THEN_END, SCOPE_STATION, "ca.denied" },
	{ "rejected", "rejected", THEN_END, SCOPE_UNIT, "ca.rejected" },
};

static const struct outcome *find_outcome(const json_t *answer)
{
	const char *name = json_opt_str(answer, "outcome", "");

	if (strcmp(name, "pending") == 0 && json_opt_bool(answer, "possibly_issued", false))
		name = "pending_issued";
	for (size_t i = 0; i < COUNT(outcomes); i++)
		if (strcmp(name, outcomes[i].name) == 0)
			return &outcomes[i];
	return NULL;
}

/* message is bounded and printable, whatever the enroller sent. pause_ms 0: no time was named. */
static int record_answer(struct job *j, const struct outcome *outcome, const json_t *answer,
    int64_t pause_ms, const char *message, struct record *r, struct err *e)
{
	r->body = json_pack("{s:s, s:I, s:s, s:s, s:{s:I, s:s, s:s}}", "event", "answer", "job",
	    (json_int_t)j->number, "kind", "enrol", "state", outcome->state, "detail", "status",
	    (json_int_t)json_opt_int(answer, "status", 0), "outcome", outcome->name, "message",
	    message);
	if (r->body == NULL)
		return err_nomem(e);
	if (pause_ms == 0)
		return 0;
	return json_set_int(r->body, "retry_at", clock_wall_ms() + pause_ms, e);
}

static bool is_ours(const struct job *j, const struct buf *der)
{
	AUTO(X509) *cert = NULL;
	struct err ignored = {
		0
	}; /* what can not be read is evidence, and no certificate of ours */

	return x509_parse(der->data, der->len, &cert, ERR_CERT, &ignored) == 0 &&
	       X509_get0_pubkey(cert) != NULL && EVP_PKEY_eq(X509_get0_pubkey(cert), j->key) == 1;
}

/* Those for our key are to be revoked: orphans, once this answer is recorded. All are evidence of it: a crash
 * in between loses none. */
static int sort_unusable(struct job *j, const json_t *list, struct buf *evidence, struct err *e)
{
	json_decref(j->found);
	j->found = json_array();
	if (j->found == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(list) && i < UNUSABLE_MAX; i++) {
		json_t *text = json_array_get(list, i);
		AUTO_STRUCT(buf) der = { 0 };

		if (base64_decode(json_string_value(text), json_string_length(text), &der, ERR_CERT,
			e) != 0)
			return -1;
		if (buf_add(evidence, der.data, der.len, e) != 0)
			return -1;
		if (is_ours(j, &der) && json_array_append(j->found, text) != 0)
			return err_nomem(e);
	}
	return 0;
}

/* Certificates that are not taken, with the answer (in r) that brought them. */
static int keep_unusable(struct job *j, const json_t *answer, struct record *r, struct err *e)
{
	const json_t *list = json_object_get(answer, "unusable");
	AUTO_STRUCT(buf) evidence = { 0 };

	if (json_array_size(list) == 0)
		return 0;
	if (sort_unusable(j, list, &evidence, e) != 0 ||
	    json_set_int(json_object_get(r->body, "detail"), "left_out",
		json_opt_int(answer, "unusable_left_out", 0), e) != 0)
		return -1;
	return evidence.len > 0 ? record_add_blob(r, "evidence", &evidence, e) : 0;
}

/* A whole answer that is of no use: the CA issued, and something else than was asked for. */
static enum verdict judge_unusable(struct job *j, const json_t *answer, struct record *r,
    struct err *e)
{
	const struct outcome unusable = { .name = "unusable", .state = "possibly-issued" };
	struct err why = { 0 };

	(void)err_set(&why, ERR_CERT, "cert.unusable", "%s",
	    json_opt_str(answer, "message", "the CA's answer is of no use"));
	if (record_answer(j, &unusable, answer, 0, why.message, r, e) == 0 &&
	    keep_unusable(j, answer, r, e) == 0)
		*e = why;
	return VERDICT_FAIL;
}

/* One certificate of an answer that is of no use, as an orphan of its own. */
static int note_orphan(struct job *j, const json_t *text, struct err *e)
{
	struct record *r = calloc(1, sizeof(*r));
	AUTO_STRUCT(buf) der = { 0 };
	struct err why = { 0 };

	if (r == NULL)
		return err_nomem(e);
	(void)err_set(&why, ERR_CERT, "cert.unusable",
	    "in an answer that brought something else than one certificate for the request");
	if (base64_decode(json_string_value(text), json_string_length(text), &der, ERR_CERT, e) !=
		0 ||
	    record_orphan(j, &der, &why, r, e) != 0) {
		record_free(r);
		free(r);
		return -1;
	}
	station_record(j->station, r);
	return 0;
}

int enrol_recorded(struct job *j, const struct record *r, struct err *e)
{
	AUTO(json_t) *found = steal(&j->found);

	(void)r;
	for (size_t i = 0; i < json_array_size(found); i++)
		if (note_orphan(j, json_array_get(found, i), e) != 0)
			return -1;
	return 0;
}

/* What the CA asks for, within our limits; 0 where it asks for nothing. */
static int64_t pause_ms_of(const struct job *j, const struct outcome *o, const json_t *answer)
{
	const struct config *c = j->station->config;
	int64_t asked = json_opt_int(answer, "retry_after_s", 0);

	if (asked <= 0)
		asked = o->then == THEN_ASK_LATER ? c->retry_default_s : 0;
	return (asked < c->retry_max_s ? asked : c->retry_max_s) * 1000;
}

static bool is_of_pool(const char *code)
{
	return strcmp(code, "pool.down") == 0 || strcmp(code, "child.died") == 0 ||
	       strcmp(code, "child.timeout") == 0;
}

/* The token of our TLS key is not the CA's fault, and another person's work; nor is our own child's end. */
static void explain(const struct outcome *o, const json_t *answer, int64_t pause_ms,
    struct err *ret)
{
	const char *code = json_opt_str(answer, "code", "");
	const char *message = json_opt_str(answer, "message", o->name);

	if (o->then == THEN_ASK_LATER)
		(void)err_set(ret, ERR_CA, o->code,
		    "%.300s; asked again in %lld s, the device may be taken out meanwhile", message,
		    (long long)pause_ms / 1000);
	else if (strncmp(code, "hsm.", 4) == 0 && json_opt_bool(answer, "final", false))
		(void)err_set(ret, ERR_HSM, code, "%s", message);
	else if (strncmp(code, "hsm.", 4) == 0)
		(void)err_set(ret, ERR_HSM, "hsm.rebuild", "%s", message);
	else if (is_of_pool(code))
		(void)err_set(ret, ERR_CA, code, "%s", message);
	else
		(void)err_set(ret, ERR_CA, o->code, "%s", message);
	ret->scope = o->scope;
}

/* Not for ever: whoever put the unit there wants to know. */
static bool has_patience(struct job *j)
{
	int64_t now = clock_now_ms();

	if (j->pending_asks++ == 0)
		j->pending_since_ms = now;
	return j->pending_asks < PENDING_ASKS_MIN ||
	       now - j->pending_since_ms < j->station->config->retry_patience_s * 1000;
}

static enum verdict verdict_of(struct job *j, const struct outcome *o, const json_t *answer)
{
	if (json_opt_bool(answer, "final", false))
		return VERDICT_FAIL;
	switch (o->then) {
	case THEN_ASK_LATER:
		return has_patience(j) ? VERDICT_AGAIN : VERDICT_FAIL;
	case THEN_WAIT_SOMETIMES:
		return ++j->asks < UNKNOWN_ASKS_MAX ? VERDICT_WAIT : VERDICT_FAIL;
	case THEN_WAIT:
		return VERDICT_WAIT;
	case THEN_END:
		break;
	}
	return VERDICT_FAIL;
}

enum verdict judge_enrol(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	const char *name = json_opt_str(answer, "outcome", "");
	const struct outcome *o = find_outcome(answer);
	struct err why = { 0 };
	int64_t pause_ms;

	station_note_time(j->station, answer);
	if (strcmp(name, "issued") == 0)
		return judge_issued(j, answer, r, e);
	if (strcmp(name, "unknown") == 0 &&
	    json_array_size(json_object_get(answer, "unusable")) > 0)
		return judge_unusable(j, answer, r, e);
	if (o == NULL) {
		(void)err_set(e, ERR_CA, "child.protocol", "the enroller answered \"%s\"", name);
		return VERDICT_FAIL;
	}
	pause_ms = pause_ms_of(j, o, answer);
	explain(o, answer, pause_ms, &why);
	if (record_answer(j, o, answer, pause_ms, why.message, r, e) != 0 ||
	    keep_unusable(j, answer, r, e) != 0)
		return VERDICT_FAIL;
	*e = why;
	*ret_wait_ms = pause_ms;
	return verdict_of(j, o, answer);
}

int64_t enrol_pause_ms(int64_t retry_at_ms, int64_t now_ms, int64_t max_ms)
{
	int64_t left;

	if (__builtin_sub_overflow(retry_at_ms, now_ms, &left))
		left = retry_at_ms > now_ms ? max_ms : 0;
	if (left < 0)
		return 0;
	return left < max_ms ? left : max_ms;
}

/* Also after a restart, in another slot, days later. */
int64_t pause_enrol(struct job *j, struct err *why)
{
	int64_t ms =
	    enrol_pause_ms(j->retry_at_ms, clock_wall_ms(), j->station->config->retry_max_s * 1000);

	j->retry_at_ms = 0;
	if (ms > 0)
		(void)err_set(why, ERR_CA, "ca.pending",
		    "the CA has not decided yet; asked again in %lld s, the device may be taken "
		    "out meanwhile",
		    (long long)(ms + 999) / 1000);
	return ms;
}
