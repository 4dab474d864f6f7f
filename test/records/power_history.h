/* Some days at a line, on a disk that can lose its power; and what was reported, when. */
#ifndef KILN_TEST_POWER_HISTORY_H
#define KILN_TEST_POWER_HISTORY_H

#include <limits.h>
#include <poll.h>

#define RECORDS_WORLD_SYNCS /* power.h has its own */
#include "power.h"
#include "records_internal.h"
#include "records_world.h"

enum { REPORTS = 4096, GROUP = 8, LARGE = 300000 };

/* A record that was reported: from that moment on it must not be lost. */
struct report {
	size_t at;
	int64_t seq;
	uint8_t hash[SHA256_LEN];
	bool refused;
};

struct history {
	struct world w;
	char folder[PATH_MAX];
	struct power *power;
	struct report reports[REPORTS];
	size_t reported;
	size_t done;    /* by the thread, of the group that it works on */
	json_t *events; /* how it went, in the end */
};

static inline void note_report(struct record *record)
{
	struct history *h = record->context;
	struct report *r = &h->reports[h->reported++];

	assert_true(h->reported < REPORTS && record->seq > 0);
	r->at = power_now(h->power);
	r->seq = record->seq;
	r->refused = record->rc != 0;
	memcpy(r->hash, record->head, SHA256_LEN);
}

static inline void note_done(struct record *record)
{
	struct history *h = record->context;

	assert_ok(record->rc, &record->err);
	note_report(record);
	h->done++;
}

/* What happened: three days. */

static inline void lose_an_answer(struct world *w, const char *serial, const char *order)
{
	int64_t job = world_claim(w, serial, order);

	world_request(w, job, serial);
	world_intent(w, job, serial);
	world_answer(w, job, "possibly-issued");
	world_park(w, job);
}

static inline void break_after_issue(struct world *w, const char *serial, const char *order)
{
	int64_t job = world_claim(w, serial, order);

	world_request(w, job, serial);
	world_intent(w, job, serial);
	world_answer(w, job, "done");
	world_issue(w, job, serial, "certificate of the broken one");
	world_fail(w, job);
}

static inline void first_day(struct world *w)
{
	struct err e = { 0 };
	int64_t broken;

	must_tell(w, "{s:s, s:s, s:s}", "event", "station", "what", "start", "build", "test");
	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "lot", "quantity", 5);
	(void)world_pass(w, "A", "lot");
	lose_an_answer(w, "B", "lot");
	break_after_issue(w, "C", "lot");
	broken = world_claim(w, "D", "lot");
	world_request(w, world_claim(w, "E", "lot"), "key of E");
	assert_err(world_try_claim(w, "F", "lot", NULL, &e), &e, "claim.quota");
	assert_err(world_try_claim(w, "A", "lot", NULL, &e), &e, "claim.passed");
	world_fail(w, broken); /* its place is free again */
}

struct member {
	char serial[24], key[40], certificate[40];
	int64_t job;
};

/* The parts of a job, as the station submits them; NULL behind the last. */
static inline json_t *part(const struct member *m, int i, int nonce)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	switch (i) {
	case 0:
		return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "event", "claim", "serial",
		    m->serial, "model", "P1", "slot", "1", "profile", "#product: pump", "reuse", 0);
	case 1:
		return json_pack("{s:s, s:I, s:s}", "event", "intent", "job", m->job, "kind",
		    "keygen");
	case 2:
		return json_pack("{s:s, s:I, s:s}", "event", "step", "job", m->job, "step",
		    "keygen");
	case 3:
		return json_pack("{s:s, s:I, s:s, s:s+, s:s}", "event", "step", "job", m->job,
		    "step", "request", "csr", "@", m->key, "spki", digest(m->key));
	case 4:
		return json_pack("{s:s, s:I, s:s, s:s}", "event", "intent", "job", m->job, "kind",
		    "enrol", "csr", digest(m->key));
	case 5:
		return json_pack("{s:s, s:I, s:s, s:s}", "event", "answer", "job", m->job, "kind",
		    "enrol", "state", "done");
	case 6:
		return json_pack("{s:s, s:I, s:s, s:s+, s:s, s:s, s:s, s:s}", "event", "step",
		    "job", m->job, "step", "enrol", "certificate", "@", m->certificate, "number",
		    m->certificate, "issuer", "CN=ca", "spki", digest(m->key), "chain", "@chain");
	case 7:
		return json_pack("{s:s, s:I, s:s, s:s}", "event", "step", "job", m->job, "step",
		    "readback", "certificate", digest(m->certificate));
	case 8:
		assert_ok(buf_printf(&text, &e, "%064x", nonce), &e);
		return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job",
		    m->job, "step", "prove", "nonce", buf_str(&text, &e), "scheme", "test",
		    "preimage", "@preimage", "signature", "@signature");
	case 9:
		return json_pack("{s:s, s:I}", "event", "attesting", "job", m->job);
	case 10:
		return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job", m->job,
		    "step", "attest", "statement", "@statement", "cms", "@cms", "jws", "@jws");
	case 11:
		return json_pack("{s:s, s:I, s:s}", "event", "end", "job", m->job, "outcome",
		    "passed");
	default:
		return NULL;
	}
}

static inline void wait_for_all(struct history *h, int fd)
{
	for (h->done = 0; h->done < GROUP;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 60000), 1);
		(void)records_collect(h->w.r);
	}
}

static inline bool submit_part(struct history *h, struct member group[static GROUP], int i, int fd)
{
	struct record records[GROUP] = { 0 };

	for (size_t n = 0; n < GROUP; n++) {
		json_t *body = part(&group[n], i, ++h->w.counter);

		if (body == NULL)
			return false;
		world_fill(&records[n], body);
		records[n].done = note_done;
		records[n].context = h;
		records_submit(h->w.r, &records[n]);
	}
	wait_for_all(h, fd);
	for (size_t n = 0; n < GROUP; n++) {
		if (records[n].job != NULL)
			group[n].job = json_opt_int(records[n].job, "job", 0);
		record_free(&records[n]);
	}
	return true;
}

/* Eight slots at once, through the thread. */
static inline void second_day(struct history *h)
{
	struct member group[GROUP] = { 0 };
	struct err e = { 0 };
	int fd = -1, i = 0;

	assert_ok(records_start(h->w.r, &fd, &e), &e);
	for (size_t n = 0; n < GROUP; n++) {
		(void)snprintf(group[n].serial, sizeof(group[n].serial), "T%zu", n);
		(void)snprintf(group[n].key, sizeof(group[n].key), "key of T%zu", n);
		(void)snprintf(group[n].certificate, sizeof(group[n].certificate),
		    "certificate of T%zu", n);
	}
	while (submit_part(h, group, i, fd))
		i++;
	assert_int_equal(i, 12);
	records_stop(h->w.r);
}

static inline void record_much(struct world *w)
{
	char *text = malloc(LARGE);

	assert_non_null(text);
	memset(text, 'x', LARGE);
	text[0] = '@';
	text[LARGE - 1] = '\0';
	must_tell(w, "{s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256", digest(text + 1),
	    "product", "large", "version", "1", "text", text);
	free(text);
}

static inline void third_day(struct world *w)
{
	int64_t job = world_claim(w, "B", "lot");

	record_much(w);
	world_intent(w, job, "B"); /* the same request again */
	world_answer(w, job, "done");
	world_issue(w, job, "B", "certificate of B");
	world_finish(w, job, "certificate of B");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason",
	    "the board was replaced", "by", "mei");
	(void)world_pass(w, "A", NULL);
	must_tell(w, "{s:s, s:s, s:s}", "event", "revoked", "orphan",
	    digest("certificate of the broken one"), "by", "ca");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "C", "reason", "broken",
	    "by", "mei");
	refuse(w, "record.invalid", "{s:s, s:s}", "event", "claim", "serial", "");
	for (int i = 0; i < 12; i++) {
		char serial[24];

		(void)snprintf(serial, sizeof(serial), "U%d", i);
		(void)world_pass(w, serial, NULL);
	}
	lose_an_answer(w, "G", NULL);
	must_tell(w, "{s:s, s:s}", "event", "station", "what", "stop");
}

static inline int keep_event(const json_t *event, void *context, struct err *e)
{
	return json_array_append(context, (json_t *)(uintptr_t)event) == 0 ? 0 : err_nomem(e);
}

static inline json_t *all_events(struct records *r)
{
	json_t *events = json_array();
	struct err e = { 0 };

	assert_non_null(events);
	assert_ok(records_events(r, NULL, 0, keep_event, events, &e), &e);
	return events;
}

static inline const char *hash_of(const json_t *events, size_t i)
{
	return json_opt_str(json_array_get(events, i), "hash", "(none)");
}

/* What was reported is what the records say in the end; a refusal is recorded as one. */
static inline void check_reports(const struct history *h, size_t refusals)
{
	size_t refused = 0;

	assert_int_equal(json_array_size(h->events), h->reported);
	for (size_t i = 0; i < h->reported; i++) {
		const json_t *event = json_array_get(h->events, i);
		char hash[2 * SHA256_LEN + 1];

		hex_encode(h->reports[i].hash, SHA256_LEN, hash);
		assert_string_equal(hash, hash_of(h->events, i));
		assert_int_equal(json_opt_int(event, "seq", 0), h->reports[i].seq);
		assert_int_equal(strcmp(json_opt_str(event, "event", ""), "refused") == 0,
		    h->reports[i].refused);
		refused += h->reports[i].refused;
	}
	assert_int_equal(refused, refusals);
}

static inline struct history *history_begin(void)
{
	struct history *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->w.folder = testing_folder();
	assert_non_null(realpath(h->w.folder, h->folder));
	(void)snprintf(h->w.path, sizeof(h->w.path), "%.400s/records.db", h->folder);
	h->w.told = note_report;
	h->w.context = h;
	h->power = power_watch(h->folder);
	world_open(&h->w, "line-1");
	return h;
}

static inline void history_end(struct history *h, size_t refusals)
{
	h->events = all_events(h->w.r);
	world_close(&h->w);
	power_stop(h->power);
	check_reports(h, refusals);
}

static inline void history_free(struct history *h)
{
	power_free(h->power);
	json_decref(h->events);
	testing_folder_remove(h->w.folder);
	free(h);
}

static inline struct history *history_make(void)
{
	struct history *h = history_begin();

	first_day(&h->w);
	world_close(&h->w);
	world_open(&h->w, "line-1");
	second_day(h);
	third_day(&h->w);
	history_end(h, 3);
	return h;
}

/* What was reported before the cut. */
static inline size_t reported_at(const struct history *h, size_t at)
{
	size_t n = 0;

	while (n < h->reported && h->reports[n].at <= at)
		n++;
	return n;
}

#endif
