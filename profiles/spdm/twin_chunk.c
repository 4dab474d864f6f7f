/* CHUNK_SEND and CHUNK_GET (DSP0274 10.27 to 10.30): messages larger than one transfer. */
#include "bytes.h"
#include "twin_device.h"

enum {
	GET_LEN = 6,
	HEADER = 12,
	HEADER_FIRST = 16,
	ACK_LEN = 6,
};

int twin_chunk_begin(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_chunks *c = &d->chunks;

	buf_free(&c->message);
	c->message = buf_steal(&x->answer);
	c->sends = true;
	c->handle = ++c->last_handle;
	c->sequence = 0;
	c->done = 0;
	if (twin_refuse(d, x, SPDM_ERROR_LARGE_RESPONSE, 0, e) != 0)
		return -1;
	return buf_add_u8(&x->answer, c->handle, e);
}

static int say_chunk(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_chunks *c = &d->chunks;
	size_t head = c->sequence == 0 ? HEADER_FIRST : HEADER;
	size_t left = c->message.len - c->done;
	size_t fits = d->connection.peer_transfer - head;
	size_t n = left < fits ? left : fits;

	if (twin_begin(d, x, n == left ? SPDM_CHUNK_LAST : 0, c->handle, e) != 0 ||
	    buf_add_u16le(&x->answer, c->sequence, e) != 0 ||
	    buf_add_u16le(&x->answer, 0, e) != 0 || buf_add_u32le(&x->answer, (uint32_t)n, e) != 0)
		return -1;
	if (c->sequence == 0 && buf_add_u32le(&x->answer, (uint32_t)c->message.len, e) != 0)
		return -1;
	if (buf_add(&x->answer, c->message.data + c->done, n, e) != 0)
		return -1;
	c->done += n;
	c->sequence++;
	c->sends = n < left;
	return 0;
}

int twin_chunk_get(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const struct twin_chunks *c = &d->chunks;
	const uint8_t *p = x->request.data;

	if (!d->connection.peer_chunks || !c->sends)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	if (x->request.len < GET_LEN || p[3] != c->handle || get_u16le(p + 4) != c->sequence)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	return say_chunk(d, x, e);
}

/* The transfer is dropped, and the answer to the large message is this error. */
static int early_error(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const uint8_t error[] = { d->connection.version, SPDM_ERROR, SPDM_ERROR_INVALID_REQUEST,
		0 };
	uint16_t sequence = get_u16le(x->request.data + 4);

	d->chunks.receives = false;
	if (twin_begin(d, x, SPDM_CHUNK_EARLY_ERROR, x->request.data[3], e) != 0 ||
	    buf_add_u16le(&x->answer, sequence, e) != 0)
		return -1;
	return buf_add(&x->answer, error, sizeof(error), e);
}

/* Begins a transfer with its first chunk; false where it can be none. */
static bool begin_transfer(struct twin_device *d, const struct twin_exchange *x)
{
	struct twin_chunks *c = &d->chunks;
	const uint8_t *p = x->request.data;

	if (x->request.len < HEADER_FIRST || (p[2] & SPDM_CHUNK_LAST) != 0)
		return false;
	c->total = get_u32le(p + 12);
	if (c->total <= SPDM_TRANSFER_MIN || c->total > d->traits->largest)
		return false;
	c->receives = true;
	c->handle = p[3];
	c->sequence = 0;
	c->done = 0;
	buf_clear(&c->message);
	return true;
}

/* The length of a chunk that fits into the transfer that runs, or 0. */
static size_t chunk_len(const struct twin_device *d, const struct twin_exchange *x)
{
	const struct twin_chunks *c = &d->chunks;
	const uint8_t *p = x->request.data;
	size_t head = c->sequence == 0 ? HEADER_FIRST : HEADER;
	bool last = (p[2] & SPDM_CHUNK_LAST) != 0;
	size_t n, left = c->total - c->done;

	if (x->request.len < head || p[3] != c->handle || get_u16le(p + 4) != c->sequence)
		return 0;
	n = get_u32le(p + 8);
	if (n > x->request.len - head || n > left || last != (n == left))
		return 0;
	return last || n >= SPDM_TRANSFER_MIN - head ? n : 0;
}

/* Hands the whole message on and wraps its answer. */
static int finish_transfer(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	AUTO_STRUCT(twin_exchange) inner = { 0 };

	d->chunks.receives = false;
	inner.request = buf_steal(&d->chunks.message);
	if (inner.request.data[1] == SPDM_CHUNK_SEND || inner.request.data[1] == SPDM_CHUNK_GET ||
	    inner.request.data[1] == SPDM_GET_VERSION)
		return early_error(d, x, e);
	if (twin_device_handle(d, &inner, e) != 0)
		return -1;
	x->work_ms = inner.work_ms;
	if (ACK_LEN + inner.answer.len <= d->connection.peer_transfer)
		return buf_add(&x->answer, inner.answer.data, inner.answer.len, e);
	buf_free(&x->answer);
	x->answer = buf_steal(&inner.answer);
	return twin_chunk_begin(d, x, e);
}

int twin_chunk_send(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_chunks *c = &d->chunks;
	const uint8_t *p = x->request.data;
	uint16_t sequence;
	size_t n;

	if (!d->connection.peer_chunks || c->sends)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	if (x->request.len < HEADER)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (!c->receives && !begin_transfer(d, x))
		return early_error(d, x, e);
	n = chunk_len(d, x);
	if (n == 0)
		return early_error(d, x, e);
	if (buf_add(&c->message, p + (c->sequence == 0 ? HEADER_FIRST : HEADER), n, e) != 0)
		return -1;
	sequence = c->sequence++;
	c->done += n;
	if (twin_begin(d, x, 0, c->handle, e) != 0 || buf_add_u16le(&x->answer, sequence, e) != 0)
		return -1;
	return c->done == c->total ? finish_transfer(d, x, e) : 0;
}
