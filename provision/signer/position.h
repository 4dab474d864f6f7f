/*
 * The last chain position this signer has attested: a file that only grows. What was signed for an
 * event chain can not be signed again for one that was rewritten from the start.
 */
#ifndef KILN_POSITION_H
#define KILN_POSITION_H

#include <stdint.h>

#include "buf.h"
#include "err.h"

struct position {
	char *path;
	char *station;
	int64_t seq; /* 0: nothing was attested yet */
};

/* Reads the file; one that is absent is a new station's. A damaged one, and another station's, is
 * HSM "signer.state": a person must look. */
must_check int position_open(struct position *ret, const char *path, const char *station,
    struct err *e);
void position_free(struct position *p);
OWNED_STRUCT(position, position_free)

/* seq is above the last one, else HSM "signer.position". */
must_check int position_check(const struct position *p, int64_t seq, struct err *e);
/* Durable when it returns 0. */
must_check int position_advance(struct position *p, int64_t seq, const char *head, struct err *e);

#endif
