#include "twin_line.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "failpoint.h"

enum {
	BITS_PER_BYTE = 10, /* 8N1 */
	SLICE_MS = 16,      /* bytes come in lumps: the latency timer of a common USB adapter */
	SLICE_MIN = 64,     /* bytes */
	FULL_MS = 1000,     /* a reader that takes nothing for so long is not there */
};

static int gone(struct err *e, const char *doing)
{
	return err_errno(e, ERR_LINK, "twin.line", "%s the line", doing);
}

/* Until the line is so far, or us have gone by; *ret_ready: it is. us < 0: for ever. */
static int wait(const struct twin_line *l, short events, int64_t us, bool *ret_ready, struct err *e)
{
	struct pollfd p[] = { { .fd = events != 0 ? l->fd : -1, .events = events },
		{ .fd = l->unplugged != 0 ? l->unplugged : -1, .events = POLLIN } };
	const struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	if (ppoll(p, COUNT(p), us >= 0 ? &t : NULL, NULL) < 0 && errno != EINTR)
		return gone(e, "waiting on");
	if (p[1].revents != 0)
		return err_set(e, ERR_LINK, "twin.unplugged", "unplugged");
	*ret_ready = p[0].revents != 0;
	return 0;
}

static void account_late(const struct twin_line *l, int64_t due_us)
{
	int64_t late_us = clock_now_us() - due_us;

	if (l->account != NULL && late_us > 0)
		l->account->late_us += late_us;
}

/* So much of the device's time goes by; nobody waits for it before he must. */
static void advance(struct twin_line *l, int64_t us)
{
	l->free_us += us;
	if (l->account != NULL)
		l->account->busy_us += us;
}

void twin_line_wait_ms(struct twin_line *l, int64_t ms)
{
	advance(l, ms * 1000);
}

/* Bytes follow the last ones on the wire. */
static void carry(struct twin_line *l, size_t bytes)
{
	int64_t us = l->baud != 0 ? (int64_t)bytes * BITS_PER_BYTE * 1000000 / l->baud : 0;

	advance(l, us);
	if (l->account != NULL)
		l->account->line_us += us;
}

/* The wire can not have been at work before now; the device may have been, and is late then. */
static void catch_up(struct twin_line *l)
{
	int64_t now_us = clock_now_us();

	if (l->free_us < now_us)
		l->free_us = now_us;
}

int twin_line_settle(const struct twin_line *l, struct err *e)
{
	int64_t left_us;
	bool ready;

	while ((left_us = l->free_us - clock_now_us()) > 0)
		if (wait(l, 0, left_us, &ready, e) != 0)
			return -1;
	return 0;
}

/* The device's own computing is over: what it cost, however long this process had to wait for it. */
static void account_work(struct twin_line *l)
{
	if (l->cpu_us == 0)
		return;
	advance(l, clock_cpu_us() - l->cpu_us);
	l->cpu_us = 0;
	account_late(l, l->free_us);
}

/* 0 bytes where there is nothing yet. */
static int read_some(const struct twin_line *l, void *data, size_t len, size_t *ret_got,
    struct err *e)
{
	ssize_t n = read(l->fd, data, len);

	if (n == 0)
		return err_set(e, ERR_LINK, "twin.line", "the line is gone");
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return gone(e, "reading");
	*ret_got = n > 0 ? (size_t)n : 0;
	return 0;
}

int twin_line_read(struct twin_line *l, void *data, size_t len, size_t *ret_got, struct err *e)
{
	bool ready;

	do
		if (wait(l, POLLIN, -1, &ready, e) != 0 || read_some(l, data, len, ret_got, e) != 0)
			return -1;
	while (*ret_got == 0);
	catch_up(l);
	carry(l, *ret_got);
	if (l->account != NULL)
		l->account->in += (int64_t)*ret_got;
	l->cpu_us = clock_cpu_us();
	return 0;
}

/* As much as goes at once; 0 bytes when nobody has read for long. */
static int write_some(const struct twin_line *l, const uint8_t *data, size_t len, size_t *ret_done,
    struct err *e)
{
	bool ready;
	ssize_t n;

	*ret_done = 0;
	while ((n = write(l->fd, data, len)) < 0) {
		if (errno != EINTR && errno != EAGAIN)
			return gone(e, "writing to");
		if (wait(l, POLLOUT, FULL_MS * 1000, &ready, e) != 0)
			return -1;
		if (!ready)
			return 0;
	}
	*ret_done = (size_t)n;
	if (l->account != NULL)
		l->account->out += n;
	return 0;
}

static size_t slice(const struct twin_line *l, size_t len)
{
	size_t most = SLICE_MIN;

	if (l->baud * SLICE_MS / 1000 / BITS_PER_BYTE > SLICE_MIN)
		most = (size_t)l->baud * SLICE_MS / 1000 / BITS_PER_BYTE;
	return len < most || l->whole ? len : most;
}

static int write_paced(struct twin_line *l, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n = slice(l, len), done;

		carry(l, n);
		if (twin_line_settle(l, e) != 0)
			return -1;
		for (size_t left = n; left > 0; left -= done) {
			if (write_some(l, data, left, &done, e) != 0)
				return -1;
			if (done == 0)
				return 0;
			data += done;
		}
		len -= n;
	}
	account_late(l, l->free_us);
	return 0;
}

int twin_line_write(struct twin_line *l, const void *data, size_t len, struct err *e)
{
	FAILPOINT("device.answer");
	account_work(l);
	catch_up(l);
	if (write_paced(l, data, len, e) != 0)
		return -1;
	FAILPOINT("device.answered");
	return 0;
}
