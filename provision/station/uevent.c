#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KERNEL_GROUP = 1, QUEUE_BYTES = 1 << 20 };

int uevent_open(void)
{
	const struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	const int size = QUEUE_BYTES;
	int fd =
	    socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -1;
	/* A queue that is too small loses messages, and says so, which is a reason to look too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (const struct sockaddr *)&all, sizeof(all)) == 0)
		return fd;
	(void)close(fd); /* it was never used */
	return -1;
}

void uevent_drain(int fd)
{
	char message[4096];

	while (recv(fd, message, sizeof(message), MSG_DONTWAIT) >= 0 || errno == ENOBUFS ||
	       errno == EINTR)
		continue;
}
