/*
 * A job on a disk that fails at every point: full, broken, short, failing to sync, locked by a stranger.
 * Whatever happens, nothing goes on after it, the file verifies afterwards, and what was reported as
 * durable is there, also when the power goes later.
 */
#include "records_world.h"

#include "fault_vfs.h"

/* The checkpoint's, which is not the VFS's; this disk is not waited for either. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* One unit's whole job; the place where the station is started anew is in the middle. */
enum { RESTART_AT = 8 };
static const char *const script[] = {
	"{'event':'profile','sha256':'#product: pump','product':'pump','version':'1',"
	"'text':'@product: pump','anchors':'@anchors'}",
	"{'event':'claim','serial':'A','model':'P1','slot':'1','profile':'#product: pump'}",
	"{'event':'intent','job':2,'kind':'keygen'}",
	"{'event':'step','job':2,'step':'keygen','ms':7}",
	"{'event':'step','job':2,'step':'request','ms':3,'csr':'@csr','spki':'#key'}",
	"{'event':'intent','job':2,'kind':'enrol','csr':'#csr'}",
	"{'event':'answer','job':2,'kind':'enrol','state':'done'}",
	"{'event':'step','job':2,'step':'enrol','ms':40,'certificate':'@cert','number':'1',"
	"'issuer':'CN=ca','spki':'#key','chain':'@chain'}",
	"{'event':'step','job':2,'step':'install','ms':20}",
	"{'event':'step','job':2,'step':'readback','ms':5,'certificate':'#cert'}",
	"{'event':'step','job':2,'step':'prove','ms':9,'nonce':'" ZEROS "','scheme':'test',"
	"'preimage':'@preimage','signature':'@signature'}",
	"{'event':'attesting','job':2}",
	"{'event':'step','job':2,'step':'attest','ms':2,'statement':'@statement','cms':'@cms',"
	"'jws':'@jws'}",
	"{'event':'end','job':2,'outcome':'passed'}",
};

/* What was reported as durable. */
struct reported {
	int64_t seq;
	char hash[2 * SHA256_LEN + 1];
	bool passed;
};

static int append(struct world *w, const char *text, struct reported *reported, struct err *e)
{
	AUTO_STRUCT(buf) json = { 0 };
	struct record record = { 0 };
	json_t *body = NULL;
	int rc;

	assert_ok(buf_add_str(&json, text, e), e);
	for (size_t i = 0; i < json.len; i++)
		if (json.data[i] == '\'')
			json.data[i] = '"';
	assert_ok(json_parse((const char *)json.data, json.len, &body, ERR_CONFIG, e), e);
	world_fill(&record, body);
	rc = records_append(w->r, &record, e);
	if (rc == 0) {
		reported->seq = record.seq;
		hex_encode(record.head, SHA256_LEN, reported->hash);
		reported->passed |= strstr(text, "passed") != NULL;
	}
	record_free(&record);
	return rc;
}

/* Nothing goes on after a failure, however well the disk does from then on. */
static void assert_broken(struct world *w, struct reported *reported)
{
	static const char note[] = "{'event':'station','what':'note'}";
	struct err e = { 0 };

	for (int i = 0; i < 2; i++)
		assert_err(append(w, note, reported, &e), &e, "records.broken");
	assert_non_null(strstr(e.message, "stop the station"));
}

/* Up to the first failure, or the end. */
static void play(struct world *w, struct reported *reported)
{
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(script); i++) {
		if (i == 0 || i == RESTART_AT) {
			if (w->r != NULL)
				world_close(w);
			if (records_open(&w->r, w->path, "line-1", true, &e) != 0)
				return;
		}
		if (append(w, script[i], reported, &e) != 0) {
			assert_string_equal(e.code, "records.broken");
			assert_broken(w, reported);
			break;
		}
	}
	world_close(w);
}

static int look_for(const json_t *event, void *context, struct err *e)
{
	struct reported *r = context;

	(void)e;
	if (json_opt_int(event, "seq", 0) != r->seq)
		return 0;
	assert_string_equal(json_opt_str(event, "hash", ""), r->hash);
	r->seq = 0; /* found */
	return 0;
}

/* The disk is well again: the records open, verify, and hold what was reported. */
static void assert_whole(struct world *w, const struct reported *reported)
{
	struct reported wanted = *reported;
	AUTO(json_t) *counts = NULL;
	AUTO(json_t) *unit = NULL;
	struct err e = { 0 };

	world_open(w, "line-1");
	counts = world_verify(w);
	assert_ok(records_events(w->r, NULL, 0, look_for, &wanted, &e), &e);
	assert_int_equal(wanted.seq, 0);
	assert_ok(records_unit(w->r, "A", &unit, &e), &e);
	if (reported->passed)
		assert_member(unit, "status", "passed");
}

static void fresh_disk(struct world *w)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".checkpoint" };
	char path[600];

	if (w->r != NULL)
		world_close(w);
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", w->path, suffixes[i]);
		(void)unlink(path); /* not all are there */
	}
	fault_forget();
}

/* One run with the fault at that call. False: there are not so many calls. */
static bool run_with(struct world *w, enum fault kind, unsigned at, bool for_ever)
{
	static const char later[] = "{'event':'station','what':'note','n':1}";
	struct reported reported = { 0 };
	struct err e = { 0 };
	bool met;

	fresh_disk(w);
	fault_plan(kind, at, for_ever);
	play(w, &reported);
	met = fault.met;
	fault_plan(FAULT_NONE, 0, false);
	assert_whole(w, &reported);
	assert_ok(append(w, later, &reported, &e), &e); /* the next start goes on */
	fault_power_cut();
	world_close(w);
	fault_power_back(w->path);
	assert_whole(w, &reported); /* and behind nothing that the disk never got */
	return met;
}

/* Each point with KILN_SWEEP, else every few: the first ones differ with the kind of fault. */
static void sweep(struct world *w, enum fault kind, bool for_ever, unsigned stride)
{
	unsigned n, points = 0;

	if (getenv("KILN_SWEEP") != NULL)
		stride = 1;
	else if (getenv("KILN_SANITIZE") != NULL) /* each run takes several times as long */
		stride *= 4;
	for (n = 1 + (unsigned)kind % stride; run_with(w, kind, n, for_ever); n += stride)
		points++;
	assert_true(n > 20);
	print_message("%u of about %u points\n", points, n);
}

static int disk_setup(void **state)
{
	fault_install();
	return world_setup(state);
}

static int disk_teardown(void **state)
{
	int rc = world_teardown(state);

	fault_forget();
	assert_int_equal(sqlite3_vfs_unregister(&fault.vfs), SQLITE_OK);
	return rc;
}

static void test_I5_a_full_disk(void **state)
{
	sweep(*state, FAULT_FULL, true, 7);
}

static void test_I5_a_write_that_fails_once(void **state)
{
	sweep(*state, FAULT_WRITE, false, 5);
}

static void test_I5_a_short_write(void **state)
{
	sweep(*state, FAULT_SHORT, true, 7);
}

static void test_I5_a_read_that_fails(void **state)
{
	sweep(*state, FAULT_READ, false, 3);
}

/* The syncs after it say that all is well, and are not believed. */
static void test_I5_a_sync_that_fails_once(void **state)
{
	sweep(*state, FAULT_SYNC, false, 1);
}

static void test_I5_a_stranger_has_the_lock(void **state)
{
	sweep(*state, FAULT_LOCK, true, 3);
}

/* What an engineer reads: which disk, and what to do. */
static void test_the_message_says_what_to_do(void **state)
{
	static const struct {
		enum fault kind;
		const char *said;
	} all[] = { { FAULT_FULL, "make room" }, { FAULT_SYNC, "kernel's log" },
		{ FAULT_LOCK, "another program" } };
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(all); i++) {
		struct reported reported = { 0 };
		struct err e = { 0 };

		fresh_disk(w);
		world_open(w, "line-1");
		fault_plan(all[i].kind, 1, true);
		assert_err(append(w, script[0], &reported, &e), &e, "records.broken");
		fault_plan(FAULT_NONE, 0, false);
		if (strstr(e.message, all[i].said) == NULL)
			fail_msg("\"%s\" does not say %s", e.message, all[i].said);
	}
}

#define disk_test(f) cmocka_unit_test_setup_teardown(f, disk_setup, disk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		disk_test(test_I5_a_full_disk),
		disk_test(test_I5_a_write_that_fails_once),
		disk_test(test_I5_a_short_write),
		disk_test(test_I5_a_read_that_fails),
		disk_test(test_I5_a_sync_that_fails_once),
		disk_test(test_I5_a_stranger_has_the_lock),
		disk_test(test_the_message_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
