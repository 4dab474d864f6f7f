/*
 * A disk that fails, for real programs: compiled by test_disk.py and preloaded. The file named by FAULT_DISK,
 * once it is there, says what: "CALL ERRNO PART N", CALL being "write", "sync", "short" (half of each write is
 * done, the rest not), "space" (one block is free) or "low" (100 MiB are), PART a part of the path of the
 * files that meet it, from the process's N-th such call on. SQLite writes with pwrite64 and syncs with
 * fdatasync; kiln's own files with write and fsync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int meets(const char *call, const char *path, int *ret_errno)
{
	static unsigned met;
	const char *control = getenv("FAULT_DISK");
	char wanted[16], part[256];
	unsigned n;
	FILE *f;
	int got;

	f = control != NULL ? fopen(control, "re") : NULL;
	if (f == NULL)
		return 0;
	got = fscanf(f, "%15s %d %255s %u", wanted, ret_errno, part, &n);
	(void)fclose(f);
	return got == 4 && strcmp(wanted, call) == 0 && strstr(path, part) != NULL &&
	       __atomic_add_fetch(&met, 1, __ATOMIC_SEQ_CST) >= n;
}

static int fails(const char *call, int fd)
{
	int saved = errno, error = 0;
	char link[40], path[4096];
	ssize_t len;

	if (strcmp(program_invocation_short_name, "kiln-slot") == 0)
		return 0; /* its sandbox allows none of this, and it has no files */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	if (!meets(call, path, &error)) {
		errno = saved;
		return 0;
	}
	errno = error;
	return 1;
}

#define REAL(name) (*(void **)(&real) = dlsym(RTLD_NEXT, name))

static ssize_t put(const char *name, int fd, const void *data, size_t len, off64_t at)
{
	ssize_t (*real)(int, const void *, size_t, off64_t) = NULL;

	REAL(name);
	if (fails("write", fd))
		return -1;
	if (len > 1 && fails("short", fd)) {
		int error = errno;

		(void)real(fd, data, len / 2, at);
		errno = error;
		return -1;
	}
	return real(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return put("pwrite64", fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return put("pwrite", fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t (*real)(int, const void *, size_t) = NULL;

	REAL("write");
	return fails("write", fd) || fails("short", fd) ? -1 : real(fd, data, len);
}

int fdatasync(int fd)
{
	int (*real)(int) = NULL;

	REAL("fdatasync");
	return fails("sync", fd) ? -1 : real(fd);
}

int fsync(int fd)
{
	int (*real)(int) = NULL;

	REAL("fsync");
	return fails("sync", fd) ? -1 : real(fd);
}

static void fill_up(const char *path, struct statvfs *ret)
{
	int ignored;

	if (meets("space", path, &ignored))
		ret->f_bavail = 1;
	if (meets("low", path, &ignored))
		ret->f_bavail = (100UL << 20) / ret->f_frsize;
}

int statvfs64(const char *path, struct statvfs64 *ret)
{
	int (*real)(const char *, struct statvfs64 *) = NULL;
	int rc;

	REAL("statvfs64");
	rc = real(path, ret);
	fill_up(path, (struct statvfs *)ret); /* the same on 64 bits */
	return rc;
}

int statvfs(const char *path, struct statvfs *ret)
{
	int (*real)(const char *, struct statvfs *) = NULL;
	int rc;

	REAL("statvfs");
	rc = real(path, ret);
	fill_up(path, ret);
	return rc;
}
