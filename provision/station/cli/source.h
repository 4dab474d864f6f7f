/* The records a command works on: named by a station.yaml or directly. */
#ifndef KILN_SOURCE_H
#define KILN_SOURCE_H

#include "config.h"
#include "records.h"

struct source {
	const char *config_path, *records_path; /* one of them, from the command line */
	struct config *config;                  /* NULL where the records were named */
	struct records *records;
};

/* write: as the configured station, taking the lock; needs the configuration. */
must_check int source_open(struct source *s, bool write, struct err *e);
void source_close(struct source *s);
OWNED_STRUCT(source, source_close)

/* Appends one event and prints nothing. body is taken over. */
must_check int source_append(struct source *s, json_t *body, struct err *e);

#endif
