#include "records_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failpoint.h"

static int check_station(const char *station, struct err *e)
{
	size_t len = strlen(station);

	if (len == 0 || len > RECORD_TEXT_MAX)
		return err_set(e, ERR_CONFIG, "records.station",
		    "a station's name has 1 to %d characters", RECORD_TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		if (station[i] <= 0x20 || station[i] > 0x7e)
			return err_set(e, ERR_CONFIG, "records.station",
			    "the station's name \"%s\" has a blank or a character that is not "
			    "ASCII",
			    station);
	return 0;
}

/* A crash may leave a file without a schema: that is made again, as nothing was recorded in it. */
static int make_schema(struct records *r, struct err *e)
{
	int64_t objects;

	if (db_number(&r->writer, "SELECT count(*) FROM sqlite_schema", DB_NONE, 0, &objects, e) !=
	    0)
		return -1;
	if (objects > 0)
		return 0;
	FAILPOINT("records.make");
	if (records_schema_create(&r->writer, e) != 0)
		return -1;
	FAILPOINT("records.made");
	return records_file_sync_folder(r->path, e);
}

/*
 * Emptying the log writes it over the file. Of records that were brought back from a copy beside a log that
 * was left here nothing would be left: so that is refused before a byte of them is changed. held: NULL,
 * or the place that they must hold.
 */
static int check_log(struct records *r, const struct records_place *held, struct err *e)
{
	int64_t objects;

	if (!records_file_has_log(r->path))
		return 0;
	if (records_log_fits(&r->writer, r->path, e) != 0 ||
	    db_number(&r->writer, "SELECT count(*) FROM sqlite_schema", DB_NONE, 0, &objects, e) !=
		0)
		return -1;
	if (objects == 0 || held == NULL)
		return 0;
	if (records_schema_version(&r->writer, r->path, e) != 0)
		return -1;
	return checkpoint_held(&r->writer, held, "the checkpoint beside them", e);
}

static int open_file(struct records *r, bool create, const struct records_place *held,
    struct err *e)
{
	if (create && records_file_make(r->path, e) != 0)
		return -1;
	if (db_open(&r->writer, r->path, DB_WRITE, e) != 0)
		return err_while(e, "%s", r->path);
	if (check_log(r, held, e) != 0)
		return -1;
	/*
	 * What an earlier process wrote into the log and failed to sync looks written and may be lost:
	 * the kernel says an error once, and then takes the pages for clean. Nothing is appended behind that.
	 */
	if (db_empty_log(&r->writer, e) != 0)
		return -1;
	if (create && make_schema(r, e) != 0)
		return -1;
	return records_schema_version(&r->writer, r->path, e) != 0 ? -1 : records_load_head(r, e);
}

/* A checkpoint is written only of what was recorded, so there were records. */
static int describe_lost(const struct records *r, struct err *e)
{
	return err_set(e, ERR_RECORDS, "records.unwitnessed",
	    "there are no records at %s, but a checkpoint of them, and it is damaged: they are "
	    "lost or elsewhere",
	    r->path);
}

/* By errno. */
static int unopened(const struct records *r, struct err *e)
{
	const char *code = errno == ENOENT ? "records.none" : "records.io";

	return err_errno(e, ERR_RECORDS, code, "opening the records %s", r->path);
}

static int open_writer(struct records *r, bool create, bool check, struct records_place *place,
    struct err *e)
{
	bool absent = access(r->path, F_OK) != 0;
	const struct records_place *held;

	if (!create && absent)
		return unopened(r, e);
	if (records_file_lock(r->path, &r->lock_fd, e) != 0 ||
	    checkpoint_read(r->path, place, &r->checkpoint, e) != 0)
		return -1;
	if (check && absent && r->checkpoint == CHECKPOINT_READ)
		return checkpoint_restored(place, "the checkpoint beside them", 0, "never", e);
	if (check && absent && r->checkpoint == CHECKPOINT_DAMAGED)
		return describe_lost(r, e);
	held = check && r->checkpoint == CHECKPOINT_READ ? place : NULL;
	if (open_file(r, create, held, e) != 0)
		return -1;
	if (check && r->head.number == 0 && r->checkpoint == CHECKPOINT_DAMAGED)
		return describe_lost(r, e);
	if (held == NULL)
		return 0;
	return checkpoint_held(&r->writer, held, "the checkpoint beside them", e);
}

static int open_reader(struct records *r, struct err *e)
{
	if (access(r->path, R_OK) != 0)
		return unopened(r, e);
	if (db_open(&r->reader, r->path, DB_READ, e) != 0)
		return err_while(e, "%s", r->path);
	if (records_schema_version(&r->reader, r->path, e) != 0)
		return -1;
	return records_schema_check(&r->reader, "records.damaged", e);
}

static int open_all(struct records **ret, const char *path, const char *station, bool create,
    bool check, struct records_place *place, struct err *e)
{
	AUTO_PTR(records) *r = NULL;

	if (station != NULL && check_station(station, e) != 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_nomem(e);
	r->lock_fd = -1;
	(void)pthread_mutex_init(&r->reading, NULL); /* can not fail with default attributes */
	r->path = strdup(path);
	r->station = station != NULL ? strdup(station) : NULL;
	if (r->path == NULL || (station != NULL && r->station == NULL))
		return err_nomem(e);
	if (station != NULL && open_writer(r, create, check, place, e) != 0) {
		db_close(&r->writer, false); /* what is refused stays as it is */
		return -1;
	}
	if (open_reader(r, e) != 0)
		return -1;
	*ret = steal(&r);
	return 0;
}

int records_open(struct records **ret, const char *path, const char *station, bool create,
    struct err *e)
{
	struct records_place place;

	return open_all(ret, path, station, create, true, &place, e);
}

int records_open_unchecked(struct records **ret, const char *path, const char *station,
    struct records_place *ret_place, struct err *e)
{
	return open_all(ret, path, station, true, false, ret_place, e);
}

const char *records_checkpoint_fault(const struct records *r)
{
	if (r->checkpoint == CHECKPOINT_DAMAGED)
		return "damaged";
	return r->checkpoint == CHECKPOINT_ABSENT && r->head.number > 0 ? "missing" : NULL;
}

int records_hold(struct records *r, const struct records_place *place, const char *witness,
    struct err *e)
{
	return checkpoint_held(&r->writer, place, witness, e);
}

int records_attested(struct records *r, bool *ret, struct err *e)
{
	int64_t any;

	if (db_number(&r->writer,
		"SELECT EXISTS (SELECT 1 FROM job WHERE station = ?1 AND statement IS NOT NULL)",
		DB_ARGS(db_text(r->station)), 0, &any, e) != 0)
		return -1;
	*ret = any != 0;
	return 0;
}

void records_close(struct records *r)
{
	if (r->thread != NULL)
		records_stop(r);
	checkpoint_write(r);
	db_close(&r->reader, false);
	FAILPOINT("records.close");
	db_close(&r->writer, !r->broken);
	FAILPOINT("records.closed");
	if (r->lock_fd >= 0)
		(void)close(r->lock_fd); /* releases the lock */
	(void)pthread_mutex_destroy(&r->reading);
	free(r->path);
	free(r->station);
	free(r);
}

void record_free(struct record *r)
{
	while (r->owed != NULL) {
		struct record *owed = r->owed;

		r->owed = owed->next;
		record_free(owed);
		free(owed);
	}
	json_decref(r->body);
	json_decref(r->job);
	for (size_t i = 0; i < r->blob_count; i++)
		buf_free(&r->blobs[i].bytes);
	r->body = NULL;
	r->job = NULL;
	r->blob_count = 0;
}

int record_add_blob(struct record *r, const char *member, struct buf *bytes, struct err *e)
{
	if (r->blob_count == RECORD_BLOBS_MAX)
		return err_set(e, ERR_RECORDS, "record.invalid", "an event has at most %d blobs",
		    RECORD_BLOBS_MAX);
	if (bytes->len > RECORD_BLOB_MAX)
		return err_set(e, ERR_RECORDS, "record.invalid", "\"%s\" is larger than %d bytes",
		    member, RECORD_BLOB_MAX);
	r->blobs[r->blob_count].member = member;
	r->blobs[r->blob_count].bytes = buf_steal(bytes);
	r->blob_count++;
	return 0;
}
