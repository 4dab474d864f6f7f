#include "tar.h"

#include <stdio.h>
#include <string.h>

/* A header's fields are text in a block of zeros. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char rest[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

/* The checksum is over the header with blanks in its own place. */
static void sum_up(struct header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned sum = 0;

	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	(void)snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
}

static int fill(struct header *h, const char *path, size_t len, int64_t mtime_s, struct err *e)
{
	static const size_t most = 077777777777;

	if (strlen(path) > TAR_PATH_MAX || path[0] == '\0' || len > most)
		return err_set(e, ERR_CONFIG, "tar", "\"%s\" does not fit into a tar file", path);
	memcpy(h->name, path, strlen(path));
	(void)snprintf(h->mode, sizeof(h->mode), "%07o", 0644u);
	(void)snprintf(h->uid, sizeof(h->uid), "%07o", 0u);
	(void)snprintf(h->gid, sizeof(h->gid), "%07o", 0u);
	(void)snprintf(h->size, sizeof(h->size), "%011zo", len);
	(void)snprintf(h->mtime, sizeof(h->mtime), "%011llo",
	    (unsigned long long)(mtime_s > 0 && (size_t)mtime_s <= most ? mtime_s : 0));
	h->type = '0';
	memcpy(h->magic, "ustar", sizeof(h->magic));
	memcpy(h->version, "00", sizeof(h->version));
	sum_up(h);
	return 0;
}

int tar_add(struct buf *ret, const char *path, const struct buf *bytes, int64_t mtime_s,
    struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];
	size_t pad = (TAR_BLOCK - bytes->len % TAR_BLOCK) % TAR_BLOCK;
	struct header h = { 0 };

	if (fill(&h, path, bytes->len, mtime_s, e) != 0 || buf_add(ret, &h, sizeof(h), e) != 0)
		return -1;
	if (bytes->len > 0 && buf_add(ret, bytes->data, bytes->len, e) != 0)
		return -1;
	return pad > 0 ? buf_add(ret, zeros, pad, e) : 0;
}

int tar_end(struct buf *ret, struct err *e)
{
	static const uint8_t zeros[2 * TAR_BLOCK];

	return buf_add(ret, zeros, sizeof(zeros), e);
}
