/*
 * A serial port. After open it uses poll, read, write, ioctl(TCFLSH) and close, and nothing else:
 * kiln-slot's sandbox relies on it.
 */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* termios2, for any baud rate; these do not go together with <termios.h>. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/serial.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "clock.h"
#include "serial_port.h"
#include "settle.h"

struct serial {
	struct transport base;
	int fd;
};

static int open_node(const char *path, int *ret, struct err *e)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	switch (errno) {
	case EACCES:
	case EPERM:
		return err_errno(e, ERR_LINK, "link.permission",
		    "%s: this user may not open it; add the user to the port's group", path);
	case EBUSY:
		return err_set(e, ERR_LINK, "link.locked", "%s: another program has it open", path);
	default:
		return err_errno(e, ERR_LINK, "link.absent", "%s", path);
	}
}

/* The rate's own constant, where it has one: drivers and other programs know those best. */
static tcflag_t rate_flag(speed_t baud)
{
	static const struct {
		speed_t baud;
		tcflag_t flag;
	} rates[] = {
		{ 1200, B1200 },
		{ 2400, B2400 },
		{ 4800, B4800 },
		{ 9600, B9600 },
		{ 19200, B19200 },
		{ 38400, B38400 },
		{ 57600, B57600 },
		{ 115200, B115200 },
		{ 230400, B230400 },
		{ 460800, B460800 },
		{ 500000, B500000 },
		{ 921600, B921600 },
		{ 1000000, B1000000 },
		{ 2000000, B2000000 },
		{ 3000000, B3000000 },
		{ 4000000, B4000000 },
	};

	for (size_t i = 0; i < COUNT(rates); i++)
		if (rates[i].baud == baud)
			return rates[i].flag;
	return BOTHER;
}

static int set_line(int fd, const struct serial_port *p, struct err *e)
{
	/* CLOCAL: modem lines are not looked at, so a port without them works the same. No HUPCL:
	 * closing must not drop DTR, which resets many boards. */
	const struct termios2 want = {
		.c_iflag = IGNBRK,
		.c_cflag = CS8 | CREAD | CLOCAL | rate_flag(p->baud),
		.c_ispeed = p->baud,
		.c_ospeed = p->baud,
		.c_cc = { [VMIN] = 1 },
	};
	struct termios2 got = { 0 };
	speed_t off;

	if (ioctl(fd, TCGETS2, &got) != 0)
		return err_errno(e, ERR_LINK, "link.address", "%s: not a serial port", p->path);
	if (ioctl(fd, TCSETS2, &want) != 0 || ioctl(fd, TCGETS2, &got) != 0)
		return err_errno(e, ERR_LINK, "link.address", "%s: can not be set up", p->path);
	off = got.c_ospeed > p->baud ? got.c_ospeed - p->baud : p->baud - got.c_ospeed;
	if (off > p->baud / 33)
		return err_set(e, ERR_LINK, "link.address",
		    "%s: can not do %u baud (nearest is %u)", p->path, p->baud, got.c_ospeed);
	return 0;
}

/* Many adapters hold received bytes back for 16 ms otherwise. Not every driver has the setting. */
static void ask_low_latency(int fd)
{
	struct serial_struct settings = { 0 };

	if (ioctl(fd, TIOCGSERIAL, &settings) != 0)
		return;
	settings.flags |= 1 << ASYNCB_LOW_LATENCY;
	(void)ioctl(fd, TIOCSSERIAL, &settings); /* slower without it, and right all the same */
}

/*
 * flock stops a second kiln, also as root; TIOCEXCL stops programs that do not ask. A pty keeps
 * TIOCEXCL for as long as its master lives, beyond the death of a killed kiln-slot: flock alone there.
 */
static int lock_port(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(e, ERR_LINK, "link.locked", "%s: another program has locked it",
		    path);
	if (fstat(fd, &st) != 0)
		return err_errno(e, ERR_LINK, "link.absent", "%s", path);
	if (serial_port_is_pty(st.st_rdev))
		return 0;
	if (ioctl(fd, TIOCEXCL) != 0)
		return err_errno(e, ERR_LINK, "link.locked", "%s: can not be locked", path);
	return 0;
}

static int set_up(int fd, const struct serial_port *p, struct err *e)
{
	struct termios2 probe;

	if (ioctl(fd, TCGETS2, &probe) != 0)
		return err_errno(e, ERR_LINK, "link.address", "%s: not a serial port", p->path);
	if (lock_port(fd, p->path, e) != 0 || serial_port_check(p, fd, e) != 0 ||
	    set_line(fd, p, e) != 0)
		return -1;
	ask_low_latency(fd);
	return 0;
}

static int open_at(const char *address, struct serial_port *port, int *ret, struct err *e)
{
	int fd = -1;

	if (serial_port_parse(address, port, e) != 0 || open_node(port->path, &fd, e) != 0)
		return -1;
	if (set_up(fd, port, e) != 0) {
		(void)close(fd); /* nothing was written */
		return -1;
	}
	*ret = fd;
	return 0;
}

static int serial_open(struct transport **ret, const char *address, struct err *e)
{
	int64_t until = clock_now_ms() + SETTLE_MS;
	struct serial_port port;
	struct serial *s;
	int fd = -1, rc;

	do
		rc = open_at(address, &port, &fd, e);
	while (rc != 0 && port.by_place && settle_more(e, until));
	if (rc != 0)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		(void)close(fd); /* nothing was written */
		return err_nomem(e);
	}
	*s = (struct serial){ .base = { &serial_transport }, .fd = fd };
	*ret = &s->base;
	return 0;
}

static int gone(struct err *e)
{
	return err_set(e, ERR_LINK, "link.gone", "the device has left its port");
}

/* Waits until the port can do what events say. Hung up counts as readable: data may be left. */
static int wait_for(const struct serial *s, short events, int64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_left_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, ERR_LINK, "link.gone", "waiting for the port");
	if (n == 0)
		return err_retry(err_set(e, ERR_LINK, "link.timeout",
				     "no answer from the device in time"),
		    e);
	if ((p.revents & events) == 0)
		return gone(e);
	return 0;
}

static int serial_read(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	struct serial *s = (struct serial *)t;

	for (;;) {
		ssize_t n;

		if (wait_for(s, POLLIN, deadline, e) != 0)
			return -1;
		n = read(s->fd, data, len);
		if (n > 0) {
			*ret_got = (size_t)n;
			return 0;
		}
		/* 0, EIO, ENXIO, ENODEV: drivers differ in how they say unplugged */
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return gone(e);
	}
}

static int serial_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct serial *s = (struct serial *)t;
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n;

		if (wait_for(s, POLLOUT, deadline, e) != 0)
			return -1;
		n = write(s->fd, p, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return gone(e);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void serial_flush(struct transport *t)
{
	struct serial *s = (struct serial *)t;

	(void)ioctl(s->fd, TCFLSH,
	    TCIFLUSH); /* fails where the device is gone: the next read says so */
}

static void serial_close(struct transport *t)
{
	struct serial *s = (struct serial *)t;

	(void)close(s->fd); /* nothing buffered on our side */
	free(s);
}

const struct transport_ops serial_transport = {
	.scheme = "serial",
	.medium = MEDIUM_SERIAL,
	.open = serial_open,
	.read = serial_read,
	.write = serial_write,
	.flush = serial_flush,
	.close = serial_close,
};
