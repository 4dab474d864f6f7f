/* The slots of station.yaml, or of the file that it names in their place. Private to config*.c. */
#ifndef KILN_CONFIG_SLOTS_H
#define KILN_CONFIG_SLOTS_H

#include "config.h"

/*
 * Fills c->slots and the fixture's columns from root's `fixture` and `slots`: a list, or the name of a file that has one. required: there is at
 * least one slot, and the file is there. Errors: CONFIG, "file:line:col: ...".
 */
must_check int config_slots_load(struct config *c, const struct yaml_node *root, bool required,
    struct err *e);
/* c->path is such a file. */
must_check int config_slots_load_file(struct config *c, struct err *e);

#endif
