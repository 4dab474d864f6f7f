#include "torture.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

enum { TRIES_MAX = 20000, DEPTH = 24 };

/* The sanitizer's own, where there is one: what it did not hand out it does not take back. */
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static __thread size_t left; /* allocations until the one that fails; 0: none does */
static __thread bool fired, looking;

struct walk {
	size_t depth, libc; /* frames seen; those of libc before any other caller */
	bool past;
	bool spared;
};

/* The library that asked: libc between is passed over, as for strdup. */
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *data)
{
	static const char *const spared[] = { "libcrypto", "libssl", "libjansson", "libfyaml" };
	struct walk *w = data;
	struct dl_find_object found;
	uintptr_t pc = _Unwind_GetIP(context);
	const char *name;

	if (pc == 0 || _dl_find_object((void *)(pc - 1), &found) != 0)
		return _URC_END_OF_STACK;
	name = strrchr(found.dlfo_link_map->l_name, '/');
	if (name != NULL && strncmp(name, "/libc.so", 8) == 0)
		w->libc += !w->past;
	else
		w->past = w->libc > 0 || w->depth >= 2; /* before: this file's own frames */
	for (size_t i = 0; name != NULL && i < COUNT(spared); i++)
		w->spared |= strncmp(name + 1, spared[i], strlen(spared[i])) == 0;
	return w->spared || ++w->depth == DEPTH ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static bool fails(void)
{
	struct walk w = { 0 };

	if (left == 0 || looking)
		return false;
	looking = true;
	_Unwind_Backtrace(on_frame, &w);
	looking = false;
	/* Deep in libc it is regcomp(3), which leaks where it fails: nobody calls twice for a pattern. */
	if (w.spared || w.libc > 1 || --left > 0)
		return false;
	fired = true;
	return true;
}

void *malloc(size_t n)
{
	if (fails())
		return NULL;
	return __interceptor_malloc != NULL ? __interceptor_malloc(n) : __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	if (fails())
		return NULL;
	return __interceptor_calloc != NULL ? __interceptor_calloc(n, m) : __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	if (fails())
		return NULL;
	return __interceptor_realloc != NULL ? __interceptor_realloc(p, n) : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t m)
{
	return n != 0 && m > SIZE_MAX / n ? NULL : realloc(p, n * m);
}

void torture_begin(size_t n)
{
	fired = false;
	left = n;
}

bool torture_end(void)
{
	left = 0;
	return fired;
}

static bool is_one_of(const char *code, const char *const *codes)
{
	for (; *codes != NULL; codes++)
		if (strcmp(code, *codes) == 0)
			return true;
	return false;
}

static bool is_sweep(void)
{
	const char *sweep = getenv("KILN_SWEEP");

	return sweep != NULL && strcmp(sweep, "1") == 0;
}

size_t torture_each(const struct torture *t, size_t stride)
{
	size_t step = is_sweep() ? 1 : stride;

	for (size_t n = 1; n < TRIES_MAX; n += step) {
		struct err e = { 0 };
		bool failed;
		int rc;

		torture_begin(n);
		rc = t->call(t->context, &e);
		failed = torture_end();
		if (!failed)
			assert_ok(rc, &e);
		else if (rc != 0 && !is_one_of(e.code, t->codes))
			fail_msg("allocation %zu fails and the error is %s: %s", n, e.code,
			    e.message);
		t->after(t->context, rc);
		if (!failed)
			return n - 1;
	}
	fail_msg("it allocates without end");
	return 0;
}
