#include "records_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"

enum { CHECKPOINT_VERSION = 1, CHECKPOINT_MAX = 4096, CHECKPOINT_EVERY_MS = 1000 };

static int name_file(const char *records, char *ret, size_t size, struct err *e)
{
	if (snprintf(ret, size, "%s.checkpoint", records) >= (int)size)
		return err_set(e, ERR_RECORDS, "records.io", "the path of the records is too long");
	return 0;
}

/* One line of JSON and its SHA-256 in hex: a torn file and one that says something else differ. */
static bool is_whole(struct buf *text, size_t *ret_len)
{
	const char *line = (const char *)text->data;
	const char *end = text->len > 0 ? memchr(line, '\n', text->len) : NULL;
	char digest[2 * SHA256_LEN + 1];

	if (end == NULL)
		return false;
	*ret_len = (size_t)(end - line);
	sha256_hex(line, *ret_len, digest);
	return text->len == *ret_len + 1 + 2 * SHA256_LEN + 1 &&
	       memcmp(end + 1, digest, 2 * SHA256_LEN) == 0 && text->data[text->len - 1] == '\n';
}

static bool parse(const json_t *mark, struct records_place *ret)
{
	const char *station = json_opt_str(mark, "station", "");
	const char *hash = json_opt_str(mark, "hash", "");
	const char *at = json_opt_str(mark, "at", "");

	ret->seq = json_opt_int(mark, "seq", 0);
	if (json_opt_int(mark, "version", 0) != CHECKPOINT_VERSION || ret->seq <= 0 ||
	    station[0] == '\0' || strlen(station) >= sizeof(ret->station) ||
	    !digest_is_valid(hash) || strlen(at) >= sizeof(ret->at))
		return false;
	(void)snprintf(ret->station, sizeof(ret->station), "%s", station);
	(void)snprintf(ret->hash, sizeof(ret->hash), "%s", hash);
	(void)snprintf(ret->at, sizeof(ret->at), "%s", at);
	return true;
}

int checkpoint_read(const char *records, struct records_place *ret,
    enum checkpoint_state *ret_state, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *mark = NULL;
	struct err ignored = { 0 }; /* damaged is damaged */
	char path[4096];
	size_t len;

	*ret_state = CHECKPOINT_ABSENT;
	if (name_file(records, path, sizeof(path), e) != 0)
		return -1;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0;
	*ret_state = CHECKPOINT_DAMAGED;
	if (file_read(path, CHECKPOINT_MAX, &text, &ignored) != 0 || !is_whole(&text, &len) ||
	    json_parse((const char *)text.data, len, &mark, ERR_RECORDS, &ignored) != 0 ||
	    !parse(mark, ret))
		return 0;
	*ret_state = CHECKPOINT_READ;
	return 0;
}

static int write_mark(const struct records *r, struct err *e)
{
	AUTO(json_t) *mark = json_object();
	AUTO_STRUCT(buf) text = { 0 };
	char path[4096], hash[2 * SHA256_LEN + 1], digest[2 * SHA256_LEN + 1], now[CLOCK_TEXT];

	hex_encode(r->head.hash, SHA256_LEN, hash);
	clock_wall_text(now);
	if (mark == NULL)
		return err_nomem(e);
	if (json_set_int(mark, "version", CHECKPOINT_VERSION, e) != 0 ||
	    json_set_str(mark, "station", r->station, e) != 0 ||
	    json_set_int(mark, "seq", r->head.seq, e) != 0 ||
	    json_set_str(mark, "hash", hash, e) != 0 || json_set_str(mark, "at", now, e) != 0 ||
	    json_canonical(mark, &text, e) != 0)
		return -1;
	sha256_hex(text.data, text.len, digest);
	if (buf_printf(&text, e, "\n%s\n", digest) != 0 ||
	    name_file(r->path, path, sizeof(path), e) != 0)
		return -1;
	return file_write(path, text.data, text.len, 0640, e);
}

int64_t checkpoint_due_ms(const struct records *r)
{
	return r->unmarked && !r->broken ? r->marked_at + CHECKPOINT_EVERY_MS : -1;
}

void checkpoint_write(struct records *r)
{
	struct err e = { 0 };

	if (!r->unmarked || r->broken)
		return;
	r->unmarked = false;
	r->marked_at = clock_now_ms();
	if (write_mark(r, &e) == 0)
		return;
	/* A disk that does not take this does not take the next event either: nothing goes on. */
	(void)err_set(&r->why, ERR_RECORDS, "records.io",
	    "the disk of the records fails (their checkpoint: %s): make room or replace it, then "
	    "start again",
	    e.message);
	r->broken = true;
}

void checkpoint_write_due(struct records *r)
{
	int64_t due = checkpoint_due_ms(r);

	if (due >= 0 && clock_now_ms() >= due)
		checkpoint_write(r);
}

/* Where the chain of that station ends: its last event's seq and time. */
static int chain_end(struct db *db, const char *station, int64_t *ret_seq,
    char ret_at[static CLOCK_TEXT], struct err *e)
{
	AUTO(json_t) *row = NULL;
	AUTO(json_t) *body = NULL;
	const char *text;

	*ret_seq = 0;
	(void)snprintf(ret_at, CLOCK_TEXT, "never");
	if (db_row(db, "SELECT seq, body FROM event WHERE station = ?1 ORDER BY seq DESC LIMIT 1",
		DB_ARGS(db_text(station)), &row, e) != 0)
		return -1;
	if (row == NULL)
		return 0;
	text = json_opt_str(row, "body", "");
	if (json_parse(text, strlen(text), &body, ERR_RECORDS, e) != 0)
		return -1;
	*ret_seq = json_opt_int(row, "seq", 0);
	(void)snprintf(ret_at, CLOCK_TEXT, "%s", json_opt_str(body, "at", "an unknown time"));
	return 0;
}

int checkpoint_restored(const struct records_place *c, const char *witness, int64_t seq,
    const char *at, struct err *e)
{
	if (c->seq <= seq)
		return err_set(e, ERR_RECORDS, "records.restored",
		    "event %lld of station %.64s is not the one that %s remembers: these records "
		    "were restored from a copy and written since, or are another station's; what "
		    "was made meanwhile is not in them",
		    (long long)c->seq, c->station, witness);
	return err_set(e, ERR_RECORDS, "records.restored",
	    "these records end at event %lld of station %.64s (%s), and %s remembers event "
	    "%lld%s%s: "
	    "they are an old copy, and the units and certificates made after it are not in them",
	    (long long)seq, c->station, at, witness, (long long)c->seq,
	    c->at[0] != '\0' ? " of " : "", c->at);
}

int checkpoint_held(struct db *db, const struct records_place *c, const char *witness,
    struct err *e)
{
	AUTO(json_t) *row = NULL;
	char at[CLOCK_TEXT];
	bool declared = false;
	int64_t seq;

	if (db_row(db, "SELECT hash FROM event WHERE station = ?1 AND seq = ?2",
		DB_ARGS(db_text(c->station), db_int(c->seq)), &row, e) != 0)
		return -1;
	if (row != NULL && strcmp(json_opt_str(row, "hash", ""), c->hash) == 0)
		return 0;
	if (restore_declared(db, c, &declared, e) != 0)
		return -1;
	if (declared)
		return 0;
	if (chain_end(db, c->station, &seq, at, e) != 0)
		return -1;
	return checkpoint_restored(c, witness, seq, at, e);
}
