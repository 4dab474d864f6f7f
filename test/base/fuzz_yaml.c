/* A hostile file: no crash, and what is accepted can be walked and read in every way. */
#include "yaml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct yaml_node *n)
{
	static const char *const names[] = { "a", "b", NULL };
	const char *text;
	struct err e;
	int64_t number;
	bool flag;
	int choice;

	(void)(yaml_text(n, &text, &e) == 0);
	(void)(yaml_number(n, INT64_MIN, INT64_MAX, &number, &e) == 0);
	(void)(yaml_keys(n, names, &e) == 0);
	(void)(yaml_bool(n, "a", false, &flag, &e) == 0);
	(void)(yaml_enum(n, "a", false, names, &choice, &e) == 0);
	(void)yaml_error(n, &e, "line %d", yaml_line(n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STRUCT(buf) replaced = { 0 };
	AUTO_PTR(yaml) *y = NULL;
	struct err e = { 0 };

	if (yaml_parse(&y, "fuzz", (const char *)data, size, &e) < 0)
		return 0;
	read_all(yaml_root(y));
	for (size_t i = 0; i < yaml_len(yaml_root(y)); i++) {
		const struct yaml_node *n = yaml_value_at(yaml_root(y), i);

		read_all(n);
		for (size_t k = 0; k < yaml_len(n); k++)
			read_all(yaml_at(n, k));
	}
	(void)(yaml_replace("fuzz", (const char *)data, size, "/a", "{x: 1}", &replaced, &e) == 0);
	return 0;
}
