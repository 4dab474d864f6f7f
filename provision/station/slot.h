/*
 * A slot: one position of the fixture. It lives as long as the station; a kiln-slot process lives for
 * one attachment of one device, and so does the job it serves.
 */
#ifndef KILN_SLOT_H
#define KILN_SLOT_H

#include "station.h"
#include "streak.h"

/* The slot's state is whether a device is there and how far its process is. */
enum slot_state {
	SLOT_EMPTY,
	SLOT_OPENING,   /* the process starts and opens the port */
	SLOT_WORKING,   /* a job asks it */
	SLOT_RESETTING, /* the device resets; a new process will open the same place */
	SLOT_DONE,      /* the unit has ended; waits until it is taken out */
};

struct slot {
	struct station *station;
	const struct config_slot *config;
	enum slot_state state;
	bool present;
	unsigned held; /* hold.h: of this slot alone */
	const char
	    *place; /* of config's, where the device is; NULL: none, or config has an address */
	const struct err *trouble; /* with what is there; of the place's */
	bool closed; /* its link failed too often: until it is opened again nothing begins in it */
	struct streak failures; /* of the link, since a unit passed */
	unsigned openings;      /* of this attachment that came to nothing */
	const struct slot_process_events *process;
	struct birth *birth; /* of the child, which is asked for */
	struct child *child;
	struct event *again;    /* deferred start of the next process */
	struct event *patience; /* how long a resetting device may stay away */
	struct buf resume;      /* token for the process after a reset */
	struct job *job;
	struct err why; /* with which it was closed */
};

must_check int slot_init(struct slot *slot, struct station *s, const struct config_slot *config,
    struct err *e);
void slot_free(struct slot *slot);
/* A device appeared or went away. After a reset it may be at another of the slot's places. */
void slot_place_changed(struct slot *slot, const struct place_now *now);

/* Begins with the device that is there and waits for it; or tells what it waits for now. */
void slot_begin(struct slot *slot);
/* As station_hold, for this slot alone. */
void slot_hold(struct slot *slot, enum hold why, bool held);
/* Its link is good again, a person says: closed no more. slot_begin begins with what is there. */
void slot_reopen(struct slot *slot);

/* A unit has ended, and is still there. */
bool slot_is_done(const struct slot *slot);
/* Begins with it as if it had just been plugged in. */
void slot_again(struct slot *slot);

/* For the job. request is taken over. */
must_check int slot_ask(struct slot *slot, json_t *request, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e);
/* The device resets itself now: job_slot_back is called when it can be asked again, job_slot_lost
 * when it does not come back. token is base64. */
void slot_reset(struct slot *slot, const char *token);
/* It was asked too early: it resets still. */
void slot_reset_goes_on(struct slot *slot);
/* The job is over; the slot waits for the device to be taken out. */
void slot_release(struct slot *slot);

#endif
