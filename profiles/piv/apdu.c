#include "card.h"

#include <string.h>

#include "piv.h"
#include "tlv.h"

enum {
	CLA_CHAINED = 0x10,
	PART_MAX = 255,
	SW1_MORE = 0x61,
	SW1_LENGTH = 0x6c,

	TAG_APPLICATION = 0x61,
	TAG_AID = 0x4f,
	TAG_LABEL = 0x50,
};

static const uint8_t piv_aid[] = { 0xa0, 0x00, 0x00, 0x03, 0x08 };

/* Table 6 of ISO 7816-4, and what PIV says to them. */
static const struct {
	uint16_t status;
	const char *text;
} statuses[] = {
	{ 0x6581, "its memory failed" },
	{ 0x6700, "wrong length" },
	{ PIV_SW_NOT_ALLOWED, "security status not satisfied" },
	{ PIV_SW_BLOCKED, "authentication is blocked" },
	{ 0x6985, "conditions of use not satisfied" },
	{ 0x6a80, "incorrect data" },
	{ PIV_SW_NO_FUNCTION, "function not supported" },
	{ PIV_SW_NOT_FOUND, "not found" },
	{ PIV_SW_NO_ROOM, "not enough memory" },
	{ 0x6a86, "incorrect parameters" },
	{ PIV_SW_NO_REFERENCE, "no such key" },
	{ PIV_SW_NO_INSTRUCTION, "unknown instruction" },
	{ 0x6e00, "unknown class" },
	{ 0x6f00, "no diagnosis" },
};

static const char *status_text(uint16_t status)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	if ((status & 0xf000) != 0x6000 && (status & 0xf000) != 0x9000)
		return "no status word at all";
	return "unknown";
}

int piv_refused(struct err *e, const char *what, uint16_t status)
{
	const char *code = status == PIV_SW_NO_ROOM       ? "piv.space"
			   : status == PIV_SW_NOT_ALLOWED ? "piv.not-allowed"
							  : "piv.status";

	return err_set(e, ERR_DEVICE, code, "%s: the card answers %04X (%s)", what, status,
	    status_text(status));
}

int piv_nonsense(struct err *e, const char *what)
{
	return err_set(e, ERR_DEVICE, "piv.protocol", "%s: the card's answer makes no sense", what);
}

/* One APDU; its data is appended to ret. */
static int exchange(struct piv_card *c, const struct buf *apdu, struct buf *ret,
    uint16_t *ret_status, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };

	if (c->reader->transmit(c->context, apdu, &answer, c->deadline, e) != 0)
		return -1;
	if (answer.len < 2 || ret->len + answer.len - 2 > PIV_ANSWER_MAX)
		return err_set(e, ERR_DEVICE, "piv.protocol",
		    "the card's answer has less than 2 or more than %d bytes", PIV_ANSWER_MAX);
	*ret_status = (uint16_t)(answer.data[answer.len - 2] << 8 | answer.data[answer.len - 1]);
	return buf_add(ret, answer.data, answer.len - 2, e);
}

/* Part of the command's data as an APDU; the last one asks. */
static int build(const struct piv_command *command, size_t from, bool last, struct buf *ret,
    struct err *e)
{
	size_t len = last ? command->len - from : PART_MAX;
	const uint8_t header[] = { last ? 0 : CLA_CHAINED, command->ins, command->p1, command->p2 };

	if (buf_set(ret, header, sizeof(header), e) != 0)
		return -1;
	if (len > 0 && (buf_add_u8(ret, (uint8_t)len, e) != 0 ||
			   buf_add(ret, command->data + from, len, e) != 0))
		return -1;
	return last && command->asks ? buf_add_u8(ret, 0, e) : 0;
}

static int send_parts(struct piv_card *c, const struct piv_command *command, struct buf *apdu,
    struct buf *ret, uint16_t *ret_status, struct err *e)
{
	size_t from = 0;

	while (command->len - from > PART_MAX) {
		if (build(command, from, false, apdu, e) != 0 ||
		    exchange(c, apdu, ret, ret_status, e) != 0)
			return -1;
		if (*ret_status != PIV_SW_OK)
			return 0;
		from += PART_MAX;
	}
	if (build(command, from, true, apdu, e) != 0)
		return -1;
	return exchange(c, apdu, ret, ret_status, e);
}

/* 6Cxx: the same again, with the length that the card wants. */
static int send_again(struct piv_card *c, struct buf *apdu, struct buf *ret, uint16_t *ret_status,
    struct err *e)
{
	apdu->data[apdu->len - 1] = (uint8_t)*ret_status;
	return exchange(c, apdu, ret, ret_status, e);
}

static int collect(struct piv_card *c, struct buf *ret, uint16_t *ret_status, struct err *e)
{
	AUTO_STRUCT(buf) apdu = { 0 };

	while (*ret_status >> 8 == SW1_MORE) {
		const uint8_t more[] = { 0, PIV_INS_GET_RESPONSE, 0, 0, (uint8_t)*ret_status };
		size_t before = ret->len;

		if (buf_set(&apdu, more, sizeof(more), e) != 0 ||
		    exchange(c, &apdu, ret, ret_status, e) != 0)
			return -1;
		if (*ret_status >> 8 == SW1_MORE && ret->len == before)
			return err_set(e, ERR_DEVICE, "piv.protocol",
			    "the card announces more and sends nothing");
	}
	return 0;
}

int piv_command(struct piv_card *c, const struct piv_command *command, struct buf *ret,
    uint16_t *ret_status, struct err *e)
{
	AUTO_STRUCT(buf) apdu = { 0 }, answer = { 0 };
	uint16_t status = 0;

	if (send_parts(c, command, &apdu, &answer, &status, e) != 0 ||
	    (status >> 8 == SW1_LENGTH && command->asks &&
		send_again(c, &apdu, &answer, &status, e) != 0) ||
	    collect(c, &answer, &status, e) != 0)
		return -1;
	buf_free(ret);
	*ret = buf_steal(&answer);
	*ret_status = status;
	return 0;
}

int piv_call(struct piv_card *c, const char *what, const struct piv_command *command,
    struct buf *ret, struct err *e)
{
	uint16_t status;

	if (piv_command(c, command, ret, &status, e) != 0)
		return err_while(e, "%s", what);
	return status == PIV_SW_OK ? 0 : piv_refused(e, what, status);
}

static void take_label(const struct tlv *application, char label[static PIV_LABEL_MAX + 1])
{
	struct tlv text;

	label[0] = '\0';
	if (!tlv_find(application->value, application->len, TAG_LABEL, &text) ||
	    text.len > PIV_LABEL_MAX)
		return;
	for (size_t i = 0; i < text.len; i++)
		if (text.value[i] < 0x20 || text.value[i] > 0x7e)
			return;
	memcpy(label, text.value, text.len);
	label[text.len] = '\0';
}

int piv_select(struct piv_card *c, char label[static PIV_LABEL_MAX + 1], struct err *e)
{
	static const char what[] = "choosing the PIV application";
	const struct piv_command command = { PIV_INS_SELECT, 4, 0, piv_aid, sizeof(piv_aid), true };
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv application, aid;
	uint16_t status;

	if (piv_command(c, &command, &answer, &status, e) != 0)
		return err_while(e, "%s", what);
	if (status != PIV_SW_OK)
		return err_set(e, ERR_DEVICE, "piv.application",
		    "the card has no PIV application that can be chosen (%04X, %s)", status,
		    status_text(status));
	if (!tlv_is(answer.data, answer.len, TAG_APPLICATION, &application) ||
	    !tlv_find(application.value, application.len, TAG_AID, &aid))
		return piv_nonsense(e, what);
	take_label(&application, label);
	return 0;
}
