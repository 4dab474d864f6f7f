/*
 * The label printer, on the station's loop: labels go to it one after the other, and nobody waits for it.
 *
 * A socket's printer has a label when it has closed the connection after ours was (as printers on port 9100
 * do when they have read all). One that goes away before gets it again, so a label may come twice, and none
 * is missing; one that keeps the connection open (paper, pause) is left alone with it until it goes on.
 */
#ifndef KILN_PRINTER_H
#define KILN_PRINTER_H

#include <event2/event.h>

#include "printer_address.h"
#include "profile.h"

enum { PRINTER_QUEUE_MAX = 100 };

/* A label on its way. The owner's until printer_print, and again from taken or lost. */
struct printer_job {
	struct printer_job *next; /* the queue's */
	char serial[IDENTITY_MAX + 1];
	struct buf zpl; /* owned */
};

/* All from the loop. */
struct printer_hooks {
	void (*taken)(void *context, struct printer_job *job);
	/* The oldest one, when there are more than PRINTER_QUEUE_MAX. */
	void (*lost)(void *context, struct printer_job *job);
	/* Why it takes no labels; NULL: it does again. Told once for each reason. CONFIG "printer.gone",
	 * "printer.busy" (it has a label, and does not go on), "file". */
	void (*state)(void *context, const struct err *why);
	void *context;
};

struct printer;

/* address outlives the printer. Errors: CONFIG "printer.address". */
must_check int printer_open(struct printer **ret, struct event_base *loop, const char *address,
    const struct printer_hooks *hooks, struct err *e);
void printer_close(struct printer *p); /* its queue is empty: printer_drop */
OWNED_PTR(printer, printer_close)

void printer_print(struct printer *p, struct printer_job *job);
/* How many it has not taken. */
size_t printer_waiting(const struct printer *p);
bool printer_is_down(const struct printer *p);
/* Takes a label back that was not taken; NULL where there is none. */
struct printer_job *printer_drop(struct printer *p);

#endif
