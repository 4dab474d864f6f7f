#include "warning.h"

static const char *const names[] = {
	"content-type",
	"pem-armour",
	"bare-certificate",
	"not-base64",
	"not-der",
	"trailing-nul",
	"foreign-end-entity",
	"duplicate-certificate",
	"unrelated-ca-certificate",
	"retry-after-missing",
	"retry-after-invalid",
	"retry-after-clamped",
	"body-with-202",
};

json_t *warning_names(unsigned set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COUNT(names) && list != NULL; i++) {
		if ((set & 1u << i) == 0)
			continue;
		if (json_array_append_new(list, json_string(names[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
