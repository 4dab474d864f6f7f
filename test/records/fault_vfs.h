/*
 * A disk that fails: SQLite's own VFS with one fault at the n-th call of its kind, and a memory of what the
 * disk itself holds. The kernel tells of a failed sync once and takes the pages for clean after it, so
 * what was written before a sync that failed is in the file as everybody reads it, and is not on the disk:
 * fault_power_cut shows it.
 */
#ifndef KILN_TEST_FAULT_VFS_H
#define KILN_TEST_FAULT_VFS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "testing.h"

enum fault { FAULT_NONE, FAULT_FULL, FAULT_WRITE, FAULT_SHORT, FAULT_READ, FAULT_SYNC, FAULT_LOCK };

enum fault_call { CALL_WRITE, CALL_READ, CALL_SYNC, CALL_LOCK, CALL_COUNT };

struct fault_change {
	struct fault_change *next;
	sqlite3_int64 at;
	int len; /* -1: cut off at that place */
	unsigned char bytes[];
};

/* A file as the disk has it, and what it has not been given yet. */
struct fault_disk {
	char path[600];
	unsigned char *bytes;
	sqlite3_int64 len;
	struct fault_change *first, **last;
};

static struct {
	sqlite3_vfs vfs, *real;
	sqlite3_io_methods methods;
	enum fault fault;
	unsigned at;   /* the call that meets it, from 1 on */
	bool for_ever; /* and all after it */
	bool met;
	bool off; /* the disk has no power: it gets nothing any more */
	unsigned calls[CALL_COUNT];
	struct fault_disk disks[8];
	size_t disk_count;
} fault;

struct fault_file {
	sqlite3_file base;
	struct fault_disk *disk; /* NULL: not a file of the records */
	sqlite3_file *real;
};

static struct fault_disk *fault_disk_of(const char *path)
{
	struct fault_disk *d = NULL;

	for (size_t i = 0; i < fault.disk_count; i++)
		if (strcmp(fault.disks[i].path, path) == 0)
			return &fault.disks[i];
	assert_true(fault.disk_count < 8);
	d = &fault.disks[fault.disk_count++];
	*d = (struct fault_disk){ .bytes = NULL };
	(void)snprintf(d->path, sizeof(d->path), "%s", path);
	d->last = &d->first;
	return d;
}

static void fault_drop(struct fault_disk *d)
{
	while (d->first != NULL) {
		struct fault_change *c = d->first;

		d->first = c->next;
		free(c);
	}
	d->last = &d->first;
}

static void fault_grow(struct fault_disk *d, sqlite3_int64 len)
{
	if (len <= d->len)
		return;
	d->bytes = realloc(d->bytes, (size_t)len);
	assert_non_null(d->bytes);
	memset(d->bytes + d->len, 0, (size_t)(len - d->len));
	d->len = len;
}

static void fault_reach_disk(struct fault_disk *d)
{
	if (fault.off)
		return;
	for (struct fault_change *c = d->first; c != NULL; c = c->next) {
		fault_grow(d, c->at + (c->len > 0 ? c->len : 0));
		if (c->len < 0)
			d->len = c->at;
		else
			memcpy(d->bytes + c->at, c->bytes, (size_t)c->len);
	}
	fault_drop(d);
}

static void fault_note(struct fault_disk *d, const void *bytes, int len, sqlite3_int64 at)
{
	struct fault_change *c;

	if (d == NULL || fault.off)
		return;
	c = calloc(1, sizeof(*c) + (len > 0 ? (size_t)len : 0));
	assert_non_null(c);
	c->at = at;
	c->len = len;
	if (len > 0)
		memcpy(c->bytes, bytes, (size_t)len);
	*d->last = c;
	d->last = &c->next;
}

/* True where this call is to meet the fault. */
static bool fault_meets(const sqlite3_file *file, enum fault_call call)
{
	static const enum fault_call where[] = { [FAULT_NONE] = CALL_COUNT,
		[FAULT_FULL] = CALL_WRITE,
		[FAULT_WRITE] = CALL_WRITE,
		[FAULT_SHORT] = CALL_WRITE,
		[FAULT_READ] = CALL_READ,
		[FAULT_SYNC] = CALL_SYNC,
		[FAULT_LOCK] = CALL_LOCK };
	unsigned n;

	if (((const struct fault_file *)(const void *)file)->disk == NULL)
		return false;
	n = ++fault.calls[call];
	if (where[fault.fault] != call || n < fault.at || (n > fault.at && !fault.for_ever))
		return false;
	fault.met = true;
	return true;
}

#define FAULT_REAL(f) (((struct fault_file *)(void *)(f))->real)
#define FAULT_DISK(f) (((struct fault_file *)(void *)(f))->disk)

static int fault_close(sqlite3_file *f)
{
	int rc = FAULT_REAL(f)->pMethods->xClose(FAULT_REAL(f));

	sqlite3_free(FAULT_REAL(f));
	return rc;
}

static int fault_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	if (fault_meets(f, CALL_READ))
		return SQLITE_IOERR_READ;
	return FAULT_REAL(f)->pMethods->xRead(FAULT_REAL(f), to, len, at);
}

static int fault_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	bool meets = fault_meets(f, CALL_WRITE);
	int rc;

	if (meets &&
	    fault.fault == FAULT_SHORT) { /* half of it is written, then the disk is full */
		rc = FAULT_REAL(f)->pMethods->xWrite(FAULT_REAL(f), from, len / 2, at);
		fault_note(FAULT_DISK(f), from, len / 2, at);
		return rc == SQLITE_OK ? SQLITE_FULL : rc;
	}
	if (meets)
		return fault.fault == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	fault_note(FAULT_DISK(f), from, len, at);
	return FAULT_REAL(f)->pMethods->xWrite(FAULT_REAL(f), from, len, at);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	fault_note(FAULT_DISK(f), NULL, -1, size);
	return FAULT_REAL(f)->pMethods->xTruncate(FAULT_REAL(f), size);
}

static int fault_sync(sqlite3_file *f, int flags)
{
	int rc;

	if (fault_meets(f, CALL_SYNC)) {
		fault_drop(FAULT_DISK(f)); /* the kernel forgets that it has to write them */
		return SQLITE_IOERR_FSYNC;
	}
	rc = FAULT_REAL(f)->pMethods->xSync(FAULT_REAL(f), flags);
	if (rc == SQLITE_OK && FAULT_DISK(f) != NULL)
		fault_reach_disk(FAULT_DISK(f));
	return rc;
}

static int fault_file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return FAULT_REAL(f)->pMethods->xFileSize(FAULT_REAL(f), ret);
}

static int fault_lock(sqlite3_file *f, int level)
{
	if (fault_meets(f, CALL_LOCK))
		return SQLITE_BUSY;
	return FAULT_REAL(f)->pMethods->xLock(FAULT_REAL(f), level);
}

static int fault_unlock(sqlite3_file *f, int level)
{
	return FAULT_REAL(f)->pMethods->xUnlock(FAULT_REAL(f), level);
}

static int fault_check_lock(sqlite3_file *f, int *ret)
{
	return FAULT_REAL(f)->pMethods->xCheckReservedLock(FAULT_REAL(f), ret);
}

static int fault_control(sqlite3_file *f, int op, void *argument)
{
	return FAULT_REAL(f)->pMethods->xFileControl(FAULT_REAL(f), op, argument);
}

static int fault_sector(sqlite3_file *f)
{
	return FAULT_REAL(f)->pMethods->xSectorSize(FAULT_REAL(f));
}

static int fault_device(sqlite3_file *f)
{
	return FAULT_REAL(f)->pMethods->xDeviceCharacteristics(FAULT_REAL(f));
}

static int fault_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
	return FAULT_REAL(f)->pMethods->xShmMap(FAULT_REAL(f), region, size, extend, ret);
}

static int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	if ((flags & SQLITE_SHM_LOCK) != 0 && fault_meets(f, CALL_LOCK))
		return SQLITE_BUSY;
	return FAULT_REAL(f)->pMethods->xShmLock(FAULT_REAL(f), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *f)
{
	FAULT_REAL(f)->pMethods->xShmBarrier(FAULT_REAL(f));
}

static int fault_shm_unmap(sqlite3_file *f, int remove_it)
{
	return FAULT_REAL(f)->pMethods->xShmUnmap(FAULT_REAL(f), remove_it);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
	struct fault_file *file = (struct fault_file *)(void *)f;
	int rc;

	(void)vfs;
	*file = (struct fault_file){ .real = sqlite3_malloc(fault.real->szOsFile) };
	if (file->real == NULL)
		return SQLITE_NOMEM;
	memset(file->real, 0, (size_t)fault.real->szOsFile);
	rc = fault.real->xOpen(fault.real, name, file->real, flags, ret);
	if (file->real->pMethods == NULL) {
		sqlite3_free(file->real);
		return rc;
	}
	if (name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0)
		file->disk = fault_disk_of(name);
	f->pMethods = &fault.methods;
	return rc;
}

/* A file that is gone is gone: the folder is synced by whoever cares. */
static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	for (size_t i = 0; !fault.off && i < fault.disk_count; i++) {
		if (strcmp(fault.disks[i].path, name) != 0)
			continue;
		fault_drop(&fault.disks[i]);
		fault.disks[i].len = 0;
	}
	return fault.real->xDelete(fault.real, name, sync);
}

static int fault_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us; /* who waits for a lock waits no time here */
}

/* The default of all connections from now on. */
static inline void fault_install(void)
{
	fault.real = sqlite3_vfs_find(NULL);
	fault.vfs = *fault.real;
	fault.vfs.zName = "fault";
	fault.vfs.szOsFile = (int)sizeof(struct fault_file);
	fault.vfs.xOpen = fault_open;
	fault.vfs.xDelete = fault_delete;
	fault.vfs.xSleep = fault_sleep;
	fault.methods = (sqlite3_io_methods){ 2, fault_close, fault_read, fault_write,
		fault_truncate, fault_sync, fault_file_size, fault_lock, fault_unlock,
		fault_check_lock, fault_control, fault_sector, fault_device, fault_shm_map,
		fault_shm_lock, fault_shm_barrier, fault_shm_unmap, NULL, NULL };
	assert_int_equal(sqlite3_vfs_register(&fault.vfs, 1), SQLITE_OK);
}

/* From here on: the n-th call of the fault's kind meets it, and with for_ever all after it. */
static inline void fault_plan(enum fault kind, unsigned at, bool for_ever)
{
	fault.fault = kind;
	fault.at = at;
	fault.for_ever = for_ever;
	fault.met = false;
	memset(fault.calls, 0, sizeof(fault.calls));
}

/* A new disk. */
static inline void fault_forget(void)
{
	for (size_t i = 0; i < fault.disk_count; i++) {
		fault_drop(&fault.disks[i]);
		free(fault.disks[i].bytes);
	}
	fault.disk_count = 0;
	fault_plan(FAULT_NONE, 0, false);
}

/* The power goes, now. The connections that are open are closed next, and then fault_power_back. */
static inline void fault_power_cut(void)
{
	fault.off = true;
}

/* Each file is what the disk holds. */
static inline void fault_power_back(const char *database)
{
	char index[700];

	for (size_t i = 0; i < fault.disk_count; i++) {
		struct fault_disk *d = &fault.disks[i];
		FILE *f;

		fault_drop(d);
		if (d->len == 0 && access(d->path, F_OK) != 0)
			continue;
		f = fopen(d->path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(d->bytes, 1, (size_t)d->len, f), d->len);
		assert_int_equal(fclose(f), 0);
	}
	(void)snprintf(index, sizeof(index), "%s-shm", database);
	(void)unlink(index); /* memory, which is gone; there may be none */
	fault.off = false;
}

#endif
