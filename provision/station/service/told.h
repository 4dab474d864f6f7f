/*
 * What the station told in this run: its events, numbered from 1. The newest are kept as the lines they
 * were told as, so that a listener who comes back misses nothing and hears nothing twice.
 */
#ifndef KILN_TOLD_H
#define KILN_TOLD_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"

enum { TOLD_KEPT = 8192 };

struct told;

must_check int told_new(struct told **ret, struct err *e);
void told_free(struct told *t);
OWNED_PTR(told, told_free)

/* Gives the event its number (member "n") and keeps it. */
must_check int told_add(struct told *t, json_t *event, struct err *e);
/* The number of the last one; 0 before the first. */
int64_t told_last(const struct told *t);
/* True where every event after that number is kept. */
bool told_reaches(const struct told *t, int64_t after);
/* The line of a kept event, its end with it. Borrowed until TOLD_KEPT more were added. */
const char *told_line(const struct told *t, int64_t n, size_t *ret_len);

#endif
