/* All devices of a kiln-twin, and which of them is plugged where. */
#ifndef KILN_TWIN_FLEET_H
#define KILN_TWIN_FLEET_H

#include <limits.h>
#include <stdio.h>

#include "attachment.h"
#include "json.h"
#include "options.h"
#include "profile.h"
#include "skin.h"

struct fleet_device {
	char serial[IDENTITY_MAX + 1];
	bool used; /* was plugged at least once */
};

/* The device that is plugged, or was last: in memory that its process has too. */
struct fleet_plugged {
	struct twin_account account;
	struct twin_config config;
	struct skin_plug plug;
	char folder[PATH_MAX];
};

struct fleet_slot {
	bool full;
	size_t device;             /* index, where it is full */
	struct attachment process; /* may outlive the device in it */
	char *port;                /* absolute path of the link */
	struct fleet_plugged *plugged;
};

struct fleet {
	const struct options *options; /* borrowed */
	char *dir;                     /* absolute */
	FILE *log;                     /* of --log; NULL: none */
	struct fleet_device *devices;
	struct fleet_slot *slots;
	struct skin *skin;
};

/* Makes the folders; plugs nothing. Errors: CONFIG. */
must_check int fleet_open(struct fleet *ret, const struct options *options, struct err *e);
/* Unplugs everything. */
void fleet_close(struct fleet *f);
OWNED_STRUCT(fleet, fleet_close)

/* Slots count from 1. Errors of all: CONFIG "twin.slot", "twin.serial". */

/* Plugs the next device that was never plugged; *ret_serial is NULL where all were. */
must_check int fleet_plug_next(struct fleet *f, int64_t slot, const char **ret_serial,
    struct err *e);
must_check int fleet_plug(struct fleet *f, int64_t slot, const char *serial, struct err *e);
/* *ret_serial is NULL where the slot was empty. */
must_check int fleet_unplug(struct fleet *f, int64_t slot, const char **ret_serial, struct err *e);

/* Reaps processes that ended by themselves: their slots are empty then. */
void fleet_reap(struct fleet *f);

/* What the skin has to do between two requests. Errors: CONFIG. */
must_check int fleet_turn(struct fleet *f, struct err *e);
/* A descriptor that is readable when fleet_turn has something to do, or -1. */
int fleet_watch(const struct fleet *f);

/* [{"slot", "port", "place" on USB, "serial" if plugged, "busy_us" of its account so far}] */
must_check json_t *fleet_list(const struct fleet *f);
/* Of each slot: null where slots are ports. */
must_check json_t *fleet_places(const struct fleet *f);
must_check json_t *fleet_ports(const struct fleet *f);
must_check json_t *fleet_serials(const struct fleet *f);

#endif
