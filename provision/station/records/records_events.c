#include "records_internal.h"

#include <stdio.h>
#include <string.h>

static int give_event(struct db_cursor *c,
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e)
{
	AUTO(json_t) *event = NULL;
	size_t len;
	const char *text = db_column_text(c, 0, &len);

	if (json_parse(text, len, &event, ERR_RECORDS, e) != 0)
		return -1;
	text = db_column_text(c, 1, &len);
	if (json_set_str(event, "hash", text, e) != 0)
		return -1;
	return each(event, context, e);
}

/* Before it is parsed: most say something else. */
static bool may_say(const char *text, const char *const whats[])
{
	char wanted[RECORD_TEXT_MAX + 16];

	for (size_t i = 0; whats[i] != NULL; i++) {
		(void)snprintf(wanted, sizeof(wanted), "\"what\":\"%s\"", whats[i]);
		if (strstr(text, wanted) != NULL)
			return true;
	}
	return false;
}

static bool does_say(const json_t *event, const char *const whats[])
{
	if (strcmp(json_opt_str(event, "event", ""), "station") != 0)
		return false;
	for (size_t i = 0; whats[i] != NULL; i++)
		if (strcmp(json_opt_str(event, "what", ""), whats[i]) == 0)
			return true;
	return false;
}

static int station_read(struct db *db, const char *station, const char *const whats[],
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	bool row;

	if (db_query(db,
		"SELECT body FROM event WHERE serial IS NULL AND station = ?1 ORDER BY number",
		DB_ARGS(db_text(station)), &c, e) != 0)
		return -1;
	for (;;) {
		AUTO(json_t) *event = NULL;
		const char *text;
		size_t len;

		if (db_next(&c, &row, e) != 0)
			return -1;
		if (!row)
			return 0;
		text = db_column_text(&c, 0, &len);
		if (!may_say(text, whats))
			continue;
		if (json_parse(text, len, &event, ERR_RECORDS, e) != 0 ||
		    (does_say(event, whats) && each(event, context, e) != 0))
			return -1;
	}
}

int records_station_events(struct records *r, const char *const whats[],
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = station_read(&r->reader, r->station, whats, each, context, e);
	(void)pthread_mutex_unlock(&r->reading);
	return rc;
}

static const char all_events[] =
    "SELECT body, hash FROM event WHERE number > ?1 AND ?2 IS NULL ORDER BY number";
static const char events_of_serial[] =
    "SELECT body, hash FROM event WHERE number > ?1 AND serial = ?2 ORDER BY number";

int records_events(struct records *r, const char *serial, int64_t after,
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e)
{
	AUTO_STRUCT(db) db = { 0 }; /* of its own: each may read on, and take its time */
	AUTO_STRUCT(db_cursor) c = { 0 };
	bool row;

	if (db_open(&db, r->path, DB_READ, e) != 0 ||
	    db_query(&db, serial != NULL ? events_of_serial : all_events,
		DB_ARGS(db_int(after), db_text(serial)), &c, e) != 0)
		return -1;
	for (;;) {
		if (db_next(&c, &row, e) != 0)
			return -1;
		if (!row)
			return 0;
		if (give_event(&c, each, context, e) != 0)
			return -1;
	}
}
