#include "twin_bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "twin_home.h"

enum { CHUNK_MAX = 1024, LINE_MAX_LEN = 2048, ABSENT_MS = 20 };

/* One direction: what was read and not written yet, and when the wire is free again. */
struct lane {
	int from, to;
	uint8_t data[CHUNK_MAX];
	size_t len, done;
	int64_t free_us;
};

struct bridge {
	const struct twin_config *config;
	const struct shell_plan *plan;
	struct lane in, out;         /* to the device, from the device */
	char line[LINE_MAX_LEN + 1]; /* what the station is typing */
	size_t line_len;
	bool struck, stalled, reset;
	size_t lose,
	    spoil; /* bytes of the next answer that are lost; the one that is spoilt, from 1 */
};

static bool is_once(enum shell_fault fault)
{
	return fault == SHELL_FAULT_DROP || fault == SHELL_FAULT_CORRUPT ||
	       fault == SHELL_FAULT_RESET;
}

/* The station has sent a line of the step that the plan is about. */
static int strike(struct bridge *b, struct err *e)
{
	enum shell_fault fault = b->plan->fault;

	if (is_once(fault)) {
		if (b->struck)
			return 0;
		b->struck = true;
		if (shell_home_strike(b->config->folder, e) != 0)
			return -1;
	}
	b->reset = fault == SHELL_FAULT_RESET;
	b->stalled = fault == SHELL_FAULT_STALL;
	b->lose = fault == SHELL_FAULT_DROP;
	if (fault == SHELL_FAULT_CORRUPT) /* behind the first marker and its line ends */
		b->spoil = 25 + b->plan->random % 8;
	return 0;
}

static int listen_in(struct bridge *b, struct err *e)
{
	for (size_t i = 0; i < b->in.len; i++) {
		if (b->in.data[i] != '\n') {
			if (b->line_len < LINE_MAX_LEN)
				b->line[b->line_len++] = (char)b->in.data[i];
			continue;
		}
		b->line[b->line_len] = '\0';
		b->line_len = 0;
		b->lose = false;
		if (b->plan->fault != SHELL_FAULT_NONE &&
		    shell_plan_step_of(b->line) == b->plan->step && strike(b, e) != 0)
			return -1;
	}
	return 0;
}

static void damage(struct bridge *b)
{
	if (b->spoil > b->out.len) {
		b->spoil -= b->out.len;
	} else if (b->spoil > 0) {
		b->out.data[b->spoil - 1] ^= 1;
		b->spoil = 0;
	}
	if (b->lose)
		b->out.len = 0;
}

/* Writes what the lane holds. */
static int push(struct lane *l, struct err *e)
{
	while (l->done < l->len) {
		ssize_t n = write(l->to, l->data + l->done, l->len - l->done);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_CONFIG, "twin.wire", "writing");
		if (n > 0)
			l->done += (size_t)n;
	}
	l->len = l->done = 0;
	return 0;
}

/* 1 when bytes were read, 0 when there are none, -1 when that side is gone. */
static int pull(struct lane *l, int64_t baud)
{
	size_t max = baud > 0 && baud / 1000 < CHUNK_MAX ? (size_t)(baud / 1000 + 1) : CHUNK_MAX;
	ssize_t n = read(l->from, l->data, max);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	l->len = (size_t)n;
	l->done = 0;
	if (baud > 0) /* ten bits a byte */
		l->free_us = clock_now_us() + n * 10 * 1000000 / baud;
	return n > 0 ? 1 : -1;
}

/* What the lane waits for, and how long it must not be asked: its share of the timeout. */
static struct pollfd want(const struct lane *l, int *timeout)
{
	int64_t wait_us = l->free_us - clock_now_us();

	if (wait_us > 0) {
		int ms = (int)(wait_us / 1000) + 1;

		if (*timeout < 0 || ms < *timeout)
			*timeout = ms;
		return (struct pollfd){ .fd = -1 };
	}
	if (l->done < l->len)
		return (struct pollfd){ .fd = l->to, .events = POLLOUT };
	return (struct pollfd){ .fd = l->from, .events = POLLIN };
}

/* One turn of a lane whose descriptor is ready. */
static int carry_in(struct bridge *b, struct err *e)
{
	const struct timespec absent = { .tv_nsec = ABSENT_MS * 1000000L };
	int got;

	if (b->in.done < b->in.len)
		return push(&b->in, e);
	got = pull(&b->in, b->config->baud);
	if (got < 0) /* nobody has the port open: an early end of the wait only asks again */
		(void)nanosleep(&absent, NULL);
	if (got <= 0)
		return 0;
	return listen_in(b, e);
}

/* 1 when the device's side has ended. */
static int carry_out(struct bridge *b, struct err *e)
{
	int got;

	if (b->out.done < b->out.len)
		return push(&b->out, e);
	got = pull(&b->out, b->config->baud);
	if (got < 0)
		return 1;
	if (got > 0)
		damage(b);
	return 0;
}

static int serve_wire(struct bridge *b, struct err *e)
{
	for (;;) {
		int timeout = -1;
		struct pollfd p[2];
		int rc = 0;

		if (b->reset)
			return 0;
		p[0] = want(&b->in, &timeout);
		p[1] = want(&b->out, &timeout);
		if (b->stalled) /* from now on nobody looks at the wire */
			p[0].fd = p[1].fd = -1;
		if (poll(p, COUNT(p), timeout) < 0 && errno != EINTR)
			return err_errno(e, ERR_CONFIG, "twin.wire", "waiting");
		if (p[0].fd >= 0 && p[0].revents != 0 && carry_in(b, e) != 0)
			return -1;
		if (p[1].fd >= 0 && p[1].revents != 0)
			rc = carry_out(b, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
}

static int set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_errno(e, ERR_CONFIG, "twin.wire", "setting up the wire");
	return 0;
}

int shell_bridge_run(const struct twin_config *config, const struct shell_plan *plan, int line,
    int device, struct err *e)
{
	struct bridge b = {
		.config = config,
		.plan = plan,
		.in = { .from = line, .to = device },
		.out = { .from = device, .to = line },
		.struck = shell_home_has_struck(config->folder),
	};

	if (set_nonblocking(line, e) != 0 || set_nonblocking(device, e) != 0)
		return -1;
	return serve_wire(&b, e);
}
