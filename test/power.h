/*
 * A disk that can lose its power. While it watches a folder, each call that changes a file or a name in it is
 * logged and carried out, whoever makes it: power.c stands in front of libc, under SQLite's own file system
 * too. From the log it makes folders as they may be found after a cut at any moment.
 *
 * Nothing is promised but what POSIX promises: bytes and length of a file are on the disk once that file was
 * synced, a name once its folder was. Everything else may be there, or not, or in parts, in any order. So
 * memory maps are not followed: SQLite's index (NAME-shm), which a cut may leave in any state, is left out.
 * Syncs, of anything, are only logged, which makes tests quick. One folder at a time; one flat folder.
 */
#ifndef KILN_TEST_POWER_H
#define KILN_TEST_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct power;

/* What lies in folder now counts as on the disk for long. folder is absolute, without links. */
struct power *power_watch(const char *folder);
/* The log stays, and grows no more. */
void power_stop(struct power *p);
void power_free(struct power *p);

/* How many operations there were so far: the moment now. */
size_t power_now(struct power *p);
/* The operations before `at` that something can be lost of: not syncs. */
bool power_changed(const struct power *p, size_t at);

enum power_kind {
	POWER_SYNCED, /* only what was synced is there */
	POWER_PREFIX, /* all that was asked for before the cut is there */
	POWER_SAMPLE, /* what was not synced is there, or not, or torn: the seed says */
	POWER_SECTORS, /* as above, and a sector that was being written takes its other bytes with it */
	POWER_KINDS,
};
const char *power_kind_name(enum power_kind kind);

struct power_cut {
	size_t at; /* operations before the cut, at most power_now */
	enum power_kind kind;
	uint64_t seed;
	bool
	    liar; /* a disk that says that it synced, and did not: to prove that a test can find loss */
};

/* Makes the files of the cut in folder, which is empty. */
void power_image(const struct power *p, const struct power_cut *cut, const char *folder);
/* Removes all files in folder. */
void power_clear(const char *folder);

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t power_random(uint64_t *state);

/* Writes a line for people, and the same into build folder/power-NAME.txt; the first call makes it anew. */
void power_report(const char *name, bool first, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
