/* Each allocation that the records make fails once: nothing is half recorded, and they go on (I5 I7). */
#include "records/records_world.h"
#include "torture.h"

enum { STRIDE = 97 }; /* an event is about 700 allocations of SQLite's */

static const char *const codes[] = { "nomem", "records.broken", NULL };

struct trial {
	struct world w;
	struct buf image; /* the database before */
	const char *body; /* of the event that is tried, in JSON */
	struct record record;
	int64_t seq; /* of the head before */
};

static void put_back(struct trial *t)
{
	char path[600];
	FILE *file;

	for (const char *const *suffix =
		 (const char *const[]){ "", "-wal", "-shm", ".checkpoint", NULL };
	     *suffix != NULL; suffix++) {
		(void)snprintf(path, sizeof(path), "%s%s", t->w.path, *suffix);
		(void)unlink(path); /* absent is what is wanted */
	}
	file = fopen(t->w.path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(t->image.data, 1, t->image.len, file), t->image.len);
	assert_int_equal(fclose(file), 0);
}

static void keep(struct trial *t)
{
	uint8_t head[SHA256_LEN];
	struct err e = { 0 };

	assert_ok(records_head(t->w.r, &t->seq, head, &e), &e);
	world_close(&t->w);
	buf_clear(&t->image);
	testing_read(t->w.path, &t->image);
}

static void trial_open(struct trial *t)
{
	*t = (struct trial){ .w = { .folder = testing_folder() } };
	(void)snprintf(t->w.path, sizeof(t->w.path), "%s/records.db", t->w.folder);
	world_open(&t->w, "line-1");
}

static void trial_close(struct trial *t)
{
	if (t->w.r != NULL)
		world_close(&t->w);
	buf_free(&t->image);
	testing_folder_remove(t->w.folder);
}

/* Ready for one more try. Outside of the torture. */
static void prepare(struct trial *t)
{
	struct err e = { 0 };
	json_t *body = NULL;

	put_back(t);
	world_open(&t->w, "line-1");
	assert_ok(json_parse(t->body, strlen(t->body), &body, ERR_CONFIG, &e), &e);
	t->record = (struct record){ 0 };
	world_fill(&t->record, body);
}

static int append(void *context, struct err *e)
{
	struct trial *t = context;

	return records_append(t->w.r, &t->record, e);
}

/* What was told is in the records, what was not is there whole or not at all, and they verify. */
static void after_append(void *context, int rc)
{
	struct trial *t = context;
	AUTO(json_t) *counts = NULL;
	uint8_t head[SHA256_LEN];
	struct err e = { 0 };
	int64_t seq;

	record_free(&t->record);
	world_close(&t->w);
	world_open(&t->w, "line-1");
	assert_ok(records_head(t->w.r, &seq, head, &e), &e);
	assert_true(rc == 0 ? seq == t->seq + 1 : seq == t->seq || seq == t->seq + 1);
	counts = world_verify(&t->w);
	world_close(&t->w);
	prepare(t);
}

static void try_event(struct trial *t, const char *body)
{
	const struct torture torture = { append, after_append, t, codes };

	keep(t);
	t->body = body;
	prepare(t);
	assert_true(torture_each(&torture, STRIDE) > 0);
	assert_ok(append(t, &(struct err){ 0 }), &t->record.err); /* and now for good */
	record_free(&t->record);
}

static void test_I5_I7_each_event_of_a_job(void **state)
{
	static const char *const events[] = {
		"{\"event\":\"claim\",\"serial\":\"S1\",\"model\":\"P1\",\"slot\":\"1\",\"order\":"
		"\"O1\","
		"\"profile\":\"#product: pump\",\"reuse\":false}",
		"{\"event\":\"intent\",\"job\":3,\"kind\":\"keygen\"}",
		"{\"event\":\"step\",\"job\":3,\"step\":\"keygen\",\"ms\":7}",
		"{\"event\":\"step\",\"job\":3,\"step\":\"request\",\"ms\":3,\"csr\":\"@csr\","
		"\"spki\":"
		"\"#key\"}",
		"{\"event\":\"intent\",\"job\":3,\"kind\":\"enrol\",\"csr\":\"#csr\"}",
		"{\"event\":\"step\",\"job\":3,\"step\":\"enrol\",\"ms\":4,\"certificate\":\"@"
		"cert\","
		"\"number\":\"1\",\"issuer\":\"CN=ca\",\"spki\":\"#key\",\"chain\":\"@chain\"}",
		"{\"event\":\"park\",\"job\":3,\"error\":{\"domain\":\"link\",\"code\":\"link."
		"gone\","
		"\"message\":\"unplugged\"}}",
		"{\"event\":\"orphan\",\"job\":3,\"certificate\":\"@other\",\"number\":\"2\","
		"\"reason\":"
		"\"wrong\"}",
		"{\"event\":\"claim\",\"serial\":\"S1\",\"model\":\"P1\",\"slot\":\"1\",\"order\":"
		"\"O1\","
		"\"profile\":\"#product: pump\",\"reuse\":false}",
		"{\"event\":\"end\",\"job\":3,\"outcome\":\"failed\",\"error\":{\"domain\":"
		"\"device\","
		"\"code\":\"device.broken\",\"message\":\"it did not work\"}}",
	};
	struct trial t;

	(void)state;
	trial_open(&t);
	world_profile(&t.w);
	must_tell(&t.w, "{s:s, s:s, s:i}", "event", "order", "id", "O1", "quantity", 5);
	for (size_t i = 0; i < COUNT(events); i++)
		try_event(&t, events[i]);
	trial_close(&t);
}

static int open_records(void *context, struct err *e)
{
	struct trial *t = context;

	return records_open(&t->w.r, t->w.path, "line-1", true, e);
}

static void after_open(void *context, int rc)
{
	struct trial *t = context;

	assert_true((rc == 0) == (t->w.r != NULL));
	if (rc == 0)
		world_close(&t->w);
}

static void test_opening_new_and_old_records(void **state)
{
	struct trial t;
	const struct torture torture = { open_records, after_open, &t, codes };

	(void)state;
	trial_open(&t);
	world_close(&t.w);
	assert_int_equal(unlink(t.w.path), 0);
	assert_true(torture_each(&torture, STRIDE) > 0); /* makes them */
	assert_true(torture_each(&torture, STRIDE) > 0);
	world_open(&t.w, "line-1");
	world_profile(&t.w);
	trial_close(&t);
}

static int verify(void *context, struct err *e)
{
	struct trial *t = context;
	AUTO(json_t) *counts = NULL;

	return records_verify(t->w.r, &counts, e);
}

static int count_event(const json_t *event, void *context, struct err *e)
{
	(void)event;
	(void)e;
	++*(int *)context;
	return 0;
}

static int read_all(void *context, struct err *e)
{
	struct trial *t = context;
	AUTO(json_t) *unit = NULL;
	AUTO(json_t) *orphans = NULL;
	AUTO(json_t) *open = NULL;
	AUTO(json_t) *order = NULL;
	AUTO_STRUCT(buf) blob = { 0 };
	int events = 0;

	if (records_unit(t->w.r, "S1", &unit, e) != 0 ||
	    records_orphans(t->w.r, &orphans, e) != 0 || records_open_jobs(t->w.r, &open, e) != 0 ||
	    records_order(t->w.r, "O1", &order, e) != 0 ||
	    records_blob(t->w.r, json_opt_str(unit, "certificate", ""), &blob, e) != 0 ||
	    records_events(t->w.r, NULL, 0, count_event, &events, e) != 0)
		return -1;
	return events > 10 ? 0 : err_set(e, ERR_RECORDS, "few", "%d events", events);
}

static void nothing(void *context, int rc)
{
	(void)context;
	(void)rc;
}

static void test_reading_and_verifying(void **state)
{
	struct trial t;

	(void)state;
	trial_open(&t);
	world_profile(&t.w);
	must_tell(&t.w, "{s:s, s:s, s:i}", "event", "order", "id", "O1", "quantity", 5);
	(void)world_pass(&t.w, "S1", "O1");
	assert_true(
	    torture_each(&(struct torture){ read_all, nothing, &t, codes }, 4 * STRIDE) > 0);
	assert_true(torture_each(&(struct torture){ verify, nothing, &t, codes }, 10 * STRIDE) > 0);
	assert_ok(read_all(&t, &(struct err){ 0 }), &(struct err){ 0 });
	trial_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I5_I7_each_event_of_a_job),
		cmocka_unit_test(test_opening_new_and_old_records),
		cmocka_unit_test(test_reading_and_verifying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
