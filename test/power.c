#include "power_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing.h"

static struct power *watching; /* the shim below has no other way to know */

static bool is_index(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "-shm") == 0;
}

/* The name below the watched folder, NULL where the path is none of ours. */
static const char *own_name(const char *path)
{
	size_t len = watching != NULL ? strlen(watching->folder) : 0;
	const char *name;

	if (watching == NULL || strncmp(path, watching->folder, len) != 0 || path[len] != '/')
		return NULL;
	name = path + len + 1;
	len = strlen(name);
	if (len == 0 || len >= NAME || strchr(name, '/') != NULL || is_index(name))
		return NULL;
	return name;
}

static bool is_folder(const char *path)
{
	size_t len = watching != NULL ? strlen(watching->folder) : 0;

	return watching != NULL && strncmp(path, watching->folder, len) == 0 &&
	       (path[len] == '\0' || strcmp(path + len, "/") == 0);
}

/* The log. */

static struct op *add(enum op_kind kind, size_t file)
{
	struct power *p = watching;

	if (p->count == p->room) {
		p->room = p->room > 0 ? 2 * p->room : 1024;
		p->ops = power_grown(p->ops, p->room * sizeof(*p->ops));
	}
	memset(&p->ops[p->count], 0, sizeof(*p->ops));
	p->ops[p->count].kind = kind;
	p->ops[p->count].file = file;
	return &p->ops[p->count++];
}

static void add_write(size_t file, size_t offset, const void *data, size_t len)
{
	struct op *op = add(OP_WRITE, file);

	op->offset = offset;
	op->len = len;
	op->bytes = power_grown(NULL, len > 0 ? len : 1);
	memcpy(op->bytes, data, len);
}

static void add_name(enum op_kind kind, size_t file, const char *name, const char *to)
{
	struct op *op = add(kind, file);

	(void)snprintf(op->name, NAME, "%s", name);
	(void)snprintf(op->to, NAME, "%s", to);
}

static size_t number_of(const char *name)
{
	struct name *n = power_find_name(watching->is, name);

	if (n != NULL)
		return n->file;
	if (watching->files == FILES)
		abort(); /* a test with more files than that */
	power_set_name(watching->is, name, watching->files);
	add_name(OP_NAME, watching->files, name, "");
	return watching->files++;
}

static void lock(void)
{
	if (watching != NULL)
		(void)pthread_mutex_lock(&watching->lock); /* an ordinary mutex: can not fail */
}

static void unlock(void)
{
	if (watching != NULL)
		(void)pthread_mutex_unlock(&watching->lock);
}

/* The file of a descriptor; false: none of ours. */
static bool file_of(int fd, size_t *ret)
{
	if (watching == NULL || fd < 0 || fd >= FDS || watching->fds[fd] == 0)
		return false;
	*ret = watching->fds[fd] - 1;
	return true;
}

/* In front of libc. Each asks the kernel itself: whatever else stands there knows nothing of this one. */

static int open_it(const char *path, int flags, mode_t mode)
{
	const char *name;
	size_t file = FOLDER;
	int fd;

	lock();
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	name = fd >= 0 ? own_name(path) : NULL;
	if (name != NULL)
		file = number_of(name);
	if (name != NULL && (flags & O_TRUNC) != 0)
		(void)add(OP_TRUNCATE, file);
	if (fd >= 0 && fd < FDS && (name != NULL || is_folder(path)))
		watching->fds[fd] = file + 1;
	unlock();
	return fd;
}

static mode_t mode_of(int flags, va_list more)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = mode_of(flags, more);
	va_end(more);
	return open_it(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = mode_of(flags, more);
	va_end(more);
	return open_it(path, flags, mode);
}

int close(int fd)
{
	int rc;

	lock();
	if (watching != NULL && fd >= 0 && fd < FDS)
		watching->fds[fd] = 0;
	rc = (int)syscall(SYS_close, fd);
	unlock();
	return rc;
}

ssize_t write(int fd, const void *data, size_t len)
{
	size_t file;
	ssize_t n;

	lock();
	n = syscall(SYS_write, fd, data, len);
	if (n > 0 && file_of(fd, &file))
		add_write(file, (size_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) - (size_t)n, data,
		    (size_t)n);
	unlock();
	return n;
}

static ssize_t pwrite_it(int fd, const void *data, size_t len, int64_t offset)
{
	size_t file;
	ssize_t n;

	lock();
	n = syscall(SYS_pwrite64, fd, data, len, offset);
	if (n > 0 && file_of(fd, &file))
		add_write(file, (size_t)offset, data, (size_t)n);
	unlock();
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return pwrite_it(fd, data, len, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	return pwrite_it(fd, data, len, offset);
}

static int truncate_it(int fd, int64_t len)
{
	size_t file;
	int rc;

	lock();
	rc = (int)syscall(SYS_ftruncate, fd, len);
	if (rc == 0 && file_of(fd, &file))
		add(OP_TRUNCATE, file)->len = (size_t)len;
	unlock();
	return rc;
}

int ftruncate(int fd, off_t len)
{
	return truncate_it(fd, len);
}

int ftruncate64(int fd, off64_t len)
{
	return truncate_it(fd, len);
}

static int sync_it(int fd)
{
	size_t file;

	lock();
	if (file_of(fd, &file))
		(void)add(OP_SYNC, file);
	unlock();
	return 0;
}

int fsync(int fd)
{
	return sync_it(fd);
}

int fdatasync(int fd)
{
	return sync_it(fd);
}

int unlink(const char *path)
{
	const char *name;
	struct name *n;
	int rc;

	lock();
	name = own_name(path);
	rc = (int)syscall(SYS_unlink, path);
	n = rc == 0 && name != NULL ? power_find_name(watching->is, name) : NULL;
	if (n != NULL) {
		add_name(OP_UNNAME, n->file, name, "");
		n->file = 0;
	}
	unlock();
	return rc;
}

int rename(const char *from, const char *to)
{
	const char *name, *new_name;
	struct name *n;
	int rc;

	lock();
	name = own_name(from);
	new_name = own_name(to);
	rc = (int)syscall(SYS_rename, from, to);
	n = rc == 0 && name != NULL && new_name != NULL ? power_find_name(watching->is, name)
							: NULL;
	if (n != NULL) {
		size_t file = n->file;

		add_name(OP_RENAME, file, name, new_name);
		n->file = 0;
		power_set_name(watching->is, new_name, file);
	}
	unlock();
	return rc;
}

int link(const char *from, const char *to)
{
	const char *name, *new_name;
	struct name *n;
	int rc;

	lock();
	name = own_name(from);
	new_name = own_name(to);
	rc = (int)syscall(SYS_link, from, to);
	n = rc == 0 && name != NULL && new_name != NULL ? power_find_name(watching->is, name)
							: NULL;
	if (n != NULL) {
		add_name(OP_NAME, n->file, new_name, "");
		power_set_name(watching->is, new_name, n->file);
	}
	unlock();
	return rc;
}

/* Watching. */

static void take_file(struct power *p, const char *name)
{
	AUTO_STRUCT(buf) content = { 0 };
	char path[PATH_MAX + NAME + 1];
	struct bytes *b = &p->before[p->files];

	(void)snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	testing_read(path, &content);
	b->data = power_grown(NULL, content.len + 1);
	memcpy(b->data, content.data != NULL ? content.data : (const uint8_t *)"", content.len);
	b->len = content.len;
	power_set_name(p->was, name, p->files);
	power_set_name(p->is, name, p->files);
	p->files++;
}

struct power *power_watch(const char *folder)
{
	struct power *p = calloc(1, sizeof(*p));
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	assert_true(p != NULL && dir != NULL && watching == NULL);
	(void)snprintf(p->folder, sizeof(p->folder), "%s", folder);
	(void)pthread_mutex_init(&p->lock, NULL); /* can not fail with default attributes */
	p->files = 1;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_REG && !is_index(entry->d_name))
			take_file(p, entry->d_name);
	(void)closedir(dir); /* only read */
	watching = p;
	return p;
}

void power_stop(struct power *p)
{
	assert_ptr_equal(watching, p);
	watching = NULL;
}

void power_free(struct power *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->ops[i].bytes);
	for (size_t i = 0; i < p->files; i++)
		free(p->before[i].data);
	free(p->ops);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

size_t power_now(struct power *p)
{
	size_t ret;

	(void)pthread_mutex_lock(&p->lock); /* an ordinary mutex: can not fail */
	ret = p->count;
	(void)pthread_mutex_unlock(&p->lock);
	return ret;
}

bool power_changed(const struct power *p, size_t at)
{
	return at > 0 && p->ops[at - 1].kind != OP_SYNC;
}
