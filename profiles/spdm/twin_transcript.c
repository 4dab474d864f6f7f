#include "twin_transcript.h"

#include "spdm.h"

void twin_transcript_free(struct twin_transcript *t)
{
	buf_free(&t->a);
	buf_free(&t->b);
	buf_free(&t->l);
}

void twin_transcript_arrive(struct twin_transcript *t, uint8_t code)
{
	if (code == SPDM_GET_MEASUREMENTS && !t->authenticated)
		buf_clear(&t->b);
	if (code == SPDM_GET_DIGESTS || code == SPDM_GET_CERTIFICATE || code == SPDM_CHALLENGE ||
	    code == SPDM_VENDOR_DEFINED_REQUEST)
		buf_clear(&t->l);
}

static int add_pair(struct buf *to, const struct buf *request, const uint8_t *answer, size_t len,
    struct err *e)
{
	if (buf_add(to, request->data, request->len, e) != 0)
		return -1;
	return buf_add(to, answer, len, e);
}

static void restart(struct twin_transcript *t)
{
	buf_clear(&t->a);
	buf_clear(&t->b);
	buf_clear(&t->l);
	t->authenticated = false;
}

int twin_transcript_accept(struct twin_transcript *t, const struct buf *request,
    const struct buf *answer, size_t signed_len, struct err *e)
{
	switch (request->data[1]) {
	case SPDM_GET_VERSION:
		restart(t);
		return add_pair(&t->a, request, answer->data, answer->len, e);
	case SPDM_GET_CAPABILITIES:
	case SPDM_NEGOTIATE_ALGORITHMS:
		return add_pair(&t->a, request, answer->data, answer->len, e);
	case SPDM_GET_DIGESTS:
		buf_clear(&t->b);
		return add_pair(&t->b, request, answer->data, answer->len, e);
	case SPDM_GET_CERTIFICATE:
		return add_pair(&t->b, request, answer->data, answer->len, e);
	case SPDM_CHALLENGE:
		buf_clear(&t->b);
		t->authenticated = true;
		return 0;
	case SPDM_GET_MEASUREMENTS:
		if (signed_len == 0)
			return add_pair(&t->l, request, answer->data, answer->len, e);
		buf_clear(&t->l);
		return 0;
	default:
		return 0;
	}
}

void twin_transcript_refuse(struct twin_transcript *t, uint8_t code)
{
	if (code == SPDM_GET_MEASUREMENTS)
		buf_clear(&t->l);
}

int twin_transcript_signed(const struct twin_transcript *t, const struct buf *request,
    const struct buf *answer, struct buf *ret, struct err *e)
{
	const struct buf *middle = request->data[1] == SPDM_CHALLENGE ? &t->b : &t->l;

	if (buf_add(ret, t->a.data, t->a.len, e) != 0 ||
	    buf_add(ret, middle->data, middle->len, e) != 0)
		return -1;
	return add_pair(ret, request, answer->data, answer->len, e);
}
