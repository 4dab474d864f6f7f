#include "printer_address.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <event2/util.h>

static in_port_t port_of(const struct printer_address *a)
{
	if (a->socket.ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)&a->socket)->sin6_port;
	return ((const struct sockaddr_in *)&a->socket)->sin_port;
}

static int parse_socket(const char *text, struct printer_address *ret, struct err *e)
{
	int len = sizeof(ret->socket);

	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&ret->socket, &len) != 0 ||
	    port_of(ret) == 0)
		return err_set(e, ERR_CONFIG, "printer.address",
		    "\"tcp:%s\": a printer's address is its number and port, tcp:192.0.2.7:9100 or "
		    "tcp:[2001:db8::7]:9100 (names are not looked up)",
		    text);
	ret->len = (socklen_t)len;
	return 0;
}

/* One %s, in the file's name, and no other %. */
static int parse_file(const char *pattern, struct printer_address *ret, struct err *e)
{
	const char *percent = strchr(pattern, '%');

	if (percent == NULL || percent[1] != 's' || strpbrk(percent + 1, "/%") != NULL)
		return err_set(e, ERR_CONFIG, "printer.address",
		    "\"file:%s\": a label's file is a path with one %%s, for the serial, in the "
		    "file's name: file:/var/spool/labels/%%s.zpl",
		    pattern);
	ret->pattern = pattern;
	return 0;
}

int printer_address_parse(const char *text, struct printer_address *ret, struct err *e)
{
	*ret = (struct printer_address){ 0 };
	if (strlen(text) > PRINTER_ADDRESS_MAX)
		return err_set(e, ERR_CONFIG, "printer.address",
		    "a printer's address has at most %d characters", PRINTER_ADDRESS_MAX);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_socket(text + 4, ret, e);
	if (strncmp(text, "file:", 5) == 0)
		return parse_file(text + 5, ret, e);
	return err_set(e, ERR_CONFIG, "printer.address",
	    "\"%s\": a printer is tcp:192.0.2.7:9100 or file:/var/spool/labels/%%s.zpl", text);
}

static bool is_plain(const char *serial, size_t i)
{
	return isalnum((unsigned char)serial[i]) || strchr("-_", serial[i]) != NULL ||
	       (serial[i] == '.' && i > 0);
}

int printer_address_file(const struct printer_address *a, const char *serial, struct buf *ret,
    struct err *e)
{
	const char *percent = strchr(a->pattern, '%');

	if (buf_add(ret, a->pattern, (size_t)(percent - a->pattern), e) != 0)
		return -1;
	for (size_t i = 0; serial[i] != '\0'; i++) {
		if (is_plain(serial, i)
			? buf_add(ret, serial + i, 1, e) != 0
			: buf_printf(ret, e, "%%%02X", (unsigned char)serial[i]) != 0)
			return -1;
	}
	return buf_add_str(ret, percent + 2, e) == 0 && buf_str(ret, e) != NULL ? 0 : -1;
}

static int try_folder(const char *pattern, struct err *e)
{
	AUTO_STRUCT(buf) folder = { 0 };
	const char *slash = strrchr(pattern, '/');

	if (buf_printf(&folder, e, "%.*s", slash != NULL ? (int)(slash + 1 - pattern) : 1,
		slash != NULL ? pattern : ".") != 0)
		return -1;
	if (access((const char *)folder.data, W_OK | X_OK) != 0)
		return err_errno(e, ERR_CONFIG, "printer.folder", "labels can not be written to %s",
		    (const char *)folder.data);
	return 0;
}

static int wait_connected(int fd, int timeout_ms, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int rc = poll(&p, 1, timeout_ms), why = 0;
	socklen_t len = sizeof(why);

	if (rc == 0)
		errno = ETIMEDOUT;
	if (rc == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0 && why == 0)
		return 0;
	if (rc == 1 && why != 0)
		errno = why;
	return err_errno(e, ERR_CONFIG, "printer.gone", "the printer does not answer");
}

int printer_address_try(const struct printer_address *a, int timeout_ms, struct err *e)
{
	int fd, rc = 0;

	if (a->pattern != NULL)
		return try_folder(a->pattern, e);
	fd = socket(a->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "printer.gone", "no socket for the printer");
	if (connect(fd, (const struct sockaddr *)&a->socket, a->len) != 0)
		rc = errno == EINPROGRESS
			 ? wait_connected(fd, timeout_ms, e)
			 : err_errno(e, ERR_CONFIG, "printer.gone", "the printer does not answer");
	(void)close(fd); /* nothing was sent */
	return rc;
}
