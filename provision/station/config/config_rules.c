#include "config_rules.h"

#include <stdlib.h>
#include <string.h>

/* One to three digits; what follows them, or NULL. */
static const char *read_number(const char *text, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3)
		return NULL;
	*ret = strtol(text, NULL, 10);
	return text + digits;
}

/* "5/20" */
static int read_share(const struct yaml_node *node, int64_t *ret_failed, int64_t *ret_last,
    struct err *e)
{
	const char *text, *rest;

	if (yaml_text(node, &text, e) != 0)
		return -1;
	rest = read_number(text, ret_failed);
	if (rest != NULL)
		rest = *rest == '/' ? read_number(rest + 1, ret_last) : NULL;
	if (rest == NULL || *rest != '\0')
		return yaml_error(node, e, "\"%s\" is no share of units: \"5/20\"", text);
	return 0;
}

static int load_share(const struct yaml_node *stop, struct line_terms *ret, struct err *e)
{
	static const char *const keys[] = { "failed", "last", NULL };
	const struct yaml_node *node = yaml_get(stop, "of"), *map;
	int64_t failed = 0, last = 0;

	if (node == NULL)
		return 0;
	if (!yaml_is_map(node)) {
		if (read_share(node, &failed, &last, e) != 0)
			return -1;
	} else if (yaml_map(stop, "of", true, &map, e) != 0 || yaml_keys(map, keys, e) != 0 ||
		   yaml_int(map, "failed", true, 1, LINE_LAST_MAX, &failed, e) != 0 ||
		   yaml_int(map, "last", true, 1, LINE_LAST_MAX, &last, e) != 0) {
		return -1;
	}
	if (failed < 1 || last > LINE_LAST_MAX || failed > last)
		return yaml_error(node, e, "some of the last 1 to %d units: {failed: 5, last: 20}",
		    LINE_LAST_MAX);
	ret->failed = (size_t)failed;
	ret->last = (size_t)last;
	return 0;
}

static int load_stop(const struct yaml_node *rules, struct line_terms *ret, struct err *e)
{
	static const char *const keys[] = { "in_a_row", "of", NULL };
	const struct yaml_node *map;
	int64_t row = 0;

	if (yaml_map(rules, "stop_after", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 ||
	    yaml_int(map, "in_a_row", false, 1, LINE_ROW_MAX, &row, e) != 0 ||
	    load_share(map, ret, e) != 0)
		return -1;
	ret->in_a_row = (size_t)row;
	if (ret->in_a_row == 0 && ret->failed == 0)
		return yaml_error(map, e, "say after what: in_a_row, of, or both");
	return 0;
}

int config_rules_load(struct config_rules *ret, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "retests", "stop_after", "acknowledge_failures", NULL };
	const struct yaml_node *map;

	*ret = (struct config_rules){ .retests = -1 };
	if (yaml_map(root, "rules", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 ||
	    yaml_int(map, "retests", false, 0, RULES_RETESTS_MAX, &ret->retests, e) != 0 ||
	    yaml_bool(map, "acknowledge_failures", false, &ret->acknowledge_failures, e) != 0)
		return -1;
	return load_stop(map, &ret->stop_after, e);
}
