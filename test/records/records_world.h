/* Records in a folder of their own, and short ways to tell them what happened. */
#ifndef KILN_TEST_RECORDS_WORLD_H
#define KILN_TEST_RECORDS_WORLD_H

#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"

/*
 * In front of libc's: most tests say nothing about power cuts, and need not wait for the disk. A test
 * that does defines RECORDS_WORLD_SYNCS and its own.
 */
#ifndef RECORDS_WORLD_SYNCS
int fdatasync(int fd)
{
	(void)fd;
	return 0;
}
#endif

/* One for each test; the texts are of the newest test. */
struct world {
	char *folder;
	char path[512];
	struct records *r;
	int counter; /* makes nonces and certificates different */
	/* NULL, or told of each record once records_append has returned. */
	void (*told)(struct record *record);
	void *context; /* record's, for told */
};

static inline void world_open(struct world *w, const char *station)
{
	struct err e = { 0 };

	assert_ok(records_open(&w->r, w->path, station, true, &e), &e);
}

static inline void world_close(struct world *w)
{
	records_close(w->r);
	w->r = NULL;
}

/* What the checkpoint remembers of a file that the test makes anew. */
static inline void world_forget(struct world *w)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s.checkpoint", w->path);
	(void)unlink(path); /* there may be none */
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->folder = testing_folder();
	(void)snprintf(w->path, sizeof(w->path), "%s/records.db", w->folder);
	world_open(w, "line-1");
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	if (w->r != NULL)
		records_close(w->r);
	testing_folder_remove(w->folder);
	free(w);
	return 0;
}

/* The digest of a text, as the records name a blob. The text lives until the eighth call after. */
static inline const char *digest(const char *text)
{
	static char ring[8][2 * SHA256_LEN + 1];
	static size_t next;
	char *ret = ring[next++ % 8];

	sha256_hex(text, strlen(text), ret);
	return ret;
}

/*
 * A record of a body in json_pack's form. A member "@text" is stored as a blob of that text, a member
 * "#text" becomes its digest.
 */
static inline void world_fill(struct record *record, json_t *body)
{
	const char *member;
	json_t *value;
	struct err e = { 0 };

	assert_non_null(body);
	record->body = body;
	json_object_foreach(body, member, value)
	{
		const char *text = json_is_string(value) ? json_string_value(value) : "";

		if (text[0] == '@') {
			struct buf bytes = { 0 };

			assert_ok(buf_add_str(&bytes, text + 1, &e), &e);
			assert_ok(record_add_blob(record, member, &bytes, &e), &e);
		} else if (text[0] == '#') {
			assert_int_equal(json_string_set(value, digest(text + 1)), 0);
		}
	}
}

/* Appends it; takes over body. ret_job is NULL or gets the job of a claim, or NULL. */
static inline int world_append(struct world *w, json_t *body, json_t **ret_job, struct err *e)
{
	struct record record = { 0 };
	int rc;

	world_fill(&record, body);
	record.context = w->context;
	rc = records_append(w->r, &record, e);
	if (w->told != NULL)
		w->told(&record);
	if (ret_job != NULL)
		*ret_job = json_incref(record.job);
	record_free(&record);
	return rc;
}

#define tell(w, e, ...) world_append((w), json_pack(__VA_ARGS__), NULL, (e))
#define must_tell(w, ...)                                                                          \
	do {                                                                                       \
		struct err must_e = { 0 };                                                         \
		assert_ok(tell((w), &must_e, __VA_ARGS__), &must_e);                               \
	} while (0)
#define refuse(w, code, ...)                                                                       \
	do {                                                                                       \
		struct err refuse_e = { 0 };                                                       \
		assert_err(tell((w), &refuse_e, __VA_ARGS__), &refuse_e, code);                    \
	} while (0)

static inline void world_profile(struct world *w)
{
	must_tell(w, "{s:s, s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
	    "#product: pump", "product", "pump", "version", "1", "text", "@product: pump",
	    "anchors", "@anchors");
}

static inline int world_try_claim(struct world *w, const char *serial, const char *order,
    json_t **ret, struct err *e)
{
	return world_append(w,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:b}", "event", "claim", "serial", serial,
		"model", "P1", "slot", "1", "profile", "#product: pump", "order", order, "reuse",
		0),
	    ret, e);
}

static inline int64_t world_claim(struct world *w, const char *serial, const char *order)
{
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };
	int64_t number;

	assert_ok(world_try_claim(w, serial, order, &job, &e), &e);
	assert_non_null(job);
	number = json_opt_int(job, "job", 0);
	assert_true(number > 0);
	return number;
}

/* From keygen to the CSR of this key. */
static inline int world_try_request(struct world *w, int64_t job, const char *key, struct err *e)
{
	AUTO_STRUCT(buf) csr = { 0 };

	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "keygen");
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "step", "job", job, "step", "keygen", "ms",
	    7);
	assert_ok(buf_printf(&csr, e, "@csr of %s", key), e);
	return tell(w, e, "{s:s, s:I, s:s, s:i, s:s, s:s}", "event", "step", "job", job, "step",
	    "request", "ms", 3, "csr", buf_str(&csr, e), "spki", digest(key));
}

static inline void world_request(struct world *w, int64_t job, const char *key)
{
	struct err e = { 0 };

	assert_ok(world_try_request(w, job, key, &e), &e);
}

static inline int world_try_intent(struct world *w, int64_t job, const char *key, struct err *e)
{
	AUTO_STRUCT(buf) csr = { 0 };

	assert_ok(buf_printf(&csr, e, "csr of %s", key), e);
	return tell(w, e, "{s:s, s:I, s:s, s:s}", "event", "intent", "job", job, "kind", "enrol",
	    "csr", digest(buf_str(&csr, e)));
}

static inline void world_intent(struct world *w, int64_t job, const char *key)
{
	struct err e = { 0 };

	assert_ok(world_try_intent(w, job, key, &e), &e);
}

static inline void world_answer(struct world *w, int64_t job, const char *state)
{
	must_tell(w, "{s:s, s:I, s:s, s:s}", "event", "answer", "job", job, "kind", "enrol",
	    "state", state);
}

/* A certificate of this name (its bytes, and its number) for the key. */
static inline int world_try_issue(struct world *w, int64_t job, const char *key,
    const char *certificate, struct err *e)
{
	AUTO_STRUCT(buf) blob = { 0 };

	assert_ok(buf_printf(&blob, e, "@%s", certificate), e);
	return tell(w, e, "{s:s, s:I, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job",
	    job, "step", "enrol", "ms", 40, "certificate", buf_str(&blob, e), "number", certificate,
	    "issuer", "CN=ca", "spki", digest(key), "chain", "@chain");
}

static inline void world_issue(struct world *w, int64_t job, const char *key,
    const char *certificate)
{
	struct err e = { 0 };

	assert_ok(world_try_issue(w, job, key, certificate, &e), &e);
}

static inline void world_prove(struct world *w, int64_t job)
{
	char nonce[2 * SHA256_LEN + 1];

	(void)snprintf(nonce, sizeof(nonce), "%064x", ++w->counter);
	must_tell(w, "{s:s, s:I, s:s, s:i, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "prove", "ms", 9, "nonce", nonce, "scheme", "test", "preimage", "@preimage",
	    "signature", "@signature");
}

static inline void world_readback(struct world *w, int64_t job, const char *certificate)
{
	must_tell(w, "{s:s, s:I, s:s, s:i, s:s}", "event", "step", "job", job, "step", "readback",
	    "ms", 5, "certificate", digest(certificate));
}

static inline void world_attest(struct world *w, int64_t job)
{
	must_tell(w, "{s:s, s:I}", "event", "attesting", "job", job);
	must_tell(w, "{s:s, s:I, s:s, s:i, s:s, s:s, s:s}", "event", "step", "job", job, "step",
	    "attest", "ms", 2, "statement", "@statement", "cms", "@cms", "jws", "@jws");
}

static inline void world_finish(struct world *w, int64_t job, const char *certificate)
{
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "step", "job", job, "step", "install", "ms",
	    20);
	world_readback(w, job, certificate);
	world_prove(w, job);
	world_attest(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed");
}

static inline int world_try_fail(struct world *w, int64_t job, const char *code, struct err *e)
{
	return tell(w, e, "{s:s, s:I, s:s, s:{s:s, s:s, s:s}}", "event", "end", "job", job,
	    "outcome", "failed", "error", "domain", "device", "code", code, "message",
	    "it did not work");
}

static inline void world_fail(struct world *w, int64_t job)
{
	struct err e = { 0 };

	assert_ok(world_try_fail(w, job, "device.broken", &e), &e);
}

static inline void world_park(struct world *w, int64_t job)
{
	must_tell(w, "{s:s, s:I, s:{s:s, s:s, s:s}}", "event", "park", "job", job, "error",
	    "domain", "link", "code", "link.gone", "message", "unplugged");
}

/* A unit from claim to PASS, with a key and a certificate named after it. */
static inline int64_t world_pass(struct world *w, const char *serial, const char *order)
{
	int64_t job = world_claim(w, serial, order);
	char key[64], certificate[64];

	(void)snprintf(key, sizeof(key), "key of %s %lld", serial, (long long)job);
	(void)snprintf(certificate, sizeof(certificate), "cert of %s %lld", serial, (long long)job);
	world_request(w, job, key);
	world_intent(w, job, key);
	world_answer(w, job, "done");
	world_issue(w, job, key, certificate);
	world_finish(w, job, certificate);
	return job;
}

static inline json_t *world_job(struct world *w, int64_t job)
{
	json_t *ret = NULL;
	struct err e = { 0 };

	assert_ok(records_job(w->r, job, &ret, &e), &e);
	return ret;
}

static inline void assert_member(const json_t *object, const char *member, const char *want)
{
	if (want == NULL)
		assert_null(json_object_get(object, member));
	else
		assert_string_equal(json_opt_str(object, member, "(absent)"), want);
}

static inline json_t *world_orphans(struct world *w)
{
	json_t *ret = NULL;
	struct err e = { 0 };

	assert_ok(records_orphans(w->r, &ret, &e), &e);
	return ret;
}

static inline void assert_order(struct world *w, const char *id, int issued, int orphaned,
    int reserved)
{
	AUTO(json_t) *order = NULL;
	struct err e = { 0 };

	assert_ok(records_order(w->r, id, &order, &e), &e);
	assert_int_equal(json_opt_int(order, "issued", -1), issued);
	assert_int_equal(json_opt_int(order, "orphaned", -1), orphaned);
	assert_int_equal(json_opt_int(order, "reserved", -1), reserved);
}

static inline json_t *world_verify(struct world *w)
{
	json_t *ret = NULL;
	struct err e = { 0 };

	assert_ok(records_verify(w->r, &ret, &e), &e);
	return ret;
}

/* Every test ends with records that verify. */
static inline int world_teardown_verified(void **state)
{
	AUTO(json_t) *counts = world_verify(*state);

	assert_non_null(counts);
	return world_teardown(state);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown_verified)

#endif
