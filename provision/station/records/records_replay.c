#include "records_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

void records_hash(const uint8_t before[static SHA256_LEN], const void *body, size_t len,
    uint8_t ret[static SHA256_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	/* As sha256(): short of a broken libcrypto this can not fail, and going on would be worse. */
	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, before, SHA256_LEN) != 1 ||
	    EVP_DigestUpdate(ctx, body, len) != 1 || EVP_DigestFinal_ex(ctx, ret, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

/* A row of the event table as it is read. Texts are borrowed from the cursor. */
struct row {
	int64_t number, seq;
	const char *station, *body, *hash;
	size_t body_len;
};

static int broken_chain(const struct row *row, const char *what, struct err *e)
{
	return err_set(e, ERR_RECORDS, "verify.chain", "event %lld (%lld of station %.80s): %s",
	    (long long)row->number, (long long)row->seq, row->station, what);
}

/* Where the chain of a station ends. */
struct chain_end {
	char station[RECORD_TEXT_MAX + 1]; /* "": of none */
	int64_t seq;
	uint8_t hash[SHA256_LEN];
};

/* The place and hash before this event, from what was replayed; *end may be of another station. */
static int find_before(struct db *into, const struct row *row, struct chain_end *end, struct err *e)
{
	AUTO(json_t) *last = NULL;

	if (end->station[0] != '\0' && strcmp(end->station, row->station) == 0)
		return 0;
	*end = (struct chain_end){ 0 };
	if (db_row(into, "SELECT seq, hash FROM event WHERE station = ?1 ORDER BY seq DESC LIMIT 1",
		DB_ARGS(db_text(row->station)), &last, e) != 0)
		return -1;
	end->seq = json_opt_int(last, "seq", 0);
	if (last != NULL && !hex_decode(json_opt_str(last, "hash", ""), end->hash, SHA256_LEN))
		return broken_chain(row, "the one before it has no hash", e);
	if (strlen(row->station) < sizeof(end->station)) /* else it is looked for each time */
		memcpy(end->station, row->station, strlen(row->station) + 1);
	return 0;
}

/* Moves *end to this event. */
static int check_row(struct db *into, const struct row *row, int64_t number, struct chain_end *end,
    int64_t *ret_before, struct err *e)
{
	uint8_t hash[SHA256_LEN];
	char text[2 * SHA256_LEN + 1];

	if (row->number != number)
		return err_set(e, ERR_RECORDS, "verify.chain", "event %lld is missing",
		    (long long)number);
	if (find_before(into, row, end, e) != 0)
		return -1;
	records_hash(end->hash, row->body, row->body_len, hash);
	hex_encode(hash, SHA256_LEN, text);
	if (strcmp(text, row->hash) != 0)
		return broken_chain(row, "its hash is not that of its text and the event before it",
		    e);
	*ret_before = end->seq;
	if (row->seq > end->seq) {
		end->seq = row->seq;
		memcpy(end->hash, hash, SHA256_LEN);
	}
	return 0;
}

/* The text repeats the event's place, so that the hash covers it. Only "restored" may leave out some of
 * the chain; records_apply sees that it says which. */
static int check_body(const struct row *row, const json_t *body, int64_t before, struct err *e)
{
	if (row->seq != before + 1 && strcmp(json_opt_str(body, "event", ""), "restored") != 0)
		return broken_chain(row, "the one before it is missing", e);
	if (json_opt_int(body, "v", 0) != RECORD_VERSION)
		return broken_chain(row, "its version is unknown to this kiln", e);
	if (json_opt_int(body, "record", 0) != row->number ||
	    json_opt_int(body, "seq", 0) != row->seq ||
	    strcmp(json_opt_str(body, "station", ""), row->station) != 0)
		return broken_chain(row, "its text is of another place in the chain", e);
	return 0;
}

/* Lets the projection know of the blobs that the event brought; their bytes are checked elsewhere. */
static int put_blob_names(struct db *into, const struct row *row, const json_t *body, struct err *e)
{
	const json_t *names = json_object_get(body, "blobs");

	for (size_t i = 0; i < json_array_size(names); i++) {
		const json_t *name = json_array_get(names, i);
		const char *member = json_is_string(name) ? json_string_value(name) : "";
		const char *digest = json_opt_str(body, member, "");

		if (!digest_is_valid(digest))
			return broken_chain(row, "it names a blob and has no digest of it", e);
		if (db_run(into,
			"INSERT INTO blob (sha256, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
			DB_ARGS(db_text(digest), db_bytes(NULL, 0)), e) != 0)
			return -1;
	}
	return 0;
}

static int replay_row(struct db *into, const struct row *row, int64_t before, bool with_bodies,
    struct err *e)
{
	AUTO(json_t) *body = NULL;
	struct event ev = { .number = row->number, .seq = row->seq, .station = row->station };
	struct err why = { 0 };

	if (json_parse(row->body, row->body_len, &body, ERR_RECORDS, &why) != 0)
		return broken_chain(row, why.message, e);
	if (check_body(row, body, before, e) != 0 || put_blob_names(into, row, body, e) != 0)
		return -1;
	ev.body = body;
	ev.name = json_opt_str(body, "event", "");
	ev.at = json_opt_str(body, "at", "");
	if (records_project(into, &ev, with_bodies ? row->body : "", row->hash, &why) == 0)
		return 0;
	if (records_is_broken(&why)) {
		*e = why;
		return -1;
	}
	return err_set(e, ERR_RECORDS, "verify.rule", "event %lld (%lld of station %.80s): %s: %s",
	    (long long)row->number, (long long)row->seq, row->station, why.code, why.message);
}

static void read_row(struct db_cursor *c, struct row *ret)
{
	size_t ignored;

	ret->number = db_column_int(c, 0);
	ret->station = db_column_text(c, 1, &ignored);
	ret->seq = db_column_int(c, 2);
	ret->body = db_column_text(c, 3, &ret->body_len);
	ret->hash = db_column_text(c, 4, &ignored);
}

static int replay_all(struct db *from, struct db *into, bool with_bodies, int64_t *ret_events,
    struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	struct chain_end end = { 0 };
	int64_t events = 0;

	if (db_query(from, "SELECT number, station, seq, body, hash FROM event ORDER BY number",
		DB_NONE, &c, e) != 0)
		return -1;
	for (;; events++) {
		struct row row;
		int64_t before = 0;
		bool more = false;

		if (db_next(&c, &more, e) != 0)
			return -1;
		if (!more)
			break;
		read_row(&c, &row);
		if (check_row(into, &row, events + 1, &end, &before, e) != 0 ||
		    replay_row(into, &row, before, with_bodies, e) != 0)
			return -1;
	}
	*ret_events = events;
	return 0;
}

int records_replay(struct db *from, struct db *into, bool with_bodies, int64_t *ret_events,
    struct err *e)
{
	if (db_exec(into, "BEGIN", e) != 0 ||
	    replay_all(from, into, with_bodies, ret_events, e) != 0)
		return -1;
	return db_exec(into, "COMMIT", e);
}
