/* kiln records upgrade, and the power goes: the records are there at every moment, and are the same. */
#include "power_history.h"

#include <sqlite3.h>

enum { SWEEP_SEEDS = 20, STEP = 24, SWAP = 8, SWAP_SEEDS = 12 };

struct upgrade {
	struct history *h;
	struct power *power; /* of the upgrade alone */
	char *folder;
	char path[PATH_MAX];
	size_t looked, refused;
};

static void fail_upgrade(const struct power_cut *cut, const char *what, const struct err *e)
{
	fail_msg("cut after %zu operations, \"%s\", seed %llu: %s: %s %s", cut->at,
	    power_kind_name(cut->kind), (unsigned long long)cut->seed, what, e->code, e->message);
}

static void check_records(struct upgrade *u, const struct power_cut *cut)
{
	AUTO(json_t) *events = NULL, *counts = NULL;
	struct records *r = NULL;
	struct err e = { 0 };

	if (records_open(&r, u->path, "line-1", true, &e) != 0)
		fail_upgrade(cut, "the records do not open", &e);
	if (records_verify(r, &counts, &e) != 0)
		fail_upgrade(cut, "I7: the records do not verify", &e);
	events = all_events(r);
	if (!json_equal(events, u->h->events))
		fail_upgrade(cut, "I7: other events", &e);
	records_close(r);
}

static void look(struct upgrade *u, const struct power_cut *cut)
{
	struct err e = { 0 };

	power_clear(u->folder);
	power_image(u->power, cut, u->folder);
	check_records(u, cut);
	if (records_upgrade(u->path, &e) != 0) {
		if (!err_is(&e, "records.old"))
			fail_upgrade(cut, "the next upgrade", &e);
		u->refused++;
	}
	check_records(u, cut);
	u->looked++;
}

/* Copying takes most of the operations, and the swap most of the care. */
static size_t seeds_at(size_t at, size_t count)
{
	if (getenv("KILN_SWEEP") != NULL)
		return SWEEP_SEEDS;
	if (at + SWAP > count)
		return SWAP_SEEDS;
	return at % STEP == 0 ? 1 : 0;
}

static void look_all(struct upgrade *u)
{
	size_t count = power_now(u->power);

	for (size_t at = 0; at <= count; at++)
		for (enum power_kind kind = 0; kind < POWER_KINDS; kind++)
			for (uint64_t seed = 0; seed < seeds_at(at, count); seed++)
				if (seed == 0 || kind >= POWER_SAMPLE)
					look(u, &(struct power_cut){ at, kind, at * 100 + seed,
						    false });
}

/* Free pages: then a page of the old file in the new one does not go unnoticed. */
static void loosen(struct upgrade *u)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(u->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "CREATE TABLE x (y); INSERT INTO x VALUES (zeroblob(90000));"
			     "DROP TABLE x",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* As a station leaves them that was killed: most is in the log yet. */
static void make_hot(struct upgrade *u)
{
	size_t now = power_now(u->h->power);

	world_close(&u->h->w);
	power_stop(u->h->power);
	power_image(u->h->power, &(struct power_cut){ now, POWER_PREFIX, 1, false }, u->folder);
	loosen(u);
}

static void test_I7_the_records_survive_an_upgrade(void **state)
{
	struct upgrade u = { 0 };
	char *folder = testing_folder();
	struct err e = { 0 };

	(void)state;
	u.folder = realpath(folder, NULL);
	assert_non_null(u.folder);
	free(folder);
	(void)snprintf(u.path, sizeof(u.path), "%s/records.db", u.folder);
	u.h = history_begin();
	first_day(&u.h->w);
	u.h->events = all_events(u.h->w.r);
	make_hot(&u);
	u.power = power_watch(u.folder);
	assert_ok(records_upgrade(u.path, &e), &e);
	power_stop(u.power);
	look_all(&u);
	power_report("upgrade", true,
	    "%6zu images of an upgrade with %zu operations: the same events in all, %zu told to "
	    "move "
	    "the old file away",
	    u.looked, power_now(u.power), u.refused);
	power_free(u.power);
	history_free(u.h);
	testing_folder_remove(u.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I7_the_records_survive_an_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
