#include "records_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool names(const json_t *event, const struct records_place *place)
{
	const json_t *lost = json_object_get(event, "lost");

	for (size_t i = 0; i < json_array_size(lost); i++) {
		const json_t *one = json_array_get(lost, i);

		if (json_opt_int(one, "seq", 0) == place->seq &&
		    strcmp(json_opt_str(one, "hash", ""), place->hash) == 0)
			return true;
	}
	return false;
}

/* Reads every event, and is asked only where records look restored. */
int restore_declared(struct db *db, const struct records_place *place, bool *ret, struct err *e)
{
	AUTO(json_t) *rows = NULL;

	*ret = false;
	if (db_rows(db,
		"SELECT body FROM event WHERE station = ?1 AND body LIKE "
		"'%\"event\":\"restored\"%'",
		DB_ARGS(db_text(place->station)), &rows, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *text = json_opt_str(json_array_get(rows, i), "body", "");
		AUTO(json_t) *event = NULL;

		if (json_parse(text, strlen(text), &event, ERR_RECORDS, e) != 0)
			return -1;
		*ret |= strcmp(json_opt_str(event, "event", ""), "restored") == 0 &&
			names(event, place);
	}
	return 0;
}

static int check_lost(const json_t *lost, struct err *e)
{
	for (size_t i = 0; i < json_array_size(lost); i++) {
		const json_t *one = json_array_get(lost, i);

		if (json_opt_int(one, "seq", 0) <= 0 ||
		    !digest_is_valid(json_opt_str(one, "hash", "")) ||
		    json_opt_str(one, "witness", NULL) == NULL)
			return err_set(e, ERR_RECORDS, "record.invalid",
			    "what is lost is not said by seq, hash and witness");
	}
	return 0;
}

/* The gap is exactly what it says: from the chain's end to this very event. */
int apply_restored(struct db *db, const struct event *ev, struct err *e)
{
	const char *by, *reason;
	int64_t from, to, before;

	if (json_get_int(ev->body, "from", &from, ERR_RECORDS, e) != 0 ||
	    json_get_int(ev->body, "to", &to, ERR_RECORDS, e) != 0 ||
	    event_text(ev, "by", RECORD_TEXT_MAX, &by, e) != 0 ||
	    event_text(ev, "reason", RECORD_REASON_MAX, &reason, e) != 0 ||
	    check_lost(json_object_get(ev->body, "lost"), e) != 0 ||
	    db_number(db, "SELECT max(seq) FROM event WHERE station = ?1 AND seq < ?2",
		DB_ARGS(db_text(ev->station), db_int(ev->seq)), 0, &before, e) != 0)
		return -1;
	if (from != before + 1 || to < from - 1 || ev->seq != to + 1)
		return err_set(e, ERR_RECORDS, "record.invalid",
		    "the events said to be lost are not those between the chain's end and this "
		    "one");
	return 0;
}

struct loss {
	json_t *lost; /* owned */
	int64_t to;
};

/* Adds the place to what is lost where the records do not hold it. */
static int lose(struct records *r, const struct records_place *place, const char *witness,
    struct loss *loss, struct err *e)
{
	json_t *one;

	if (place->seq == 0 || checkpoint_held(&r->writer, place, witness, e) == 0)
		return 0;
	if (!err_is(e, "records.restored"))
		return -1;
	if (strcmp(place->station, r->station) != 0)
		return err_set(e, ERR_OPERATOR, "records.station",
		    "%s remembers an event of station %.64s: accept the restore with that "
		    "station's "
		    "configuration first",
		    witness, place->station);
	one = json_pack("{s:I, s:s, s:s}", "seq", (json_int_t)place->seq, "hash", place->hash,
	    "witness", witness);
	if (json_array_append_new(loss->lost, one) != 0)
		return err_nomem(e);
	loss->to = place->seq > loss->to ? place->seq : loss->to;
	return 0;
}

static int append_restored(struct records *r, const struct loss *loss, const char *by,
    const char *reason, json_t **ret, struct err *e)
{
	int64_t from = r->head.seq + 1;
	struct record record = { .body = json_pack("{s:s, s:I, s:I, s:O, s:s, s:s}", "event",
				     "restored", "from", (json_int_t)from, "to",
				     (json_int_t)loss->to, "lost", loss->lost, "by", by, "reason",
				     reason) };
	const struct event ev = { .seq = loss->to + 1, .station = r->station, .body = record.body };
	int rc;

	if (record.body == NULL)
		return err_nomem(e);
	/* Refused here, and not by the append: that would record its refusal beyond the gap. */
	rc = apply_restored(&r->writer, &ev, e);
	if (rc == 0) {
		r->head.seq = loss->to; /* the event's own place is the one after */
		rc = records_append(r, &record, e);
	}
	if (rc == 0)
		*ret = json_incref(record.body);
	record_free(&record);
	return rc;
}

int records_accept_restore(const char *path, const char *station,
    const struct records_place *signer, const char *by, const char *reason, json_t **ret,
    struct err *e)
{
	AUTO(json_t) *lost = json_array();
	AUTO_PTR(records) *r = NULL;
	struct loss loss = { .lost = lost };
	struct records_place place = { 0 };

	if (lost == NULL)
		return err_nomem(e);
	if (records_open_unchecked(&r, path, station, &place, e) != 0)
		return -1;
	loss.to = r->head.seq;
	if (r->checkpoint == CHECKPOINT_READ &&
	    lose(r, &place, "the checkpoint beside them", &loss, e) != 0)
		return -1;
	if (lose(r, signer, "the signer", &loss, e) != 0)
		return -1;
	if (json_array_size(lost) == 0 && records_checkpoint_fault(r) == NULL)
		return err_set(e, ERR_OPERATOR, "records.whole",
		    "nothing is missing in %s: there is no restore to accept", path);
	return append_restored(r, &loss, by, reason, ret, e);
}
