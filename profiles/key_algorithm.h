/* The key algorithms a profile can ask for, by name. */
#ifndef KILN_KEY_ALGORITHM_H
#define KILN_KEY_ALGORITHM_H

#include <stddef.h>

struct key_algorithm {
	const char *name;  /* as profiles write it: "EC:P-256" */
	const char *type;  /* OpenSSL's key type: "EC" */
	const char *group; /* OpenSSL's group name; NULL where the type has none */
	int bits;
};

/* The one of that name, or NULL. */
const struct key_algorithm *key_algorithm_find(const char *name);
/* All names, NULL at the end. */
extern const char *const key_algorithm_names[];

#endif
