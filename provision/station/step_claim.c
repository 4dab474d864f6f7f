/* Who the unit is, and whether it may be made. */
#include "step_asks.h"

#include <string.h>

#include "job_scan.h"

enum { LEAVING_PAUSE_MS = 500 };

int step_event(struct job *j, struct record *r, struct err *e)
{
	r->body = json_pack("{s:s, s:I, s:s}", "event", "step", "job", (json_int_t)j->number,
	    "step", step_name(steps[j->row].id));
	return r->body != NULL ? 0 : err_nomem(e);
}

int step_intent(struct job *j, struct record *r, const char *kind, int64_t attempt, struct err *e)
{
	r->body = json_pack("{s:s, s:I, s:s, s:I}", "event", "intent", "job", (json_int_t)j->number,
	    "kind", kind, "attempt", (json_int_t)attempt);
	return r->body != NULL ? 0 : err_nomem(e);
}

json_t *ask_identify(struct job *j, struct err *e)
{
	json_t *request = json_pack("{s:s}", "do", "identify");

	(void)j;
	if (request == NULL)
		(void)err_nomem(e);
	return request;
}

/* A device's text: bounded and printable, whatever the slot sent. */
static int read_text(const json_t *answer, const char *key, char *ret, size_t size, struct err *e)
{
	const char *text = json_opt_str(answer, key, "");
	size_t len = strlen(text);

	if (len >= size)
		return err_set(e, ERR_DEVICE, "identity.text",
		    "the device's %s is longer than %zu bytes", key, size - 1);
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return err_set(e, ERR_DEVICE, "identity.text",
			    "the device's %s is not printable", key);
	memcpy(ret, text, len + 1);
	return 0;
}

static int read_identity(const json_t *answer, struct identity *ret, struct err *e)
{
	if (read_text(answer, "model", ret->model, sizeof(ret->model), e) != 0 ||
	    read_text(answer, "serial", ret->serial, sizeof(ret->serial), e) != 0 ||
	    read_text(answer, "firmware", ret->firmware, sizeof(ret->firmware), e) != 0 ||
	    read_text(answer, "lifecycle", ret->lifecycle, sizeof(ret->lifecycle), e) != 0 ||
	    read_text(answer, "uuid", ret->uuid, sizeof(ret->uuid), e) != 0)
		return -1;
	ret->key_present = json_opt_bool(answer, "key_present", false);
	if (json_opt_str(answer, "evidence", NULL) == NULL)
		return 0;
	return json_get_bytes(answer, "evidence", &ret->evidence, ERR_DEVICE, e);
}

/*
 * A sealed device no longer says the lifecycle that a new one must. That is as it should be where the
 * seal was this station's own and the job is still open, or passed: then the claim has the word.
 */
static int match(struct job *j, struct err *e)
{
	struct station *s = j->station;
	AUTO(json_t) *unit = NULL;
	struct err ignored = { 0 }; /* the mismatch is the error to report */

	if (profile_match(s->profile, &j->identity, e) == 0)
		return 0;
	if (!err_is(e, "identity.lifecycle") || !s->profile->seal ||
	    records_unit(s->records, j->identity.serial, &unit, &ignored) != 0 ||
	    json_object_get(json_object_get(unit, "intents"), "seal") == NULL)
		return -1;
	if (strcmp(json_opt_str(unit, "status", ""), "open") != 0 &&
	    strcmp(json_opt_str(unit, "status", ""), "parked") != 0 &&
	    strcmp(json_opt_str(unit, "status", ""), "passed") != 0)
		return -1;
	j->sealed = true;
	return 0;
}

/* The first look: what the station goes by until the end. After a reset it only compares. */
enum verdict judge_identity(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	struct station *s = j->station;
	AUTO_STRUCT(identity) seen = { 0 };

	if (j->claimed)
		return judge_same_unit(j, answer, r, ret_wait_ms, e);
	if (read_identity(answer, &seen, e) != 0)
		return VERDICT_FAIL;
	identity_free(&j->identity);
	j->identity = seen;
	seen = (struct identity){ 0 };
	if (match(j, e) != 0)
		return VERDICT_FAIL;
	/* It was here a moment ago, and what was asked for it has no answer yet. */
	if (station_is_leaving(s, j, j->identity.serial)) {
		*ret_wait_ms = LEAVING_PAUSE_MS;
		return VERDICT_AGAIN;
	}
	if (station_has_serial(s, j, j->identity.serial)) {
		(void)err_set(e, ERR_OPERATOR, "claim.two-slots",
		    "serial %s is in work in another slot already; two devices say they are the "
		    "same",
		    j->identity.serial);
		return VERDICT_FAIL;
	}
	return s->hooks.admit(s->hooks.context, &j->identity, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

/* I4: the same unit, at the same port (a slot's process never opens a second one). */
enum verdict judge_same_unit(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	AUTO_STRUCT(identity) seen = { 0 };

	(void)r;
	(void)ret_wait_ms;
	if (read_identity(answer, &seen, e) != 0)
		return VERDICT_FAIL;
	if (strcmp(seen.serial, j->identity.serial) != 0 ||
	    strcmp(seen.model, j->identity.model) != 0) {
		(void)err_set(e, ERR_DEVICE, "identity.changed",
		    "the device in slot %s was %s %s and now says %s %s: another device, or a "
		    "broken one",
		    j->slot_name, j->identity.model, j->identity.serial, seen.model, seen.serial);
		return VERDICT_FAIL;
	}
	memcpy(j->identity.lifecycle, seen.lifecycle, sizeof(seen.lifecycle));
	return VERDICT_DONE;
}

/* Of a job that was begun: what it still needs is little, and ending it is better than a full disk. */
static bool is_begun(struct job *j)
{
	AUTO(json_t) *unit = NULL;
	struct err ignored = { 0 }; /* then it is not known to be */
	const char *status;

	if (records_unit(j->station->records, j->identity.serial, &unit, &ignored) != 0)
		return false;
	status = json_opt_str(unit, "status", "");
	return strcmp(status, "open") == 0 || strcmp(status, "parked") == 0;
}

static int name_label(const struct job *j, json_t *ret, struct err *e)
{
	const struct scan *label = job_label(j);

	if (label == NULL)
		return 0;
	if (json_set_str(ret, "label", label->text, e) != 0)
		return -1;
	return json_set_str(ret, "scanned_by", label->by, e);
}

enum verdict judge_claim(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	struct station *s = j->station;

	(void)answer;
	(void)ret_wait_ms;
	if (job_check_label(j, e) != 0 || station_check_clock(s, e) != 0 ||
	    (!is_begun(j) && station_check_space(s, e) != 0))
		return VERDICT_FAIL;
	r->body = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:s, s:s, s:s, s:b}", "event", "claim",
	    "serial", j->identity.serial, "model", j->identity.model, "slot", j->slot_name, "place",
	    j->place, "profile", s->profile_sha256, "firmware", j->identity.firmware, "lifecycle",
	    j->identity.lifecycle, "uuid", j->identity.uuid, "reuse",
	    s->profile->existing_key == EXISTING_REUSE);
	if (r->body == NULL) {
		(void)err_nomem(e);
		return VERDICT_FAIL;
	}
	if (s->operator[0] != '\0' && json_set_str(r->body, "operator", s->operator, e) != 0)
		return VERDICT_FAIL;
	if ((s->config->order != NULL &&
		json_set_str(r->body, "order", s->config->order, e) != 0) ||
	    (s->config->rules.retests >= 0 &&
		json_set_int(r->body, "retests", s->config->rules.retests, e) != 0))
		return VERDICT_FAIL;
	return name_label(j, r->body, e) == 0 ? VERDICT_DONE : VERDICT_FAIL;
}

static int fetch(struct job *j, const json_t *job, const char *member, struct buf *ret,
    struct err *e)
{
	const char *digest = json_opt_str(job, member, NULL);

	return digest != NULL ? records_blob(j->station->records, digest, ret, e) : 0;
}

/* What was said of the key when its CSR was taken; the last one of its job counts. */
struct said {
	const struct job *job;
	char origin[ORIGIN_SCHEME_MAX];
};

static int look_at_request(const json_t *event, void *context, struct err *e)
{
	struct said *said = context;

	(void)e;
	if (strcmp(json_opt_str(event, "event", ""), "step") != 0 ||
	    strcmp(json_opt_str(event, "step", ""), step_name(STEP_REQUEST)) != 0 ||
	    json_opt_int(event, "job", -1) != said->job->number)
		return 0;
	memset(said->origin, 0, sizeof(said->origin));
	(void)strncpy(said->origin, json_opt_str(event, "origin_evidence", ""),
	    sizeof(said->origin) - 1);
	return 0;
}

/* The evidence itself was judged then, and is in the records beside the CSR that goes on. */
static int resume_origin(struct job *j, struct err *e)
{
	struct said said = { .job = j };

	memset(j->origin, 0, sizeof(j->origin));
	if (j->station->profile->attestation.file == NULL || j->csr.len == 0)
		return 0;
	if (records_events(j->station->records, j->identity.serial, 0, look_at_request, &said, e) !=
	    0)
		return -1;
	memcpy(j->origin, said.origin, sizeof(j->origin));
	return 0;
}

/* What earlier passages made durable: the identical CSR is sent again, the same certificate is finished. */
static int resume(struct job *j, const json_t *job, struct err *e)
{
	const json_t *keys = json_object_get(job, "keys");

	j->attempt = json_opt_int(job, "attempts", 0);
	if (j->state == RECOVERY_PENDING)
		j->retry_at_ms = json_opt_int(job, "retry_at", 0);
	(void)strncpy(j->spki, json_opt_str(job, "spki", ""), sizeof(j->spki) - 1);
	j->made_key =
	    strcmp(json_opt_str(json_object_get(job, "intents"), "keygen", ""), "done") == 0;
	json_decref(j->keys);
	j->keys = json_deep_copy(keys);
	if (keys != NULL && j->keys == NULL)
		return err_nomem(e);
	if (fetch(j, job, "csr", &j->csr, e) != 0 || fetch(j, job, "certificate", &j->leaf, e) != 0)
		return -1;
	if (fetch(j, job, "chain", &j->chain, e) != 0)
		return -1;
	return resume_origin(j, e);
}

int step_recover(struct job *j, enum recovery_device device, struct err *e)
{
	const struct recovery_case c = { j->state, device, j->station->profile->existing_key,
		j->station->enrol_class };

	j->action = recovery_find(&c);
	switch (j->action) {
	case RECOVERY_REFUSE_KEY:
		return err_set(e, ERR_OPERATOR, "key.present",
		    "the device holds a key that this station did not make; the profile refuses "
		    "that (key.existing)");
	case RECOVERY_REFUSE_SEALED:
		return err_set(e, ERR_DEVICE, "device.sealed",
		    "the device is sealed, and not by its open job; take it off the line");
	case RECOVERY_BEGIN_ANEW:
		return err_set(e, ERR_DEVICE, "key.lost",
		    "the device no longer holds the key of its open job; what was issued or may "
		    "have been is listed as an orphan");
	case RECOVERY_MAKE_KEY:
	case RECOVERY_REPLACE_KEY:
	case RECOVERY_USE_KEY:
	case RECOVERY_ASK_KEY:
	case RECOVERY_SEND:
	case RECOVERY_SEND_AGAIN:
	case RECOVERY_FINISH:
	case RECOVERY_FINISH_SEALED:
	case RECOVERY_ACTIONS:
		break;
	}
	return 0;
}

/* Where the family can not say whether it is sealed, the records do. */
static enum recovery_device device_of(struct job *j)
{
	j->sealed = j->sealed || (j->state == RECOVERY_SEALED &&
				     j->station->profile->lifecycle_pattern.text == NULL);
	if (j->sealed)
		return RECOVERY_IS_SEALED;
	return j->identity.key_present ? RECOVERY_A_KEY : RECOVERY_NO_KEY;
}

int claimed(struct job *j, const struct record *r, struct err *e)
{
	const json_t *job = r->job;

	if (job == NULL)
		return err_set(e, ERR_RECORDS, "records.job", "the records opened no job");
	j->claimed = true;
	j->number = json_opt_int(job, "job", 0);
	j->ordinal = json_opt_int(job, "ordinal", 0);
	j->first = !json_opt_bool(job, "again", false);
	j->waited = json_opt_bool(job, "resumed", false);
	j->state = recovery_state_of(job);
	if (resume(j, job, e) != 0)
		return -1;
	return step_recover(j, device_of(j), e);
}

enum verdict judge_finish(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e)
{
	(void)answer;
	(void)ret_wait_ms;
	r->body = json_pack("{s:s, s:I, s:s}", "event", "end", "job", (json_int_t)j->number,
	    "outcome", "passed");
	if (r->body != NULL)
		return VERDICT_DONE;
	(void)err_nomem(e);
	return VERDICT_FAIL;
}
