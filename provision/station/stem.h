/*
 * The stem of the station's kiln-slot processes: one that has no device, and from which the process of each
 * attachment is forked, warm. It is started with the station, and again when it has ended; processes that came
 * from it are the station's own children and do not notice.
 */
#ifndef KILN_STEM_H
#define KILN_STEM_H

#include "child.h"
#include "profile.h"

extern const char stem_program[];

struct stem;
struct birth;

/* The new process, taken over; or NULL where e says why none can be made, for whatever device. */
typedef void stem_born(void *context, const struct child_process *process, const struct err *e);

/* profile and loop outlive the stem; ended is told of each end of it (pool.h). */
must_check int stem_start(struct stem **ret, struct event_base *loop, const struct profile *profile,
    void (*ended)(void *context, const char *program, const struct err *why), void *context,
    struct err *e);
/* Keeps up to so many processes that no device has been near, for stem_ask to give at once. Where none can be
 * made there are fewer. */
void stem_keep(struct stem *s, size_t spares);
/* Asks for a process: born is called once (at once where one is kept), and until then *ret, which is NULL
 * where that has been, can be forgotten. -1: it can not be asked for, and born is not called. */
must_check int stem_ask(struct stem *s, struct birth **ret, stem_born *born, void *context,
    struct err *e);
/* Nobody waits for it any more; born is not called. */
void stem_forget(struct birth *b);
/* Begins a new one, for processes that share nothing with one that a device has broken. */
void stem_renew(struct stem *s);
/* Ends it. What was asked for is never born. */
void stem_stop(struct stem *s);
OWNED_PTR(stem, stem_stop)

#endif
