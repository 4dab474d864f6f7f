/* How often each CSR came to each label. */
#ifndef KILN_TALLY_H
#define KILN_TALLY_H

#include "buf.h"

/* { 0 } is empty. */
struct tally {
	void *tree; /* of tsearch(3) */
};

/* Counts one POST and gives its number, from 1. csr is the request's DER. */
must_check int tally_count(struct tally *t, const char *label, const struct buf *csr, unsigned *ret,
    struct err *e);
void tally_free(struct tally *t);

#endif
