#include "where.h"

#include "file.h"
#include "yaml.h"

enum { CONFIG_MAX = 256 * 1024 };

static int find(const struct yaml_node *root, const char *config, struct buf *ret, struct err *e)
{
	const struct yaml_node *control;
	const char *path = NULL;

	if (yaml_map(root, "control", false, &control, e) != 0)
		return -1;
	if (control != NULL && yaml_get(control, "socket") != NULL)
		return yaml_str(control, "socket", NULL, &path, e) == 0
			   ? file_beside(config, path, ret, e)
			   : -1;
	if (yaml_str(root, "state", "state", &path, e) != 0 ||
	    file_beside(config, path, ret, e) != 0)
		return -1;
	if (buf_add_str(ret, "/control.sock", e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

int where_socket(const char *config, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_PTR(yaml) *yaml = NULL;

	if (file_read(config, CONFIG_MAX, &text, e) != 0 ||
	    yaml_parse(&yaml, config, (const char *)text.data, text.len, e) != 0)
		return -1;
	return find(yaml_root(yaml), config, ret, e);
}
