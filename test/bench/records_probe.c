/*
 * What the station does with its records, timed from inside: no program's start is in it.
 *   records_probe lookup RECORDS           serials on standard input; microseconds of each on standard output,
 *                                          for 20 s at most
 *   records_probe insert RECORDS STATION PROFILE FIRST COUNT
 *                                          claims of new serials FIRST1.., each durable; microseconds of each
 *   records_probe chain RECORDS            events, and microseconds for reading and hashing them all, on one line
 *   records_probe verify RECORDS           the same for all that records_verify does
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "records_internal.h"

enum { LOOKUPS_MS = 20000 };

static int die(const struct err *e)
{
	(void)fprintf(stderr, "records_probe: %s\n", e->message);
	return EXIT_FAILURE;
}

static int lookup(struct records *r, struct err *e)
{
	int64_t until = clock_now_ms() + LOOKUPS_MS;
	char serial[256];

	while (clock_now_ms() < until && fgets(serial, sizeof(serial), stdin) != NULL) {
		AUTO(json_t) *unit = NULL;
		int64_t begun;

		serial[strcspn(serial, "\n")] = '\0';
		begun = clock_now_us();
		if (records_unit(r, serial, &unit, e) != 0)
			return -1;
		(void)printf("%lld\n", (long long)(clock_now_us() - begun));
		if (unit == NULL)
			return err_set(e, ERR_RECORDS, "probe", "there is no unit %s", serial);
	}
	return 0;
}

static int claim(struct records *r, const char *profile, const char *serial, struct err *e)
{
	struct record record = { .body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}",
				     "event", "claim", "serial", serial, "model", "IP3-A", "slot",
				     "1", "profile", profile, "firmware", "3.4.2", "lifecycle",
				     "manufacturing", "uuid", "", "reuse", 0) };
	int rc = record.body != NULL ? records_append(r, &record, e) : err_nomem(e);

	record_free(&record);
	return rc;
}

static int insert(struct records *r, const char *profile, const char *first, long count,
    struct err *e)
{
	for (long i = 1; i <= count; i++) {
		int64_t begun = clock_now_us();
		char serial[256];

		(void)snprintf(serial, sizeof(serial), "%s%ld", first, i);
		if (claim(r, profile, serial, e) != 0)
			return -1;
		(void)printf("%lld\n", (long long)(clock_now_us() - begun));
	}
	return 0;
}

static int tell(int64_t events, int64_t begun_us)
{
	(void)printf("%lld %lld\n", (long long)events, (long long)(clock_now_us() - begun_us));
	return 0;
}

/* The chain of the one station that is in these records. */
static int chain(const char *path, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	AUTO_STRUCT(db) db = { 0 };
	uint8_t hash[SHA256_LEN] = { 0 };
	int64_t begun = clock_now_us(), events = 0;
	bool more = true;

	if (db_open(&db, path, DB_READ, e) != 0 ||
	    db_query(&db, "SELECT body, hash FROM event ORDER BY number", DB_NONE, &c, e) != 0)
		return -1;
	for (; db_next(&c, &more, e) == 0 && more; events++) {
		char text[2 * SHA256_LEN + 1];
		size_t len, ignored;
		const char *body = db_column_text(&c, 0, &len);

		records_hash(hash, body, len, hash);
		hex_encode(hash, SHA256_LEN, text);
		if (strcmp(text, db_column_text(&c, 1, &ignored)) != 0)
			return err_set(e, ERR_RECORDS, "probe", "the chain is broken");
	}
	return more ? -1 : tell(events, begun);
}

static int verify(struct records *r, struct err *e)
{
	AUTO(json_t) *counts = NULL;
	int64_t begun = clock_now_us();

	if (records_verify(r, &counts, e) != 0)
		return -1;
	return tell(json_opt_int(counts, "events", 0), begun);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	const char *station = strcmp(what, "insert") == 0 && argc == 7 ? argv[3] : NULL;
	AUTO_PTR(records) *r = NULL;
	struct err e = { 0 };

	if (argc < 3 || (argc != 3 && station == NULL))
		return 2;
	if (memory_guard(&e) != 0 || records_open(&r, argv[2], station, false, &e) != 0)
		return die(&e);
	if (station != NULL)
		return insert(r, argv[4], argv[5], strtol(argv[6], NULL, 10), &e) == 0 ? 0
										       : die(&e);
	if (strcmp(what, "chain") == 0)
		return chain(argv[2], &e) == 0 ? 0 : die(&e);
	if (strcmp(what, "lookup") == 0)
		return lookup(r, &e) == 0 ? 0 : die(&e);
	return strcmp(what, "verify") == 0 && verify(r, &e) == 0 ? 0 : die(&e);
}
