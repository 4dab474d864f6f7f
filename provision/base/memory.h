/*
 * What happens when memory runs out. Our own code and SQLite say so, and the unit or
 * the station ends cleanly. OpenSSL and jansson do not say so: a parser without memory calls a good
 * certificate malformed, a verification without memory calls a good signature wrong, and jansson drops a
 * byte of a long string and goes on. A judge without memory must not judge: there the program ends, as if
 * it had been killed, which the records and the other programs are made for.
 */
#ifndef KILN_MEMORY_H
#define KILN_MEMORY_H

#include <stddef.h>

#include "err.h"
#include "own.h"

enum { MEMORY_EXIT = 4 };

/* Before anything else is called. CONFIG "memory" where a library has allocated already. */
must_check int memory_guard(struct err *e);

/* Never NULL: they end the program with MEMORY_EXIT and one line on standard error. */
void *memory_get(size_t size);
void *memory_resize(void *p, size_t size);

#endif
