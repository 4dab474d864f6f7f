/*
 * A secret (PIN, password, token): locked in memory, wiped when freed, and in a type that no printf
 * can format. { 0 } is a valid empty one.
 */
#ifndef KILN_SECRET_H
#define KILN_SECRET_H

#include <jansson.h>

#include "err.h"
#include "own.h"

enum { SECRET_MAX = 1024 };

struct secret {
	struct secret_bytes *bytes; /* NULL while empty */
};

/* Copies len bytes; they may not hold a NUL. Where memory can not be locked the secret is used all
 * the same (a container may forbid it). */
must_check int secret_set(struct secret *s, const void *data, size_t len, struct err *e);
/* The secret as a NUL-terminated string, for the one call that needs it; "" while empty. Borrowed. */
const char *secret_reveal(const struct secret *s);
size_t secret_len(const struct secret *s);
void secret_free(struct secret *s);
OWNED_STRUCT(secret, secret_free)

/* One line of a file that nobody but its owner may read (mode checked); the line's end is dropped.
 * "credential:NAME" reads $CREDENTIALS_DIRECTORY/NAME (systemd.exec(5)), which the group may read. */
must_check int secret_from_file(struct secret *s, const char *path, struct err *e);
/* The next line of fd (a pipe: nothing behind it is read); what names it in errors. */
must_check int secret_from_line(struct secret *s, int fd, const char *what, struct err *e);
/* Asks on the terminal without echo. An error where there is none. */
must_check int secret_prompt(struct secret *s, const char *question, struct err *e);

/* To and from a request's member, base64; the JSON value's own copy is wiped after reading. */
must_check int secret_to_json(const struct secret *s, json_t *object, const char *key,
    struct err *e);
must_check int secret_from_json(struct secret *s, json_t *object, const char *key, struct err *e);

#endif
