#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_send(const char *state, struct err *e)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	ssize_t sent;
	int fd;

	if (len == 0)
		return 0;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(to.sun_path))
		return err_set(e, ERR_CONFIG, "notify", "$NOTIFY_SOCKET is no socket's path");
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract one */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "notify", "telling the service manager");
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd); /* a datagram is sent or not */
	return sent >= 0 ? 0 : err_errno(e, ERR_CONFIG, "notify", "telling the service manager");
}

int64_t notify_watchdog_ms(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	const char *whose = getenv("WATCHDOG_PID");
	char *end;
	int64_t us;

	if (text == NULL || (whose != NULL && strtoimax(whose, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	us = strtoimax(text, &end, 10);
	return errno == 0 && *end == '\0' && us > 2000 ? us / 2000 : 0;
}
