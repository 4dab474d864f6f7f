#include "records_internal.h"

#include <string.h>

/* Bodies are canonical: a text in one can not look like this, its quotes are escaped. */
static const char ends_query[] =
    "SELECT number, serial, body, (SELECT slot FROM job WHERE job.serial = event.serial AND"
    " job.number < event.number ORDER BY job.number DESC LIMIT 1) AS slot FROM event"
    " WHERE station = ?1 AND number > ?2 AND (body LIKE '%\"event\":\"end\"%' OR"
    " (body LIKE '%\"event\":\"refused\"%' AND (body LIKE '%\"what\":\"open\"%' OR"
    " body LIKE '%\"what\":\"identify\"%'))) ORDER BY seq DESC LIMIT ?3";

/* NULL: it is no end of a unit. */
static const char *outcome_of(const json_t *body, const json_t *error)
{
	if (strcmp(json_opt_str(body, "event", ""), "end") == 0)
		return strcmp(json_opt_str(error, "code", ""), "key.lost") != 0
			   ? json_opt_str(body, "outcome", NULL)
			   : NULL;
	if (strcmp(json_opt_str(error, "scope", ""), err_scope_name(SCOPE_STATION)) == 0)
		return NULL;
	return strcmp(json_opt_str(error, "domain", ""), err_domain_name(ERR_OPERATOR)) == 0
		   ? "refused"
		   : "failed";
}

static int add_end(const json_t *row, json_t *ends, struct err *e)
{
	AUTO(json_t) *body = NULL;
	const char *text = json_opt_str(row, "body", ""), *outcome;
	const json_t *error;

	if (json_parse(text, strlen(text), &body, ERR_RECORDS, e) != 0)
		return -1;
	error = json_object_get(body, "error");
	outcome = outcome_of(body, error);
	if (outcome == NULL)
		return 0;
	if (json_array_append_new(ends,
		json_pack("{s:I, s:s, s:s, s:s, s:s}", "number",
		    (json_int_t)json_opt_int(row, "number", 0), "serial",
		    json_opt_str(row, "serial", ""), "slot",
		    json_opt_str(body, "slot", json_opt_str(row, "slot", "")), "outcome", outcome,
		    "domain", json_opt_str(error, "domain", ""))) != 0)
		return err_nomem(e);
	return 0;
}

int records_ends(struct records *r, int64_t after, int64_t max, json_t **ret, struct err *e)
{
	AUTO(json_t) *rows = NULL;
	AUTO(json_t) *ends = json_array();
	int rc;

	if (ends == NULL)
		return err_nomem(e);
	(void)pthread_mutex_lock(&r->reading);
	rc = db_rows(&r->reader, ends_query,
	    DB_ARGS(db_text(r->station), db_int(after), db_int(max)), &rows, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (add_end(json_array_get(rows, i), ends, e) != 0)
			return -1;
	*ret = steal(&ends);
	return 0;
}

int records_failures(struct records *r, const char *serial, int64_t *ret_failed, bool *ret_allowed,
    struct err *e)
{
	int64_t allowed = 0;
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = unit_failures(&r->reader, serial, ret_failed, e);
	if (rc == 0)
		rc = db_number(&r->reader,
		    "SELECT count(*) FROM unit WHERE serial = ?1 AND passed IS NULL AND rework IS "
		    "NOT"
		    " NULL",
		    DB_ARGS(db_text(serial)), 0, &allowed, e);
	(void)pthread_mutex_unlock(&r->reading);
	*ret_allowed = allowed > 0;
	return rc;
}
