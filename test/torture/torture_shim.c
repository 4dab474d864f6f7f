/*
 * Loaded before a program of ours (LD_PRELOAD): counts the calls that can fail, by place, and fails one
 * of them. A place ("site") is the program, the function, its nearest TORTURE_CALLERS callers in
 * libraries and the two nearest ones in the program itself (four where no library is before them): it is
 * the same in the next run, wherever the modules are loaded.
 *
 * Environment:
 *   TORTURE_MAP      the shared file (torture_shim.h); it is mapped before main, so that a sandboxed
 *                    program needs no system call for it
 *   TORTURE_PROGRAM  which program fails: its name
 *   TORTURE_SITE     hexadecimal; which site fails, once in all processes of one map. Without it, counts
 *   TORTURE_ERRNO    what it fails with, instead of the function's usual error
 *   TORTURE_STICKY   set: from then on, at each hit
 *
 * Only what happens in main() counts. What libfyaml allocates does not: version 0.7.12 ends in a crash
 * where some of its parsers are destroyed after that. Nor, where leaks are looked for, what glibc's regcomp
 * does: version 2.36 leaks what it has where its memory ends in between.
 */
#include "torture_shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>
#include <unwind.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LOCAL    static __thread __attribute__((tls_model("initial-exec")))

static struct torture_map *map;
static bool armed; /* main is running, in a process that is observed */
static bool target, sticky;
static uint64_t wanted;
static int wanted_errno;
static uint64_t counters; /* descriptors that are an eventfd's */
static const void *own_map, *shim_map, *yaml_map;
static bool finds_leaks;
LOCAL int busy;

static int errno_of(enum torture_function f)
{
	static const int usual[] = {
#define X(name, error) [TORTURE_##name] = error,
		TORTURE_FUNCTIONS
#undef X
	};
	return wanted_errno != 0 ? wanted_errno : usual[f];
}

/* Where a call comes from. */
struct chain {
	uint64_t hash;
	size_t count, own;
	bool
	    direct; /* the program itself called, perhaps as a library's allocator (base/memory.c) */
	bool spared;
	struct torture_frame frames[TORTURE_FRAMES];
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint32_t module_of(const struct link_map *l)
{
	const char *name = strrchr(l->l_name, '/');
	uint32_t hash = 2166136261U;

	for (name = name != NULL ? name + 1 : l->l_name; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619U;
	return hash;
}

static void note_module(const struct link_map *l, uint32_t id)
{
	for (size_t i = 0; i < TORTURE_MODULES; i++) {
		uint32_t none = 0;

		if (__atomic_load_n(&map->modules[i].id, __ATOMIC_ACQUIRE) == id)
			return;
		if (__atomic_compare_exchange_n(&map->modules[i].id, &none, id, false,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			strncpy(map->modules[i].path, l->l_name[0] != '\0' ? l->l_name : "program",
			    sizeof(map->modules[i].path) - 1);
			return;
		}
		if (none == id)
			return;
	}
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *data)
{
	struct chain *c = data;
	uintptr_t pc = _Unwind_GetIP(context);
	struct dl_find_object found;
	uint32_t module;
	bool is_own;

	if (pc == 0 || _dl_find_object((void *)(pc - 1), &found) != 0)
		return _URC_END_OF_STACK;
	if (found.dlfo_link_map == shim_map)
		return _URC_NO_REASON;
	c->spared |= found.dlfo_link_map == yaml_map;
	module = module_of(found.dlfo_link_map);
	c->frames[c->count++] =
	    (struct torture_frame){ module, (uint32_t)(pc - found.dlfo_link_map->l_addr) };
	is_own = found.dlfo_link_map == own_map;
	if (is_own || (c->own == 0 && c->count <= TORTURE_CALLERS))
		c->hash = mix(mix(c->hash, module), pc - found.dlfo_link_map->l_addr);
	c->own += is_own;
	c->direct |= is_own && c->count == 1;
	note_module(found.dlfo_link_map, module);
	return c->own == (c->direct ? 4 : 2) || c->count == TORTURE_FRAMES ? _URC_END_OF_STACK
									   : _URC_NO_REASON;
}

static struct torture_site *site_of(enum torture_function f, const struct chain *c)
{
	for (size_t i = c->hash % TORTURE_SITES, n = 0; n < TORTURE_SITES; n++) {
		struct torture_site *s = &map->sites[i];
		uint64_t none = 0;

		if (__atomic_load_n(&s->hash, __ATOMIC_ACQUIRE) == c->hash)
			return s;
		if (__atomic_compare_exchange_n(&s->hash, &none, c->hash, false, __ATOMIC_ACQ_REL,
			__ATOMIC_ACQUIRE)) {
			s->function = f;
			s->count = (uint32_t)c->count;
			memcpy(s->frames, c->frames, sizeof(s->frames));
			strncpy(s->program, program_invocation_short_name, sizeof(s->program) - 1);
			return s;
		}
		if (none == c->hash)
			return s;
		i = (i + 1) % TORTURE_SITES;
	}
	return NULL;
}

static bool must_fail(uint64_t hash)
{
	uint32_t before;

	if (hash != wanted)
		return false;
	before = __atomic_fetch_add(&map->fired, 1, __ATOMIC_ACQ_REL);
	if (before == 0)
		map->fired_pid = getpid();
	return before == 0 || sticky;
}

/* Counts the call; true, with errno set, where it has to fail. */
static bool fails(enum torture_function f)
{
	struct chain c = { .hash = 14695981039346656037U };
	struct torture_site *s;
	int saved = errno;
	bool fail = false;

	if (!armed || busy || (wanted != 0 && !target))
		return false;
	busy = 1;
	for (const char *p = program_invocation_short_name; *p != '\0'; p++)
		c.hash = mix(c.hash, (uint8_t)*p);
	c.hash = mix(c.hash, f);
	_Unwind_Backtrace(on_frame, &c);
	if (wanted == 0 && !c.spared && (s = site_of(f, &c)) != NULL)
		__atomic_fetch_add(&s->hits, 1, __ATOMIC_RELAXED);
	fail = !c.spared && must_fail(c.hash);
	busy = 0;
	errno = fail ? errno_of(f) : saved;
	return fail;
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		_exit(99);
	return found;
}

/* RESULT name(PARAMETERS): on failure returns FAILURE. */
#define WRAP(function, result, name, parameters, arguments, failure)                               \
	result name parameters;                                                                    \
	result name parameters                                                                     \
	{                                                                                          \
		static result(*real) parameters;                                                   \
                                                                                                   \
		if (real == NULL)                                                                  \
			*(void **)&real = next(#name);                                             \
		if (fails(TORTURE_##function))                                                     \
			return failure;                                                            \
		return real arguments;                                                             \
	}

WRAP(malloc, void *, malloc, (size_t n), (n), NULL)
WRAP(calloc, void *, calloc, (size_t n, size_t m), (n, m), NULL)
WRAP(realloc, void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(realloc, void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m), NULL)
WRAP(malloc, int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n), ENOMEM)
WRAP(malloc, void *, aligned_alloc, (size_t a, size_t n), (a, n), NULL)

WRAP(open, FILE *, fopen, (const char *p, const char *m), (p, m), NULL)
WRAP(open, FILE *, fopen64, (const char *p, const char *m), (p, m), NULL)
WRAP(open, DIR *, opendir, (const char *p), (p), NULL)
WRAP(open, int, creat, (const char *p, mode_t m), (p, m), -1)
WRAP(read, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1)
WRAP(read, ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n), -1)
WRAP(read, ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o), -1)
WRAP(read, ssize_t, pread64, (int fd, void *p, size_t n, off64_t o), (fd, p, n, o), -1)
WRAP(write, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), -1)
WRAP(write, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o), -1)
WRAP(write, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t o), (fd, p, n, o), -1)
WRAP(fsync, int, fsync, (int fd), (fd), -1)
WRAP(fsync, int, fdatasync, (int fd), (fd), -1)
WRAP(truncate, int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(truncate, int, ftruncate64, (int fd, off64_t n), (fd, n), -1)
WRAP(rename, int, rename, (const char *a, const char *b), (a, b), -1)
WRAP(unlink, int, unlink, (const char *p), (p), -1)
WRAP(mkdir, int, mkdir, (const char *p, mode_t m), (p, m), -1)
WRAP(stat, int, stat, (const char *p, struct stat *s), (p, s), -1)
WRAP(stat, int, fstat, (int fd, struct stat *s), (fd, s), -1)
WRAP(stat, int, lstat, (const char *p, struct stat *s), (p, s), -1)
WRAP(stat, int, stat64, (const char *p, struct stat64 *s), (p, s), -1)
WRAP(stat, int, fstat64, (int fd, struct stat64 *s), (fd, s), -1)
WRAP(stat, ssize_t, readlink, (const char *p, char *b, size_t n), (p, b, n), -1)
WRAP(socket, int, socket, (int d, int t, int p), (d, t, p), -1)
WRAP(socket, int, socketpair, (int d, int t, int p, int v[2]), (d, t, p, v), -1)
WRAP(connect, int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1)
WRAP(socket, int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n),
    -1)
WRAP(recv, ssize_t, recv, (int fd, void *p, size_t n, int f), (fd, p, n, f), -1)
WRAP(recv, ssize_t, recvmsg, (int fd, struct msghdr *m, int f), (fd, m, f), -1)
WRAP(recv, ssize_t, recvfrom, (int fd, void *p, size_t n, int f, struct sockaddr *a, socklen_t *l),
    (fd, p, n, f, a, l), -1)
WRAP(send, ssize_t, send, (int fd, const void *p, size_t n, int f), (fd, p, n, f), -1)
WRAP(send, ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f), -1)
WRAP(send, ssize_t, sendto,
    (int fd, const void *p, size_t n, int f, const struct sockaddr *a, socklen_t l),
    (fd, p, n, f, a, l), -1)
WRAP(poll, int, poll, (struct pollfd * p, nfds_t n, int t), (p, n, t), -1)
WRAP(poll, int, ppoll, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *s),
    (p, n, t, s), -1)
WRAP(poll, int, epoll_wait, (int fd, struct epoll_event *v, int n, int t), (fd, v, n, t), -1)
WRAP(pipe, int, pipe, (int v[2]), (v), -1)
WRAP(pipe, int, pipe2, (int v[2], int f), (v, f), -1)
WRAP(pipe, int, epoll_create1, (int f), (f), -1)
WRAP(pipe, int, inotify_init1, (int f), (f), -1)
WRAP(watch, int, inotify_add_watch, (int fd, const char *p, uint32_t m), (fd, p, m), -1)
WRAP(watch, int, epoll_ctl, (int fd, int o, int on, struct epoll_event *v), (fd, o, on, v), -1)
WRAP(terminal, int, tcsetattr, (int fd, int a, const struct termios *t), (fd, a, t), -1)
WRAP(terminal, int, tcgetattr, (int fd, struct termios *t), (fd, t), -1)
WRAP(mmap, void *, mmap, (void *p, size_t n, int r, int f, int fd, off_t o), (p, n, r, f, fd, o),
    MAP_FAILED)
WRAP(mmap, void *, mmap64, (void *p, size_t n, int r, int f, int fd, off64_t o),
    (p, n, r, f, fd, o), MAP_FAILED)
WRAP(thread, int, pthread_create,
    (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *x), (t, a, f, x),
    errno_of(TORTURE_thread))
WRAP(spawn, int, posix_spawn,
    (pid_t * p, const char *path, const posix_spawn_file_actions_t *f, const posix_spawnattr_t *a,
	char *const v[], char *const e[]),
    (p, path, f, a, v, e), errno_of(TORTURE_spawn))

int regcomp(regex_t *compiled, const char *pattern, int flags)
{
	static int (*real)(regex_t *, const char *, int);
	int before = busy, rc;

	if (real == NULL)
		*(void **)&real = next("regcomp");
	busy = before || finds_leaks;
	rc = real(compiled, pattern, flags);
	busy = before;
	return rc;
}

/* Writing to an eventfd can fail only where it overflows: those are known by number. */
int eventfd(unsigned count, int flags)
{
	static int (*real)(unsigned, int);
	int fd;

	if (real == NULL)
		*(void **)&real = next("eventfd");
	fd = fails(TORTURE_pipe) ? -1 : real(count, flags);
	if (fd >= 0 && fd < 64)
		__atomic_fetch_or(&counters, UINT64_C(1) << fd, __ATOMIC_ACQ_REL);
	return fd;
}

ssize_t write(int fd, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	uint64_t known = __atomic_load_n(&counters, __ATOMIC_ACQUIRE);

	if (real == NULL)
		*(void **)&real = next("write");
	if (fd >= 0 && fd < 64 && (known & UINT64_C(1) << fd) != 0)
		return real(fd, p, n);
	return fails(TORTURE_write) ? -1 : real(fd, p, n);
}

/* The third argument of open(2) and its kin. */
#define WRAP_OPEN(name)                                                                            \
	int name(const char *path, int flags, ...);                                                \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		static int (*real)(const char *, int, ...);                                        \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		if (real == NULL)                                                                  \
			*(void **)&real = next(#name);                                             \
		return fails(TORTURE_open) ? -1 : real(path, flags, mode);                         \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(name)                                                                          \
	int name(int at, const char *path, int flags, ...);                                        \
	int name(int at, const char *path, int flags, ...)                                         \
	{                                                                                          \
		static int (*real)(int, const char *, int, ...);                                   \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		if (real == NULL)                                                                  \
			*(void **)&real = next(#name);                                             \
		return fails(TORTURE_open) ? -1 : real(at, path, flags, mode);                     \
	}

WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

/* Locks and duplicates can fail; reading and setting flags of an open descriptor can not. */
static bool fcntl_fails(int command)
{
	switch (command) {
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fails(TORTURE_lock);
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fails(TORTURE_pipe);
	default:
		return false;
	}
}

#define WRAP_FCNTL(name)                                                                           \
	int name(int fd, int command, ...);                                                        \
	int name(int fd, int command, ...)                                                         \
	{                                                                                          \
		static int (*real)(int, int, ...);                                                 \
		void *argument;                                                                    \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, command);                                                             \
		argument = va_arg(ap, void *);                                                     \
		va_end(ap);                                                                        \
		if (real == NULL)                                                                  \
			*(void **)&real = next(#name);                                             \
		return fcntl_fails(command) ? -1 : real(fd, command, argument);                    \
	}

WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	void *argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (real == NULL)
		*(void **)&real = next("ioctl");
	return fails(TORTURE_terminal) ? -1 : real(fd, request, argument);
}

/* A crash says where; then it takes its course. */
static void on_crash(int number)
{
	struct chain c = { 0 };

	busy = 1;
	_Unwind_Backtrace(on_frame, &c);
	map->crash_count = (uint32_t)c.count;
	memcpy(map->crash, c.frames, sizeof(map->crash));
	strncpy(map->crash_program, program_invocation_short_name, sizeof(map->crash_program) - 1);
	map->crash_signal = (uint32_t)number;
}

static void catch_crashes(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	const struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct sigaction before;

		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void)sigaction(numbers[i], &action, NULL);
	}
}

static const void *map_of(const void *address)
{
	struct dl_find_object found;
	uintptr_t p = (uintptr_t)address;

	return _dl_find_object((void *)p, &found) == 0 ? found.dlfo_link_map : NULL;
}

static bool open_map(void)
{
	const char *path = getenv("TORTURE_MAP");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return false;
	p = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return false;
	map = p;
	return true;
}

static void prepare(const void *program_main)
{
	const char *program = getenv("TORTURE_PROGRAM"), *site = getenv("TORTURE_SITE");
	const char *error = getenv("TORTURE_ERRNO");
	struct chain warm_up = { 0 };
	const void *yaml;

	if (!open_map())
		return;
	own_map = map_of(program_main);
	shim_map = map_of(&map);
	yaml = dlsym(RTLD_DEFAULT, "fy_parser_create");
	yaml_map = yaml != NULL ? map_of(yaml) : &map;
	finds_leaks = dlsym(RTLD_DEFAULT, "__lsan_do_leak_check") != NULL;
	target =
	    program != NULL && site != NULL && strcmp(program, program_invocation_short_name) == 0;
	sticky = getenv("TORTURE_STICKY") != NULL;
	wanted = site != NULL ? strtoull(site, NULL, 16) : 0;
	wanted_errno = error != NULL ? atoi(error) : 0;
	_Unwind_Backtrace(on_frame, &warm_up);
	catch_crashes();
	armed = true;
}

static int (*real_main)(int, char **, char **);

static int observed_main(int argc, char **argv, char **environment)
{
	int rc;

	prepare(*(void **)&real_main);
	rc = real_main(argc, argv, environment);
	armed = false;
	return rc;
}

int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
    void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
    void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
	    void (*)(void), void *);

	*(void **)&real = next("__libc_start_main");
	real_main = program;
	return real(observed_main, argc, argv, init, fini, rtld_fini, stack_end);
}
