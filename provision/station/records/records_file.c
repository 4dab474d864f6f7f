#include "records_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The lock file names who has it, for people; the lock itself is the kernel's. */
static void write_holder(int fd)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
		(void)ftruncate(fd, 0); /* a full disk: then nobody is named */
}

static int locked(int fd, const char *path, struct err *e)
{
	char text[32] = { 0 };
	long pid = 0;

	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		pid = strtol(text, NULL, 10);
	if (pid <= 0)
		return err_set(e, ERR_RECORDS, "records.locked",
		    "another kiln is using %s: wait for it to end, or stop it", path);
	return err_set(e, ERR_RECORDS, "records.locked",
	    "another kiln (process %ld) is using %s: wait for it to end, or stop it", pid, path);
}

int records_file_lock(const char *path, int *ret_fd, struct err *e)
{
	char lock[4096];
	int fd;

	if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock))
		return err_set(e, ERR_RECORDS, "records.io", "the path of the records is too long");
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_errno(e, ERR_RECORDS, "records.io", "opening %s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		write_holder(fd);
		*ret_fd = fd;
		return 0;
	}
	if (errno == EWOULDBLOCK)
		(void)locked(fd, path, e);
	else
		(void)err_errno(e, ERR_RECORDS, "records.io", "locking %s", lock);
	(void)close(fd); /* nothing was written */
	return -1;
}

int records_file_make(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0)
		return err_errno(e, ERR_RECORDS, "records.io", "opening the records %s", path);
	(void)close(fd); /* nothing was written */
	return 0;
}

bool records_file_has_log(const char *path)
{
	struct stat log;
	char wal[4096];

	return snprintf(wal, sizeof(wal), "%s-wal", path) < (int)sizeof(wal) &&
	       stat(wal, &log) == 0 && log.st_size > 0;
}

static int sync_at(const char *path, int flags, struct err *e)
{
	int fd = open(path, flags | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_errno(e, ERR_RECORDS, "records.io", "opening %s", path);
	rc = fsync(fd) == 0 ? 0 : err_errno(e, ERR_RECORDS, "records.io", "syncing %s", path);
	(void)close(fd); /* only synced */
	return rc;
}

int records_file_sync(const char *path, struct err *e)
{
	return sync_at(path, O_RDONLY, e);
}

int records_file_sync_folder(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];

	if (slash == NULL)
		return sync_at(".", O_RDONLY | O_DIRECTORY, e);
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1),
	    path); /* path opened */
	return sync_at(folder, O_RDONLY | O_DIRECTORY, e);
}
