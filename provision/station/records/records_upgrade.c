#include "records_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The files of an upgrade, beside each other. */
struct paths {
	char now[4096];
	char fresh[4100]; /* the copy while it is made */
	char old[4100];   /* what was there before */
	char scratch[4110];
};

static int name_paths(const char *path, struct paths *ret, struct err *e)
{
	if (snprintf(ret->now, sizeof(ret->now), "%s", path) >= (int)sizeof(ret->now))
		return err_set(e, ERR_RECORDS, "records.io", "the path of the records is too long");
	(void)snprintf(ret->fresh, sizeof(ret->fresh), "%s.new", ret->now);
	(void)snprintf(ret->old, sizeof(ret->old), "%s.old", ret->now);
	if (access(ret->old, F_OK) == 0)
		return err_set(e, ERR_RECORDS, "records.old",
		    "%s is there from an earlier upgrade: move it away first", ret->old);
	return 0;
}

/* What an upgrade that was interrupted left; it was never used. */
static void remove_fresh(struct paths *p)
{
	static const char *const parts[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < COUNT(parts); i++) {
		(void)snprintf(p->scratch, sizeof(p->scratch), "%s%s", p->fresh, parts[i]);
		(void)unlink(
		    p->scratch); /* mostly there is none; making the file would fail on one */
	}
}

/* Newer ones are refused. An older one is read only for its events and blobs, whose tables all
 * versions have. */
static int check_source(struct db *source, const char *path, struct err *e)
{
	AUTO(json_t) *counts = NULL;

	if (records_schema_version(source, path, e) == 0)
		return records_verify_db(source, &counts, e);
	return err_is(e, "records.older") ? 0 : -1;
}

static int copy_blobs(struct db *from, struct db *into, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	bool more = false;

	if (db_query(from, "SELECT sha256, bytes FROM blob ORDER BY sha256", DB_NONE, &c, e) != 0)
		return -1;
	for (;;) {
		const char *digest;
		const void *bytes;
		size_t len, ignored;

		if (db_next(&c, &more, e) != 0)
			return -1;
		if (!more)
			return 0;
		digest = db_column_text(&c, 0, &ignored);
		bytes = db_column_bytes(&c, 1, &len);
		if (db_run(into, "INSERT INTO blob (sha256, bytes) VALUES (?1, ?2)",
			DB_ARGS(db_text(digest), db_bytes(bytes, len)), e) != 0)
			return -1;
	}
}

/* Without a log beside it, so that the file alone is the database. */
static int close_log(struct db *db, struct err *e)
{
	AUTO(json_t) *mode = NULL;

	if (db_row(db, "PRAGMA journal_mode = DELETE", DB_NONE, &mode, e) != 0)
		return -1;
	if (strcmp(json_opt_str(mode, "journal_mode", ""), "delete") != 0)
		return err_set(e, ERR_RECORDS, "records.locked",
		    "another program is reading the records: stop it first");
	return 0;
}

static int write_fresh(struct db *source, const char *path, struct err *e)
{
	AUTO_STRUCT(db) fresh = { 0 };
	AUTO(json_t) *counts = NULL;
	int64_t events;

	if (records_file_make(path, e) != 0 || db_open(&fresh, path, DB_WRITE, e) != 0 ||
	    records_schema_create(&fresh, e) != 0 || db_exec(&fresh, "BEGIN", e) != 0 ||
	    copy_blobs(source, &fresh, e) != 0 || db_exec(&fresh, "COMMIT", e) != 0 ||
	    records_replay(source, &fresh, true, &events, e) != 0 ||
	    records_verify_db(&fresh, &counts, e) != 0)
		return -1;
	return close_log(&fresh, e);
}

static int convert(struct paths *p, struct err *e)
{
	AUTO_STRUCT(db) source = { 0 };

	if (db_open(&source, p->now, DB_WRITE, e) != 0 || check_source(&source, p->now, e) != 0)
		return err_while(e, "upgrading %s", p->now);
	remove_fresh(p);
	if (write_fresh(&source, p->fresh, e) != 0) {
		remove_fresh(p);
		return err_while(e, "upgrading %s", p->now);
	}
	return close_log(&source, e);
}

/* There is a whole database at the path at every moment. The old one's journals are gone for good before:
 * a power cut must not bring one back beside the new file. */
static int swap(const struct paths *p, struct err *e)
{
	if (records_file_sync(p->fresh, e) != 0 || records_file_sync_folder(p->now, e) != 0)
		return -1;
	if (link(p->now, p->old) != 0)
		return err_errno(e, ERR_RECORDS, "records.io", "keeping %s as %s", p->now, p->old);
	if (rename(p->fresh, p->now) != 0)
		return err_errno(e, ERR_RECORDS, "records.io", "replacing %s", p->now);
	return records_file_sync_folder(p->now, e);
}

int records_upgrade(const char *path, struct err *e)
{
	struct paths p;
	int lock_fd = -1;
	int rc;

	if (access(path, F_OK) != 0)
		return err_errno(e, ERR_RECORDS, "records.io", "opening the records %s", path);
	if (records_file_lock(path, &lock_fd, e) != 0)
		return -1;
	rc = name_paths(path, &p, e);
	if (rc == 0)
		rc = convert(&p, e);
	if (rc == 0)
		rc = swap(&p, e);
	(void)close(lock_fd); /* releases the lock */
	return rc;
}
