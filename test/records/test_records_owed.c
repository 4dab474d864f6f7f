/* Records that go along with the next one: one transaction, in their order, and nothing behind a refusal. */
#include "records_world.h"

static struct record *owe(struct record *record, json_t *body)
{
	struct record **last = &record->owed;

	while (*last != NULL)
		last = &(*last)->next;
	*last = calloc(1, sizeof(**last));
	assert_non_null(*last);
	world_fill(*last, body);
	return *last;
}

static json_t *step(int64_t job, const char *name)
{
	return json_pack("{s:s, s:I, s:s, s:i}", "event", "step", "job", job, "step", name, "ms",
	    1);
}

static json_t *request(int64_t job, const char *key)
{
	char csr[80];

	(void)snprintf(csr, sizeof(csr), "@csr of %s", key);
	return json_pack("{s:s, s:I, s:s, s:i, s:s, s:s}", "event", "step", "job", job, "step",
	    "request", "ms", 1, "csr", csr, "spki", digest(key));
}

static json_t *ask(int64_t job, const char *key)
{
	char csr[80];

	(void)snprintf(csr, sizeof(csr), "csr of %s", key);
	return json_pack("{s:s, s:I, s:s, s:s}", "event", "intent", "job", job, "kind", "enrol",
	    "csr", digest(csr));
}

static void test_what_is_owed_goes_first(void **state)
{
	struct world *w = *state;
	struct record record = { 0 };
	AUTO(json_t) *after = NULL;
	uint8_t head[SHA256_LEN];
	struct err e = { 0 };
	int64_t job, seq;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "keygen");
	(void)owe(&record, step(job, "keygen"));
	(void)owe(&record, request(job, "key"));
	world_fill(&record, ask(job, "key"));
	assert_ok(records_append(w->r, &record, &e), &e);
	assert_ok(records_head(w->r, &seq, head, &e), &e);
	assert_int_equal(record.seq, seq);
	assert_int_equal(seq, 6);
	assert_memory_equal(record.head, head, sizeof(head));
	after = world_job(w, job);
	assert_member(after, "spki", digest("key"));
	assert_member(json_object_get(after, "intents"), "keygen", "done");
	assert_member(json_object_get(after, "intents"), "enrol", "open");
	record_free(&record);
	assert_null(record.owed);
}

static void test_nothing_is_recorded_behind_what_is_refused(void **state)
{
	struct world *w = *state;
	struct record record = { 0 };
	AUTO(json_t) *after = NULL;
	struct record *refused;
	struct err e = { 0 };
	int64_t job;

	world_profile(w);
	world_request(w, world_claim(w, "A", NULL), "key");
	job = world_claim(w, "B", NULL);
	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "keygen");
	(void)owe(&record, step(job, "keygen"));
	refused = owe(&record, request(job, "key"));
	world_fill(&record, ask(job, "key"));
	assert_err(records_append(w->r, &record, &e), &e, "key.duplicate");
	assert_int_equal(refused->rc, -1);
	assert_int_equal(record.owed->rc, 0);
	after = world_job(w, job);
	assert_member(json_object_get(after, "intents"), "keygen", "done");
	assert_member(json_object_get(after, "intents"), "enrol", NULL);
	assert_member(after, "csr", NULL);
	record_free(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_what_is_owed_goes_first),
		world_test(test_nothing_is_recorded_behind_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
