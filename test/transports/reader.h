/* A CCID reader that plays a script: what it is sent, and what it answers. */
#ifndef KILN_TEST_READER_H
#define KILN_TEST_READER_H

#include <stdlib.h>

#include "ccid.h"
#include "clock.h"
#include "testing.h"
#include "wire.h"

#define READER_FN __attribute__((unused)) static

/* One message of the host and the answers to it, hex. In both, "ss" stands for the sequence number of
 * the host's message, "pp" for the one before. */
struct reader_step {
	const char *sent;
	const char *answers; /* messages one behind the other; NULL: none */
};

struct reader {
	struct wire wire;
	uint8_t descriptor[54];
	const struct reader_step *script;
	size_t script_len, at;
	bool has_interrupt;
	const char *notice; /* the interrupt's next transfer, hex; NULL: none comes */
	int notices;        /* how often it was waited for */
	int requests;       /* ABORT class requests */
	uint16_t request_value;
	bool no_abort; /* the class request stalls */
};

READER_FN void reader_expand(const char *text, uint8_t sequence, struct buf *ret)
{
	char hex[4096];
	size_t len = strlen(text);

	assert_true(len < sizeof(hex));
	memcpy(hex, text, len + 1);
	for (size_t i = 0; i + 1 < len; i += 2) {
		uint8_t number = text[i] == 'p' ? (uint8_t)(sequence - 1) : sequence;
		char digits[3];

		if (text[i] != 's' && text[i] != 'p')
			continue;
		hex_encode(&number, 1, digits);
		memcpy(hex + i, digits, 2);
	}
	testing_hex(hex, ret);
}

READER_FN int reader_answer(struct wire *w, struct err *e)
{
	struct reader *r = (struct reader *)w;
	AUTO_STRUCT(buf) want = { 0 };
	const struct reader_step *step;

	if (r->at == r->script_len)
		fail_msg("the reader's script is over");
	step = &r->script[r->at++];
	assert_true(w->out.len >= 10);
	reader_expand(step->sent, w->out.data[6], &want);
	if (!buf_equal(&want, &w->out)) {
		char hex[1024];

		hex_encode(w->out.data, w->out.len < 500 ? w->out.len : 500, hex);
		fail_msg("step %zu: %s came, not %s", r->at, hex, step->sent);
	}
	if (step->answers != NULL) {
		AUTO_STRUCT(buf) answers = { 0 };

		reader_expand(step->answers, w->out.data[6], &answers);
		assert_ok(buf_add(&w->in, answers.data, answers.len, e), e);
	}
	buf_clear(&w->out);
	return 0;
}

READER_FN const uint8_t *reader_descriptor(const struct transport *t, uint8_t type, size_t *ret_len)
{
	const struct reader *r = (const struct reader *)t;

	if (type != r->descriptor[1])
		return NULL;
	*ret_len = r->descriptor[0];
	return r->descriptor;
}

READER_FN bool reader_has_interrupt(const struct transport *t)
{
	return ((const struct reader *)t)->has_interrupt;
}

READER_FN int reader_interrupt(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	struct reader *r = (struct reader *)t;
	AUTO_STRUCT(buf) notice = { 0 };

	(void)deadline; /* nobody waits here */
	r->notices++;
	if (r->notice == NULL)
		return err_retry(err_set(e, ERR_LINK, "link.timeout", "nothing came"), e);
	testing_hex(r->notice, &notice);
	assert_true(notice.len <= len);
	memcpy(data, notice.data, notice.len);
	*ret_got = notice.len;
	return 0;
}

READER_FN int reader_request(struct transport *t, uint8_t request, uint16_t value, int64_t deadline,
    struct err *e)
{
	struct reader *r = (struct reader *)t;

	(void)deadline; /* nobody waits here */
	assert_int_equal(request, 1);
	r->requests++;
	r->request_value = value;
	return r->no_abort ? err_set(e, ERR_LINK, "link.stall", "stalled") : 0;
}

static const struct ccid_port reader_port __attribute__((unused)) = {
	.descriptor = reader_descriptor,
	.has_interrupt = reader_has_interrupt,
	.interrupt = reader_interrupt,
	.request = reader_request,
};

/* features: of the class descriptor; everything else in it is QEMU's. */
READER_FN void reader_init(struct reader *r, uint32_t features, const struct reader_step *script,
    size_t script_len)
{
	static const uint8_t descriptor[54] = { 54, 0x21, 0x10, 0x01, 0, 0x07, 3, 0, 0, 0, 0xa0,
		0x0f, 0, 0, 0, 0, 1, 0, 0, 0x80, 0x25, 0, 0, 0, 0xc2, 1, 0, 0, 0xfe, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0, 1, 0, 0xff, 0xff, 0, 0, 0, 1 };

	*r = (struct reader){
		.wire = { .base = { &wire_ops }, .flushes = true, .answer = reader_answer },
		.script = script,
		.script_len = script_len
	};
	memcpy(r->descriptor, descriptor, sizeof(descriptor));
	for (int i = 0; i < 4; i++)
		r->descriptor[40 + i] = (uint8_t)(features >> 8 * i);
}

READER_FN void reader_close(struct reader *r)
{
	wire_close(&r->wire.base);
}

#define READER_STATUS_ACTIVE                                                                       \
	{                                                                                          \
		"650000000000ss000000", "810000000000ss000000"                                     \
	}
#define READER_STATUS_INACTIVE                                                                     \
	{                                                                                          \
		"650000000000ss000000", "810000000000ss010000"                                     \
	}
#define READER_STATUS_ABSENT                                                                       \
	{                                                                                          \
		"650000000000ss000000", "810000000000ss020000"                                     \
	}

enum {
	TPDU = 0x104fe, /* QEMU's */
	SHORT = 0x20848,
	EXTENDED = 0x40848,
};

#define POWER_ON  "620000000000ss000000"
#define ATR_T0    "800500000000ss0000003b80800101"
#define ATR_PLAIN "800200000000ss0000003b00"

READER_FN void open_reader(struct reader *r, struct ccid *c, uint32_t features,
    const struct reader_step *script, size_t len)
{
	struct err e = { 0 };

	reader_init(r, features, script, len);
	assert_ok(ccid_init(c, &reader_port, &r->wire.base, &e), &e);
}

READER_FN void power_on(struct ccid *c)
{
	struct err e = { 0 };

	assert_ok(ccid_power_on(c, clock_now_ms() + 5000, &e), &e);
	assert_true(c->powered);
}

/* Sends the APDU; 0 with the answer as hex, else -1. */
READER_FN int apdu(struct ccid *c, const char *command, char *ret, struct err *e)
{
	AUTO_STRUCT(buf) in = { 0 };
	AUTO_STRUCT(buf) out = { 0 };

	testing_hex(command, &in);
	if (ccid_transmit(c, &in, &out, clock_now_ms() + 5000, e) != 0)
		return -1;
	hex_encode(out.data, out.len, ret);
	return 0;
}

#endif
