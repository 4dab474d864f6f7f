#include "records_internal.h"

#include <string.h>

/* The passed job of a unit that carries its identity and is in no other work. */
static int passed_job(struct db *db, const char *serial, int64_t *ret, struct err *e)
{
	AUTO(json_t) *unit = NULL;
	int64_t newest;

	if (db_row(db, "SELECT passed, scrapped FROM unit WHERE serial = ?1",
		DB_ARGS(db_text(serial)), &unit, e) != 0 ||
	    db_number(db, "SELECT max(number) FROM job WHERE serial = ?1", DB_ARGS(db_text(serial)),
		0, &newest, e) != 0)
		return -1;
	if (unit == NULL)
		return err_set(e, ERR_OPERATOR, "label.none",
		    "there is no unit %.64s: it has no label", serial);
	*ret = json_opt_int(unit, "passed", 0);
	if (json_object_get(unit, "scrapped") != NULL)
		return err_set(e, ERR_OPERATOR, "label.none",
		    "unit %.64s is scrapped: it has no label", serial);
	if (*ret == 0 || *ret != newest)
		return err_set(e, ERR_OPERATOR, "label.none",
		    "unit %.64s has not passed%s: it has no label", serial,
		    *ret != 0 ? " since its rework began" : "");
	return 0;
}

int apply_label(struct db *db, const struct event *ev, struct err *e)
{
	const char *serial, *printer, *zpl, *reason, *by;
	int64_t job;
	bool reprint;

	if (event_text(ev, "serial", RECORD_TEXT_MAX, &serial, e) != 0 ||
	    event_text(ev, "printer", RECORD_REASON_MAX, &printer, e) != 0 ||
	    event_digest(ev, "zpl", &zpl, e) != 0 ||
	    event_opt_text(ev, "reason", RECORD_REASON_MAX, &reason, e) != 0 ||
	    event_opt_text(ev, "by", RECORD_TEXT_MAX, &by, e) != 0 ||
	    json_get_bool(ev->body, "reprint", &reprint, ERR_RECORDS, e) != 0)
		return -1;
	if (reprint && by == NULL)
		return err_set(e, ERR_RECORDS, "record.invalid", "a reprint is by somebody");
	return passed_job(db, serial, &job, e);
}

int records_passed(struct records *r, const char *serial, json_t **ret, struct err *e)
{
	int64_t job = 0;
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = passed_job(&r->reader, serial, &job, e);
	if (rc == 0)
		rc = job_read(&r->reader, job, ret, e);
	(void)pthread_mutex_unlock(&r->reading);
	return rc;
}

/* Newest first. Bodies are canonical, and a quote in a text is escaped: what is found is a member. */
static const char label_query[] =
    "SELECT serial, CASE WHEN instr(body, '\"event\":\"end\"') > 0 THEN 'end'"
    " WHEN instr(body, '\"event\":\"station\"') > 0 THEN 'station' ELSE 'other' END AS kind"
    " FROM event WHERE station = ?1 AND"
    " seq > (SELECT max(seq) FROM event WHERE station = ?1) - ?2 AND"
    " ((instr(body, '\"event\":\"end\"') > 0 AND instr(body, '\"outcome\":\"passed\"') > 0)"
    " OR instr(body, '\"event\":\"label\"') > 0 OR instr(body, '\"event\":\"scrap\"') > 0"
    " OR (instr(body, '\"event\":\"station\"') > 0 AND instr(body, '\"what\":\"printer\"') > 0))"
    " ORDER BY seq DESC";

/* Moves what was found since the last printer's event; oldest last. */
static int keep_found(json_t *ret, json_t *found, struct err *e)
{
	if (json_array_extend(ret, found) != 0 || json_array_clear(found) != 0)
		return err_nomem(e);
	return 0;
}

static int take_row(struct db_cursor *c, json_t *seen, json_t *found, json_t *ret, struct err *e)
{
	size_t len;
	const char *serial = db_column_text(c, 0, &len);
	const char *kind = db_column_text(c, 1, &len);

	if (strcmp(kind, "station") == 0)
		return keep_found(ret, found, e);
	if (json_object_get(seen, serial) != NULL)
		return 0;
	if (json_object_set_new(seen, serial, json_true()) != 0 ||
	    (strcmp(kind, "end") == 0 && json_array_append_new(found, json_string(serial)) != 0))
		return err_nomem(e);
	return 0;
}

static int unlabelled_read(struct db *db, const char *station, int64_t last, json_t *ret,
    struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	AUTO(json_t) *seen = json_object();
	AUTO(json_t) *found = json_array();
	bool row = true;

	if (seen == NULL || found == NULL)
		return err_nomem(e);
	if (db_query(db, label_query, DB_ARGS(db_text(station), db_int(last)), &c, e) != 0)
		return -1;
	while (row)
		if (db_next(&c, &row, e) != 0 || (row && take_row(&c, seen, found, ret, e) != 0))
			return -1;
	return 0;
}

int records_unlabelled(struct records *r, int64_t last, json_t **ret, struct err *e)
{
	AUTO(json_t) *list = json_array();
	int rc;

	if (list == NULL)
		return err_nomem(e);
	(void)pthread_mutex_lock(&r->reading);
	rc = unlabelled_read(&r->reader, r->station, last, list, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc == 0)
		*ret = steal(&list);
	return rc;
}
