#include "records_world.h"

static int64_t asked(struct world *w, const char *serial, const char *key)
{
	int64_t job = world_claim(w, serial, NULL);

	world_request(w, job, key);
	world_intent(w, job, key);
	return job;
}

static void assert_orphans(struct world *w, size_t count)
{
	AUTO(json_t) *orphans = world_orphans(w);

	assert_int_equal(json_array_size(orphans), count);
}

static void test_I2_issued_and_not_delivered_is_listed(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	const json_t *o;
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key");
	world_issue(w, job, "key", "cert");
	assert_orphans(w, 0);
	world_fail(w, job);
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1);
	o = json_array_get(orphans, 0);
	assert_member(o, "id", digest("cert"));
	assert_member(o, "certificate", digest("cert"));
	assert_member(o, "serial", "A");
	assert_member(o, "csr", digest("csr of key"));
	assert_member(o, "spki", digest("key"));
	assert_member(o, "number", "cert");
	assert_member(o, "revocation", "unrevoked");
	assert_member(o, "reason", "issued and not delivered: the unit failed (device.broken)");
	assert_int_equal(json_opt_int(o, "job", 0), job);
}

/* Every state of the last attempt, and whether its certificate may exist. */
static void test_I2_what_may_have_been_issued_is_listed(void **state)
{
	static const struct {
		const char *answer; /* NULL: none came */
		size_t orphans;
	} rows[] = { { NULL, 1 }, { "possibly-issued", 1 }, { "pending", 1 }, { "done", 1 },
		{ "not-sent", 0 }, { "rejected", 0 } };
	struct world *w = *state;
	size_t listed = 0;

	world_profile(w);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char key[16];
		int64_t job;

		(void)snprintf(key, sizeof(key), "key %zu", i);
		job = asked(w, "A", key);
		if (rows[i].answer != NULL)
			world_answer(w, job, rows[i].answer);
		world_fail(w, job);
		listed += rows[i].orphans;
		assert_orphans(w, listed);
	}
}

static void test_I2_earlier_attempts_are_listed_when_a_later_one_delivers(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	const json_t *o;
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key"); /* no answer at all: a crash */
	world_intent(w, job, "key");
	world_answer(w, job, "possibly-issued");
	world_intent(w, job, "key");
	world_answer(w, job, "not-sent");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_finish(w, job, "cert");
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 2);
	o = json_array_get(orphans, 0);
	assert_member(o, "id", digest("csr of key"));
	assert_member(o, "certificate", NULL);
	assert_member(o, "reason",
	    "possibly issued by attempt 1: attempt 4 brought the certificate");
	o = json_array_get(orphans, 1);
	assert_member(o, "reason",
	    "possibly issued by attempt 2: attempt 4 brought the certificate");
}

/* A request that the CA has taken may be issued later, whatever became of asking again. */
static void test_I2_pending_and_then_unreachable_is_listed(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key");
	world_answer(w, job, "pending");
	world_intent(w, job, "key");
	world_answer(w, job, "not-sent");
	world_intent(w, job, "key");
	world_answer(w, job, "not-sent");
	world_fail(w, job);
	assert_orphans(w, 1);

	/* Asked again, and that has no answer: one certificate at most, listed once. */
	job = asked(w, "C", "key C");
	world_answer(w, job, "pending");
	world_intent(w, job, "key C");
	world_answer(w, job, "possibly-issued");
	world_intent(w, job, "key C");
	world_answer(w, job, "not-sent");
	world_fail(w, job);
	assert_orphans(w, 2);
}

/* The same where asking again is refused, in any order with what was not sent; listed once. */
static void test_I2_pending_and_then_refused_is_listed(void **state)
{
	static const char *const later[][3] = { { "rejected" }, { "rejected", "not-sent" },
		{ "not-sent", "rejected" }, { "rejected", "rejected" },
		{ "rejected", "pending", "rejected" } };
	struct world *w = *state;

	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "WO", "quantity", 5);
	for (size_t i = 0; i < COUNT(later); i++) {
		AUTO(json_t) *orphans = NULL;
		char key[16];
		int64_t job = world_claim(w, "A", "WO");

		(void)snprintf(key, sizeof(key), "key %zu", i);
		world_request(w, job, key);
		world_intent(w, job, key);
		world_answer(w, job, "pending");
		for (size_t k = 0; k < COUNT(later[i]) && later[i][k] != NULL; k++) {
			world_intent(w, job, key);
			world_answer(w, job, later[i][k]);
		}
		assert_order(w, "WO", 0, (int)i, 1);
		world_fail(w, job);
		orphans = world_orphans(w);
		assert_int_equal(json_array_size(orphans), i + 1);
		assert_member(json_array_get(orphans, i), "spki", digest(key));
		assert_order(w, "WO", 0, (int)i + 1, 0);
	}
}

/* Nothing was pending: who is refused has nothing. */
static void test_refused_from_the_start_is_not_listed(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key");
	world_answer(w, job, "rejected");
	world_intent(w, job, "key");
	world_answer(w, job, "not-sent");
	world_intent(w, job, "key");
	world_answer(w, job, "rejected");
	world_fail(w, job);
	assert_orphans(w, 0);
}

static void orphan(struct world *w, int64_t job, const char *certificate)
{
	must_tell(w, "{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "orphan", "job", job, "csr",
	    "#csr of key", "spki", "#key", "certificate", certificate, "number", "0a", "reason",
	    "the lint refused it");
}

static void test_a_refused_certificate_is_listed_once(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key");
	orphan(w, job, "@bad cert");
	world_fail(w, job);
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1);
	assert_member(json_array_get(orphans, 0), "reason", "the lint refused it");
	assert_ok(records_blob(w->r, digest("bad cert"), &bytes, &e), &e);
	refuse(w, "orphan.known", "{s:s, s:I, s:s, s:s}", "event", "orphan", "job", job,
	    "certificate", "#bad cert", "reason", "again");
}

static void test_what_comes_to_light_later_completes_the_entry(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	int64_t job;

	world_profile(w);
	job = asked(w, "A", "key");
	world_fail(w, job);
	orphan(w, job, "@late cert");
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1);
	assert_member(json_array_get(orphans, 0), "id", digest("late cert"));
	assert_member(json_array_get(orphans, 0), "number", "0a");
}

static void test_a_recorded_certificate_can_be_orphaned_and_only_its_own(void **state)
{
	struct world *w = *state;
	int64_t a, b;

	world_profile(w);
	a = asked(w, "A", "key");
	world_issue(w, a, "key", "cert A");
	b = asked(w, "B", "key B");
	refuse(w, "orphan.known", "{s:s, s:I, s:s, s:s}", "event", "orphan", "job", b,
	    "certificate", "#cert A", "reason", "the CA mixed them up");
	orphan(w, a, "@cert A");
	world_fail(w, a);
	world_fail(w, b);
	assert_orphans(w, 2);
	(void)world_pass(w, "C", NULL);
	b = world_claim(w, "D", NULL);
	refuse(w, "orphan.unasked", "{s:s, s:I, s:s}", "event", "orphan", "job", b, "reason", "?");
}

/* A CA that mixes its answers up: what is listed for revocation must never be delivered elsewhere. */
static void test_a_listed_certificate_is_never_delivered(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t a, b;

	world_profile(w);
	a = asked(w, "A", "key A");
	b = asked(w, "B", "key B");
	must_tell(w, "{s:s, s:I, s:s, s:s}", "event", "orphan", "job", a, "certificate",
	    "@cert for B", "reason", "another key");
	assert_err(world_try_issue(w, b, "key B", "cert for B", &e), &e, "certificate.duplicate");
	assert_int_equal(e.domain, ERR_CERT);
}

static void revoked(struct world *w, const char *id)
{
	must_tell(w, "{s:s, s:s, s:s}", "event", "revoked", "orphan", id, "by", "ca desk");
}

static void test_revocation_is_recorded_once(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	int64_t job;

	world_profile(w);
	refuse(w, "orphan.unknown", "{s:s, s:s, s:s}", "event", "revoked", "orphan", "#cert", "by",
	    "ca desk");
	refuse(w, "record.invalid", "{s:s, s:s, s:s}", "event", "revoked", "orphan", "cert", "by",
	    "ca desk");
	job = asked(w, "A", "key");
	world_issue(w, job, "key", "cert");
	world_fail(w, job);
	revoked(w, "#cert");
	refuse(w, "orphan.revoked", "{s:s, s:s, s:s}", "event", "revoked", "orphan", "#cert", "by",
	    "ca desk");
	orphans = world_orphans(w);
	assert_member(json_array_get(orphans, 0), "revocation", "revoked");
	assert_member(json_array_get(orphans, 0), "revoked_by", "ca desk");
	json_decref(orphans);

	/* All that one CSR may have brought is revoked by the CSR. */
	job = asked(w, "B", "key B");
	world_intent(w, job, "key B");
	world_fail(w, job);
	revoked(w, "#csr of key B");
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 3);
	for (size_t i = 0; i < 3; i++)
		assert_member(json_array_get(orphans, i), "revocation", "revoked");
}

/* Texts of a hostile CA: long, and not ASCII. */
static void test_long_texts_are_kept_whole(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	char number[1200] = { 0 }, reason[479] = { 0 };
	int64_t job;

	memset(number, '7', sizeof(number) - 1);
	for (size_t i = 0; i + 2 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xc3\xa9", 2);
	world_profile(w);
	job = asked(w, "A", "key");
	world_issue(w, job, "key", "cert");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "A", "reason", reason,
	    "by", "mei");
	job = asked(w, "B", "key B");
	must_tell(w, "{s:s, s:I, s:s, s:s, s:s}", "event", "orphan", "job", job, "certificate",
	    "@c", "number", number, "reason", reason);
	orphans = world_orphans(w);
	assert_non_null(strstr(json_opt_str(json_array_get(orphans, 0), "reason", ""), reason));
	assert_member(json_array_get(orphans, 1), "number", number);
}

/* Revoked while its unit still waits: listed by it, counted once, and the unit goes on. */
static void test_what_is_undecided_can_be_revoked(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	AUTO(json_t) *after = NULL;
	int64_t job;

	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "WO", "quantity", 3);
	job = world_claim(w, "A", "WO");
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_answer(w, job, "possibly-issued");
	world_intent(w, job, "key"); /* a crash: no answer either */
	world_park(w, job);
	assert_order(w, "WO", 0, 0, 2);
	revoked(w, "#csr of key");
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_member(json_array_get(orphans, i), "revocation", "revoked");
		assert_member(json_array_get(orphans, i), "id", digest("csr of key"));
	}
	assert_member(json_array_get(orphans, 0), "reason",
	    "possibly issued by attempt 1: revoked while its unit waited");
	assert_order(w, "WO", 0, 2, 0);
	refuse(w, "orphan.revoked", "{s:s, s:s, s:s}", "event", "revoked", "orphan", "#csr of key",
	    "by", "ca desk");

	assert_int_equal(world_claim(w, "A", "WO"), job);
	world_intent(w, job, "key");
	assert_order(w, "WO", 0, 2, 1);
	world_issue(w, job, "key", "cert");
	world_finish(w, job, "cert");
	after = world_orphans(w);
	assert_int_equal(json_array_size(after), 2);
	assert_order(w, "WO", 1, 2, 0);
}

/* Which keys of the unit are known, and whether an earlier job made one that no CSR has shown. */
static void test_a_claim_tells_of_earlier_keys(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	for (int i = 0; i < 4; i++) {
		static const char *const earlier[] = { NULL, "unseen", "seen", "seen" };
		AUTO(json_t) *claim = NULL;
		struct err e = { 0 };

		assert_ok(world_try_claim(w, "A", NULL, &claim, &e), &e);
		job = json_opt_int(claim, "job", 0);
		assert_member(claim, "earlier_key", earlier[i]);
		assert_int_equal(json_array_size(json_object_get(claim, "keys")),
		    i == 3 ? 1 : i / 2);
		if (i == 0)
			must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind",
			    "keygen");
		if (i == 1)
			world_request(w, job, "key");
		world_fail(w, job);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_what_is_undecided_can_be_revoked),
		world_test(test_a_claim_tells_of_earlier_keys),
		world_test(test_I2_issued_and_not_delivered_is_listed),
		world_test(test_I2_what_may_have_been_issued_is_listed),
		world_test(test_I2_earlier_attempts_are_listed_when_a_later_one_delivers),
		world_test(test_I2_pending_and_then_unreachable_is_listed),
		world_test(test_I2_pending_and_then_refused_is_listed),
		world_test(test_refused_from_the_start_is_not_listed),
		world_test(test_a_refused_certificate_is_listed_once),
		world_test(test_what_comes_to_light_later_completes_the_entry),
		world_test(test_a_recorded_certificate_can_be_orphaned_and_only_its_own),
		world_test(test_a_listed_certificate_is_never_delivered),
		world_test(test_revocation_is_recorded_once),
		world_test(test_long_texts_are_kept_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
