#include "scan_config.h"

#include <string.h>

enum { AROUND_MAX = 8 };

static const char *const orders[] = { "none", "first", "after", NULL };

const char *scan_order_name(enum scan_order order)
{
	return orders[order];
}

static int load_label(struct scan_config *c, const struct yaml_node *map, struct err *e)
{
	const struct yaml_node *n = yaml_get(map, "label");
	struct err why = { 0 };
	const char *pattern;

	if (n == NULL)
		return 0;
	if (yaml_text(n, &pattern, e) != 0)
		return -1;
	if (scan_label_compile(&c->label, pattern, &why) == 0)
		return 0;
	if (err_is(&why, "scan.pattern"))
		return yaml_error(n, e, "%s", why.message);
	*e = why;
	return -1;
}

static int load_device(struct scan_config *c, const struct yaml_node *map, struct err *e)
{
	static const int64_t rates[] = { 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 };

	if (yaml_get(map, "device") == NULL && yaml_get(map, "baud") != NULL)
		return yaml_error(yaml_get(map, "baud"), e,
		    "baud is of a serial scanner: its port is missing (device)");
	if (yaml_get(map, "device") == NULL)
		return 0;
	if (yaml_str(map, "device", NULL, &c->device, e) != 0 ||
	    yaml_int(map, "baud", false, 1200, 115200, &c->baud, e) != 0)
		return -1;
	if (c->device[0] != '/')
		return yaml_error(yaml_get(map, "device"), e,
		    "a scanner's device is the path of its port: /dev/serial/by-path/...");
	for (size_t i = 0; i < COUNT(rates); i++)
		if (rates[i] == c->baud)
			return 0;
	return yaml_error(yaml_get(map, "baud"), e,
	    "baud is 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200");
}

static int load_around(const struct yaml_node *map, const char *key, const char **ret,
    struct err *e)
{
	if (yaml_str(map, key, "", ret, e) != 0)
		return -1;
	if (strlen(*ret) > AROUND_MAX)
		return yaml_error(yaml_get(map, key), e, "a %s has at most %d characters", key,
		    AROUND_MAX);
	return 0;
}

int scan_config_load(struct scan_config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "order", "label", "device", "baud", "prefix", "suffix",
		NULL };
	const struct yaml_node *map;
	int order = SCAN_NONE;

	c->prefix = c->suffix = "";
	c->baud = 9600;
	if (yaml_map(root, "scan", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 || yaml_enum(map, "order", true, orders, &order, e) != 0 ||
	    load_label(c, map, e) != 0 || load_device(c, map, e) != 0 ||
	    load_around(map, "prefix", &c->prefix, e) != 0)
		return -1;
	c->order = (enum scan_order)order;
	return load_around(map, "suffix", &c->suffix, e);
}

void scan_config_free(struct scan_config *c)
{
	scan_label_free(&c->label);
}
