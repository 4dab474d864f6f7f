#include "twin_line.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "failpoint.h"

enum {
	BITS_PER_BYTE = 10, /* 8N1 */
	SLICE = 64,         /* bytes between two pauses */
	FULL_MS = 1000,     /* a reader that takes nothing for so long is not there */
};

static void wait_us(int64_t us)
{
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

void twin_line_wait_ms(int64_t ms)
{
	wait_us(ms * 1000);
}

/* How long bytes are on the wire. */
static void pace(const struct twin_line *l, size_t bytes)
{
	int64_t begun = clock_now_us();

	if (l->baud == 0)
		return;
	wait_us((int64_t)bytes * BITS_PER_BYTE * 1000000 / l->baud);
	if (l->account != NULL)
		l->account->line_us += clock_now_us() - begun;
}

static void account_idle(const struct twin_line *l)
{
	struct twin_account *a = l->account;

	if (a == NULL || a->begun_us == 0)
		return;
	a->busy_us += clock_now_us() - a->begun_us;
	a->begun_us = 0;
}

static void account_read(const struct twin_line *l, ssize_t bytes)
{
	if (l->account == NULL)
		return;
	l->account->begun_us = clock_now_us();
	l->account->in += bytes;
}

static int gone(struct err *e, const char *doing)
{
	return err_errno(e, ERR_LINK, "twin.line", "%s the line", doing);
}

int twin_line_read(const struct twin_line *l, void *data, size_t len, size_t *ret_got,
    struct err *e)
{
	account_idle(l);
	for (;;) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return gone(e, "waiting on");
		n = read(l->fd, data, len);
		if (n > 0) {
			account_read(l, n);
			pace(l, (size_t)n);
			*ret_got = (size_t)n;
			return 0;
		}
		if (n == 0)
			return err_set(e, ERR_LINK, "twin.line", "the line is gone");
		if (errno != EINTR && errno != EAGAIN)
			return gone(e, "reading");
	}
}

/* As much as goes at once; 0 bytes when nobody has read for long. */
static int write_some(const struct twin_line *l, const uint8_t *data, size_t len, size_t *ret_done,
    struct err *e)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	ssize_t n;

	*ret_done = 0;
	if (poll(&p, 1, FULL_MS) == 0)
		return 0;
	n = write(l->fd, data, len);
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return gone(e, "writing to");
	*ret_done = n > 0 ? (size_t)n : 0;
	if (l->account != NULL)
		l->account->out += (int64_t)*ret_done;
	return 0;
}

int twin_line_write(const struct twin_line *l, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;

	FAILPOINT("device.answer");
	while (len > 0) {
		size_t n = len < SLICE || l->whole ? len : SLICE;
		size_t done;

		pace(l, n);
		if (write_some(l, p, n, &done, e) != 0)
			return -1;
		if (done == 0)
			return 0;
		p += done;
		len -= done;
	}
	FAILPOINT("device.answered");
	return 0;
}
