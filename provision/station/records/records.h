/*
 * The records: what happened, in an order that nobody can change unseen, and what is so now.
 *
 * Everything is an event. Appending one applies it to the state tables in the same transaction, so
 * the tables are a projection that `kiln verify` rebuilds and compares. Events form a hash chain per
 * station: hash = SHA-256(previous hash || canonical body). Bytes (CSR, certificate, proof, statement)
 * lie in `blob` by their SHA-256, which the event names.
 *
 * records_open .. records_close is the synchronous face (commands, the thread itself);
 * records_start .. records_stop puts a thread in front of it that commits in groups: every event in
 * a SAVEPOINT of its own, all that arrived together in one transaction. A refused event rolls back
 * alone, and a "refused" event is recorded in its place. A commit that fails fails all of its group
 * and everything after it (code "records.broken"): no caller may go on.
 *
 * Every event has, beside its own members: "event"; "at" (RFC 3339 UTC, added when absent); and, set
 * here: "v" (1), "station", "seq" (place in the station's chain), "record" (place among the events of
 * all stations; the same as seq while there is one station), "blobs" (which members are digests of
 * bytes that came with it). Members, all texts unless said:
 *   station   what ("start" "stop" "child-died" "slot-closed" "note"; what people do, detail by: "stopped" (detail
 *             reason), "started", "paused" "resumed" (detail slot, where it is one alone), "signed-on"
 *             "signed-off" (detail role; why "asked" "idle" "replaced"); "sign-on-refused";
 *             "line-stopped" (detail rule, units: serials; nobody's word), "line-released" (detail by, reason,
 *             rule), "retest" (detail by, slot, serial, reason: begun again there), "acknowledged" (detail by;
 *             slot, or what: names of alarms); "ca-down" "hsm-down", detail error: nobody can be
 *             asked from here on; "ca-up" "hsm-up", detail ms, failures: that is over), build, detail
 *             (object, optional)
 *   profile   sha256, product, version, blob digests text, anchors (optional)   first use, or again
 *   order     id, quantity (int)                first use, or the same again; else "order.changed"
 *   claim     serial, model, slot, profile, firmware, lifecycle, uuid (these may be ""), order (optional),
 *             reuse (bool: the profile's existing-key policy allows a key that was there)
 *             operator (optional: who was signed in at the station; only reports read it), label, scanned_by
 *             (optional: the text of the unit's label, and who scanned it)
 *             retests (int, optional: how many times this station makes a unit again that failed)
 *             Opens a job, whose number is this event's "record"; or continues the open or parked job
 *             of this serial (record->job says which), also a job that another station parked: it is
 *             this station's from then on. Continuing keeps csr, spki, certificate and intents, and
 *             drops readback, proof and statement: the unit has to prove itself again.
 *             Refused OPERATOR: "claim.passed" "claim.scrapped" "claim.busy" (open at another station)
 *             "claim.quota" "claim.retests" (it failed more often than that, and no retest allows one more)
 *             "claim.profile" (an open job finishes under the profile it began with;
 *             text names it) "claim.model" (the serial is another model's). That one serial is not in
 *             two slots of one station is for the station to see.
 *   intent    job (int), kind ("keygen" "enrol" "seal"), csr (blob digest, for enrol: the job's),
 *             attempt (int, optional; for enrol it must be the next one)
 *             What it finds without an answer becomes possibly-issued (enrol) or continued; a
 *             pending enrol is continued. "claim.quota" where a repeated request has no place.
 *   answer    job, kind, state ("done" "pending" "not-sent" "possibly-issued" "rejected"),
 *             retry_at (wall ms, int, optional), detail (object, optional), evidence (blob, optional:
 *             certificates that came and were not taken, DERs one behind the other). A pending request
 *             is pending again where asking again was not sent or rejected
 *   step      job, step (name), ms (int), detail (object, optional); answers an open intent of the same
 *             name with "done"; and by step:
 *               request: csr (blob), spki (sha256), origin (blob, optional: the chip's evidence of where the
 *                                                      key was made, as it came), origin_evidence (its scheme,
 *                                                      where it was judged good);
 *                                                      refused "key.duplicate" (I9) where the key has
 *                                                      another serial; "csr.changed" where another
 *                                                      CSR may have been sent
 *               enrol:   certificate (sha256 = blob digest), number (hex), issuer, spki, chain (blob)
 *                                                      refused "certificate.duplicate",
 *                                                      "certificate.key". Earlier attempts that may
 *                                                      have been issued become orphans
 *               readback: certificate (sha256)         refused unless it is the job's
 *               prove:   nonce (hex), scheme, preimage (blob), signature (blob); after readback, and
 *                                                      with a nonce that never served ("prove.nonce")
 *               seal:    (drops the proof: the unit proves itself again)
 *               attest:  statement, cms, jws (blobs); after prove
 *   attesting job            its seq and hash are the chain position that the statement carries
 *   park      job, error (object: json_from_err)
 *   end       job, outcome ("passed" "failed" "refused"), error (object, unless passed). Refused
 *             "end.incomplete": passed without certificate, readback, proof and statement of this
 *             attachment, or with an intent open. A certificate that was issued and is not delivered
 *             becomes an orphan by it; so does an enrol intent that may be issued (open, pending,
 *             possibly-issued, done without a recorded certificate).
 *   refused   serial, slot, what (event name), error, label, scanned_by (as in claim)       a unit that never got a job, or a refused event
 *   orphan    job (also an ended one), csr, spki (both default to the job's), certificate (optional),
 *             number (optional), attempt (int, default the last one), reason, evidence (blob, optional). Names what an unknown
 *             orphan of that attempt turned out to be, else adds one. Refused CERT "orphan.known"
 *   revoked   orphan (its id: certificate digest, or CSR digest where it is unknown: all of it), by
 *             Also of what is undecided: the attempts without an answer become orphans by it. Their unit
 *             may come back; its next attempt is another one, whose certificate is not meant by this.
 *   rework    serial, reason, by     the next claim of a passed serial is allowed once; its
 *                                    certificate becomes an orphan "superseded" when the new one is
 *                                    delivered, or one of the end's where the rework did not pass and has
 *                                    made a key or brought a certificate, or may have. A rework that has
 *                                    begun and not passed stays allowed
 *   retest    serial, reason, by, retests (int, optional: as the claim's)
 *                                    the next claim of a serial that failed too often is allowed once.
 *                                    Refused OPERATOR "unit.unknown" "unit.scrapped" "retest.passed"
 *                                    "retest.again" "retest.needless" (it may be claimed anyway)
 *   scrap     serial, reason, by     no claim ever again; its certificate is queued for revocation, its
 *                                    open job ends
 *   label     serial, printer (its address), zpl (blob: what was sent), reprint (bool), by (a reprint's),
 *             reason (optional): the label printer has taken it. Refused OPERATOR "label.none" unless the
 *             unit's newest job passed
 *   restored  from, to (ints), lost (array of {"seq","hash","witness"}), reason, by
 *                                    the chain's events from..to are lost for good (none are known to be
 *                                    where to is from - 1); its own seq is to + 1, the one gap a chain may
 *                                    have. Written by records_accept_restore alone.
 *
 * Refusals of domain RECORDS ("record.invalid", "job.ended", "step.order" ...) are a mistake of the
 * caller's; what a device, a CA or an operator can cause has their domain.
 *
 * An order's places (promise I6): a claim reserves one, and so does each enrol attempt while an earlier
 * one may have been issued. A place becomes issued by a PASS and orphaned with its certificate, for
 * good; a job that ends with nothing issued gives its place and its ordinal back.
 */
#ifndef KILN_RECORDS_H
#define KILN_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "json.h"

struct records;

/* A place in a station's chain that something beside the records remembers. */
struct records_place {
	char station[129];
	int64_t seq; /* 0: it remembers nothing */
	char hash[2 * SHA256_LEN + 1];
	char at[25]; /* when it was noted, "" where that is not known */
};

enum { RECORDS_SCHEMA = 1, RECORD_BLOBS_MAX = 6 };

/*
 * Opens the database file at path for the chain of `station` (NULL: only reading, any station) and
 * takes an exclusive lock on PATH.lock when writing. create: make it where it is absent.
 * What is written leaves its place in PATH.checkpoint, within a second and at the close; records that do
 * not hold that place any more are not opened for writing ("records.restored"), nor are empty ones beside a
 * checkpoint that can not be read ("records.unwitnessed").
 * Errors: RECORDS "records.locked" (another process has it), "records.newer", "records.older"
 * (run kiln records upgrade), "records.damaged", "records.restored", "records.none" (no such file),
 * "records.io"; CONFIG "records.station" (a name has 1 to 128 printable characters). May block a second where another process
 * recovers the file.
 */
must_check int records_open(struct records **ret, const char *path, const char *station,
    bool create, struct err *e);
void records_close(struct records *r);
OWNED_PTR(records, records_close)

/* NULL where the checkpoint was there at records_open, or neither it nor an event was; else what is
 * wrong with it ("missing", "damaged"): then somebody else has to say that these records are whole. */
const char *records_checkpoint_fault(const struct records *r);
/* These records hold that place, or a "restored" event says that it is lost; else "records.restored",
 * which names the witness ("the signer"). Not while the thread runs. */
must_check int records_hold(struct records *r, const struct records_place *place,
    const char *witness, struct err *e);
/* This station's chain holds a unit that was attested. */
must_check int records_attested(struct records *r, bool *ret, struct err *e);

/*
 * The newer records are lost for good, and by says so: the chain goes on above everything that the
 * checkpoint and the signer (seq 0: it remembers nothing) know of, with an event "restored". Makes the
 * file where it is gone. Fills *ret with that event's body. Errors as records_open; OPERATOR
 * "records.whole" where nothing is missing.
 */
must_check int records_accept_restore(const char *path, const char *station,
    const struct records_place *signer, const char *by, const char *reason, json_t **ret,
    struct err *e);

/* One thing to record. Owned by the submitter until done() is called or records_append returns. */
struct record {
	json_t *body; /* owned; "event" and its members; "at" is added when absent */
	struct {
		const char *member; /* body[member] becomes the digest of bytes */
		struct buf bytes;   /* owned */
	} blobs[RECORD_BLOBS_MAX];
	size_t blob_count;
	/*
	 * Owned, each allocated, a list by next, oldest first: appended just before this one, in the same
	 * transaction. Where one of them is refused nothing after it is appended, and this one has its error.
	 */
	struct record *owed;

	/* Results, valid once done. */
	int rc; /* 0, or -1 with err: refused (the refusal is recorded) or broken */
	struct err err;
	int64_t seq; /* of the event appended (of the "refused" one where refused) */
	uint8_t head[SHA256_LEN];
	json_t *job; /* owned; for claim: the job as records_job gives it, NULL otherwise */

	void (*done)(struct record *r); /* called by records_collect, in its caller's thread */
	void *context;
	struct record *next; /* the queue's */
};
void record_free(struct record *r); /* members only */
/* Moves bytes (at most 4 MiB) in as the blob of that member, which is a literal. */
must_check int record_add_blob(struct record *r, const char *member, struct buf *bytes,
    struct err *e);

/* Appends one event, durable when it returns 0. Not while the thread runs. */
must_check int records_append(struct records *r, struct record *record, struct err *e);

/* The thread. *ret_fd is an eventfd that is readable when something is done. */
must_check int records_start(struct records *r, int *ret_fd, struct err *e);
/* Queues a record; records complete in the order of submission. Never blocks. */
void records_submit(struct records *r, struct record *record);
/* Calls done() of everything that completed; returns how many. */
size_t records_collect(struct records *r);
/* Finishes what is queued, collects it, ends the thread. */
void records_stop(struct records *r);

/*
 * Reading; from any thread while the writing thread runs (a second connection inside).
 * A job: {"job","serial","model","slot","profile","order","station","status" ("open" "parked" "passed"
 * "failed" "refused"),"resumed" (bool),"rework" (bool: a second identity),"again" (bool: an
 * earlier job of the unit passed or failed),"step" (the furthest done),
 * "firmware","lifecycle","spki","csr","certificate","chain","readback","statement","cms","jws" (of the
 * present attachment),"ordinal" (n of the order; absent once given back),"reuse" (bool),"intents":
 * {"keygen": state, "enrol": state, "seal": state} (of the last of each; beside the answers' states
 * "open" "continued" "orphaned"),"attempts" (enrol intents so far),"retry_at","error","opened_at",
 * "ended_at","keys" (SPKI digests recorded for the unit),"earlier_key" (of the newest job of the unit
 * before this one that intended a keygen: "seen" where a CSR of it is recorded, else "unseen")}; members without a value are absent. *ret is owned by the caller.
 */
must_check int records_job(struct records *r, int64_t job, json_t **ret, struct err *e);
/* Newest job of a serial; *ret NULL where there is none. */
must_check int records_unit(struct records *r, const char *serial, json_t **ret, struct err *e);
/* All open and parked jobs of this station (of all, without one), as an array in the order of their serials. */
must_check int records_open_jobs(struct records *r, json_t **ret, struct err *e);
/* [{"id","job","serial","attempt","csr","spki","certificate","number","reason","revocation"
 * ("unrevoked" "revoked"; "undecided": no answer came, and its unit still waits),"revoked_by","event"
 * (its record),"at" (since when it is listed),"revoked_at"}], one for each attempt, oldest first. */
must_check int records_orphans(struct records *r, json_t **ret, struct err *e);
/* The same of one unit. */
must_check int records_unit_orphans(struct records *r, const char *serial, json_t **ret,
    struct err *e);
/* {"sha256","product","version","anchors"} of a profile that was used; anchors absent where it has none.
 * RECORDS "profile.unknown". */
must_check int records_profile(struct records *r, const char *sha256, json_t **ret, struct err *e);
/* {"ordered","issued","orphaned","reserved"} of an order; "order.unknown". */
must_check int records_order(struct records *r, const char *id, json_t **ret, struct err *e);
/* A blob by its hex digest, which is checked: "verify.blob". "blob.unknown" where there is none. */
must_check int records_blob(struct records *r, const char *sha256, struct buf *ret, struct err *e);
/* Events whose "record" is above after (of one serial where it is not NULL), oldest first: each body
 * and "hash". each returns 0 to go on, and may read more. Streams; a running station may append. */
must_check int records_events(struct records *r, const char *serial, int64_t after,
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e);
/* A stretch of wall time, [from, to). */
struct records_span {
	int64_t from_ms, to_ms;
	const char *order; /* or NULL: only the units of this one */
};
/*
 * What a report of the span is made of, of one moment, also while a station appends: first the span's
 * events that are about no unit; then, unit after unit in the order of their serials, all events of each
 * unit that has one in the span (or near it in the records; with an order: that had a job of it), oldest
 * first, from its first one to the last before to_ms. Each is its body, "hash" and "unit" (its serial;
 * absent before the units), and for a claim that opened a job "ordinal" (where it has one), "product" and
 * "version". each may read more.
 * Memory: one event; what SQLite sorts (serials) spills to disk.
 */
must_check int records_period(struct records *r, const struct records_span *span,
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e);
/* Orphans that are listed since a time in the span, by id: {"id","serial","revocation","order","reason",
 * "at"} as in records_orphans, of now. */
must_check int records_period_orphans(struct records *r, const struct records_span *span,
    int (*each)(const json_t *orphan, void *context, struct err *e), void *context, struct err *e);
/* From the first claim of an order to the last event of its units, as [from, to); both -1 where there is no
 * claim yet. OPERATOR "order.unknown". */
must_check int records_order_span(struct records *r, const char *id, struct records_span *ret,
    struct err *e);
/* The last event of this station's chain; seq 0 and zeros where there is none. */
must_check int records_head(struct records *r, int64_t *ret_seq,
    uint8_t ret_head[static SHA256_LEN], struct err *e);

/* Wall ms of this station's last event that something was made by (a claim or an intent), or by which a
 * person accepted the clock ("station" of what "clock-accepted"); 0 where there is none. */
must_check int records_last_made(struct records *r, int64_t *ret_wall_ms, struct err *e);
/* Each of this station's events "station" whose what is one of these (NULL at the end), oldest first. Reads
 * none but events without a serial. each may not use r. */
must_check int records_station_events(struct records *r, const char *const whats[],
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e);

/*
 * How units ended at this station after the event of that number, newest first, at most max of them:
 * {"number","serial" ("": it never said it),"slot","outcome" ("passed" "failed" "refused"),"domain" (of its
 * error, or "")}: jobs, and devices that were turned away before they had one. No job that ended for the
 * next one to begin at once, and no fault of the station's. Owned by the caller.
 */
must_check int records_ends(struct records *r, int64_t after, int64_t max, json_t **ret,
    struct err *e);
/* How many jobs of a unit failed, and whether a retest allows one more claim of it. */
must_check int records_failures(struct records *r, const char *serial, int64_t *ret_failed,
    bool *ret_allowed, struct err *e);

/* The job that a passed unit carries its identity by; OPERATOR "label.none" where a label of it would say what
 * is not so. */
must_check int records_passed(struct records *r, const char *serial, json_t **ret, struct err *e);
/* Serials that passed without a label since this station first had a printer ("station" of what "printer", detail
 * printer), newest first; looks at its last events only, so many. */
must_check int records_unlabelled(struct records *r, int64_t last, json_t **ret, struct err *e);

/*
 * Checks the whole database: every chain, every blob's digest, and the state tables against a fresh
 * projection of the events (I1, I2, I7, I9 are constraints of that projection). Fills *ret with
 * counts {"events","units","passed","certificates","orphans","stations"}; the first violation is the
 * error (RECORDS, code "verify.file" (damage, or another schema), "verify.chain", "verify.rule",
 * "verify.blob", "verify.state", "verify.truncated" (behind the checkpoint beside them);
 * "records.damaged" where SQLite can not read it). Of one moment, also while a station appends.
 */
must_check int records_verify(struct records *r, json_t **ret, struct err *e);

/* kiln records upgrade: verifies, copies events and blobs into PATH.new of the present schema and builds
 * the state from them, verifies that, and swaps; the old file stays as PATH.old ("records.old" where
 * one is there). "records.locked" while any program has it open. */
must_check int records_upgrade(const char *path, struct err *e);

#endif
