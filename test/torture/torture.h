/*
 * Fails one allocation of a call, each in its turn. In front of libc's (or the sanitizer's) malloc, so a
 * test program that links this tortures our own code, SQLite and libc. Not counted: OpenSSL and jansson,
 * which end a real program (base/memory.h, system/test_torture), and libfyaml, which does not survive it.
 */
#ifndef KILN_TORTURE_H
#define KILN_TORTURE_H

#include "testing.h"

/* From here on in this thread the n-th allocation fails, n from 1. */
void torture_begin(size_t n);
/* Whether it came to that. */
bool torture_end(void);

struct torture {
	/* What is tried; between torture_begin and torture_end. */
	int (*call)(void *context, struct err *e);
	/* After each try, without torture: checks and undoes what the call did. */
	void (*after)(void *context, int rc);
	void *context;
	const char *const *codes; /* of errors that a failed allocation may give, NULL at the end */
};

/*
 * Tries with each allocation failing, until one succeeds without; returns how many there were. Of many,
 * only each stride-th is tried; with KILN_SWEEP=1 every one.
 */
size_t torture_each(const struct torture *t, size_t stride);

#endif
