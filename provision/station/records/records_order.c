#include "records_internal.h"

int apply_order(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *order = NULL;
	int64_t quantity;
	const char *id;

	if (event_text(ev, "id", RECORD_TEXT_MAX, &id, e) != 0 ||
	    json_get_int(ev->body, "quantity", &quantity, ERR_RECORDS, e) != 0)
		return -1;
	if (quantity < 1)
		return err_set(e, ERR_CONFIG, "order.quantity",
		    "order %s: a quantity is at least 1", id);
	if (db_row(db, "SELECT quantity FROM work_order WHERE id = ?1", DB_ARGS(db_text(id)),
		&order, e) != 0)
		return -1;
	if (order == NULL)
		return db_run(db,
		    "INSERT INTO work_order (id, quantity, reserved, issued, orphaned,"
		    " unasked, numbered) VALUES (?1, ?2, 0, 0, 0, 0, 0)",
		    DB_ARGS(db_text(id), db_int(quantity)), e);
	if (json_opt_int(order, "quantity", 0) != quantity)
		return err_set(e, ERR_CONFIG, "order.changed",
		    "order %s is recorded with quantity %lld, not %lld: give further units a new "
		    "order",
		    id, (long long)json_opt_int(order, "quantity", 0), (long long)quantity);
	return 0;
}

/* The order of a job; *ret NULL where it has none. */
static int order_of(struct db *db, int64_t job, json_t **ret, struct err *e)
{
	return db_row(db,
	    "SELECT work_order.*, job.held, job.ordinal FROM job"
	    " JOIN work_order ON work_order.id = job.work_order WHERE job.number = ?1",
	    DB_ARGS(db_int(job)), ret, e);
}

static int64_t count_of(const json_t *order, const char *member)
{
	return json_opt_int(order, member, 0);
}

/* Adds to the counters of an order, and to the places that the job holds. */
static int move(struct db *db, int64_t job, const json_t *order, int64_t reserved, int64_t issued,
    int64_t orphaned, int64_t unasked, struct err *e)
{
	if (db_run(db,
		"UPDATE work_order SET reserved = reserved + ?2, issued = issued + ?3,"
		" orphaned = orphaned + ?4, unasked = unasked + ?5 WHERE id = ?1",
		DB_ARGS(db_text(json_opt_str(order, "id", NULL)), db_int(reserved), db_int(issued),
		    db_int(orphaned), db_int(unasked)),
		e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET held = held + ?2 WHERE number = ?1",
	    DB_ARGS(db_int(job), db_int(reserved)), e);
}

int order_reserve(struct db *db, int64_t job, struct err *e)
{
	AUTO(json_t) *order = NULL;
	int64_t used;

	if (order_of(db, job, &order, e) != 0)
		return -1;
	if (order == NULL)
		return 0;
	used = count_of(order, "reserved") + count_of(order, "issued") +
	       count_of(order, "orphaned") + count_of(order, "unasked");
	if (used >= count_of(order, "quantity"))
		return err_set(e, ERR_OPERATOR, "claim.quota",
		    "order %s is used up: %lld of %lld (%lld issued, %lld in work, %lld orphaned)",
		    json_opt_str(order, "id", ""), (long long)used,
		    (long long)count_of(order, "quantity"), (long long)count_of(order, "issued"),
		    (long long)count_of(order, "reserved"),
		    (long long)(count_of(order, "orphaned") + count_of(order, "unasked")));
	return move(db, job, order, 1, 0, 0, 0, e);
}

int order_number(struct db *db, int64_t job, struct err *e)
{
	AUTO(json_t) *order = NULL;
	const char *id;
	int64_t ordinal;

	if (order_of(db, job, &order, e) != 0)
		return -1;
	if (order == NULL)
		return 0;
	id = json_opt_str(order, "id", NULL);
	if (db_number(db, "SELECT min(ordinal) FROM spare_ordinal WHERE work_order = ?1",
		DB_ARGS(db_text(id)), 0, &ordinal, e) != 0)
		return -1;
	if (ordinal == 0) {
		ordinal = count_of(order, "numbered") + 1;
		if (db_run(db, "UPDATE work_order SET numbered = ?2 WHERE id = ?1",
			DB_ARGS(db_text(id), db_int(ordinal)), e) != 0)
			return -1;
	} else if (db_run(db, "DELETE FROM spare_ordinal WHERE work_order = ?1 AND ordinal = ?2",
		       DB_ARGS(db_text(id), db_int(ordinal)), e) != 0) {
		return -1;
	}
	return db_run(db, "UPDATE job SET ordinal = ?2 WHERE number = ?1",
	    DB_ARGS(db_int(job), db_int(ordinal)), e);
}

int order_issued(struct db *db, int64_t job, struct err *e)
{
	AUTO(json_t) *order = NULL;

	if (order_of(db, job, &order, e) != 0)
		return -1;
	return order != NULL ? move(db, job, order, -1, 1, 0, 0, e) : 0;
}

int order_orphaned(struct db *db, int64_t job, enum place from, struct err *e)
{
	AUTO(json_t) *order = NULL;

	if (order_of(db, job, &order, e) != 0)
		return -1;
	if (order == NULL)
		return 0;
	switch (from) {
	case PLACE_HELD:
		return move(db, job, order, -1, 0, 1, 0, e);
	case PLACE_ISSUED:
		return move(db, job, order, 0, -1, 1, 0, e);
	case PLACE_NONE:
		break;
	}
	return move(db, job, order, 0, 0, 0, 1, e);
}

/* True where a certificate came, or may have come, of the job. */
static int used_its_place(struct db *db, int64_t job, bool *ret, struct err *e)
{
	int64_t count;

	if (db_number(db,
		"SELECT (SELECT count(*) FROM orphan WHERE job = ?1)"
		" + (SELECT count(*) FROM certificate WHERE job = ?1)",
		DB_ARGS(db_int(job)), 0, &count, e) != 0)
		return -1;
	*ret = count > 0;
	return 0;
}

int order_release(struct db *db, int64_t job, struct err *e)
{
	AUTO(json_t) *order = NULL;
	bool used;

	if (order_of(db, job, &order, e) != 0)
		return -1;
	if (order == NULL)
		return 0;
	if (move(db, job, order, -count_of(order, "held"), 0, 0, 0, e) != 0 ||
	    used_its_place(db, job, &used, e) != 0)
		return -1;
	if (used)
		return 0;
	if (db_run(db, "INSERT INTO spare_ordinal (work_order, ordinal) VALUES (?1, ?2)",
		DB_ARGS(db_text(json_opt_str(order, "id", NULL)),
		    db_int(count_of(order, "ordinal"))),
		e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET ordinal = NULL WHERE number = ?1", DB_ARGS(db_int(job)),
	    e);
}
