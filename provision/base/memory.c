#include "memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

enum { KEPT_BYTES = 16 * 1024 * 1024 };

static _Noreturn void run_out(void)
{
	static const char text[] =
	    ": out of memory, stopped; what is recorded is safe: free memory and start again\n";
	const char *program = program_invocation_short_name;

	/* No stdio: it wants memory. Nobody is left to be told that this failed. */
	if (write(STDERR_FILENO, program, strlen(program)) >= 0)
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(MEMORY_EXIT);
}

void *memory_get(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
		run_out();
	return p;
}

void *memory_resize(void *p, size_t size)
{
	void *grown = realloc(p, size > 0 ? size : 1);

	if (grown == NULL)
		run_out();
	return grown;
}

static void *crypto_get(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size > 0 ? memory_get(size) : NULL;
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void *crypto_resize(void *p, size_t size, const char *file, int line)
{
	if (size > 0)
		return memory_resize(p, size);
	crypto_free(p, file, line);
	return NULL;
}

/*
 * The top of a heap is kept, not given back with each statement or certificate to be asked for again with
 * the next: that is a call into the kernel and a flush of other threads' translations each time.
 */
static void keep_freed(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES); /* 0: not this allocator, nothing is lost */
}

int memory_guard(struct err *e)
{
	keep_freed();
	json_set_alloc_funcs(memory_get, free);
	if (CRYPTO_set_mem_functions(crypto_get, crypto_resize, crypto_free) != 1)
		return err_set(e, ERR_CONFIG, "memory",
		    "libcrypto was used before its memory was guarded");
	return 0;
}
