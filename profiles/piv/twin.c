#include "twin.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "twin_ccid.h"
#include "twin_issue.h"

enum { TRANSFER_MAX = 65536 + TWIN_CCID_HEADER };

struct station_side {
	struct twin_card card;
	struct twin_ccid reader;
	int fd;
	struct buf transfer;
};
static void side_free(struct station_side *s)
{
	twin_ccid_free(&s->reader);
	twin_card_free(&s->card);
	buf_free(&s->transfer);
}
OWNED_STRUCT(station_side, side_free)

/* Blocks until there is one. Errors: LINK "twin.usb" (the socket is gone). */
static int read_transfer(struct station_side *s, struct err *e)
{
	uint8_t *room;
	ssize_t n;

	buf_clear(&s->transfer);
	room = buf_room(&s->transfer, TRANSFER_MAX, e);
	if (room == NULL)
		return -1;
	do
		n = recv(s->fd, room, TRANSFER_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, ERR_LINK, "twin.usb", "reading");
	if (n == 0 && recv(s->fd, room, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		return err_set(e, ERR_LINK, "twin.usb", "the bus is gone");
	s->transfer.len = (size_t)n;
	return 0;
}

static int write_transfer(const struct station_side *s, const struct buf *b, struct err *e)
{
	ssize_t n;

	if (b->len == 0)
		return 0;
	do
		n = send(s->fd, b->data, b->len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_errno(e, ERR_LINK, "twin.usb", "writing") : 0;
}

static bool is_there_more(const struct station_side *s, int64_t until)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int left = clock_left_ms(until);

	if (left > TWIN_CCID_EXTENSION_MS)
		left = TWIN_CCID_EXTENSION_MS;
	return poll(&p, 1, left) > 0;
}

/* The card works: the host is asked for more time, again and again, and may give up. */
static int work(struct station_side *s, const struct buf *waiting, bool *ret_aborted, struct err *e)
{
	int64_t until = s->reader.endless ? INT64_MAX : clock_now_ms() + s->reader.wait_ms;
	AUTO_STRUCT(buf) extension = { 0 };

	*ret_aborted = false;
	if (!s->reader.endless && s->reader.wait_ms == 0)
		return 0;
	if (twin_ccid_extension(waiting, &extension, e) != 0)
		return -1;
	do {
		if (write_transfer(s, &extension, e) != 0)
			return -1;
		if (!is_there_more(s, until))
			continue;
		if (read_transfer(s, e) != 0 ||
		    twin_ccid_interrupt(&s->reader, waiting, s->transfer.data, s->transfer.len,
			ret_aborted, e) != 0 ||
		    write_transfer(s, &s->reader.answer, e) != 0)
			return -1;
	} while (!*ret_aborted && clock_now_ms() < until);
	return 0;
}

static int answer(struct station_side *s, struct err *e)
{
	AUTO_STRUCT(buf) waiting = buf_steal(&s->reader.answer);
	bool aborted;

	if (work(s, &waiting, &aborted, e) != 0)
		return -1;
	return aborted ? 0 : write_transfer(s, &waiting, e);
}

static int run(struct station_side *s, struct err *e)
{
	enum twin_ccid_fate fate = TWIN_CCID_SILENT;

	while (fate != TWIN_CCID_LEAVE) {
		if (read_transfer(s, e) != 0 ||
		    twin_ccid_take(&s->reader, s->transfer.data, s->transfer.len, &fate, e) != 0)
			return -1;
		if (fate == TWIN_CCID_ANSWER && answer(s, e) != 0)
			return -1;
	}
	return 0;
}

static int serve_card(const struct twin_config *config, int fd, struct err *e)
{
	AUTO_STRUCT(station_side) s = { .fd = fd };

	if (twin_card_open(&s.card, config, e) != 0)
		return -1;
	s.reader.card = &s.card;
	return run(&s, e);
}

/* pid.codes 1209:0001 is for tests: nobody ships it. */
static const struct twin_usb usb = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x0b,
	.descriptor = twin_ccid_descriptor,
	.descriptor_len = sizeof(twin_ccid_descriptor),
	.notice = twin_ccid_notice,
	.notice_len = sizeof(twin_ccid_notice),
	.tells_step = true,
};

const struct twin_family piv_twin = {
	.name = "piv",
	.faults = twin_fault_names,
	.variants = twin_card_variants,
	.usb = &usb,
	.check = twin_card_check,
	.serve = serve_card,
	.prepare = twin_issue_prepare,
};
