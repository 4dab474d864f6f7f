#include "told.h"

#include <stdlib.h>
#include <string.h>

struct told {
	int64_t last;
	struct buf lines[TOLD_KEPT]; /* event n at n % TOLD_KEPT */
};

int told_new(struct told **ret, struct err *e)
{
	struct told *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_nomem(e);
	*ret = t;
	return 0;
}

void told_free(struct told *t)
{
	for (size_t i = 0; i < TOLD_KEPT; i++)
		buf_free(&t->lines[i]);
	free(t);
}

int told_add(struct told *t, json_t *event, struct err *e)
{
	AUTO_STRUCT(buf) line = { 0 };
	struct buf *place = &t->lines[(t->last + 1) % TOLD_KEPT];

	if (json_set_int(event, "n", t->last + 1, e) != 0 || json_canonical(event, &line, e) != 0 ||
	    buf_add_u8(&line, '\n', e) != 0)
		return -1;
	buf_free(place);
	*place = buf_steal(&line);
	t->last++;
	return 0;
}

int64_t told_last(const struct told *t)
{
	return t->last;
}

bool told_reaches(const struct told *t, int64_t after)
{
	return after >= 0 && after <= t->last && t->last - after <= TOLD_KEPT;
}

const char *told_line(const struct told *t, int64_t n, size_t *ret_len)
{
	const struct buf *line = &t->lines[n % TOLD_KEPT];

	*ret_len = line->len;
	return (const char *)line->data;
}
