/* `scan` of station.yaml: whether labels are scanned, what they look like, and by what. */
#ifndef KILN_SCAN_CONFIG_H
#define KILN_SCAN_CONFIG_H

#include <stdint.h>

#include "scan_label.h"
#include "yaml.h"

enum scan_order {
	SCAN_NONE,
	SCAN_FIRST, /* the label, then its unit is plugged in */
	SCAN_AFTER, /* the unit is plugged in, then its label */
};

struct scan_config {
	enum scan_order order;
	struct scan_label label;
	/* The texts are borrowed from the YAML. */
	const char *device; /* path of a serial scanner's port; NULL: none */
	int64_t baud;
	const char *prefix, *suffix; /* what a scanner that is a keyboard types around a text */
};

/* Errors as yaml. Fills *ret also where there is no `scan`. */
must_check int scan_config_load(struct scan_config *ret, const struct yaml_node *root,
    struct err *e);
void scan_config_free(struct scan_config *c);

const char *scan_order_name(enum scan_order order);

#endif
