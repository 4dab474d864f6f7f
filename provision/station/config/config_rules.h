/* rules: of station.yaml: what a failure asks of people. */
#ifndef KILN_CONFIG_RULES_H
#define KILN_CONFIG_RULES_H

#include "line_rule.h"
#include "yaml.h"

enum { RULES_RETESTS_MAX = 100 };

struct config_rules {
	int64_t retests; /* how many times a unit that failed may be made again; -1: always */
	struct line_terms stop_after;
	bool acknowledge_failures;
};

/*
 * rules: { retests: 3, stop_after: { in_a_row: 3, of: "5/20" }, acknowledge_failures: true }
 *
 * each of which may be absent; of: may be { failed: 5, last: 20 } too. Errors as yaml.
 */
must_check int config_rules_load(struct config_rules *ret, const struct yaml_node *root,
    struct err *e);

#endif
