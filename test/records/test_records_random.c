/*
 * Histories that no one thought of: random events on few units, most of them out of place. Whatever is
 * accepted, the accounts hold, and no refusal is left to the database's constraints.
 */
#include "records_tamper.h"

enum { UNITS = 6, EVENTS = 1500, ROUNDS = 4 };

/* What the dice know of a unit; the records know better. */
struct unit {
	char serial[40];
	int64_t job;
	int key, certificate;
};

struct dice {
	unsigned seed;
	struct unit units[UNITS];
	int made; /* names that were used */
	unsigned accepted, ended;
};

static unsigned roll(struct dice *d, unsigned sides)
{
	return (unsigned)rand_r(&d->seed) % sides;
}

static const char *name(char ret[static 40], const char *what, int number)
{
	(void)snprintf(ret, 40, "%s%d", what, number);
	return ret;
}

static json_t *claim(struct dice *d, const struct unit *u)
{
	static const char *const orders[] = { NULL, "small", "large", "large" };

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "event", "claim", "serial", u->serial,
	    "model", "P1", "slot", "1", "profile", "#product: pump", "order",
	    orders[roll(d, COUNT(orders))]);
}

static json_t *request(struct dice *d, struct unit *u)
{
	char csr[40], key[40];

	if (roll(d, 3) == 0)
		u->key = roll(d, 8) == 0 ? d->units[0].key : ++d->made;
	return json_pack("{s:s, s:I, s:s, s:s, s:s}", "event", "step", "job", (json_int_t)u->job,
	    "step", "request", "csr", name(csr, "@csr", u->key), "spki", name(key, "#key", u->key));
}

static json_t *intent(struct dice *d, struct unit *u)
{
	char csr[40];

	if (roll(d, 6) == 0)
		return json_pack("{s:s, s:I, s:s}", "event", "intent", "job", (json_int_t)u->job,
		    "kind", "seal");
	return json_pack("{s:s, s:I, s:s, s:s}", "event", "intent", "job", (json_int_t)u->job,
	    "kind", "enrol", "csr", name(csr, "#csr", u->key));
}

static json_t *answer(struct dice *d, struct unit *u)
{
	static const char *const states[] = { "done", "pending", "not-sent", "possibly-issued",
		"rejected", "pending", "rejected" };

	return json_pack("{s:s, s:I, s:s, s:s}", "event", "answer", "job", (json_int_t)u->job,
	    "kind", "enrol", "state", states[roll(d, COUNT(states))]);
}

static json_t *enrol(struct dice *d, struct unit *u)
{
	char certificate[40], number[40], key[40];

	u->certificate = roll(d, 6) == 0 ? (int)roll(d, (unsigned)d->made + 1) : ++d->made;
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job",
	    (json_int_t)u->job, "step", "enrol", "certificate",
	    name(certificate, "@cert", u->certificate), "number", name(number, "", u->certificate),
	    "issuer", "CN=ca", "spki", name(key, "#key", u->key));
}

static json_t *orphan(struct dice *d, struct unit *u)
{
	char certificate[40];
	json_t *body = json_pack("{s:s, s:I, s:s}", "event", "orphan", "job", (json_int_t)u->job,
	    "reason", "the lint refused it");

	if (roll(d, 3) > 0)
		(void)json_object_set_new(body, "certificate",
		    json_string(name(certificate, "@cert", (int)roll(d, (unsigned)d->made + 20))));
	if (roll(d, 3) == 0)
		(void)json_object_set_new(body, "attempt",
		    json_integer(1 + (json_int_t)roll(d, 3)));
	return body;
}

static json_t *readback(struct dice *d, struct unit *u)
{
	char certificate[40];

	(void)d;
	return json_pack("{s:s, s:I, s:s, s:s}", "event", "step", "job", (json_int_t)u->job, "step",
	    "readback", "certificate", name(certificate, "#cert", u->certificate));
}

static json_t *prove(struct dice *d, struct unit *u)
{
	char nonce[40];

	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job",
	    (json_int_t)u->job, "step", "prove", "nonce", name(nonce, "#", ++d->made), "scheme",
	    "test", "preimage", "@preimage", "signature", "@signature");
}

static json_t *seal(struct dice *d, struct unit *u)
{
	(void)d;
	return json_pack("{s:s, s:I, s:s}", "event", "step", "job", (json_int_t)u->job, "step",
	    "seal");
}

static json_t *attest(struct dice *d, struct unit *u)
{
	(void)d;
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job",
	    (json_int_t)u->job, "step", "attest", "statement", "@statement", "cms", "@cms", "jws",
	    "@jws");
}

static json_t *park(struct dice *d, struct unit *u)
{
	(void)d;
	return json_pack("{s:s, s:I, s:{s:s}}", "event", "park", "job", (json_int_t)u->job, "error",
	    "code", "link.gone");
}

static json_t *pass(struct dice *d, struct unit *u)
{
	(void)d;
	return json_pack("{s:s, s:I, s:s}", "event", "end", "job", (json_int_t)u->job, "outcome",
	    "passed");
}

static json_t *finish(struct dice *d, struct unit *u)
{
	if (roll(d, 2) > 0)
		return pass(d, u);
	return json_pack("{s:s, s:I, s:s, s:{s:s}}", "event", "end", "job", (json_int_t)u->job,
	    "outcome", "failed", "error", "code", "device.broken");
}

static json_t *decide(struct dice *d, struct unit *u)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "event", roll(d, 25) == 0 ? "scrap" : "rework",
	    "serial", u->serial, "reason", "r", "by", "mei");
}

static json_t *revoke_it(struct dice *d, struct unit *u)
{
	char id[40];

	(void)u;
	return json_pack("{s:s, s:s, s:s}", "event", "revoked", "orphan",
	    name(id, roll(d, 2) > 0 ? "#cert" : "#csr", (int)roll(d, (unsigned)d->made + 1)), "by",
	    "ca");
}

/* In the order in which a unit needs them, so that going through it mostly succeeds. */
static const struct {
	json_t *(*make)(struct dice *d, struct unit *u);
	unsigned skip; /* one in so many is left out; 1: mostly */
} moves[] = {
	{ request, 20 },
	{ intent, 30 },
	{ answer, 5 },
	{ intent, 2 },
	{ answer, 5 },
	{ intent, 2 },
	{ orphan, 1 },
	{ enrol, 9 },
	{ orphan, 1 },
	{ readback, 15 },
	{ prove, 15 },
	{ seal, 1 },
	{ prove, 1 },
	{ park, 1 },
	{ attest, 15 },
	{ finish, 20 },
	{ orphan, 1 },
	{ decide, 2 },
	{ revoke_it, 1 },
};

static bool say(struct world *w, struct dice *d, json_t *body, json_t **ret_job)
{
	struct err e = { 0 };

	if (world_append(w, body, ret_job, &e) == 0) {
		d->accepted++;
		return true;
	}
	if (err_is(&e, "record.constraint") || err_is(&e, "records.broken"))
		fail_msg("seed %u: %s: %s", d->seed, e.code, e.message);
	return false;
}

static void play_unit(struct world *w, struct dice *d, struct unit *u)
{
	AUTO(json_t) *job = NULL;

	if (say(w, d, claim(d, u), &job)) {
		u->job = json_opt_int(job, "job", 0);
		if (!json_opt_bool(job, "resumed", false))
			u->key = ++d->made;
	}
	for (size_t i = 0; i < COUNT(moves); i++) {
		bool left_out = moves[i].skip == 1 ? roll(d, 8) > 0 : roll(d, moves[i].skip) == 0;
		bool accepted;

		if (left_out)
			continue;
		accepted = say(w, d, moves[i].make(d, u), NULL);
		d->ended += accepted && moves[i].make == finish;
	}
}

static void assert_none(sqlite3 *db, const struct dice *d, const char *promise, const char *sql)
{
	char *found = raw_text(db, sql);

	if (found != NULL)
		fail_msg("seed %u: %s: %s", d->seed, promise, found);
}

static void check_accounts(struct world *w, const struct dice *d)
{
	sqlite3 *db = raw_open(w);

	assert_none(db, d, "I2: an ended job whose certificate is nowhere",
	    "SELECT job FROM certificate c JOIN job j ON j.number = c.job"
	    " WHERE c.state = 'issued' AND j.status NOT IN ('open', 'parked')");
	assert_none(db, d, "I2: an ended job whose request is nowhere",
	    "SELECT i.job FROM intent i JOIN job j ON j.number = i.job WHERE i.kind = 'enrol'"
	    " AND j.status NOT IN ('open', 'parked') AND (i.state IN ('open', 'possibly-issued', "
	    "'pending')"
	    " OR i.state = 'done' AND NOT EXISTS (SELECT 1 FROM certificate c WHERE c.job = "
	    "i.job))");
	assert_none(db, d, "I2: an ended job whose pending request is nowhere",
	    "SELECT i.job FROM intent i JOIN job j ON j.number = i.job WHERE i.kind = 'enrol'"
	    " AND j.status NOT IN ('open', 'parked') AND i.state = 'continued'"
	    " AND NOT EXISTS (SELECT 1 FROM intent n WHERE n.job = i.job AND n.kind = 'enrol'"
	    " AND n.attempt > i.attempt AND n.state NOT IN ('not-sent', 'rejected'))");
	assert_none(db, d, "I2: a certificate that is listed, and not an orphan",
	    "SELECT c.sha256 FROM certificate c JOIN orphan o ON o.certificate = c.sha256"
	    " WHERE c.state <> 'orphaned'");
	assert_none(db, d, "I2: an orphan that is not listed",
	    "SELECT sha256 FROM certificate WHERE state = 'orphaned'"
	    " AND sha256 NOT IN (SELECT certificate FROM orphan WHERE certificate IS NOT NULL)");
	assert_none(db, d, "I6: an order's issued",
	    "SELECT id FROM work_order o WHERE issued <> (SELECT count(*) FROM certificate c"
	    " JOIN job j ON j.number = c.job WHERE j.work_order = o.id AND c.state = 'delivered')");
	assert_none(db, d, "I6: an order's orphaned",
	    "SELECT id FROM work_order o WHERE orphaned + unasked <> (SELECT count(*) FROM orphan p"
	    " JOIN job j ON j.number = p.job WHERE j.work_order = o.id)");
	assert_none(db, d, "I6: an order's reserved",
	    "SELECT id FROM work_order o WHERE reserved <> (SELECT coalesce(sum(held), 0) FROM job "
	    "j"
	    " WHERE j.work_order = o.id)");
	assert_none(db, d, "I6: an ended job that holds places",
	    "SELECT number FROM job WHERE held > 0 AND status NOT IN ('open', 'parked')");
	assert_none(db, d, "I6: an ordinal above the order",
	    "SELECT number FROM job j JOIN work_order o ON o.id = j.work_order"
	    " WHERE j.ordinal > o.quantity");
	assert_none(db, d, "I9: a live key without a delivered certificate",
	    "SELECT spki FROM device_key k WHERE live <> (SELECT count(*) FROM certificate c"
	    " WHERE c.spki = k.spki AND c.state = 'delivered')");
	raw_close(db);
	world_open(w, "line-1");
}

static void test_the_accounts_hold_whatever_happens(void **state)
{
	struct world *w = *state;
	struct dice d = { 0 };

	for (unsigned round = 1; round <= ROUNDS; round++) {
		AUTO(json_t) *counts = NULL;

		d.seed = round;
		world_close(w);
		assert_int_equal(unlink(w->path), 0);
		world_forget(w);
		world_open(w, "line-1");
		world_profile(w);
		must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "small", "quantity", 5);
		must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "large", "quantity", 500);
		for (size_t i = 0; i < UNITS; i++)
			(void)name(d.units[i].serial, "U", (int)i + 1);
		for (unsigned before = d.accepted; d.accepted < before + EVENTS;)
			play_unit(w, &d, &d.units[roll(&d, UNITS)]);
		check_accounts(w, &d);
		counts = world_verify(w);
		assert_true(json_opt_int(counts, "orphans", 0) > 5);
	}
	print_message("%u events accepted, %u ends\n", d.accepted, d.ended);
	assert_true(d.ended > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_the_accounts_hold_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
