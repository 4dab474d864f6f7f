/* One small file that a program replaces, on a disk that loses its power: it is old or new at each moment. */
#ifndef KILN_TEST_POWER_FILE_H
#define KILN_TEST_POWER_FILE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power.h"
#include "testing.h"

enum { POWER_VERSIONS = 32, POWER_SEEDS = 12, POWER_SWEEP_SEEDS = 200 };

/* What the file held when something about it had been reported done. */
struct power_version {
	struct buf content;
	bool there;
	size_t at;
};

struct power_file {
	char *folder, *images;
	char path[PATH_MAX], image[PATH_MAX]; /* of the file in both */
	struct power *power;
	struct power_version versions[POWER_VERSIONS];
	size_t count;
	bool liar;
	size_t lost; /* images with something else, where the disk lied */
	size_t looked;
	void (*accept)(const char *path); /* NULL, or a program's own view of each image */
};

static inline void power_file_read(const char *path, struct power_version *ret)
{
	ret->there = access(path, F_OK) == 0;
	if (ret->there)
		testing_read(path, &ret->content);
}

static inline void power_file_note(struct power_file *f)
{
	struct power_version *v = &f->versions[f->count++];

	assert_true(f->count < POWER_VERSIONS);
	power_file_read(f->path, v);
	v->at = power_now(f->power);
}

static inline char *power_file_folder(void)
{
	char *folder = testing_folder();
	char *real = realpath(folder, NULL);

	assert_non_null(real);
	free(folder);
	return real;
}

static inline void power_file_open(struct power_file *f, const char *name)
{
	*f = (struct power_file){ .folder = power_file_folder(), .images = power_file_folder() };
	(void)snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
	(void)snprintf(f->image, sizeof(f->image), "%s/%s", f->images, name);
	f->power = power_watch(f->folder);
	power_file_note(f);
}

static inline bool power_file_is(const struct power_version *a, const struct power_version *b)
{
	return a->there == b->there && (!a->there || buf_equal(&a->content, &b->content));
}

/* What was last reported, or what was on its way. */
static inline void power_file_look(struct power_file *f, const struct power_cut *cut)
{
	struct power_version found = { 0 };
	size_t k = 0;
	bool good;

	while (k + 1 < f->count && f->versions[k + 1].at <= cut->at)
		k++;
	power_clear(f->images);
	power_image(f->power, cut, f->images);
	power_file_read(f->image, &found);
	good = power_file_is(&found, &f->versions[k]) ||
	       (k + 1 < f->count && power_file_is(&found, &f->versions[k + 1]));
	if (!good && !f->liar)
		fail_msg("cut after %zu operations, \"%s\", seed %llu: neither old nor new",
		    cut->at, power_kind_name(cut->kind), (unsigned long long)cut->seed);
	f->lost += !good;
	f->looked++;
	buf_free(&found.content);
	if (f->accept != NULL && !f->liar)
		f->accept(f->image);
}

/* Every moment, every kind of image. */
static inline void power_file_look_all(struct power_file *f, bool liar)
{
	const unsigned seeds = getenv("KILN_SWEEP") != NULL ? POWER_SWEEP_SEEDS : POWER_SEEDS;

	f->liar = liar;
	f->looked = 0;
	for (size_t at = 0; at <= power_now(f->power); at++)
		for (enum power_kind kind = 0; kind < POWER_KINDS; kind++)
			for (unsigned seed = 0; seed < (kind < POWER_SAMPLE ? 1 : seeds); seed++)
				power_file_look(f, &(struct power_cut){ at, kind, seed + 1, liar });
}

/* Ends the history; looks at it; then once more with a disk that lies, which must be seen. */
static inline void power_file_close(struct power_file *f, const char *what)
{
	power_stop(f->power);
	power_file_look_all(f, false);
	power_report(what, true, "%6zu images of %s: old or new in all", f->looked, what);
	power_file_look_all(f, true);
	power_report(what, false,
	    "%6zu images on a disk that lies about its syncs: damage found in %zu", f->looked,
	    f->lost);
	assert_true(f->lost > 0);
	power_free(f->power);
	for (size_t i = 0; i < f->count; i++)
		buf_free(&f->versions[i].content);
	testing_folder_remove(f->folder);
	testing_folder_remove(f->images);
}

#endif
