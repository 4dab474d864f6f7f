#include "ccid.h"

#include <string.h>

#include "bytes.h"
#include "ccid_block.h"
#include "ccid_t1.h"
#include "clock.h"

/* The class descriptor (5.1). */
enum {
	DESCRIPTOR_TYPE = 0x21,
	DESCRIPTOR_LEN = 54,
	AT_VOLTAGES = 5,
	AT_PROTOCOLS = 6,
	AT_FEATURES = 40,
	AT_MESSAGE_MAX = 44,

	MESSAGE_MIN = CCID_HEADER_LEN + CCID_APDU_MAX,

	FEATURE_AUTO_PARAMETERS = 0x02, /* from the ATR */
	FEATURE_AUTO_VOLTAGE = 0x08,
	FEATURE_AUTO_NEGOTIATION = 0x40,
	FEATURE_TPDU = 0x10000,
	FEATURE_SHORT_APDU = 0x20000,
	FEATURE_EXTENDED_APDU = 0x40000,
	FEATURE_LEVELS = FEATURE_TPDU | FEATURE_SHORT_APDU | FEATURE_EXTENDED_APDU,
};

/* wLevelParameter and bChainParameter (6.1.4, 6.2.1) */
enum { CHAIN_WHOLE = 0, CHAIN_BEGINS = 1, CHAIN_ENDS = 2, CHAIN_GOES_ON = 3, CHAIN_NEXT = 0x10 };

enum { NOTIFY_SLOT_CHANGE = 0x50, NOTICE_MAX = 64, WATCH_MS = 500 };

static int read_level(struct ccid *c, struct err *e)
{
	switch (c->features & FEATURE_LEVELS) {
	case FEATURE_TPDU:
		c->level = CCID_TPDU;
		if ((c->features & (FEATURE_AUTO_PARAMETERS | FEATURE_AUTO_NEGOTIATION)) == 0)
			return err_set(e, ERR_LINK, "ccid.reader",
			    "the reader leaves the parameters of T=0 and T=1 to the host, which is "
			    "not supported; take one that sets them");
		return 0;
	case FEATURE_SHORT_APDU:
		c->level = CCID_SHORT_APDU;
		return 0;
	case FEATURE_EXTENDED_APDU:
		c->level = CCID_EXTENDED_APDU;
		return 0;
	default:
		return err_set(e, ERR_LINK, "ccid.reader",
		    "the reader exchanges characters (dwFeatures 0x%08x); TPDUs and APDUs are "
		    "supported",
		    c->features);
	}
}

int ccid_init(struct ccid *c, const struct ccid_port *port, struct transport *link, struct err *e)
{
	size_t len = 0;
	const uint8_t *d = port->descriptor(link, DESCRIPTOR_TYPE, &len);

	if (d == NULL || len < DESCRIPTOR_LEN)
		return err_set(e, ERR_LINK, "ccid.reader",
		    "the device has no smart card reader's descriptor of %d bytes", DESCRIPTOR_LEN);
	*c = (struct ccid){
		.link = link,
		.port = port,
		.message_max = get_u32le(d + AT_MESSAGE_MAX),
		.features = get_u32le(d + AT_FEATURES),
		.protocols = get_u32le(d + AT_PROTOCOLS),
		.voltages = d[AT_VOLTAGES],
	};
	if (c->message_max < MESSAGE_MIN)
		return err_set(e, ERR_LINK, "ccid.reader",
		    "the reader takes messages of %u bytes; an APDU needs %d", c->message_max,
		    MESSAGE_MIN);
	return read_level(c, e);
}

static int card_status(struct ccid *c, uint8_t *ret, int64_t deadline, struct err *e)
{
	const struct ccid_command command = { .type = CCID_SLOT_STATUS };
	struct ccid_answer answer;

	if (ccid_exchange(c, &command, CCID_IS_SLOT_STATUS, &answer, deadline, e) != 0)
		return -1;
	/* A reader without a card may call the question a failure. */
	if (answer.failed && answer.card != CCID_CARD_ABSENT)
		return ccid_failed(c, &answer, e);
	*ret = answer.card;
	return 0;
}

/* Until the reader notices something, or a moment: notices may have been lost before. */
static int watch(struct ccid *c, int64_t deadline, struct err *e)
{
	int64_t until = clock_now_ms() + WATCH_MS;
	uint8_t notice[NOTICE_MAX];
	struct err why = { 0 };
	size_t got;

	if (!c->port->has_interrupt(c->link))
		return ccid_pause(c, deadline, e);
	if (until > deadline)
		until = deadline;
	do {
		if (c->port->interrupt(c->link, notice, sizeof(notice), &got, until, &why) != 0) {
			if (err_is(&why, "link.timeout"))
				return 0;
			*e = why;
			return -1;
		}
	} while ((got < 1 || notice[0] != NOTIFY_SLOT_CHANGE) && clock_left_ms(until) > 0);
	return 0;
}

static int await_card(struct ccid *c, int64_t deadline, struct err *e)
{
	uint8_t status = CCID_CARD_ABSENT;

	for (;;) {
		if (card_status(c, &status, deadline, e) != 0)
			return -1;
		if (status == CCID_CARD_ACTIVE || status == CCID_CARD_INACTIVE)
			return 0;
		if (clock_left_ms(deadline) == 0)
			return err_retry(err_set(e, ERR_LINK, "ccid.no-card",
					     "there is no card in the reader"),
			    e);
		if (watch(c, deadline, e) != 0)
			return -1;
	}
}

/* bPowerSelect, 0 being the reader's choice. */
static int power(struct ccid *c, uint8_t select, int64_t deadline, struct err *e)
{
	const struct ccid_command command = { .type = CCID_POWER_ON, .parameters = { select } };
	struct ccid_answer answer;

	if (ccid_exchange(c, &command, CCID_IS_DATA_BLOCK, &answer, deadline, e) != 0)
		return -1;
	if (answer.failed)
		return ccid_failed(c, &answer, e);
	if (answer.len == 0 || answer.len > CCID_ATR_MAX)
		return err_set(e, ERR_DEVICE, "ccid.mute",
		    "the card's answer to reset has %zu bytes; 1 to %d are possible", answer.len,
		    CCID_ATR_MAX);
	memcpy(c->atr, answer.data, answer.len);
	c->atr_len = answer.len;
	return 0;
}

/* The lowest voltage first, so that no card gets more than it can bear (ISO 7816-3 6.2). */
static int power_up(struct ccid *c, int64_t deadline, struct err *e)
{
	static const struct {
		uint8_t offered, select;
	} steps[] = { { 4, 3 }, { 2, 2 }, { 1, 1 } }; /* 1.8, 3, 5 V */
	int rc;

	if ((c->features & FEATURE_AUTO_VOLTAGE) != 0)
		return power(c, 0, deadline, e);
	rc = err_set(e, ERR_LINK, "ccid.reader", "the reader offers no voltage");
	for (size_t i = 0; i < COUNT(steps); i++) {
		if ((c->voltages & steps[i].offered) == 0)
			continue;
		rc = power(c, steps[i].select, deadline, e);
		if (rc == 0 || e->domain != ERR_DEVICE)
			break;
	}
	return rc;
}

int ccid_power_on(struct ccid *c, int64_t deadline, struct err *e)
{
	uint8_t protocol = 0;

	c->powered = false;
	if (await_card(c, deadline, e) != 0 || power_up(c, deadline, e) != 0)
		return -1;
	if (c->level == CCID_TPDU) {
		if (ccid_read_atr(c, &protocol, e) != 0)
			return -1;
		if ((c->protocols >> protocol & 1) == 0)
			return err_set(e, ERR_LINK, "ccid.reader",
			    "the card speaks T=%u and the reader does not", protocol);
		c->t1.used = protocol == 1;
	}
	c->powered = true;
	return 0;
}

/* Parts of one answer (only at the extended level) until it is whole. */
static int collect(struct ccid *c, struct ccid_answer *a, struct buf *in, int64_t deadline,
    struct err *e)
{
	bool first = true;

	for (;; first = false) {
		bool last = a->chain == (first ? CHAIN_WHOLE : CHAIN_ENDS);

		if (!last && a->chain != (first ? CHAIN_BEGINS : CHAIN_GOES_ON))
			return err_set(e, ERR_LINK, "ccid.protocol",
			    "the reader's block has chain parameter 0x%02x where it has no place",
			    a->chain);
		if (in->len + a->len > CCID_ANSWER_MAX || (!last && a->len == 0))
			return err_set(e, ERR_LINK, "ccid.protocol",
			    "the card's answer has more than %d bytes", CCID_ANSWER_MAX);
		if (buf_add(in, a->data, a->len, e) != 0)
			return -1;
		if (last)
			return 0;
		if (ccid_block(c, NULL, 0, CHAIN_NEXT, a, deadline, e) != 0)
			return -1;
	}
}

/* T=0 has a fifth byte always, and no expected length behind data (ISO 7816-3 12.2). */
static size_t t0_len(const struct buf *apdu, uint8_t padded[static CCID_APDU_MAX])
{
	memcpy(padded, apdu->data, apdu->len);
	if (apdu->len == 4) {
		padded[4] = 0;
		return 5;
	}
	return apdu->len == 6u + apdu->data[4] ? apdu->len - 1 : apdu->len;
}

static int transmit(struct ccid *c, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(buf) in = { 0 };
	uint8_t padded[CCID_APDU_MAX];
	const uint8_t *data = apdu->data;
	size_t len = apdu->len;
	struct ccid_answer answer;
	int rc;

	if (c->level == CCID_TPDU) {
		len = t0_len(apdu, padded);
		data = padded;
	}
	rc = ccid_block(c, data, len, 0, &answer, deadline, e);
	explicit_bzero(padded, sizeof(padded)); /* a PIN may be in it */
	if (rc != 0)
		return -1;
	if (c->level != CCID_EXTENDED_APDU)
		answer.chain = CHAIN_WHOLE; /* a field without a meaning there */
	if (collect(c, &answer, &in, deadline, e) != 0)
		return -1;
	buf_free(ret);
	*ret = buf_steal(&in);
	return 0;
}

int ccid_transmit(struct ccid *c, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(buf) in = { 0 };

	if (!c->powered)
		return err_set(e, ERR_LINK, "ccid.power", "the card has no power");
	if (apdu->len < 4 || apdu->len > CCID_APDU_MAX)
		return err_set(e, ERR_CONFIG, "ccid.apdu", "a command of %zu bytes is no APDU",
		    apdu->len);
	if ((c->t1.used ? ccid_t1_transmit(c, apdu, &in, deadline, e)
			: transmit(c, apdu, &in, deadline, e)) != 0)
		return -1;
	if (in.len < 2)
		return err_set(e, ERR_LINK, "ccid.protocol",
		    "the card answers with %zu bytes; its status alone has 2", in.len);
	buf_free(ret);
	*ret = buf_steal(&in);
	return 0;
}
