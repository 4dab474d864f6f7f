/*
 * The station: slots, children and records on one loop. It judges; the others fetch and carry.
 * A command (batch, and later the service) starts it, arms it, and is told what happens.
 */
#ifndef KILN_STATION_H
#define KILN_STATION_H

#include <event2/event.h>

#include "child.h"
#include "config.h"
#include "door.h"
#include "family.h"
#include "ground.h"
#include "hold.h"
#include "place.h"
#include "pool.h"
#include "profile.h"
#include "records.h"
#include "recovery.h"
#include "refusals.h"
#include "scans.h"
#include "secret.h"
#include "x509.h"

struct job;
struct slot;

/*
 * What happens, for consoles, scripts and counters: one JSON object with "event" and "time":
 *   arrived  slot [place]                  a device is in the slot; place: in USB
 *   held     slot [place] why              a device is in the slot, and waits until something may begin; why:
 *                                          hold.h's name
 *   step     slot serial step outcome ("start" "ok" "wait" "retry" "anew" "failed") ms who code message
 *            "wait" with a code: for the CA or the HSM; the device may be taken out meanwhile (the unit
 *            is then parked, and continued when it comes back)
 *            "wait" with code "scan.needed": for a person who scans the unit's label
 *            "anew": the unit lost its key; its job has ended and the next one begins at once
 *   unit     slot serial outcome ("passed" "failed" "refused" "parked") ms device_ms ca_ms hsm_ms
 *            station_ms domain code message advice       after it the device may be taken out; first: no job
 *            of this unit passed or failed before; waited: this one was continued (of a claimed unit both)
 *   left     slot
 *   slot-closed  slot code message advice  its link failed for several units in a row; nothing begins in it
 *            until the station starts again or the slot is resumed. Told again for each device
 *            that comes into it
 *   station  "stopped" "started" "paused" "resumed" (slot, where it is one alone): by, message: what a person
 *            had the station do
 *   station  "line-stopped" rule, units [serials], at (of an earlier run's), code, message, advice: a rule did
 *            it; "line-released" by, reason, message. "retest" by, serial, message [slot: it begins again there]
 *            "acknowledged" by, message [slot]
 *   station  "disk-up" "disk-low" "disk-down" free_bytes [code, message, advice]
 *   station  "signed-on" "signed-off" (why "asked" "idle" "replaced") by, role; "sign-on-refused"
 *   station  what, code, message, advice   "child-died", "draining", "broken" (with domain), and of whom all units
 *            ask: "ca-down" and "hsm-down" (an outage begins, or a try of it failed; retry_at, wall ms, is
 *            when the next unit tries), "ca-probe" "hsm-probe" (one does), "ca-up" "hsm-up" (it is over);
 *            waiting: how many units wait. Of a service with labels: "printer-down" "printer-up", "label-lost"
 *            (serial) and "labels-missing" (serials): passed, and not printed
 *   label    serial outcome ("printed"; "waits": for a printer that is down) reprint by waiting
 */
struct station_hooks {
	void (*event)(void *context, const json_t *event);
	/* May this unit be made at all (the batch's list)? Before anything is made. */
	int (*admit)(void *context, const struct identity *identity, struct err *e);
	/* The HSM and the CA answer: the slots may be armed. Or, with why, that they do not. */
	void (*ready)(void *context, const struct err *why);
	/* Nothing is in flight and station_drain was called, or the station broke (why). */
	void (*idle)(void *context, const struct err *why);
	void *context;
	bool
	    reopens; /* a person may open slots that closed: the last one does not end the station */
};

struct station {
	const struct config *config;
	struct profile *profile;
	const struct family *family;
	struct buf profile_anchors; /* profile_export_anchors */
	char profile_sha256[2 * SHA256_LEN + 1];
	X509_STACK *attestation_trust;
	char attestation_spki[2 * SHA256_LEN + 1]; /* of the certificate at the start */

	struct event_base *loop;
	struct station_hooks hooks;
	struct records *records;
	struct event *recorded;
	struct pool *enrollers, *signer;
	struct stem *stem; /* of the slots' processes */
	struct door *ca_door, *hsm_door;
	enum enrol_class enrol_class; /* of the enrollers' backend */
	struct places *places;
	struct ground ground;
	bool asking_time; /* of the CA */
	struct slot *slots;
	size_t slot_count;
	struct job *jobs; /* in flight */
	bool draining, leaving, closing;
	unsigned held; /* hold.h; while there is any, a device that comes waits in its slot */
	char operator[CONFIG_NAME_MAX + 1]; /* who is signed on, for claims; "" is nobody */
	struct err broken;                  /* domain NONE while the station works */
	struct event *idle;
	struct refusals refusals; /* of device_secret */
	struct scans scans;

	struct secret tls_pin, attestation_pin, credential, device_secret;
};

/*
 * Loads the profile and the secrets (may prompt), opens the records (taking their lock), starts the
 * children and asks the CA for its certificates; hooks->ready is called from the loop. config and
 * loop outlive the station. Errors: CONFIG, RECORDS ("records.locked").
 */
must_check int station_open(struct station **ret, struct event_base *loop,
    const struct config *config, const struct station_hooks *hooks, struct err *e);
/* Devices that appear from now on are provisioned. */
must_check int station_arm(struct station *s, struct err *e);
/* Units in flight go on, and nothing begins until every hold is released; then with what is there. */
void station_hold(struct station *s, enum hold why, bool held);
/* Starts no unit any more; hooks->idle when the last one in flight has ended. */
void station_drain(struct station *s);
/* As station_drain, and units that wait for the CA or the HSM to answer again are parked. */
void station_leave(struct station *s);
/* Ends now: jobs in flight stay open in the records and are continued when their device returns. */
void station_close(struct station *s);
OWNED_PTR(station, station_close)

/* For slots and jobs. */

/* Sends an event to the hooks; adds "time". Takes event over (NULL after a failed constructor). */
void station_tell(struct station *s, json_t *event);
/* The records or the memory failed, or devices refuse the secret: nothing goes on. */
void station_break(struct station *s, const struct err *why);
/* A job begins and ends; with the last one a drain may be over. */
void station_job_begins(struct station *s, struct job *j);
void station_job_over(struct station *s, struct job *j);
/* Records something nobody waits for; a failure breaks the station. body is taken over. */
void station_note(struct station *s, json_t *body);
/* The CA's answer says what the time is, or does not. */
void station_note_time(struct station *s, const json_t *answer);
/* Bytes that are free for the records; "records.space" where that is not known. */
must_check int station_free_space(const struct station *s, uint64_t *ret, struct err *e);
/* May anything be made, by the clock? CONFIG "clock.backwards", "clock.ca". */
must_check int station_check_clock(struct station *s, struct err *e);
/* ... and is there room for another unit? RECORDS "records.space". */
must_check int station_check_space(const struct station *s, struct err *e);
/* True where a job of this serial ends soon: its device was taken out. */
bool station_is_leaving(const struct station *s, const struct job *asking, const char *serial);
/* The same for a record that is filled and allocated, which is taken over. */
void station_record(struct station *s, struct record *r);
/* True where another slot has this serial in work. */
bool station_has_serial(const struct station *s, const struct job *asking, const char *serial);

#endif
