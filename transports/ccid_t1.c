#include "ccid_t1.h"

#include <string.h>

#include "ccid_block.h"

enum {
	PROLOGUE_LEN = 3,
	INFORMATION_MAX = 254,
	BLOCK_MAX = PROLOGUE_LEN + INFORMATION_MAX + 1,
	DEFAULT_IFSC = 32,
	ERRORS_MAX = 3, /* damaged blocks in one APDU (11.6.3) */

	I_SEQUENCE = 0x40,
	I_MORE = 0x20,
	IS_R = 0x80,
	R_SEQUENCE = 0x10,
	R_ERROR = 0x01, /* EDC */
	IS_S = 0xc0,
	KIND = 0xc0, /* R and S; an I block has the high bit clear */
	S_IFS = 0xc1,
	S_WTX = 0xc3,
	S_RESPONSE = 0x20,
};

struct block {
	uint8_t pcb;
	uint8_t data[INFORMATION_MAX];
	size_t len;
};

/* One APDU on its way. */
struct passage {
	const uint8_t *out;
	size_t out_len, chunk; /* what is left; what is in the block on its way */
	struct buf *in;
	unsigned errors;
	bool done;
};

static int senseless(struct err *e)
{
	return err_set(e, ERR_DEVICE, "ccid.mute", "the card's answer to reset makes no sense");
}

/* The interface bytes of one group (8.2.3): *at moves behind them. */
struct group {
	bool has_a, has_c, has_d;
	uint8_t a, c, d;
};

static int read_group(const struct ccid *c, size_t *at, unsigned has, struct group *ret,
    struct err *e)
{
	uint8_t *const into[] = { &ret->a, NULL, &ret->c, &ret->d };

	*ret = (struct group){ .has_a = (has & 1) != 0,
		.has_c = (has & 4) != 0,
		.has_d = (has & 8) != 0 };
	for (size_t i = 0; i < COUNT(into); i++) {
		if ((has >> i & 1) == 0)
			continue;
		if (*at == c->atr_len)
			return senseless(e);
		if (into[i] != NULL)
			*into[i] = c->atr[*at];
		(*at)++;
	}
	return 0;
}

static int take_t1(struct ccid *c, const struct group *g, struct err *e)
{
	if (g->has_c && (g->c & 1) != 0)
		return err_set(e, ERR_LINK, "ccid.reader",
		    "the card wants CRCs in T=1, which is not supported");
	if (g->has_a && (g->a == 0 || g->a > INFORMATION_MAX))
		return senseless(e);
	if (g->has_a)
		c->t1.information_max = g->a;
	return 0;
}

int ccid_read_atr(struct ccid *c, uint8_t *ret_protocol, struct err *e)
{
	uint8_t first = 0, protocol = 0;
	size_t at = 2;

	if (c->atr_len < at || (c->atr[0] != 0x3b && c->atr[0] != 0x3f))
		return senseless(e);
	c->t1 = (struct ccid_t1){ .information_max = DEFAULT_IFSC };
	for (unsigned n = 1, has = c->atr[1] >> 4; has != 0; n++) {
		struct group g;

		if (read_group(c, &at, has, &g, e) != 0)
			return -1;
		/* From the third group on they belong to the protocol named before. */
		if (n > 2 && protocol == 1 && take_t1(c, &g, e) != 0)
			return -1;
		protocol = g.d & 0x0f;
		if (n == 1)
			first = protocol;
		has = g.has_d ? g.d >> 4 : 0;
	}
	if (first > 1)
		return err_set(e, ERR_LINK, "ccid.reader",
		    "the card speaks T=%u; T=0 and T=1 are supported", first);
	*ret_protocol = first;
	return 0;
}

static uint8_t lrc(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum ^= data[i];
	return sum;
}

/* False where the block is damaged. */
static bool parse_block(const struct ccid_answer *a, struct block *ret)
{
	if (a->len < PROLOGUE_LEN + 1 || a->data[0] != 0 || a->data[2] > INFORMATION_MAX ||
	    a->len != (size_t)PROLOGUE_LEN + a->data[2] + 1 || lrc(a->data, a->len) != 0)
		return false;
	ret->pcb = a->data[1];
	ret->len = a->data[2];
	memcpy(ret->data, a->data + PROLOGUE_LEN, ret->len);
	return true;
}

/* One block there and one back; *ret_whole is false where that one is damaged. */
static int exchange(struct ccid *c, uint8_t pcb, const uint8_t *data, size_t len, struct block *ret,
    bool *ret_whole, int64_t deadline, struct err *e)
{
	uint8_t block[BLOCK_MAX] = { 0, pcb, (uint8_t)len };
	struct ccid_answer answer;
	int rc;

	if (len > 0)
		memcpy(block + PROLOGUE_LEN, data, len);
	block[PROLOGUE_LEN + len] = lrc(block, PROLOGUE_LEN + len);
	rc = ccid_block(c, block, PROLOGUE_LEN + len + 1, 0, &answer, deadline, e);
	explicit_bzero(block, sizeof(block)); /* a PIN may be in it */
	if (rc != 0)
		return -1;
	*ret_whole = parse_block(&answer, ret);
	return 0;
}

static int send_information(struct ccid *c, struct passage *p, struct block *ret, bool *ret_whole,
    int64_t deadline, struct err *e)
{
	uint8_t pcb = c->t1.send_sequence ? I_SEQUENCE : 0;

	p->chunk = p->out_len < c->t1.information_max ? p->out_len : c->t1.information_max;
	if (p->chunk < p->out_len)
		pcb |= I_MORE;
	return exchange(c, pcb, p->out, p->chunk, ret, ret_whole, deadline, e);
}

static void sent(struct ccid *c, struct passage *p)
{
	p->out += p->chunk;
	p->out_len -= p->chunk;
	p->chunk = 0;
	c->t1.send_sequence = !c->t1.send_sequence;
}

static int confused(struct err *e, uint8_t pcb)
{
	return err_set(e, ERR_LINK, "ccid.protocol",
	    "the card sends the T=1 block 0x%02x where it has no place", pcb);
}

/* The card asks for time or says how long its blocks may be: granted. */
static int answer_request(struct ccid *c, struct block *b, bool *ret_whole, int64_t deadline,
    struct err *e)
{
	const struct block request = *b;

	if ((request.pcb != S_WTX && request.pcb != S_IFS) || request.len != 1)
		return confused(e, request.pcb);
	if (request.pcb == S_IFS) {
		if (request.data[0] == 0 || request.data[0] > INFORMATION_MAX)
			return confused(e, request.pcb);
		c->t1.information_max = request.data[0];
	}
	return exchange(c, request.pcb | S_RESPONSE, request.data, 1, b, ret_whole, deadline, e);
}

/* An I block: it acknowledges what we sent, and may be a part. */
static int take_information(struct ccid *c, struct passage *p, struct block *b, bool *ret_whole,
    int64_t deadline, struct err *e)
{
	bool sequence = (b->pcb & I_SEQUENCE) != 0;

	if (p->chunk < p->out_len || sequence != c->t1.receive_sequence ||
	    p->in->len + b->len > CCID_ANSWER_MAX)
		return confused(e, b->pcb);
	if (p->out_len > 0)
		sent(c, p);
	c->t1.receive_sequence = !sequence;
	if (buf_add(p->in, b->data, b->len, e) != 0)
		return -1;
	p->done = (b->pcb & I_MORE) == 0;
	if (p->done)
		return 0;
	return exchange(c, IS_R | (c->t1.receive_sequence ? R_SEQUENCE : 0), NULL, 0, b, ret_whole,
	    deadline, e);
}

/* An R block: the next part, or the same one again. */
static int take_ready(struct ccid *c, struct passage *p, struct block *b, bool *ret_whole,
    int64_t deadline, struct err *e)
{
	bool sequence = (b->pcb & R_SEQUENCE) != 0;

	if (p->out_len == 0)
		return confused(e, b->pcb);
	if (sequence == c->t1.send_sequence) {
		if (++p->errors > ERRORS_MAX)
			return confused(e, b->pcb);
	} else if (p->chunk < p->out_len) {
		sent(c, p);
	} else {
		return confused(e, b->pcb);
	}
	return send_information(c, p, b, ret_whole, deadline, e);
}

static int complain(struct ccid *c, struct passage *p, struct block *b, bool *ret_whole,
    int64_t deadline, struct err *e)
{
	if (++p->errors > ERRORS_MAX)
		return err_set(e, ERR_LINK, "ccid.protocol",
		    "the card's T=1 blocks are damaged again and again");
	return exchange(c, IS_R | (c->t1.receive_sequence ? R_SEQUENCE : 0) | R_ERROR, NULL, 0, b,
	    ret_whole, deadline, e);
}

int ccid_t1_transmit(struct ccid *c, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(buf) in = { 0 };
	struct passage p = { .out = apdu->data, .out_len = apdu->len, .in = &in };
	struct block b;
	bool whole;
	int rc = send_information(c, &p, &b, &whole, deadline, e);

	while (rc == 0 && !p.done) {
		if (!whole)
			rc = complain(c, &p, &b, &whole, deadline, e);
		else if ((b.pcb & 0x80) == 0)
			rc = take_information(c, &p, &b, &whole, deadline, e);
		else if ((b.pcb & KIND) == IS_R)
			rc = take_ready(c, &p, &b, &whole, deadline, e);
		else
			rc = answer_request(c, &b, &whole, deadline, e);
	}
	if (rc != 0) {
		c->powered = false; /* nobody knows which block comes next */
		return -1;
	}
	buf_free(ret);
	*ret = buf_steal(&in);
	return 0;
}
