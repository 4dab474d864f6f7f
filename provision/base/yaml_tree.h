/* The tree behind yaml.h: made by yaml_parse.c, read by yaml.c. Private to these two. */
#ifndef KILN_YAML_TREE_H
#define KILN_YAML_TREE_H

#include "yaml.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_mark {
	int line, column; /* from 1 */
};

struct yaml_node {
	const struct yaml *yaml;
	struct yaml_node *made_before; /* all nodes of a tree, for freeing without recursion */
	enum yaml_kind kind;
	bool quoted; /* a scalar in quotes or a block scalar: text, whatever it looks like */
	bool block;  /* a block scalar: its indicator lies outside start .. end */
	struct yaml_mark at;
	size_t start, end; /* bytes of the text it was read from, quotes included */
	char *key;         /* of a map's member, else NULL */
	struct yaml_mark key_at;
	char *text; /* of a scalar */
	struct yaml_node **children;
	size_t count;
};

struct yaml {
	char *name;
	struct yaml_node *root;
	struct yaml_node *newest;
};

/* "name:line:col: <fmt>", domain CONFIG, code "yaml". Returns -1. */
int yaml_error_at(const struct yaml *y, struct yaml_mark at, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
