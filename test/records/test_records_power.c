/*
 * The station's disk loses its power, at any moment of some days at a line. What was reported is there and
 * unchanged (I5, I7), nothing is there that did not happen, and the station goes on from it.
 *
 * KILN_SWEEP=1 looks at every write. KILN_SEED chooses the other samples.
 */
#include "power_history.h"

enum { FIRST_OPS = 50, AGAIN = 16, INDEX = 32768 };

struct looks {
	const struct history *h;
	struct world w;       /* the image's */
	char *folder, *again; /* of an image, and of what a second cut makes of it */
	size_t images[POWER_KINDS], twice, events;
	uint64_t random;
};

static char *real_folder(void)
{
	char *folder = testing_folder();
	char *real = realpath(folder, NULL);

	assert_non_null(real);
	free(folder);
	return real;
}

static void looks_open(struct looks *l, const struct history *h)
{
	const char *seed = getenv("KILN_SEED");

	*l = (struct looks){ .h = h, .folder = real_folder(), .again = real_folder() };
	l->random = seed != NULL ? strtoull(seed, NULL, 10) : 1;
}

static void looks_close(struct looks *l)
{
	testing_folder_remove(l->folder);
	testing_folder_remove(l->again);
}

static void fail_image(const struct power_cut *cut, const char *what, const struct err *e)
{
	fail_msg("cut after %zu operations, \"%s\", seed %llu: %s: %s %s", cut->at,
	    power_kind_name(cut->kind), (unsigned long long)cut->seed, what, e->code, e->message);
}

static void open_image(struct looks *l, const struct power_cut *cut, const char *folder)
{
	struct err e = { 0 };

	(void)snprintf(l->w.path, sizeof(l->w.path), "%.400s/records.db", folder);
	if (records_open(&l->w.r, l->w.path, "line-1", true, &e) != 0)
		fail_image(cut, "the records do not open", &e);
}

static void check_verified(struct looks *l, const struct power_cut *cut)
{
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };

	if (records_verify(l->w.r, &counts, &e) != 0)
		fail_image(cut, "I7: the records do not verify", &e);
}

/* The first `must` events of want are there, and then nothing but what follows in it. How many there are. */
static size_t check_events(struct looks *l, const struct power_cut *cut, const json_t *want,
    size_t must)
{
	AUTO(json_t) *have = all_events(l->w.r);
	size_t count = json_array_size(have);
	struct err none = { 0 };

	for (size_t i = 0; i < count; i++)
		if (strcmp(hash_of(have, i), hash_of(want, i)) != 0)
			fail_image(cut, "I7: an event is not one that was recorded", &none);
	if (count < must)
		fail_image(cut, "I5: a record that was reported durable is lost", &none);
	return count;
}

/* As a station does at its start: what is open is continued; and a new unit comes. */
static void go_on(struct looks *l, const struct power_cut *cut)
{
	AUTO(json_t) *jobs = NULL;
	struct err e = { 0 };

	if (records_open_jobs(l->w.r, &jobs, &e) != 0)
		fail_image(cut, "reading the open jobs", &e);
	must_tell(&l->w, "{s:s, s:s, s:s}", "event", "station", "what", "start", "build", "test");
	world_profile(&l->w);
	for (size_t i = 0; i < json_array_size(jobs); i++) {
		const json_t *job = json_array_get(jobs, i);
		int64_t number = world_claim(&l->w, json_opt_str(job, "serial", ""),
		    json_opt_str(job, "order", NULL));

		if (number != json_opt_int(job, "job", 0))
			fail_image(cut, "a known unit has another job", &e);
	}
	(void)world_claim(&l->w, "new", NULL);
}

/* The power was cut while the station recovered: nothing of what it had found may be lost. */
static void cut_again(struct looks *l, struct power *power, const json_t *events, size_t must)
{
	for (enum power_kind kind = 0; kind < POWER_KINDS; kind++) {
		struct power_cut cut = { .kind = kind, .seed = power_random(&l->random) };

		cut.at = power_random(&l->random) % (power_now(power) + 1);
		power_clear(l->again);
		power_image(power, &cut, l->again);
		open_image(l, &cut, l->again);
		check_verified(l, &cut);
		(void)check_events(l, &cut, events, must);
		world_close(&l->w);
		l->twice++;
	}
}

static void check_image(struct looks *l, const struct power_cut *cut)
{
	size_t count;

	open_image(l, cut, l->folder);
	check_verified(l, cut);
	count = check_events(l, cut, l->h->events, reported_at(l->h, cut->at));
	go_on(l, cut);
	check_verified(l, cut);
	l->images[cut->kind]++;
	l->events += count;
}

/* SQLite's index of the log was mapped into memory: whatever of it is on the disk is worth nothing. */
static void leave_index(struct looks *l)
{
	char path[PATH_MAX];
	uint64_t garbage[INDEX / 8];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/records.db-shm", l->folder);
	for (size_t i = 0; i < COUNT(garbage); i++)
		garbage[i] = power_random(&l->random);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
	assert_int_equal(fclose(file), 0);
}

static void make_image(struct looks *l, const struct power_cut *cut)
{
	power_clear(l->folder);
	power_image(l->h->power, cut, l->folder);
	if (cut->seed % 2 == 0)
		leave_index(l);
}

static void look(struct looks *l, size_t at, enum power_kind kind)
{
	struct power_cut cut = { .at = at, .kind = kind, .seed = power_random(&l->random) };

	make_image(l, &cut);
	check_image(l, &cut);
	world_close(&l->w);
}

static void look_twice(struct looks *l, size_t at, enum power_kind kind)
{
	struct power_cut cut = { .at = at, .kind = kind, .seed = power_random(&l->random) };
	AUTO(json_t) *events = NULL;
	struct power *power;

	make_image(l, &cut);
	power = power_watch(l->folder);
	check_image(l, &cut);
	events = all_events(l->w.r);
	world_close(&l->w);
	power_stop(power);
	cut_again(l, power, events, reported_at(l->h, at));
	power_free(power);
}

/* So many cuts, spread over everything that happened. */
static void spread(struct looks *l, size_t cuts, enum power_kind kind)
{
	size_t count = power_now(l->h->power);

	for (size_t i = 0; i < cuts; i++) {
		size_t from = count * i / cuts, to = count * (i + 1) / cuts;
		size_t at = from + power_random(&l->random) % (to - from + 1);

		if (i % AGAIN == 0)
			look_twice(l, at, kind);
		else
			look(l, at, kind);
	}
}

/* A cut after each operation that may be lost. */
static void look_at_all(struct looks *l, size_t until, enum power_kind kind)
{
	for (size_t at = 0; at <= until; at++)
		if (at == 0 || power_changed(l->h->power, at))
			look(l, at, kind);
}

static void look_after_each_report(struct looks *l, size_t step)
{
	for (size_t i = 0; i < l->h->reported; i += step)
		look(l, l->h->reports[i].at, POWER_SYNCED);
}

static void report(const struct looks *l)
{
	size_t all = l->twice;

	for (enum power_kind kind = 0; kind < POWER_KINDS; kind++) {
		power_report("records", kind == 0, "%6zu images: %s", l->images[kind],
		    power_kind_name(kind));
		all += l->images[kind];
	}
	power_report("records", false, "%6zu images: cut again while it recovered", l->twice);
	power_report("records", false,
	    "%6zu images of %zu operations and %zu reported records: none lost, all verify", all,
	    power_now(l->h->power), l->h->reported);
}

/* A sanitizer takes its time: then a part of the images is enough. */
static size_t budget(size_t usual, size_t sweep)
{
	if (getenv("KILN_SWEEP") != NULL)
		return sweep;
	return getenv("KILN_SANITIZE") != NULL ? usual / 4 : usual;
}

static void test_I5_I7_I10_power_cut(void **state)
{
	struct history *h = history_make();
	struct looks l;

	(void)state;
	looks_open(&l, h);
	look_at_all(&l, budget(FIRST_OPS, power_now(h->power)), POWER_PREFIX);
	look_after_each_report(&l, h->reported / budget(32, h->reported));
	spread(&l, budget(40, 1000), POWER_PREFIX);
	spread(&l, budget(40, 1000), POWER_SYNCED);
	spread(&l, budget(140, 2500), POWER_SAMPLE);
	spread(&l, budget(60, 1000), POWER_SECTORS);
	report(&l);
	looks_close(&l);
	history_free(h);
}

/*
 * The checkpoint beside the records is written at each event, where a station takes its time: wherever the
 * power goes it can be read, and no records are taken for an old copy.
 */
static void mark_at_once(struct record *record)
{
	struct history *h = record->context;

	note_report(record);
	h->w.r->marked_at = 0;
}

static void check_mark(struct looks *l, const struct power_cut *cut)
{
	struct records_place place;
	enum checkpoint_state state;
	struct err e = { 0 };

	(void)snprintf(l->w.path, sizeof(l->w.path), "%.400s/records.db", l->folder);
	power_clear(l->folder);
	power_image(l->h->power, cut, l->folder);
	assert_ok(checkpoint_read(l->w.path, &place, &state, &e), &e);
	if (state == CHECKPOINT_DAMAGED)
		fail_image(cut, "the checkpoint is damaged", &e);
	check_image(l, cut);
	world_close(&l->w);
}

static void test_I7_the_checkpoint_never_leads(void **state)
{
	struct history *h = history_begin();
	struct looks l;
	size_t step;

	(void)state;
	h->w.told = mark_at_once;
	first_day(&h->w);
	history_end(h, 2);
	looks_open(&l, h);
	step = power_now(h->power) / budget(48, power_now(h->power));
	for (size_t at = 0; at <= power_now(h->power); at += step)
		for (enum power_kind kind = 0; kind < POWER_KINDS; kind++)
			check_mark(&l,
			    &(struct power_cut){ at, kind, power_random(&l.random), false });
	power_report("records", false,
	    "%6zu images with a checkpoint at each event: none damaged, none ahead",
	    l.images[0] + l.images[1] + l.images[2] + l.images[3]);
	looks_close(&l);
	history_free(h);
}

/* Would it see a loss? Where less is promised, it must be found. */
struct harm {
	size_t images, lost, damaged, noticed;
};

static void count_harm(struct looks *l, const struct power_cut *cut, struct harm *harm)
{
	AUTO(json_t) *counts = NULL, *events = NULL;
	struct err e = { 0 };

	if (records_open(&l->w.r, l->w.path, "line-1", true, &e) != 0) {
		harm->damaged++;
		return;
	}
	if (records_verify(l->w.r, &counts, &e) == 0) {
		events = all_events(l->w.r);
		harm->lost += json_array_size(events) < reported_at(l->h, cut->at);
	} else {
		harm->damaged++;
	}
	world_close(&l->w);
}

/* As they are, a station may refuse them; without the checkpoint it could not know. */
static void look_for_harm(struct looks *l, const struct power_cut *cut, struct harm *harm)
{
	struct err e = { 0 };

	(void)snprintf(l->w.path, sizeof(l->w.path), "%.400s/records.db", l->folder);
	power_clear(l->folder);
	power_image(l->h->power, cut, l->folder);
	if (records_open(&l->w.r, l->w.path, "line-1", true, &e) == 0)
		world_close(&l->w);
	harm->noticed += err_is(&e, "records.restored");
	power_clear(l->folder);
	power_image(l->h->power, cut, l->folder);
	world_forget(&l->w);
	count_harm(l, cut, harm);
	harm->images++;
}

static void control(const char *what, const char *pragma, bool liar)
{
	struct history *h = history_begin();
	struct harm harm = { 0 };
	struct err e = { 0 };
	struct looks l;

	assert_ok(db_exec(&h->w.r->writer, pragma, &e), &e);
	first_day(&h->w);
	history_end(h, 2);
	looks_open(&l, h);
	for (size_t i = 0; i < h->reported; i += 2) {
		struct power_cut cut = { h->reports[i].at,
			i % 4 == 0 && !liar ? POWER_SYNCED : POWER_SAMPLE, power_random(&l.random),
			liar };

		look_for_harm(&l, &cut, &harm);
	}
	power_report("records", false,
	    "%6zu images with %s: reported records lost in %zu, damage in %zu; %zu were noticed by "
	    "the checkpoint",
	    harm.images, what, harm.lost, harm.damaged, harm.noticed);
	looks_close(&l);
	history_free(h);
	assert_true(harm.lost > 0 && harm.lost + harm.damaged > harm.images / 2);
}

static void test_controls_lose_records(void **state)
{
	(void)state;
	control("synchronous = NORMAL", "PRAGMA synchronous = NORMAL", false);
	control("synchronous = OFF", "PRAGMA synchronous = OFF", false);
	control("a disk that lies about its syncs", "SELECT 1", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I5_I7_I10_power_cut),
		cmocka_unit_test(test_I7_the_checkpoint_never_leads),
		cmocka_unit_test(test_controls_lose_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
