/* What the files of the disk without power share. */
#ifndef KILN_TEST_POWER_INTERNAL_H
#define KILN_TEST_POWER_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "power.h"

enum { FDS = 4096, FILES = 512, NAME = 80, FOLDER = 0 };

enum op_kind { OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_NAME, OP_UNNAME, OP_RENAME };

/* file: the number of the file that it is about, FOLDER for a sync of the folder; names also have the file. */
struct op {
	enum op_kind kind;
	size_t file;
	size_t offset, len; /* bytes written; the length cut to */
	uint8_t *bytes;
	char name[NAME], to[NAME];
};

struct bytes {
	uint8_t *data;
	size_t len, room;
};

struct name {
	char name[NAME];
	size_t file; /* 0: the entry is free */
};

struct power {
	char folder[PATH_MAX];
	pthread_mutex_t lock; /* guards what follows, while it watches */
	struct op *ops;
	size_t count, room;
	struct bytes before[FILES]; /* of files that were there */
	size_t files;               /* numbers below it are given; 0 is the folder */
	struct name was[FILES], is[FILES];
	size_t fds[FDS]; /* file number plus one of an open descriptor; 0: not ours */
};

/* Never NULL. */
void *power_grown(void *old, size_t size);

/* Lists of names: NULL where it is not there; setting replaces. */
struct name *power_find_name(struct name list[static FILES], const char *name);
void power_drop_name(struct name list[static FILES], const char *name);
void power_set_name(struct name list[static FILES], const char *name, size_t file);

#endif
