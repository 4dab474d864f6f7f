/* What view.c keeps and view_snapshot.c writes. */
#ifndef KILN_VIEW_INTERNAL_H
#define KILN_VIEW_INTERNAL_H

#include "clock.h"
#include "view.h"

enum { VIEW_LAST = 64, VIEW_TEXT = 480, VIEW_UNPRINTED = 32 };

/* The last durations of one thing, in ms. */
struct view_times {
	int64_t ms[VIEW_LAST];
	size_t count; /* of all that ever came */
};
/* The median; 0 where there is none. */
int64_t view_typical(const struct view_times *t);

enum view_slot_state {
	VIEW_SLOT_EMPTY,
	VIEW_SLOT_HELD, /* there is a device, and nothing begins */
	VIEW_SLOT_OPENING,
	VIEW_SLOT_RUNNING,
	VIEW_SLOT_WAITS, /* for the CA or the HSM */
	VIEW_SLOT_PASSED,
	VIEW_SLOT_FAILED,
	VIEW_SLOT_REFUSED,
	VIEW_SLOT_PARKED,
	VIEW_SLOT_CLOSED,
};

struct view_slot {
	enum view_slot_state state;
	bool present;
	char serial[IDENTITY_MAX + 1];
	enum step_id step;
	int64_t begun_ms; /* monotonic, without the time it waited for a person */
	int64_t asked_ms; /* a person is asked for its label since then; 0: nobody is */
	int64_t ms;       /* of a unit that has ended */
	char held[16];    /* hold_name(); of a held one */
	char domain[16], code[40], message[VIEW_TEXT], advice[VIEW_TEXT];
};

/* Whom all units ask. */
struct view_health {
	bool down;
	char code[40], message[VIEW_TEXT], advice[VIEW_TEXT], since[CLOCK_TEXT];
	int64_t retry_at, waiting;
};

struct view_disk {
	const char *state; /* NULL: "up" */
	char code[40], message[VIEW_TEXT], advice[VIEW_TEXT];
	int64_t free_bytes;
};

/* A rule has stopped the line. */
struct view_line {
	char rule[VIEW_TEXT], at[CLOCK_TEXT];
	json_t *units; /* NULL: the line goes on */
};

/* What sounds until a person has said that it was seen; bits. */
enum view_alarm {
	VIEW_ALARM_CA = 1,
	VIEW_ALARM_HSM = 2,
	VIEW_ALARM_LINE = 4,
	VIEW_ALARM_DISK = 8,
};
unsigned view_alarms(const struct view *v);

struct view {
	const struct config *config;
	char product[IDENTITY_MAX + 1], version[IDENTITY_MAX + 1];
	char profile_sha256[2 * SHA256_LEN + 1];
	enum view_state state;
	char stop_by[128], stop_reason[VIEW_TEXT], stop_at[CLOCK_TEXT];
	char fault_domain[16], fault_code[40], fault_message[VIEW_TEXT], fault_advice[VIEW_TEXT],
	    fault_at[CLOCK_TEXT];
	struct view_health ca, hsm, printer, scanner;
	char unprinted[VIEW_UNPRINTED][IDENTITY_MAX + 1]; /* the first of them */
	size_t unprinted_listed;
	int64_t unprinted_count;
	struct view_disk disk;
	struct view_line line;
	unsigned seen; /* of the alarms that there are */
	char seen_by[128], seen_at[CLOCK_TEXT];
	const struct scans *scans;
	int64_t passed, failed, refused, parked;
	int64_t made;                     /* of the order */
	int64_t first_jobs, first_passed; /* report.h */
	int64_t first_ms;                 /* monotonic, of the first device; 0: none came */
	struct view_times steps[STEP_COUNT], cycle;
	struct view_slot slots[CONFIG_SLOTS_MAX];
	bool operators, operators_required;
	char operator_name[CONFIG_NAME_MAX + 1], operator_role[16], operator_since[CLOCK_TEXT];
	bool paused, slots_paused[CONFIG_SLOTS_MAX];
	bool slots_ack[CONFIG_SLOTS_MAX];
};

#endif
