/* The page and what belongs to it: files of assets/, compiled in. */
#ifndef KILN_ASSET_H
#define KILN_ASSET_H

#include <stddef.h>
#include <stdint.h>

struct asset {
	const char *path, *type; /* of the URL; its media type */
	const uint8_t *data;
	size_t len;
};

/* NULL where there is none. */
const struct asset *asset_find(const char *path);
/* By position; NULL behind the last one. */
const struct asset *asset_at(size_t i);

/* The generated table; asset_digest is over all of them: a page of another build notices. */
extern const struct asset asset_table[];
extern const size_t asset_count;
extern const char asset_digest[];

#endif
