/* What torture_shim.so and test/system/torture_kit.py share: a mapped file. All zero is a fresh one. */
#ifndef KILN_TORTURE_SHIM_H
#define KILN_TORTURE_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* X(kind of function, usual error) */
#define TORTURE_FUNCTIONS                                                                          \
	X(malloc, ENOMEM)                                                                          \
	X(calloc, ENOMEM)                                                                          \
	X(realloc, ENOMEM)                                                                         \
	X(open, EMFILE)                                                                            \
	X(read, EIO)                                                                               \
	X(write, ENOSPC)                                                                           \
	X(fsync, EIO)                                                                              \
	X(truncate, EIO)                                                                           \
	X(rename, EIO)                                                                             \
	X(unlink, EIO)                                                                             \
	X(mkdir, ENOSPC)                                                                           \
	X(stat, EIO)                                                                               \
	X(socket, EMFILE)                                                                          \
	X(connect, ECONNREFUSED)                                                                   \
	X(recv, ECONNRESET)                                                                        \
	X(send, ENOBUFS)                                                                           \
	X(poll, ENOMEM)                                                                            \
	X(pipe, EMFILE)                                                                            \
	X(watch, ENOSPC)                                                                           \
	X(lock, ENOLCK)                                                                            \
	X(terminal, EIO)                                                                           \
	X(mmap, ENOMEM)                                                                            \
	X(thread, EAGAIN)                                                                          \
	X(spawn, EAGAIN)

enum torture_function {
#define X(name, error) TORTURE_##name,
	TORTURE_FUNCTIONS
#undef X
};

enum { TORTURE_CALLERS = 3, TORTURE_FRAMES = 32, TORTURE_SITES = 32768, TORTURE_MODULES = 64 };

struct torture_frame {
	uint32_t module; /* id of modules below */
	uint32_t offset; /* of the return address */
};

struct torture_site {
	uint64_t hash; /* 0: free */
	uint32_t function, count, hits, unused;
	char program[16];
	struct torture_frame frames[TORTURE_FRAMES];
};

struct torture_map {
	uint32_t fired; /* how often the wanted site was hit */
	int32_t fired_pid;
	uint32_t crash_signal, crash_count;
	char crash_program[16];
	struct torture_frame crash[TORTURE_FRAMES];
	struct {
		uint32_t id, unused;
		char path[120];
	} modules[TORTURE_MODULES];
	struct torture_site sites[TORTURE_SITES];
};

#endif
