/* Events as a damaged or forged database holds them, one per line: each is applied or refused, and what
 * they leave can be read. Blobs that an event names are there. */
#include <stdlib.h>
#include <string.h>

#include "records_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int rc, const struct err *e)
{
	if (rc != 0 && records_is_broken(e))
		abort();
}

static void put_blobs(struct db *db, const json_t *body)
{
	const char *member;
	json_t *value;
	struct err e = { 0 };

	json_object_foreach((json_t *)(uintptr_t)body, member,
	    value) if (json_is_string(value) && digest_is_valid(json_string_value(value)))
	    must(db_run(db,
		     "INSERT INTO blob (sha256, bytes) VALUES (?1, '') ON CONFLICT DO NOTHING",
		     DB_ARGS(db_text(json_string_value(value))), &e),
		&e);
}

static void apply(struct db *db, const char *line, size_t len, int64_t *number)
{
	static const char hash[] =
	    "0000000000000000000000000000000000000000000000000000000000000000";
	AUTO(json_t) *body = NULL;
	struct event ev = { .number = *number + 1, .seq = *number + 1, .station = "s" };
	struct err e = { 0 };
	int rc;

	if (json_parse(line, len, &body, ERR_RECORDS, &e) != 0)
		return;
	put_blobs(db, body);
	ev.body = body;
	ev.name = json_opt_str(body, "event", "");
	ev.at = "2026-01-02T03:04:05.678Z";
	must(db_exec(db, "SAVEPOINT fuzz", &e), &e);
	rc = records_project(db, &ev, "", hash, &e);
	must(rc, &e);
	*number += rc == 0;
	must(db_exec(db, rc == 0 ? "RELEASE fuzz" : "ROLLBACK TO fuzz; RELEASE fuzz", &e), &e);
}

static void read_back(struct db *db, int64_t number)
{
	AUTO(json_t) *broken = NULL;
	struct err e = { 0 };

	for (int64_t job = 1; job <= number; job++) {
		json_t *read = NULL;

		if (job_read(db, job, &read, &e) != 0 && !err_is(&e, "job.unknown"))
			abort();
		json_decref(read);
	}
	must(db_row(db, "PRAGMA foreign_key_check", DB_NONE, &broken, &e), &e);
	if (broken != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STRUCT(db) db = { 0 };
	const char *text = (const char *)data;
	struct err e = { 0 };
	int64_t number = 0;

	if (db_open(&db, NULL, DB_MEMORY, &e) != 0 || records_schema_create(&db, &e) != 0)
		abort();
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t len = end != NULL ? (size_t)(end - text) : size;

		apply(&db, text, len, &number);
		len += end != NULL;
		text += len;
		size -= len;
	}
	read_back(&db, number);
	return 0;
}
