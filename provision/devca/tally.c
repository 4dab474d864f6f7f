#include "tally.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct count {
	uint8_t key[SHA256_LEN]; /* first: of label, NUL, CSR */
	unsigned posts;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_LEN);
}

int tally_count(struct tally *t, const char *label, const struct buf *csr, unsigned *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct count *count;
	struct count **found;

	if (buf_add(&text, label, strlen(label) + 1, e) != 0 ||
	    buf_add(&text, csr->data, csr->len, e) != 0)
		return -1;
	count = calloc(1, sizeof(*count));
	if (count == NULL)
		return err_nomem(e);
	sha256(text.data, text.len, count->key);
	found = tsearch(count, &t->tree, compare);
	if (found == NULL || *found != count)
		free(count);
	if (found == NULL)
		return err_nomem(e);
	*ret = ++(*found)->posts;
	return 0;
}

void tally_free(struct tally *t)
{
	tdestroy(t->tree, free);
	t->tree = NULL;
}
