#include "records_internal.h"

#include <string.h>

#include "clock.h"
#include "failpoint.h"

int records_load_head(struct records *r, struct err *e)
{
	AUTO(json_t) *last = NULL;

	if (db_number(&r->writer, "SELECT max(number) FROM event", DB_NONE, 0, &r->head.number,
		e) != 0 ||
	    db_row(&r->writer,
		"SELECT seq, hash FROM event WHERE station = ?1 ORDER BY seq DESC LIMIT 1",
		DB_ARGS(db_text(r->station)), &last, e) != 0)
		return -1;
	if (last == NULL)
		return 0;
	r->head.seq = json_opt_int(last, "seq", 0);
	if (!hex_decode(json_opt_str(last, "hash", ""), r->head.hash, SHA256_LEN))
		return err_set(e, ERR_RECORDS, "records.damaged",
		    "the newest event of station %s has no hash", r->station);
	return 0;
}

static bool is_member_of(const json_t *names, const char *member)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (strcmp(json_string_value(json_array_get(names, i)), member) == 0)
			return true;
	return false;
}

/* Stores the blobs and puts their digests, and the list of their names, into the body. */
static int put_blobs(struct records *r, const struct record *record, struct err *e)
{
	json_t *names = json_array();

	if (record->blob_count == 0) {
		json_decref(names);
		return 0;
	}
	if (json_set_new(record->body, "blobs", names, e) != 0)
		return -1;
	for (size_t i = 0; i < record->blob_count; i++) {
		const struct buf *bytes = &record->blobs[i].bytes;
		const char *member = record->blobs[i].member;
		char digest[2 * SHA256_LEN + 1];

		sha256_hex(bytes->data != NULL ? bytes->data : (const uint8_t *)"", bytes->len,
		    digest);
		if (json_set_str(record->body, member, digest, e) != 0 ||
		    db_run(&r->writer,
			"INSERT INTO blob (sha256, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
			DB_ARGS(db_text(digest), db_bytes(bytes->data, bytes->len)), e) != 0)
			return -1;
		if (!is_member_of(names, member) &&
		    json_array_append_new(names, json_string(member)) != 0)
			return err_nomem(e);
	}
	return 0;
}

/* Gives the body its place in the chain and the members that every event has. */
static int complete(struct records *r, json_t *body, struct err *e)
{
	char now[CLOCK_TEXT];

	if (!json_is_string(json_object_get(body, "event")))
		return err_set(e, ERR_RECORDS, "record.invalid",
		    "what is to be recorded is no event");
	clock_wall_text(now);
	if (json_object_get(body, "at") == NULL && json_set_str(body, "at", now, e) != 0)
		return -1;
	if (json_set_int(body, "v", RECORD_VERSION, e) != 0 ||
	    json_set_int(body, "record", r->head.number + 1, e) != 0 ||
	    json_set_int(body, "seq", r->head.seq + 1, e) != 0)
		return -1;
	return json_set_str(body, "station", r->station, e);
}

/* The next event of the chain: its row, and what it does to the state. Moves the head. */
static int put_event(struct records *r, json_t *body, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct chain_head next = { .number = r->head.number + 1, .seq = r->head.seq + 1 };
	struct event ev = { .number = next.number,
		.seq = next.seq,
		.station = r->station,
		.body = body };
	char hash[2 * SHA256_LEN + 1];

	if (complete(r, body, e) != 0 || json_canonical(body, &text, e) != 0 ||
	    buf_str(&text, e) == NULL)
		return -1;
	if (text.len > RECORD_BODY_MAX)
		return err_set(e, ERR_RECORDS, "record.invalid", "an event is larger than %d bytes",
		    RECORD_BODY_MAX);
	ev.name = json_opt_str(body, "event", "");
	ev.at = json_opt_str(body, "at", "");
	records_hash(r->head.hash, text.data, text.len, next.hash);
	hex_encode(next.hash, SHA256_LEN, hash);
	if (records_project(&r->writer, &ev, (const char *)text.data, hash, e) != 0)
		return -1;
	r->head = next;
	return 0;
}

/* For a claim: the job it opened or continued. */
static int put_job(struct records *r, struct record *record, struct err *e)
{
	int64_t job;

	if (strcmp(json_opt_str(record->body, "event", ""), "claim") != 0)
		return 0;
	if (db_number(&r->writer,
		"SELECT number FROM job WHERE serial = ?1 AND status IN ('open', 'parked')",
		DB_ARGS(db_text(json_opt_str(record->body, "serial", NULL))), 0, &job, e) != 0)
		return -1;
	return job_read(&r->writer, job, &record->job, e);
}

/* What a refusal repeats of what was refused, as far as that is sane. */
static json_t *kept_member(const json_t *body, const char *member)
{
	json_t *value = json_object_get(body, member);

	if (json_is_integer(value) ||
	    (json_is_string(value) && json_string_length(value) <= RECORD_TEXT_MAX))
		return value;
	return NULL;
}

static int put_refusal(struct records *r, const struct record *record, struct err *e)
{
	static const char *const kept[] = { "serial", "slot", "job" };
	AUTO(json_t) *body = json_pack("{s:s, s:O*, s:o}", "event", "refused", "what",
	    kept_member(record->body, "event"), "error", json_from_err(&record->err));

	if (body == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < COUNT(kept); i++) {
		json_t *value = kept_member(record->body, kept[i]);

		if (value != NULL && json_object_set(body, kept[i], value) != 0)
			return err_nomem(e);
	}
	return put_event(r, body, e);
}

/* One record in a savepoint of its own. -1: the database failed, and with it the transaction. */
static int put(struct records *r, struct record *record, struct err *e)
{
	struct chain_head before = r->head;

	if (db_run(&r->writer, "SAVEPOINT record", DB_NONE, e) != 0)
		return -1;
	record->err = (struct err){ 0 };
	if (put_blobs(r, record, &record->err) == 0 &&
	    put_event(r, record->body, &record->err) == 0 &&
	    put_job(r, record, &record->err) == 0) {
		record->rc = 0;
		return db_run(&r->writer, "RELEASE record", DB_NONE, e);
	}
	record->rc = -1;
	if (records_is_broken(&record->err)) {
		*e = record->err;
		return -1;
	}
	r->head = before;
	if (db_exec(&r->writer, "ROLLBACK TO record; RELEASE record", e) != 0)
		return -1;
	return put_refusal(r, record, e);
}

/* With what was owed before it. */
static int put_owing(struct records *r, struct record *record, struct err *e)
{
	for (struct record *owed = record->owed; owed != NULL; owed = owed->next) {
		if (put(r, owed, e) != 0)
			return -1;
		if (owed->rc != 0) {
			record->rc = -1;
			record->err = owed->err;
			return 0;
		}
	}
	return put(r, record, e);
}

static struct record *put_all(struct records *r, struct record *first, size_t max, int *ret_rc,
    struct err *e)
{
	struct record *record = first;

	*ret_rc = db_run(&r->writer, "BEGIN IMMEDIATE", DB_NONE, e);
	for (; *ret_rc == 0 && record != NULL && max > 0; record = record->next, max--) {
		*ret_rc = put_owing(r, record, e);
		record->seq = r->head.seq;
		memcpy(record->head, r->head.hash, SHA256_LEN);
	}
	FAILPOINT("records.commit");
	if (*ret_rc == 0)
		*ret_rc = db_exec(&r->writer, "COMMIT", e);
	FAILPOINT("records.committed");
	if (*ret_rc == 0)
		*ret_rc = db_checkpoint(&r->writer, e);
	return record;
}

/* Nothing of the group is known to be durable, and nothing after it will be. */
static struct record *fail_all(struct records *r, struct record *record, size_t max)
{
	for (; record != NULL && max > 0; record = record->next, max--) {
		record->rc = -1;
		record->seq = 0;
		json_decref(record->job);
		record->job = NULL;
		(void)err_set(&record->err, ERR_RECORDS, "records.broken",
		    "nothing more can be recorded, stop the station: %s", r->why.message);
	}
	return record;
}

struct record *records_append_group(struct records *r, struct record *first, size_t max)
{
	struct record *left;
	int rc;

	if (r->broken)
		return fail_all(r, first, max);
	left = put_all(r, first, max, &rc, &r->why);
	if (rc == 0) {
		r->unmarked = true;
		return left;
	}
	r->broken = true;
	return fail_all(r, first, max);
}

int records_append(struct records *r, struct record *record, struct err *e)
{
	if (r->station == NULL || r->thread != NULL)
		return err_set(e, ERR_RECORDS, "records.io",
		    "the records are open for reading, or another thread writes them");
	record->next = NULL;
	(void)records_append_group(r, record, 1); /* a group of one leaves none */
	checkpoint_write_due(r);
	if (record->rc != 0)
		*e = record->err;
	return record->rc;
}
