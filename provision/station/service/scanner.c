#include "scanner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "scan_line.h"

enum { PAUSE_MS = 500, PAUSE_MAX_MS = 8000, UNENDED_MS = 2000, LINES_PER_S = 10 };

struct scanner {
	struct scanner_hooks hooks;
	struct event_base *loop;
	const char *path;
	speed_t speed;
	int fd;
	struct event *readable, *again, *unended;
	int64_t pause_ms;
	bool is_down;
	struct scan_line line;
	int64_t second_ms; /* when the present second began, and its lines */
	int lines;
};

static void arm(struct event *timer, int64_t ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (event_add(timer, &t) != 0)
		abort(); /* a timer fails only without memory, and that ends the program (memory.h) */
}

static void shut(struct scanner *s)
{
	if (s->readable != NULL)
		event_free(s->readable);
	if (s->fd >= 0)
		(void)close(s->fd); /* nothing was written */
	s->readable = NULL;
	s->fd = -1;
	scan_line_drop(&s->line);
	(void)event_del(s->unended); /* not pending is fine */
}

static void retire(struct scanner *s, const struct err *why)
{
	shut(s);
	if (!s->is_down)
		s->hooks.state(s->hooks.context, why);
	s->is_down = true;
	arm(s->again, s->pause_ms);
	s->pause_ms = s->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : s->pause_ms * 2;
}

static void refuse(struct scanner *s, const char *code, const char *why)
{
	struct err e = { 0 };

	(void)err_set(&e, ERR_OPERATOR, code, "%s", why);
	s->hooks.refused(s->hooks.context, &e);
}

/* True where this line is one too many. The first of them is told. */
static bool is_flood(struct scanner *s)
{
	int64_t now = clock_now_ms();

	if (now - s->second_ms >= 1000) {
		s->second_ms = now;
		s->lines = 0;
	}
	if (++s->lines == LINES_PER_S + 1)
		refuse(s, "scan.flood", "the scanner sends more lines than a person scans");
	return s->lines > LINES_PER_S;
}

static void take(struct scanner *s, enum scan_line_state state)
{
	struct err e = { 0 };

	if (state == SCAN_LINE_MORE || is_flood(s))
		return;
	if (state == SCAN_LINE_TOO_LONG)
		refuse(s, "scan.text", "what was scanned is longer than a label may be");
	else if (scan_text_check(s->line.text, &e) != 0)
		s->hooks.refused(s->hooks.context, &e);
	else
		s->hooks.scanned(s->hooks.context, s->line.text);
	explicit_bzero(s->line.text, sizeof(s->line.text)); /* it may be somebody's badge */
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct scanner *s = context;
	struct err e = { 0 };
	char bytes[256];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* drivers differ in how they say unplugged */
		(void)err_set(&e, ERR_LINK, "scanner.gone", "%s: the scanner has left its port",
		    s->path);
		retire(s, &e);
		return;
	}
	s->pause_ms = PAUSE_MS;
	for (ssize_t i = 0; i < n; i++)
		take(s, scan_line_feed(&s->line, bytes[i]));
	explicit_bzero(bytes, sizeof(bytes));
	if (scan_line_is_begun(&s->line))
		arm(s->unended, UNENDED_MS);
	else
		(void)event_del(s->unended); /* not pending is fine */
}

static void on_unended(evutil_socket_t fd, short what, void *context)
{
	struct scanner *s = context;

	(void)fd;
	(void)what;
	scan_line_drop(&s->line);
	refuse(s, "scan.unended", "the scanner sent a text without its end (CR or LF)");
}

static int open_port(struct scanner *s, struct err *e)
{
	s->fd = open(s->path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 && (errno == EACCES || errno == EPERM))
		return err_errno(e, ERR_LINK, "scanner.permission", "%s", s->path);
	if (s->fd < 0)
		return err_errno(e, ERR_LINK, "scanner.absent", "%s", s->path);
	if (!isatty(s->fd))
		return err_set(e, ERR_LINK, "scanner.port", "%s: not a serial port", s->path);
	if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(e, ERR_LINK, "scanner.used", "%s: another program has locked it",
		    s->path);
	return 0;
}

/* What was scanned while nobody listened is of a unit that nobody knows any more. */
static int set_line(struct scanner *s, struct err *e)
{
	struct termios t = { 0 };

	if (tcgetattr(s->fd, &t) != 0)
		return err_errno(e, ERR_LINK, "scanner.port", "%s", s->path);
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL | CREAD;
	if (cfsetspeed(&t, s->speed) != 0 || tcsetattr(s->fd, TCSANOW, &t) != 0 ||
	    tcflush(s->fd, TCIFLUSH) != 0)
		return err_errno(e, ERR_LINK, "scanner.port", "%s: can not be set up", s->path);
	return 0;
}

static int start(struct scanner *s, struct err *e)
{
	if (open_port(s, e) != 0 || set_line(s, e) != 0)
		return -1;
	s->readable = event_new(s->loop, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	return s->readable != NULL && event_add(s->readable, NULL) == 0 ? 0 : err_nomem(e);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct scanner *s = context;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	if (start(s, &e) != 0) {
		retire(s, &e);
		return;
	}
	if (s->is_down)
		s->hooks.state(s->hooks.context, NULL);
	s->is_down = false;
}

static speed_t speed_of(int64_t baud)
{
	static const struct {
		int64_t baud;
		speed_t speed;
	} rates[] = {
		{ 1200, B1200 },
		{ 2400, B2400 },
		{ 4800, B4800 },
		{ 9600, B9600 },
		{ 19200, B19200 },
		{ 38400, B38400 },
		{ 57600, B57600 },
		{ 115200, B115200 },
	};

	for (size_t i = 0; i < COUNT(rates); i++)
		if (rates[i].baud == baud)
			return rates[i].speed;
	return B9600; /* the configuration has no other */
}

int scanner_open(struct scanner **ret, struct event_base *loop, const char *path, int64_t baud,
    const struct scanner_hooks *hooks, struct err *e)
{
	AUTO_PTR(scanner) *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->hooks = *hooks;
	s->loop = loop;
	s->path = path;
	s->speed = speed_of(baud);
	s->pause_ms = PAUSE_MS;
	s->fd = -1;
	s->again = evtimer_new(loop, on_again, s);
	s->unended = evtimer_new(loop, on_unended, s);
	if (s->again == NULL || s->unended == NULL)
		return err_nomem(e);
	arm(s->again, 0);
	*ret = steal(&s);
	return 0;
}

void scanner_close(struct scanner *s)
{
	if (s->unended != NULL)
		shut(s);
	if (s->again != NULL)
		event_free(s->again);
	if (s->unended != NULL)
		event_free(s->unended);
	free(s);
}
