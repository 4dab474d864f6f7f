#include "key_algorithm.h"

#include <string.h>

#include "own.h"

static const struct key_algorithm algorithms[] = {
	{ "EC:P-256", "EC", "prime256v1", 256 },
	{ "EC:P-384", "EC", "secp384r1", 384 },
	{ "EC:P-521", "EC", "secp521r1", 521 },
	{ "RSA:2048", "RSA", NULL, 2048 },
	{ "RSA:3072", "RSA", NULL, 3072 },
	{ "RSA:4096", "RSA", NULL, 4096 },
	{ "ED25519", "ED25519", NULL, 256 },
};

const char *const key_algorithm_names[] = { "EC:P-256", "EC:P-384", "EC:P-521", "RSA:2048",
	"RSA:3072", "RSA:4096", "ED25519", NULL };

const struct key_algorithm *key_algorithm_find(const char *name)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}
