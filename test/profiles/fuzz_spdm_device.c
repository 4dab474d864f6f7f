/* A hostile device: each request gets the next answer of the input. An answer is a length byte, a kind
 * byte and its bytes; kind 1 puts the right version and code in front, so that deeper parts are met. */
#include <stdlib.h>
#include <string.h>

#include "mctp.h"
#include "spdm/certificate.h"
#include "spdm/challenge.h"
#include "spdm/identify.h"
#include "spdm/key_pair.h"
#include "spdm/request.h"
#include "spdm/vendor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct hostile {
	struct transport base;
	const uint8_t *data;
	size_t left;
	struct buf in;
	struct mctp_framer framer;
	uint8_t version, code, type, tag;
};

static int answer(struct hostile *h, struct err *e)
{
	struct mctp out;
	AUTO_STRUCT(mctp_message)
	m = { .destination = 8, .source = 9, .tag = h->tag, .type = h->type };
	size_t len;
	uint8_t kind;

	if (h->left < 2)
		return err_set(e, ERR_LINK, "link.gone", "the input ends");
	kind = h->data[1];
	len = (size_t)h->data[0] * ((kind & 2) != 0 ? 8 : 1);
	h->data += 2;
	h->left -= 2;
	len = len < h->left ? len : h->left;
	if ((kind & 1) != 0 && (buf_add_u8(&m.body, h->version, e) != 0 ||
				   buf_add_u8(&m.body, h->code & 0x7f, e) != 0))
		return -1;
	if (buf_add(&m.body, h->data, len, e) != 0)
		return -1;
	h->data += len;
	h->left -= len;
	mctp_init(&out, &h->base);
	return mctp_send(&out, &m, 0, e);
}

/* Frames of answer() are for the driver to read; frames of the driver are a request. */
static int hostile_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct hostile *h = (struct hostile *)t;
	const uint8_t *p = data;
	bool request = false;

	(void)deadline; /* nobody waits here */
	if (len > 4 && p[4] == MCTP_EID_STATION)
		return buf_add(&h->in, data, len, e);
	for (size_t i = 0; i < len; i++) {
		if (!mctp_framer_push(&h->framer, p[i]))
			continue;
		h->tag = h->framer.packet[3] & 7;
		if ((h->framer.packet[3] & 0x80) != 0 && h->framer.len > 6) {
			h->type = h->framer.packet[4];
			h->version = h->framer.packet[5];
			h->code = h->framer.packet[6];
		}
		request = request || (h->framer.packet[3] & 0x40) != 0;
	}
	return request ? answer(h, e) : 0;
}

static int hostile_read(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	struct hostile *h = (struct hostile *)t;

	(void)deadline; /* as above */
	if (h->in.len == 0)
		return err_set(e, ERR_LINK, "link.timeout", "nothing");
	*ret_got = h->in.len < len ? h->in.len : len;
	memcpy(data, h->in.data, *ret_got);
	buf_drop(&h->in, *ret_got);
	return 0;
}

static void hostile_flush(struct transport *t)
{
	buf_clear(&((struct hostile *)t)->in);
}

static const struct transport_ops hostile_ops = {
	.scheme = "hostile",
	.read = hostile_read,
	.write = hostile_write,
	.flush = hostile_flush,
};

static int run(struct spdm_connection *c, uint8_t what, struct err *e)
{
	static const uint8_t nonce[SPDM_NONCE_LEN] = { 0 };
	AUTO_STRUCT(identity) identity = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(buf) bytes = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	struct subject subject = { 0 };
	uint8_t digest[SHA256_LEN];
	uint32_t len;
	bool reset;

	switch (what) {
	case 0:
		return spdm_identify(c, &identity, e);
	case 1:
		return spdm_key_make(c, true, e);
	case 2:
		return spdm_request_csr(c, &subject, &resume, &bytes, &reset, e);
	case 3:
		return spdm_prove(c, nonce, &proof, e);
	case 4:
		return spdm_vendor_get_anchors(c, &len, digest, e);
	default:
		if (buf_add(&bytes, nonce, sizeof(nonce), e) != 0)
			return -1;
		for (int i = 0; i < 8; i++)
			if (buf_add(&bytes, nonce, sizeof(nonce), e) != 0)
				return -1;
		return spdm_set_chain(c, &bytes, &reset, e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spdm_options options = { .algorithm = spdm_algorithm_find("EC:P-256"),
		.v12 = true,
		.v13 = true,
		.has_vendor = true,
		.vendor_pen = 1,
		.key_pair = 1,
		.model = "M" };
	struct hostile h = { .base = { &hostile_ops } };
	struct spdm_connection c;
	struct err e = { 0 };

	if (size == 0)
		return 0;
	h.data = data + 1;
	h.left = size - 1;
	options.identity = (enum spdm_identity)(data[0] & 3);
	spdm_connection_init(&c, &options, &h.base, 0);
	c.peer.deadline = INT64_MAX / 2;
	/* one bit chooses whether setup is part of it */
	c.peer.version = SPDM_VERSION_13;
	c.peer.transfer_max = 64;
	c.peer.message_max = SPDM_MESSAGE_MAX;
	c.peer.chunks = true;
	c.flags = 0xffffffff;
	c.multi_key = (data[0] & 4) != 0;
	c.measurements = true;
	if ((data[0] & 8) == 0 || spdm_connect(&c, &e) == 0)
		(void)!run(&c, (data[0] >> 4) % 6, &e);
	spdm_connection_free(&c);
	buf_free(&h.in);
	return 0;
}
