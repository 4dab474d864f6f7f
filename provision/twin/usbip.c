#include "usbip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	CMD_SUBMIT = 1,
	CMD_UNLINK = 2,
	RET_SUBMIT = 3,
	RET_UNLINK = 4,

	AT_COMMAND = 0, /* offsets of the header's fields */
	AT_SEQUENCE = 4,
	AT_DIRECTION = 12,
	AT_ENDPOINT = 16,
	AT_FLAGS = 20, /* of a submit */
	AT_LENGTH = 24,
	AT_PACKETS = 32,
	AT_SETUP = 40,
	AT_UNLINK = 20, /* of an unlink */
	AT_STATUS = 20, /* of the answers */
	AT_ACTUAL = 24,

	FLAG_SHORT_NOT_OK = 0x0001, /* URB_... of <linux/usb.h> */
	FLAG_ZERO_PACKET = 0x0040,
};

#define NOT_ISOCHRONOUS 0xffffffffU

void usbip_free(struct usbip *u)
{
	buf_free(&u->in);
}

static uint32_t get_u32be(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32be(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static int put(const struct usbip *u, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = send(u->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_LINK, "twin.usbip", "answering the host");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int answer_submit(const struct usbip *u, const struct urb *urb, struct err *e)
{
	uint8_t header[USBIP_HEADER_LEN] = { 0 };
	bool in = urb->endpoint == 0 ? (urb->setup[0] & 0x80) != 0 : (urb->endpoint & 0x80) != 0;

	put_u32be(header + AT_COMMAND, RET_SUBMIT);
	put_u32be(header + AT_SEQUENCE, (uint32_t)urb->id);
	put_u32be(header + AT_STATUS, (uint32_t)urb->status);
	put_u32be(header + AT_ACTUAL, (uint32_t)urb->actual);
	if (put(u, header, sizeof(header), e) != 0)
		return -1;
	return in ? put(u, urb->data.data, urb->actual, e) : 0;
}

static int answer_unlink(const struct usbip *u, uint32_t sequence, int status, struct err *e)
{
	uint8_t header[USBIP_HEADER_LEN] = { 0 };

	put_u32be(header + AT_COMMAND, RET_UNLINK);
	put_u32be(header + AT_SEQUENCE, sequence);
	put_u32be(header + AT_STATUS, (uint32_t)status);
	return put(u, header, sizeof(header), e);
}

/* A cancelled transfer that has bytes is answered with them, as if it had ended before: an unlink's
 * answer could not carry them. Any other is not answered. */
static int answer_done(struct usbip *u, struct err *e)
{
	for (;;) {
		AUTO_PTR(urb) *urb = pump_reap(u->pump);

		if (urb == NULL)
			return 0;
		if (urb->status == -ECONNRESET && urb->actual == 0)
			continue;
		if (answer_submit(u, urb, e) != 0)
			return -1;
	}
}

static int unlink_urb(struct usbip *u, const uint8_t *header, struct err *e)
{
	uint32_t sequence = get_u32be(header + AT_UNLINK);
	bool waits = false;

	/* what is done already is answered first: the host takes the unlink's answer for the last word */
	if (answer_done(u, e) != 0)
		return -1;
	for (const struct urb *urb = u->pump->waiting.first; urb != NULL; urb = urb->next)
		if (urb->id == sequence)
			waits = (urb->endpoint & 0x80) == 0 || urb->data.len == 0;
	if (pump_cancel(u->pump, sequence) && answer_done(u, e) != 0)
		return -1;
	return answer_unlink(u, get_u32be(header + AT_SEQUENCE), waits ? -ECONNRESET : 0, e);
}

static int submit(struct usbip *u, const uint8_t *header, const uint8_t *data, size_t len,
    struct err *e)
{
	AUTO_PTR(urb) *urb = calloc(1, sizeof(*urb));
	uint32_t flags = get_u32be(header + AT_FLAGS);
	bool in = get_u32be(header + AT_DIRECTION) != 0;
	uint32_t endpoint = get_u32be(header + AT_ENDPOINT);

	if (urb == NULL)
		return err_nomem(e);
	if (endpoint > 15)
		return err_set(e, ERR_LINK, "twin.usbip", "there is no endpoint %u", endpoint);
	urb->id = get_u32be(header + AT_SEQUENCE);
	urb->endpoint = (uint8_t)(endpoint | (in && endpoint != 0 ? 0x80 : 0));
	memcpy(urb->setup, header + AT_SETUP, sizeof(urb->setup));
	urb->zero = (flags & FLAG_ZERO_PACKET) != 0;
	urb->whole = (flags & FLAG_SHORT_NOT_OK) != 0;
	urb->room = get_u32be(header + AT_LENGTH);
	if (buf_add(&urb->data, data, len, e) != 0)
		return -1;
	pump_submit(u->pump, steal(&urb));
	return 0;
}

/* One command; *ret_len is 0 where it is not all there. */
static int take(struct usbip *u, const uint8_t *p, size_t len, size_t *ret_len, struct err *e)
{
	size_t data = 0;

	*ret_len = 0;
	if (len < USBIP_HEADER_LEN)
		return 0;
	if (get_u32be(p + AT_COMMAND) == CMD_UNLINK) {
		*ret_len = USBIP_HEADER_LEN;
		return unlink_urb(u, p, e);
	}
	if (get_u32be(p + AT_COMMAND) != CMD_SUBMIT ||
	    get_u32be(p + AT_LENGTH) > USBIP_TRANSFER_MAX)
		return err_set(e, ERR_LINK, "twin.usbip", "command %u of %u bytes is none",
		    get_u32be(p + AT_COMMAND), get_u32be(p + AT_LENGTH));
	if (get_u32be(p + AT_PACKETS) != 0 && get_u32be(p + AT_PACKETS) != NOT_ISOCHRONOUS)
		return err_set(e, ERR_LINK, "twin.usbip", "isochronous transfers are not there");
	if (get_u32be(p + AT_DIRECTION) == 0)
		data = get_u32be(p + AT_LENGTH);
	if (len - USBIP_HEADER_LEN < data)
		return 0;
	*ret_len = USBIP_HEADER_LEN + data;
	return submit(u, p, p + USBIP_HEADER_LEN, data, e);
}

static int take_all(struct usbip *u, struct err *e)
{
	size_t at = 0, len = 1;

	while (len > 0) {
		if (take(u, u->in.data + at, u->in.len - at, &len, e) != 0)
			return -1;
		at += len;
	}
	buf_drop(&u->in, at);
	return 0;
}

int usbip_read(struct usbip *u, bool *ret_end, struct err *e)
{
	for (;;) {
		uint8_t bytes[4096];
		ssize_t n = recv(u->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		*ret_end = n <= 0;
		if (n <= 0)
			return 0;
		if (buf_add(&u->in, bytes, (size_t)n, e) != 0 || take_all(u, e) != 0)
			return -1;
	}
}

int usbip_answer(struct usbip *u, struct err *e)
{
	if (pump_turn(u->pump, e) != 0)
		return -1;
	return answer_done(u, e);
}
