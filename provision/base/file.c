#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failpoint.h"

static int fill(int fd, const char *path, size_t max, struct buf *ret, struct err *e)
{
	for (;;) {
		uint8_t *room = buf_room(ret, 16384, e);
		ssize_t n;

		if (room == NULL)
			return -1;
		n = read(fd, room, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_CONFIG, "file", "reading %s", path);
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		if (ret->len > max)
			return err_set(e, ERR_CONFIG, "file", "%s is larger than %zu bytes", path,
			    max);
	}
}

int file_read(const char *path, size_t max, struct buf *ret, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "file", "opening %s", path);
	buf_clear(ret);
	rc = fill(fd, path, max, ret, e);
	(void)close(fd); /* only read */
	return rc;
}

int file_read_private(const char *path, size_t max, struct buf *ret, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* it may be a FIFO */
	struct stat st;
	int rc;

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "file", "opening %s", path);
	buf_clear(ret);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
	    (st.st_uid != geteuid() && st.st_uid != 0))
		rc = err_set(e, ERR_CONFIG, "file.mode",
		    "%s must be a file that only its owner can read and write: chmod 600 %s", path,
		    path);
	else
		rc = fill(fd, path, max, ret, e);
	(void)close(fd); /* only read */
	return rc;
}

static int put(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	FAILPOINT("file.written");
	return fsync(fd);
}

static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int fd, rc;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path + 1) : 1,
	    slash != NULL ? path : ".");
	FAILPOINT("file.renamed");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	(void)close(fd); /* only synced */
	return rc;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	char fresh[4096];
	int fd, rc;

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return err_set(e, ERR_CONFIG, "file", "a path is too long");
	FAILPOINT("file.write");
	(void)unlink(fresh); /* left by a crash, perhaps with another mode; mostly there is none */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "file", "creating %s", fresh);
	rc = put(fd, data, len);
	FAILPOINT("file.synced");
	if (close(fd) != 0 || rc != 0 || rename(fresh, path) != 0 || sync_folder_of(path) != 0) {
		rc = err_errno(e, ERR_CONFIG, "file", "writing %s", path);
		(void)unlink(fresh); /* the error above is the one to report */
		return rc;
	}
	FAILPOINT("file.durable");
	return 0;
}

int file_remove(const char *path, struct err *e)
{
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_CONFIG, "file", "removing %s", path);
	if (sync_folder_of(path) != 0)
		return err_errno(e, ERR_CONFIG, "file", "syncing the folder of %s", path);
	return 0;
}

int file_mkdir(const char *path, mode_t mode, struct err *e)
{
	char part[4096];
	size_t len = strlen(path);
	struct stat st;

	if (len == 0 || len >= sizeof(part))
		return err_set(e, ERR_CONFIG, "file", "a path is empty or too long");
	while (len > 1 && path[len - 1] == '/')
		len--; /* else the last part would be made as one of those above it */
	memcpy(part, path, len);
	part[len] = '\0';
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return err_errno(e, ERR_CONFIG, "file", "making %s", part);
		*slash = '/';
	}
	if (mkdir(part, mode) != 0 && errno != EEXIST)
		return err_errno(e, ERR_CONFIG, "file", "making %s", part);
	if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFIG, "file", "%s is not a folder", part);
	return 0;
}

int file_beside(const char *base, const char *path, struct buf *ret, struct err *e)
{
	const char *slash = strrchr(base, '/');

	if (path[0] != '/' && slash != NULL &&
	    buf_add(ret, base, (size_t)(slash - base + 1), e) != 0)
		return -1;
	if (buf_add_str(ret, path, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}
