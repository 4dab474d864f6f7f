/* A file of slots while it is being learned: names and places, written whole after each. */
#ifndef KILN_SLOTS_FILE_H
#define KILN_SLOTS_FILE_H

#include "config.h"
#include "usb_tree.h"

/* One that was learned, or was in the file before. */
struct slots_file_row {
	char name[CONFIG_NAME_MAX + 1];
	char *address; /* NULL: it has places */
	char places[CONFIG_PLACES_MAX][USB_PLACE_MAX + 1];
	size_t place_count;
	int row, column; /* of its tile; 0: none */
};

struct slots_file {
	char *path;
	struct slots_file_row *rows;
	size_t count;
	/* What was there before this run is kept: as .bak, or the first of .bak.1, .bak.2 that was free. */
	bool kept;
	char *kept_as; /* NULL: nothing was there, or not yet */
};

/* What the file holds, or nothing where it is not there or anew is set. Errors: CONFIG, also where what is
 * there is no file of slots, or (unless anew) says a name or an address that this could not write again. */
must_check int slots_file_open(struct slots_file *ret, const char *path, bool anew, struct err *e);
void slots_file_free(struct slots_file *f);
OWNED_STRUCT(slots_file, slots_file_free)

/* The row with that name / with one of the two places (peer may be ""), or NULL. */
const struct slots_file_row *slots_file_named(const struct slots_file *f, const char *name);
const struct slots_file_row *slots_file_at(const struct slots_file *f, const char *place,
    const char *peer);

/* A name that the file can say: CONFIG "slot.name", also where it is taken. */
must_check int slots_file_check_name(const struct slots_file *f, const char *name, struct err *e);
/* The lowest number that is no name yet. */
void slots_file_next_name(const struct slots_file *f, char ret[static 16]);

/* Adds a slot of a checked name, and writes the file. Errors: CONFIG. */
must_check int slots_file_add(struct slots_file *f, const char *name, const char *place,
    const char *peer, struct err *e);

#endif
