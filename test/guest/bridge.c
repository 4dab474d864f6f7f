/*
 * bridge A B: copies raw bytes between two ttys until one of them is gone or a signal comes. Stands
 * between a device of kiln-twin (a pseudo terminal) and a gadget's serial port, which is the device's
 * end of a real USB cable.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { CHUNK = 4096 };

static int open_raw(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &t) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &t) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* A host that is not there takes nothing: what it did not take is lost, as on a cable. */
static int copy(int from, int to)
{
	char bytes[CHUNK];
	ssize_t got = read(from, bytes, sizeof(bytes));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	for (ssize_t done = 0; done < got;) {
		ssize_t put = write(to, bytes + done, (size_t)(got - done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		done += put;
	}
	return got == 0 ? -1 : 0;
}

int main(int argc, char *argv[])
{
	struct pollfd ends[2];

	if (argc != 3) {
		fprintf(stderr, "usage: bridge TTY TTY\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		ends[i] = (struct pollfd){ .fd = open_raw(argv[i + 1]), .events = POLLIN };
	for (;;) {
		if (poll(ends, 2, -1) < 0 && errno != EINTR)
			return EXIT_FAILURE;
		for (int i = 0; i < 2; i++)
			if (ends[i].revents != 0 && copy(ends[i].fd, ends[1 - i].fd) != 0)
				return EXIT_SUCCESS;
	}
}
