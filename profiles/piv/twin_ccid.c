#include "twin_ccid.h"

#include <string.h>

#include "bytes.h"

/* clang-format off */
#define DESCRIPTOR(level) {								\
	54, 0x21, 0x10, 0x01,		/* bcdCCID 1.10 */				\
	0x00,				/* bMaxSlotIndex */				\
	0x07,				/* bVoltageSupport: all */			\
	0x02, 0x00, 0x00, 0x00,		/* dwProtocols: T=1 */				\
	0xa0, 0x0f, 0x00, 0x00,		/* dwDefaultClock: 4 MHz */			\
	0xa0, 0x0f, 0x00, 0x00,		/* dwMaximumClock */				\
	0x00,				/* bNumClockSupported */			\
	0x00, 0xb0, 0x04, 0x00,		/* dwDataRate: 307200 */			\
	0x00, 0xb0, 0x04, 0x00,		/* dwMaxDataRate */				\
	0x00,				/* bNumDataRatesSupported */			\
	0xfe, 0x00, 0x00, 0x00,		/* dwMaxIFSD */					\
	0x00, 0x00, 0x00, 0x00,		/* dwSynchProtocols */				\
	0x00, 0x00, 0x00, 0x00,		/* dwMechanical */				\
	0xfe, 0x04, (level), 0x00,	/* dwFeatures: all automatic, exchange level */	\
	0x0a, 0x10, 0x00, 0x00,		/* dwMaxCCIDMessageLength */			\
	0xff, 0xff,			/* bClassGetResponse, bClassEnvelope: echo */	\
	0x00, 0x00,			/* wLcdLayout */				\
	0x00,				/* bPINSupport */				\
	0x01,				/* bMaxCCIDBusySlots */				\
}
/* clang-format on */

const uint8_t twin_ccid_descriptor[TWIN_CCID_DESCRIPTOR] = DESCRIPTOR(0x04);
const uint8_t twin_ccid_descriptor_short[TWIN_CCID_DESCRIPTOR] = DESCRIPTOR(0x02);
const uint8_t twin_ccid_notice[2] = { 0x50, 0x03 };

enum {
	SET_PARAMETERS = 0x61,
	POWER_ON = 0x62,
	POWER_OFF = 0x63,
	GET_SLOT_STATUS = 0x65,
	SECURE = 0x69,
	T0_APDU = 0x6a,
	ESCAPE = 0x6b,
	GET_PARAMETERS = 0x6c,
	RESET_PARAMETERS = 0x6d,
	ICC_CLOCK = 0x6e,
	XFR_BLOCK = 0x6f,
	MECHANICAL = 0x71,
	ABORT = 0x72,
	SET_RATE = 0x73,
	DATA_BLOCK = 0x80,
	SLOT_STATUS = 0x81,
	PARAMETERS = 0x82,
	ESCAPED = 0x83,
	RATE = 0x84,
};

/* bmCommandStatus and bError (6.2.6, table 6.2-2); an error by number is the offset of the bad field. */
enum {
	STATUS_FAILED = 0x40,
	STATUS_MORE_TIME = 0x80,
	ERROR_UNSUPPORTED = 0,
	ERROR_LENGTH = 1,
	ERROR_SLOT = 5,
	ERROR_PROTOCOL = 7,
	ERROR_LEVEL = 8,
	ERROR_BUSY = 0xe0,
	ERROR_MUTE = 0xfe,
};

/* The parameters of T=1 (6.2.3): 372/1, CRC off, no guard time, BWI 4 CWI 5, no clock stop, IFSC 254. */
static const uint8_t parameters_t1[] = { 0x11, 0x10, 0x00, 0x45, 0x00, 0xfe, 0x00 };

void twin_ccid_free(struct twin_ccid *r)
{
	buf_free(&r->message);
	buf_free(&r->answer);
	memset(r, 0, sizeof(*r));
}

static uint8_t icc_status(const struct twin_ccid *r)
{
	return r->out ? 2 : r->active ? 0 : 1;
}

/* Replaces the answer. head: of the command, slot and sequence are its own. last: byte 9. */
static int answer(struct twin_ccid *r, uint8_t type, const uint8_t *head, uint8_t status,
    uint8_t error, uint8_t last, const uint8_t *data, size_t len, struct err *e)
{
	uint8_t out[TWIN_CCID_HEADER] = { type };

	put_u32le(out + 1, (uint32_t)len);
	out[5] = head[5];
	out[6] = head[6];
	out[7] = (uint8_t)(status | icc_status(r));
	out[8] = error;
	out[9] = last;
	if (buf_set(&r->answer, out, sizeof(out), e) != 0)
		return -1;
	return buf_add(&r->answer, data, len, e);
}

/* What each command is answered with (table 6.1-1); anything else with the slot's status. */
static uint8_t answer_type(uint8_t command)
{
	switch (command) {
	case POWER_ON:
	case XFR_BLOCK:
	case SECURE:
		return DATA_BLOCK;
	case GET_PARAMETERS:
	case RESET_PARAMETERS:
	case SET_PARAMETERS:
		return PARAMETERS;
	case ESCAPE:
		return ESCAPED;
	case SET_RATE:
		return RATE;
	default:
		return SLOT_STATUS;
	}
}

static int fail(struct twin_ccid *r, const uint8_t *head, uint8_t error, struct err *e)
{
	return answer(r, answer_type(head[0]), head, STATUS_FAILED, error, 0, NULL, 0, e);
}

static int succeed(struct twin_ccid *r, const uint8_t *head, struct err *e)
{
	return answer(r, SLOT_STATUS, head, 0, 0, 0, NULL, 0, e);
}

static int power_on(struct twin_ccid *r, const uint8_t *head, struct err *e)
{
	const struct twin_traits *t = r->card->traits;

	if (r->out || twin_card_strikes(r->card, FAULT_MUTE, STEP_IDENTIFY))
		return fail(r, head, ERROR_MUTE, e);
	if (head[7] > 3)
		return fail(r, head, ERROR_PROTOCOL, e);
	twin_card_reset(r->card);
	r->active = true;
	return answer(r, DATA_BLOCK, head, 0, 0, 0, t->atr, t->atr_len, e);
}

static int power_off(struct twin_ccid *r, const uint8_t *head, struct err *e)
{
	twin_card_reset(r->card);
	r->active = false;
	return succeed(r, head, e);
}

static int tell_parameters(struct twin_ccid *r, const uint8_t *head, struct err *e)
{
	if (!r->active)
		return fail(r, head, ERROR_MUTE, e);
	if (head[0] == SET_PARAMETERS && head[7] != 1)
		return fail(r, head, ERROR_PROTOCOL, e);
	return answer(r, PARAMETERS, head, 0, 0, 1, parameters_t1, sizeof(parameters_t1), e);
}

enum mishap { MISHAP_NONE, MISHAP_SILENCE, MISHAP_LEAVE, MISHAP_MUTE };

static int once(struct twin_ccid *r, enum twin_fault_kind kind, enum step_id step, bool *ret,
    struct err *e)
{
	*ret = twin_card_strikes(r->card, kind, step);
	return *ret ? twin_card_struck(r->card, e) : 0;
}

/* What a fault has for a command that comes once; before or after it is done. */
static int meet_once(struct twin_ccid *r, enum step_id step, enum mishap *ret, struct err *e)
{
	bool struck;

	if (once(r, FAULT_DROP, step, &struck, e) != 0)
		return -1;
	if (struck)
		*ret = MISHAP_SILENCE;
	if (once(r, FAULT_RESET, step, &struck, e) != 0)
		return -1;
	if (struck)
		*ret = MISHAP_LEAVE;
	return 0;
}

static int meet(struct twin_ccid *r, enum step_id step, enum mishap *ret, struct err *e)
{
	*ret = MISHAP_NONE;
	if (twin_card_strikes(r->card, FAULT_STALL, step))
		*ret = MISHAP_SILENCE;
	if (twin_card_strikes(r->card, FAULT_REMOVED, step))
		r->out = true;
	if (r->out || twin_card_strikes(r->card, FAULT_MUTE, step))
		*ret = MISHAP_MUTE;
	return r->card->fault.before ? meet_once(r, step, ret, e) : 0;
}

/* The card has answered: noise in the reader, and what comes after the act. */
static int finish(struct twin_ccid *r, enum step_id step, enum mishap *ret, struct err *e)
{
	bool struck;

	r->endless = twin_card_strikes(r->card, FAULT_ENDLESS, step);
	if (once(r, FAULT_CORRUPT, step, &struck, e) != 0)
		return -1;
	if (struck)
		r->answer.data[6] ^= 0x40;
	return r->card->fault.before ? 0 : meet_once(r, step, ret, e);
}

static int transmit(struct twin_ccid *r, const uint8_t *head, size_t len, enum mishap *ret,
    struct err *e)
{
	const uint8_t *apdu = head + TWIN_CCID_HEADER;
	enum step_id step = twin_card_step(r->card, apdu, len);
	AUTO_STRUCT(buf) response = { 0 };

	if (r->card->config->account != NULL)
		__atomic_store_n(&r->card->config->account->step, (int)step, __ATOMIC_RELEASE);
	if (meet(r, step, ret, e) != 0)
		return -1;
	if (*ret == MISHAP_MUTE) {
		r->active = false;
		return fail(r, head, ERROR_MUTE, e);
	}
	if (*ret != MISHAP_NONE)
		return 0;
	if (twin_card_transmit(r->card, apdu, len, &response, e) != 0)
		return -1;
	r->wait_ms = r->card->work_ms;
	if (answer(r, DATA_BLOCK, head, 0, 0, 0, response.data, response.len, e) != 0)
		return -1;
	return finish(r, step, ret, e);
}

static int xfr_block(struct twin_ccid *r, const uint8_t *head, size_t len, enum mishap *ret,
    struct err *e)
{
	*ret = MISHAP_NONE;
	if (!r->active)
		return fail(r, head, ERROR_MUTE, e);
	if (get_u16le(head + 8) != 0)
		return fail(r, head, ERROR_LEVEL, e); /* no APDU is longer than a message */
	if (len < 4 || (r->card->traits->short_only && len > TWIN_APDU_SHORT_MAX))
		return fail(r, head, ERROR_LENGTH, e);
	return transmit(r, head, len, ret, e);
}

static int run(struct twin_ccid *r, const uint8_t *head, size_t len, enum mishap *ret,
    struct err *e)
{
	switch (head[0]) {
	case POWER_ON:
		return power_on(r, head, e);
	case POWER_OFF:
		return power_off(r, head, e);
	case GET_SLOT_STATUS:
	case ABORT: /* there is nothing to abort: it comes after the answer */
		return succeed(r, head, e);
	case GET_PARAMETERS:
	case RESET_PARAMETERS:
	case SET_PARAMETERS:
		return tell_parameters(r, head, e);
	case XFR_BLOCK:
		return xfr_block(r, head, len, ret, e);
	default:
		return fail(r, head, ERROR_UNSUPPORTED, e);
	}
}

static bool is_whole(const struct buf *message)
{
	return message->len >= TWIN_CCID_HEADER &&
	       message->len - TWIN_CCID_HEADER >= get_u32le(message->data + 1);
}

/* A header at least; one that is shorter has nothing to be answered to. */
static int handle(struct twin_ccid *r, enum mishap *ret, struct err *e)
{
	const uint8_t *head = r->message.data;
	size_t len = r->message.len - TWIN_CCID_HEADER;

	if (head[5] != 0)
		return fail(r, head, ERROR_SLOT, e);
	if (len != get_u32le(head + 1) || r->message.len > TWIN_CCID_MESSAGE_MAX)
		return fail(r, head, ERROR_LENGTH, e);
	return run(r, head, len, ret, e);
}

int twin_ccid_take(struct twin_ccid *r, const uint8_t *data, size_t len, enum twin_ccid_fate *ret,
    struct err *e)
{
	enum mishap mishap = MISHAP_NONE;

	*ret = TWIN_CCID_SILENT;
	r->wait_ms = 0;
	r->endless = false;
	if (buf_add(&r->message, data, len, e) != 0)
		return -1;
	if (!is_whole(&r->message) && len > 0 && len % TWIN_CCID_PACKET == 0 &&
	    r->message.len <= TWIN_CCID_MESSAGE_MAX)
		return 0; /* the transfer goes on */
	if (r->message.len < TWIN_CCID_HEADER) {
		buf_clear(&r->message);
		return 0;
	}
	if (handle(r, &mishap, e) != 0)
		return -1;
	buf_clear(&r->message);
	if (mishap == MISHAP_LEAVE)
		*ret = TWIN_CCID_LEAVE;
	else if (mishap != MISHAP_SILENCE)
		*ret = TWIN_CCID_ANSWER;
	return 0;
}

int twin_ccid_interrupt(struct twin_ccid *r, const struct buf *waiting, const uint8_t *data,
    size_t len, bool *ret_aborted, struct err *e)
{
	*ret_aborted = false;
	buf_clear(&r->answer);
	if (len < TWIN_CCID_HEADER)
		return 0;
	*ret_aborted = data[0] == ABORT && data[5] == waiting->data[5];
	return *ret_aborted ? succeed(r, data, e) : fail(r, data, ERROR_BUSY, e);
}

int twin_ccid_extension(const struct buf *waiting, struct buf *ret, struct err *e)
{
	uint8_t out[TWIN_CCID_HEADER] = { DATA_BLOCK };

	memcpy(out + 5, waiting->data + 5, 2);
	out[7] = STATUS_MORE_TIME;
	out[8] = 1; /* times the waiting time that the parameters say */
	return buf_set(ret, out, sizeof(out), e);
}
