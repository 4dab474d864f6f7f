#include "port.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_STEP_MS = 10, DRAIN_STEPS = 50 };

static int make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) != 0)
		return -1;
	cfmakeraw(&t);
	return tcsetattr(fd, TCSANOW, &t);
}

static int open_slave(int master, char *path, size_t size)
{
	if (grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, path, size) != 0)
		return -1;
	return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int port_open(struct port *ret, const char *link, struct err *e)
{
	struct port p = { .link = link };
	char path[64];
	int rc;

	p.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p.master < 0)
		return err_errno(e, ERR_CONFIG, "twin.port", "opening a pseudo terminal");
	p.slave = open_slave(p.master, path, sizeof(path));
	if (p.slave >= 0 && make_raw(p.slave) == 0 && symlink(path, link) == 0) {
		*ret = p;
		return 0;
	}
	rc = err_errno(e, ERR_CONFIG, "twin.port", "making the port %s", link);
	if (p.slave >= 0)
		(void)close(p.slave); /* nothing was written */
	(void)close(p.master);
	return rc;
}

void port_drain(const struct port *p)
{
	const struct timespec step = { 0, DRAIN_STEP_MS * 1000000 };

	for (int i = 0; i < DRAIN_STEPS; i++) {
		int unread = 0;

		(void)nanosleep(&step, NULL); /* a shorter step is as good */
		if (ioctl(p->slave, FIONREAD, &unread) != 0 || unread == 0)
			return;
	}
}

void port_close(struct port *p)
{
	(void)unlink(p->link); /* the parent does it too */
	(void)close(p->slave); /* both only lose what nobody reads any more */
	(void)close(p->master);
}
