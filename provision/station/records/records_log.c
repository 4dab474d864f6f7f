/* A log that was left beside the file: whether the two are one database. */
#include "records_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before what the log added last: events of these are on pages that it may have written, and that it has not. */
enum { MARGIN = 200 };

static int unfit(const char *path, const char *found, struct err *e)
{
	char why[81] = { 0 };

	(void)strncpy(why, found, sizeof(why) - 1); /* it may be e's own text */
	return err_set(e, ERR_RECORDS, "records.damaged",
	    "%s and %s-wal are not one database: a log of other records lies beside it, or one of "
	    "the two is damaged (%s); nothing was changed: bring both back as they were "
	    "together, or move the -wal away where the records are a copy that came without one",
	    path, path, why);
}

/*
 * The newest event of the file by itself; 0 where it does not say. A kill while the log was being moved into it
 * leaves a file that means nothing without its log, but nothing in it is newer than the log.
 */
static int64_t newest_in_file(const char *path)
{
	AUTO_STRUCT(db) alone = { 0 };
	struct err ignored = { 0 }; /* then everything is looked at */
	int64_t newest = 0;

	if (db_open(&alone, path, DB_ALONE, &ignored) != 0 ||
	    db_number(&alone, "SELECT max(number) FROM event", DB_NONE, 0, &newest, &ignored) != 0)
		return 0;
	return newest > 0 ? newest : 0;
}

/* By each way that leads to an event, and to what it brought, it is found. */
static int find_again(struct db *db, const json_t *row, const json_t *body, bool *ret,
    struct err *e)
{
	const json_t *names = json_object_get(body, "blobs");
	int64_t number = json_opt_int(row, "number", 0), found, job = json_opt_int(body, "job", 0);

	*ret = false;
	if (db_number(db, "SELECT count(*) FROM event WHERE serial IS ?1 AND number = ?2",
		DB_ARGS(db_text(json_opt_str(row, "serial", NULL)), db_int(number)), 0, &found,
		e) != 0)
		return -1;
	for (size_t i = 0; found == 1 && i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (db_number(db, "SELECT count(*) FROM blob WHERE sha256 = ?1",
			DB_ARGS(db_text(json_opt_str(body, name != NULL ? name : "", NULL))), 0,
			&found, e) != 0)
			return -1;
	}
	if (found == 1 && job > 0 && strcmp(json_opt_str(body, "event", ""), "refused") != 0 &&
	    db_number(db, "SELECT count(*) FROM job WHERE number = ?1", DB_ARGS(db_int(job)), 0,
		&found, e) != 0)
		return -1;
	*ret = found == 1;
	return 0;
}

/* The hash is that of the text and of the event before it. */
static int follows(struct db *db, const json_t *row, const char *text, bool *ret, struct err *e)
{
	AUTO(json_t) *before = NULL;
	uint8_t hash[SHA256_LEN] = { 0 };
	char hex[2 * SHA256_LEN + 1];

	*ret = false;
	if (db_row(db,
		"SELECT hash FROM event WHERE station = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1",
		DB_ARGS(db_text(json_opt_str(row, "station", NULL)),
		    db_int(json_opt_int(row, "seq", 0))),
		&before, e) != 0)
		return -1;
	if (before != NULL && !hex_decode(json_opt_str(before, "hash", ""), hash, SHA256_LEN))
		return 0;
	records_hash(hash, text, strlen(text), hash);
	hex_encode(hash, SHA256_LEN, hex);
	*ret = strcmp(hex, json_opt_str(row, "hash", "")) == 0;
	return 0;
}

/* *ret false: this event is not there as it was written. */
static int check_event(struct db *db, int64_t number, bool *ret, struct err *e)
{
	AUTO(json_t) *row = NULL;
	AUTO(json_t) *body = NULL;
	struct err unread = { 0 };
	const char *text;

	*ret = false;
	if (db_row(db,
		"SELECT number, station, seq, serial, body, hash FROM event WHERE number = ?1",
		DB_ARGS(db_int(number)), &row, e) != 0)
		return -1;
	text = json_opt_str(row, "body", "");
	if (row == NULL || json_parse(text, strlen(text), &body, ERR_RECORDS, &unread) != 0)
		return 0;
	if (follows(db, row, text, ret, e) != 0)
		return -1;
	return *ret ? find_again(db, row, body, ret, e) : 0;
}

/* From before the newest event of the file to the newest of both, which becomes *ret_newest; *ret the first that is
 * not as it was. */
static int check_chain(struct db *db, int64_t in_file, int64_t *ret_newest, int64_t *ret,
    struct err *e)
{
	int64_t newest, number = in_file > MARGIN ? in_file - MARGIN : 1;
	bool is_whole = true;

	*ret = 0;
	if (db_number(db, "SELECT max(number) FROM event", DB_NONE, 0, &newest, e) != 0)
		return -1;
	if (newest < in_file)
		*ret = in_file;
	for (; *ret == 0 && number <= newest; number++) {
		if (check_event(db, number, &is_whole, e) != 0)
			return -1;
		if (!is_whole)
			*ret = number;
	}
	*ret_newest = newest;
	return 0;
}

/* What a check could not read says nothing of the file. */
static int read_fault(const char *found, struct err *e)
{
	const char *code = strstr(found, "error code=");
	long rc = code != NULL ? strtol(code + strlen("error code="), NULL, 10) & 0xff : 0;

	if (rc == 7) /* SQLITE_NOMEM */
		return err_nomem(e);
	if (rc == 10) /* SQLITE_IOERR */
		return err_set(e, ERR_RECORDS, "records.io",
		    "the disk of the records fails (%s): see the kernel's log and replace it",
		    found);
	return 0;
}

static int check_pages(struct db *db, const char *path, struct err *e)
{
	AUTO(json_t) *row = NULL;
	const char *found;

	if (db_row(db, "PRAGMA quick_check(1)", DB_NONE, &row, e) != 0)
		return -1;
	found = json_opt_str(row, "quick_check", "no answer");
	if (strcmp(found, "ok") == 0)
		return 0;
	return read_fault(found, e) != 0 ? -1 : unfit(path, found, e);
}

static int check(struct db *db, const char *path, struct err *e)
{
	int64_t in_file = newest_in_file(path), newest, broken;
	char found[64];

	if (check_chain(db, in_file, &newest, &broken, e) != 0)
		return -1;
	if (broken == 0)
		return newest > in_file ? 0 : check_pages(db, path, e);
	(void)snprintf(found, sizeof(found), "event %lld", (long long)broken);
	return unfit(path, found, e);
}

/*
 * Where pages are missing between file and log, so are events: the chain has a gap from where the file ends to
 * where the log begins, or its events are not found by way of the indexes, their blobs or their jobs not at all.
 * Of a log that adds no event the chain says nothing: either all of it was moved into the file already, or its
 * pages are others than the file's (a copy that was laid out anew), and would be written over old events. Only
 * then is all of the file read. Damage elsewhere in it is kiln verify's to find: reading all of it each time would
 * keep the line waiting.
 */
int records_log_fits(struct db *db, const char *path, struct err *e)
{
	int64_t objects;
	int rc = db_number(db, "SELECT count(*) FROM sqlite_schema", DB_NONE, 0, &objects, e);

	if (rc == 0 && objects > 0)
		rc = check(db, path, e);
	return rc != 0 && err_is(e, "records.damaged") && strstr(e->message, path) == NULL
		   ? unfit(path, e->message, e)
		   : rc;
}
