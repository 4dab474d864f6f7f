/*
 * A batch's list of expected units: CSV (RFC 4180) with a header line that names its columns: serial
 * (needed), label, model (optional). Bad lines are errors with file:line:col.
 */
#ifndef KILN_LIST_H
#define KILN_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "own.h"

struct list_unit {
	char *serial, *label, *model; /* label and model: "" where not given */
	bool came;
};

struct list {
	struct list_unit *units; /* sorted by serial */
	size_t count, cap;
};

must_check int list_load(struct list *ret, const char *path, struct err *e);
void list_free(struct list *l);
OWNED_STRUCT(list, list_free)
/* The unit of that serial, or NULL. */
struct list_unit *list_find(const struct list *l, const char *serial);

#endif
