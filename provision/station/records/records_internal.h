/* What the files of the records share. */
#ifndef KILN_RECORDS_INTERNAL_H
#define KILN_RECORDS_INTERNAL_H

#include <pthread.h>

#include "records.h"
#include "records_db.h"

enum {
	RECORD_BODY_MAX = 256 * 1024,
	RECORD_BLOB_MAX = 4 * 1024 * 1024,
	RECORD_TEXT_MAX = 128, /* a name: serial, slot, product */
	RECORD_REASON_MAX = 480,
	RECORD_LONG_MAX = 64 * 1024, /* a text of the CA's: an issuer, a number */
	RECORD_VERSION = 1,          /* of event bodies */
};

/* Where the chains end. */
struct chain_head {
	int64_t number; /* of the newest event of all stations */
	int64_t seq;    /* of the newest event of this station */
	uint8_t hash[SHA256_LEN];
};

struct records_thread;

struct records {
	char *path;
	char *station; /* NULL: only reading */
	int lock_fd;   /* -1: only reading */
	struct db writer;
	struct chain_head head;
	bool broken; /* a commit failed: nothing may be recorded any more */
	struct err why;
	enum checkpoint_state { CHECKPOINT_ABSENT, CHECKPOINT_DAMAGED, CHECKPOINT_READ } checkpoint;
	bool unmarked;                 /* durable events that the checkpoint does not say yet */
	int64_t marked_at;             /* when it was written (monotonic ms), 0: not by us */
	struct records_thread *thread; /* NULL: the caller's thread writes */

	pthread_mutex_t reading; /* guards reader */
	struct db reader;
};

/* An event as it is applied. All texts are borrowed. */
struct event {
	int64_t number;
	int64_t seq;
	const char *station;
	const char *name;
	const char *at;
	const json_t *body;
};

/* records_schema.c */
must_check int records_schema_create(struct db *db, struct err *e);
/* application_id and version: "records.damaged", "records.newer", "records.older". */
must_check int records_schema_version(struct db *db, const char *path, struct err *e);
/* Tables, indexes and triggers are exactly ours, else an error of this code. */
must_check int records_schema_check(struct db *db, const char *code, struct err *e);

/* records_file.c: the lock, the file itself, and the folder it is in. */
must_check int records_file_lock(const char *path, int *ret_fd, struct err *e);
/* Makes an empty file where there is none. */
must_check int records_file_make(const char *path, struct err *e);
/* The log beside it has something in it: who had the file open last was killed. */
bool records_file_has_log(const char *path);
must_check int records_file_sync(const char *path, struct err *e);
must_check int records_file_sync_folder(const char *path, struct err *e);

/*
 * records_checkpoint.c: PATH.checkpoint, where the records stood, in a file of its own. It is written
 * after what it says is durable, at most once a second, so it is never ahead of the records; records
 * that are behind it were brought back from a copy.
 */
must_check int checkpoint_read(const char *records, struct records_place *ret,
    enum checkpoint_state *ret_state, struct err *e);
/* When it is to be written (monotonic ms); -1: nothing is. */
int64_t checkpoint_due_ms(const struct records *r);
/* A failure breaks the records. Only the thread that writes the records calls these. */
void checkpoint_write_due(struct records *r);
void checkpoint_write(struct records *r);
/* The event at that place has that hash, or was declared lost; else "records.restored". witness says who
 * remembers the place. */
must_check int checkpoint_held(struct db *db, const struct records_place *place,
    const char *witness, struct err *e);
int checkpoint_restored(const struct records_place *place, const char *witness, int64_t seq,
    const char *at, struct err *e);

/* records_log.c: file and log are one database, else "records.damaged": a log that was left by other records is
 * not. Looks at what the log added, not at the whole file. */
must_check int records_log_fits(struct db *db, const char *path, struct err *e);

/* records_restore.c */
must_check int apply_restored(struct db *db, const struct event *ev, struct err *e);
/* An event "restored" of the place's station names exactly this place as lost. */
must_check int restore_declared(struct db *db, const struct records_place *place, bool *ret,
    struct err *e);

/* records.c: as records_open for writing, without comparing with the checkpoint, which is returned. */
must_check int records_open_unchecked(struct records **ret, const char *path, const char *station,
    struct records_place *ret_place, struct err *e);

/* records_append.c */
must_check int records_load_head(struct records *r, struct err *e);
/* Appends `records` (a list by next, at most max of them) in one transaction and fills their
 * results. Returns the first that is left. */
struct record *records_append_group(struct records *r, struct record *first, size_t max);

/* records_apply.c: one event onto the state tables. An error that records_is_broken says nothing of
 * is a refusal. */
must_check int records_apply(struct db *db, const struct event *ev, struct err *e);
/* True for an error of the database or of memory: not the event's fault. */
bool records_is_broken(const struct err *e);
/* Inserts the row of an event and applies it. */
must_check int records_project(struct db *db, const struct event *ev, const char *body,
    const char *hash, struct err *e);
/* Members of an event: a text of 1 to max bytes; a lower-case SHA-256 in hex. Errors RECORDS
 * "record.invalid". The optional forms give NULL where the member is absent or "". */
must_check int event_text(const struct event *ev, const char *member, size_t max, const char **ret,
    struct err *e);
must_check int event_opt_text(const struct event *ev, const char *member, size_t max,
    const char **ret, struct err *e);
must_check int event_digest(const struct event *ev, const char *member, const char **ret,
    struct err *e);
must_check int event_opt_digest(const struct event *ev, const char *member, const char **ret,
    struct err *e);
/* A number that is not negative; -1 where the member is absent. */
must_check int event_opt_count(const struct event *ev, const char *member, int64_t *ret,
    struct err *e);
bool digest_is_valid(const char *text);
/* The job that the event names: unless any_status, it must be open or parked, and at this station. */
must_check int event_job(struct db *db, const struct event *ev, bool any_status, json_t **ret,
    struct err *e);
/* A member that is an error as canonical text. */
must_check int event_error(const struct event *ev, struct buf *ret, struct err *e);
/* Runs SQL with the job's number as ?1. */
must_check int job_run(struct db *db, const json_t *job, const char *sql, struct err *e);
int64_t job_number(const json_t *job);

/* records_claim.c */
must_check int apply_claim(struct db *db, const struct event *ev, struct err *e);

/* records_job.c */
must_check int apply_intent(struct db *db, const struct event *ev, struct err *e);
must_check int apply_answer(struct db *db, const struct event *ev, struct err *e);
must_check int apply_park(struct db *db, const struct event *ev, struct err *e);
must_check int apply_end(struct db *db, const struct event *ev, struct err *e);
must_check int intent_last(struct db *db, const json_t *job, const char *kind, json_t **ret,
    struct err *e);

/* records_step.c */
must_check int apply_step(struct db *db, const struct event *ev, struct err *e);

/* records_unit.c */
must_check int apply_retest(struct db *db, const struct event *ev, struct err *e);
must_check int apply_rework(struct db *db, const struct event *ev, struct err *e);
must_check int apply_scrap(struct db *db, const struct event *ev, struct err *e);
/* How many jobs of this unit failed; one that ended for the next to begin at once (key.lost) did not. */
must_check int unit_failures(struct db *db, const char *serial, int64_t *ret, struct err *e);

/* records_label.c */
must_check int apply_label(struct db *db, const struct event *ev, struct err *e);

/* records_orphan.c */
must_check int apply_orphan(struct db *db, const struct event *ev, struct err *e);
must_check int apply_revoked(struct db *db, const struct event *ev, struct err *e);
/* Lists every certificate of the job that is issued, or may be, and is not delivered; attempts after
 * `until` are left alone. why completes "..., <why>". */
must_check int orphan_leftovers(struct db *db, const struct event *ev, const json_t *job,
    int64_t until, const char *why, struct err *e);
/* The certificate that the unit carried stops being delivered and is listed; its key is not live. */
must_check int orphan_delivered(struct db *db, const struct event *ev, const char *serial,
    const char *reason, struct err *e);

/* records_order.c: the places of an order (promise I6). All do nothing for a job without one. */
must_check int apply_order(struct db *db, const struct event *ev, struct err *e);
/* Reserves one more place. "claim.quota" where none is left. */
must_check int order_reserve(struct db *db, int64_t job, struct err *e);
/* Gives the job the lowest free ordinal of its order. */
must_check int order_number(struct db *db, int64_t job, struct err *e);
must_check int order_issued(struct db *db, int64_t job, struct err *e);
enum place { PLACE_HELD, PLACE_ISSUED, PLACE_NONE };
/* A certificate of the job is an orphan now, and its place with it. PLACE_NONE: nobody had asked for it,
 * it counts on top. */
must_check int order_orphaned(struct db *db, int64_t job, enum place from, struct err *e);
/* Gives back what an ended job still holds, and its ordinal where it used no place. */
must_check int order_release(struct db *db, int64_t job, struct err *e);

/* records_read.c */
must_check int job_read(struct db *db, int64_t number, json_t **ret, struct err *e);

/* records_replay.c: checks the chains of `from` event by event and applies them to `into`, which has
 * the schema and (with_bodies) its blobs. Errors "verify.chain", "verify.rule". */
must_check int records_replay(struct db *from, struct db *into, bool with_bodies,
    int64_t *ret_events, struct err *e);
/* hash of the event after one with hash `before`. */
void records_hash(const uint8_t before[static SHA256_LEN], const void *body, size_t len,
    uint8_t ret[static SHA256_LEN]);

/* records_verify.c */
must_check int records_verify_db(struct db *db, json_t **ret, struct err *e);

#endif
