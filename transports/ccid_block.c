#include "ccid_block.h"

#include <string.h>

#include "bytes.h"
#include "clock.h"

enum {
	REQUEST_ABORT = 1, /* class request (5.3.1) */
	ABORT_MS = 1000,   /* what a reader may take to stop */
	PAUSE_MS = 100,

	COMMAND_FAILED = 1, /* bmCommandStatus */
	COMMAND_WANTS_TIME = 2,

	ERROR_MUTE = 0xfe,
};

/* Table 6.2-2 */
static const struct {
	uint8_t number;
	const char *name;
} slot_errors[] = {
	{ 0xff, "command aborted" },
	{ ERROR_MUTE, "the card is mute" },
	{ 0xfd, "parity error" },
	{ 0xfc, "overrun" },
	{ 0xfb, "hardware error" },
	{ 0xf8, "bad TS in the answer to reset" },
	{ 0xf7, "bad TCK in the answer to reset" },
	{ 0xf6, "the card's protocol is not supported" },
	{ 0xf5, "the card's class is not supported" },
	{ 0xf4, "procedure byte conflict" },
	{ 0xf3, "deactivated protocol" },
	{ 0xf2, "busy with an automatic sequence" },
	{ 0xf0, "PIN time-out" },
	{ 0xef, "PIN cancelled" },
	{ 0xe0, "the slot is busy" },
	{ 0x05, "no such slot" },
	{ 0x00, "the reader does not know the command" },
};

static const char *slot_error(uint8_t number)
{
	for (size_t i = 0; i < COUNT(slot_errors); i++)
		if (slot_errors[i].number == number)
			return slot_errors[i].name;
	return number < 0x80 ? "a field of the command is wrong" : "unknown";
}

int ccid_failed(struct ccid *c, const struct ccid_answer *a, struct err *e)
{
	if (a->card != CCID_CARD_ACTIVE)
		c->powered = false;
	if (a->card == CCID_CARD_ABSENT)
		return err_set(e, ERR_LINK, "ccid.removed", "the card left its reader");
	if (a->error == ERROR_MUTE)
		return err_set(e, ERR_DEVICE, "ccid.mute", "the card does not answer");
	return err_set(e, ERR_DEVICE, "ccid.slot", "the reader reports slot error 0x%02x: %s",
	    a->error, slot_error(a->error));
}

static int read_all(struct ccid *c, uint8_t *data, size_t len, int64_t deadline, struct err *e)
{
	while (len > 0) {
		size_t got = 0;

		if (transport_read(c->link, data, len, &got, deadline, e) != 0)
			return -1;
		data += got;
		len -= got;
	}
	return 0;
}

/* The next message, of whatever type; its type and sequence are in header. */
static int read_message(struct ccid *c, uint8_t header[static CCID_HEADER_LEN],
    struct ccid_answer *ret, int64_t deadline, struct err *e)
{
	uint32_t len;

	if (read_all(c, header, CCID_HEADER_LEN, deadline, e) != 0)
		return -1;
	len = get_u32le(header + 1);
	if (len > sizeof(ret->data))
		return err_set(e, ERR_LINK, "ccid.protocol",
		    "the reader announces %u bytes; %zu are the most that fit", len,
		    sizeof(ret->data));
	ret->len = len;
	ret->card = header[7] & 3;
	ret->failed = header[7] >> 6 == COMMAND_FAILED;
	ret->error = header[8];
	ret->chain = header[9];
	return read_all(c, ret->data, len, deadline, e);
}

/* The answer to the last command: what belongs to an earlier one is dropped. */
static int receive(struct ccid *c, uint8_t type, struct ccid_answer *ret, int64_t deadline,
    struct err *e)
{
	uint8_t header[CCID_HEADER_LEN] = { 0 };
	bool again;

	do {
		/* A reader that always wants more time must not outlive the deadline. */
		if (clock_left_ms(deadline) == 0)
			return err_retry(err_set(e, ERR_LINK, "link.timeout",
					     "no answer from the card in time"),
			    e);
		if (read_message(c, header, ret, deadline, e) != 0)
			return -1;
		again = header[5] != 0 || header[6] != c->sequence ||
			(header[0] == type && header[7] >> 6 == COMMAND_WANTS_TIME);
	} while (again);
	if (header[0] != type)
		return err_set(e, ERR_LINK, "ccid.protocol",
		    "the reader answers with message 0x%02x, not 0x%02x", header[0], type);
	return 0;
}

static int send(struct ccid *c, const struct ccid_command *command, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) message = { 0 };
	uint8_t header[CCID_HEADER_LEN] = { command->type };

	put_u32le(header + 1, (uint32_t)command->len);
	header[6] = ++c->sequence;
	memcpy(header + 7, command->parameters, sizeof(command->parameters));
	if (buf_add(&message, header, sizeof(header), e) != 0 ||
	    buf_add(&message, command->data, command->len, e) != 0)
		return -1;
	return transport_write(c->link, message.data, message.len, deadline, e);
}

/* The class request and the command of one sequence number (5.3.1): then the slot is free. */
static int abort_command(struct ccid *c, struct err *e)
{
	const struct ccid_command command = { .type = CCID_ABORT };
	const int64_t deadline = clock_now_ms() + ABORT_MS;
	struct ccid_answer answer;
	uint8_t next = (uint8_t)(c->sequence + 1);

	if (c->port->request(c->link, REQUEST_ABORT, (uint16_t)(next << 8), deadline, e) != 0 ||
	    send(c, &command, deadline, e) != 0 ||
	    receive(c, CCID_IS_SLOT_STATUS, &answer, deadline, e) != 0)
		return -1;
	return answer.failed ? ccid_failed(c, &answer, e) : 0;
}

int ccid_exchange(struct ccid *c, const struct ccid_command *command, uint8_t answer_type,
    struct ccid_answer *ret, int64_t deadline, struct err *e)
{
	struct err unheard = { 0 };

	transport_flush(c->link);
	if (send(c, command, deadline, e) == 0 && receive(c, answer_type, ret, deadline, e) == 0)
		return 0;
	/* Readers that know no abort are told by a reset of the card. */
	if (!err_is(e, "link.timeout") || abort_command(c, &unheard) != 0)
		c->powered = false;
	return -1;
}

int ccid_block(struct ccid *c, const uint8_t *data, size_t len, uint16_t level,
    struct ccid_answer *ret, int64_t deadline, struct err *e)
{
	const struct ccid_command command = {
		.type = CCID_XFR_BLOCK,
		.parameters = { 0, (uint8_t)level, (uint8_t)(level >> 8) },
		.data = data,
		.len = len,
	};

	if (ccid_exchange(c, &command, CCID_IS_DATA_BLOCK, ret, deadline, e) != 0)
		return -1;
	return ret->failed ? ccid_failed(c, ret, e) : 0;
}

int ccid_pause(struct ccid *c, int64_t deadline, struct err *e)
{
	int64_t until = clock_now_ms() + PAUSE_MS;
	uint8_t dropped[CCID_HEADER_LEN + CCID_DATA_MAX];
	struct err why = { 0 };
	size_t got;

	if (until > deadline)
		until = deadline;
	if (transport_read(c->link, dropped, sizeof(dropped), &got, until, &why) == 0 ||
	    err_is(&why, "link.timeout"))
		return 0;
	*e = why;
	return -1;
}
