#include "line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "failpoint.h"

void line_free(struct line *l)
{
	buf_free(&l->in);
}

static int wait_for(int fd, short events, int64_t deadline, enum err_domain domain, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int timeout = deadline == INT64_MAX ? -1 : clock_left_ms(deadline);
		int n = poll(&p, 1, timeout);

		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(e, domain, "line.timeout", "no answer before the deadline");
		if (errno != EINTR)
			return err_errno(e, domain, "line.closed", "poll");
	}
}

/* 1 when a whole line was at hand and went to *ret. */
static int take_line(struct line *l, json_t **ret, enum err_domain domain, struct err *e)
{
	const uint8_t *end = l->in.len > 0 ? memchr(l->in.data, '\n', l->in.len) : NULL;
	size_t len;
	int rc;

	len = end != NULL ? (size_t)(end - l->in.data) : l->in.len;
	if (len >= LINE_MAX_LEN)
		return err_set(e, domain, "line.long", "a line is longer than %d bytes",
		    LINE_MAX_LEN);
	if (end == NULL)
		return 0;
	rc = json_parse((const char *)l->in.data, len, ret, domain, e);
	explicit_bzero(l->in.data, len);
	buf_drop(&l->in, len + 1);
	FAILPOINT("line.received");
	return rc == 0 ? 1 : -1;
}

int line_read(struct line *l, json_t **ret, bool *ret_eof, int64_t deadline, enum err_domain domain,
    struct err *e)
{
	*ret_eof = false;
	for (;;) {
		int taken = take_line(l, ret, domain, e);
		uint8_t *room;
		ssize_t n;

		if (taken != 0)
			return taken > 0 ? 0 : -1;
		if (wait_for(l->fd, POLLIN, deadline, domain, e) != 0)
			return -1;
		room = buf_room(&l->in, 16384, e);
		if (room == NULL)
			return -1;
		n = read(l->fd, room, 16384);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0 && errno != ECONNRESET)
			return err_errno(e, domain, "line.closed", "read");
		if (n <= 0 && l->in.len > 0)
			return err_set(e, domain, "line.closed",
			    "the peer went away inside a line");
		if (n <= 0) {
			*ret_eof = true;
			return 0;
		}
		l->in.len += (size_t)n;
	}
}

/* One that waits for ever may block in write(2), all that a sandboxed program has. */
static ssize_t put(int fd, const uint8_t *data, size_t len, int64_t deadline)
{
	if (deadline == INT64_MAX)
		return write(fd, data, len);
	return send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int line_write(int fd, const json_t *object, int64_t deadline, enum err_domain domain,
    struct err *e)
{
	AUTO_STRUCT(buf) out = { 0 };
	size_t done = 0;

	if (json_canonical(object, &out, e) != 0 || buf_add_u8(&out, '\n', e) != 0)
		return -1;
	if (out.len > LINE_MAX_LEN)
		return err_set(e, domain, "line.long", "a line is longer than %d bytes",
		    LINE_MAX_LEN);
	FAILPOINT("line.send");
	while (done < out.len) {
		ssize_t n = put(fd, out.data + done, out.len - done, deadline);

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN)
			return err_errno(e, domain, "line.closed", "write");
		if (errno == EAGAIN && wait_for(fd, POLLOUT, deadline, domain, e) != 0)
			return -1;
	}
	FAILPOINT("line.sent");
	return 0;
}
