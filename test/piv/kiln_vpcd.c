/*
 * The emulated PIV card where stock software looks for a card: in pcscd's virtual reader (vpcd, of
 * vsmartcard), or in QEMU's USB reader (vscard, of libcacard: usb-ccid with ccid-card-passthru). For
 * tests: it is not installed.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "piv/twin_card.h"

enum { CONNECT_MS = 30000, AGAIN_MS = 50, MESSAGE_MAX = 65536 };

/* vpcd: be16 length; one byte is a control. */
enum { VPCD_OFF = 0, VPCD_ON = 1, VPCD_RESET = 2, VPCD_ATR = 4 };

/* libcacard, vscard_common.h: be32 type, reader, length. */
enum {
	VSC_INIT = 1,
	VSC_ERROR = 2,
	VSC_READER_ADD = 3,
	VSC_ATR = 5,
	VSC_CARD_REMOVE = 6,
	VSC_APDU = 7,
	VSC_FLUSH = 8,
	VSC_FLUSH_COMPLETE = 9,
	VSC_HEADER = 12,
	VSC_VERSION = 2,
};
static const uint32_t vsc_no_reader = 0xffffffff;

/* QEMU's reader exchanges TPDUs, so the card must be one of T=0. */
static const uint8_t atr_t0[] = { 0x3b, 0x04, 0x6b, 0x69, 0x6c, 0x6e };

struct skin {
	struct twin_card card;
	int fd;
	struct buf in, out;
	uint32_t reader; /* vscard: as the host numbers it */
	unsigned adding; /* vscard: so many ReaderAdd are not answered yet */
	bool absent;     /* vscard: somebody took the card */
};

struct protocol {
	const char *name;
	int (*begin)(struct skin *s, struct err *e);
	/* One message off the front of s->in; *ret_used 0: it is not there as a whole. */
	int (*take)(struct skin *s, size_t *ret_used, struct err *e);
	int (*command)(struct skin *s, const char *line, struct err *e);
};

static void say(const char *what)
{
	(void)puts(what); /* who reads it may be gone */
	(void)fflush(stdout);
}

static void wait_ms(int ms)
{
	(void)poll(NULL, 0, ms); /* a shorter wait is as good */
}

static int send_all(const struct skin *s, struct err *e)
{
	for (size_t done = 0; done < s->out.len;) {
		ssize_t n = send(s->fd, s->out.data + done, s->out.len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_LINK, "vpcd.socket", "writing");
		done += (size_t)n;
	}
	return 0;
}

static int transmit(struct skin *s, const uint8_t *apdu, size_t len, struct buf *ret, struct err *e)
{
	if (twin_card_transmit(&s->card, apdu, len, ret, e) != 0)
		return -1;
	wait_ms((int)s->card.work_ms);
	return 0;
}

/* --- vpcd --- */

static int vpcd_send(struct skin *s, const uint8_t *data, size_t len, struct err *e)
{
	const uint8_t head[] = { (uint8_t)(len >> 8), (uint8_t)len };

	if (buf_set(&s->out, head, sizeof(head), e) != 0 || buf_add(&s->out, data, len, e) != 0)
		return -1;
	return send_all(s, e);
}

static int vpcd_control(struct skin *s, uint8_t control, struct err *e)
{
	if (control == VPCD_ATR)
		return vpcd_send(s, s->card.traits->atr, s->card.traits->atr_len, e);
	if (control == VPCD_OFF || control == VPCD_ON || control == VPCD_RESET)
		twin_card_reset(&s->card);
	return 0;
}

static int vpcd_begin(struct skin *s, struct err *e)
{
	(void)s;
	(void)e;
	say("ready");
	return 0;
}

static int vpcd_take(struct skin *s, size_t *ret_used, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };
	size_t len;

	*ret_used = 0;
	if (s->in.len < 2)
		return 0;
	len = (size_t)s->in.data[0] << 8 | s->in.data[1];
	if (s->in.len < 2 + len)
		return 0;
	*ret_used = 2 + len;
	if (len == 0)
		return 0;
	if (len == 1)
		return vpcd_control(s, s->in.data[2], e);
	if (transmit(s, s->in.data + 2, len, &answer, e) != 0)
		return -1;
	return vpcd_send(s, answer.data, answer.len, e);
}

static int vpcd_command(struct skin *s, const char *line, struct err *e)
{
	(void)s;
	return err_set(e, ERR_CONFIG, "vpcd.command", "\"%s\": only vscard has commands", line);
}

/* --- vscard --- */

static int add_be32(struct buf *b, uint32_t v, struct err *e)
{
	return buf_add(b,
	    (const uint8_t[]){ (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		(uint8_t)v },
	    4, e);
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int vsc_send(struct skin *s, uint32_t type, uint32_t reader, const void *data, size_t len,
    struct err *e)
{
	buf_clear(&s->out);
	if (add_be32(&s->out, type, e) != 0 || add_be32(&s->out, reader, e) != 0 ||
	    add_be32(&s->out, (uint32_t)len, e) != 0 || buf_add(&s->out, data, len, e) != 0)
		return -1;
	return send_all(s, e);
}

/* Magic, version, no capability. */
static int vsc_begin(struct skin *s, struct err *e)
{
	static const uint8_t init[] = { 'V', 'S', 'C', 'D', 0, 0, 0, VSC_VERSION, 0, 0, 0, 0 };

	return vsc_send(s, VSC_INIT, vsc_no_reader, init, sizeof(init), e);
}

static int vsc_insert(struct skin *s, struct err *e)
{
	twin_card_reset(&s->card);
	s->absent = false;
	return vsc_send(s, VSC_ATR, s->reader, atr_t0, sizeof(atr_t0), e);
}

static int vsc_apdu(struct skin *s, const uint8_t *data, size_t len, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };

	if (s->absent)
		return 0;
	if (transmit(s, data, len, &answer, e) != 0)
		return -1;
	return vsc_send(s, VSC_APDU, s->reader, answer.data, answer.len, e);
}

/* Says how ReaderAdd, ATR or CardRemove went. */
static int vsc_result(struct skin *s, uint32_t reader, const uint8_t *data, size_t len,
    struct err *e)
{
	if (len < 4 || get_be32(data) != 0)
		return err_set(e, ERR_LINK, "vscard.refused", "the host refused the card");
	if (s->adding == 0) {
		say(s->absent ? "removed" : "ready");
		return 0;
	}
	s->reader = reader;
	return --s->adding > 0 || s->absent ? 0 : vsc_insert(s, e);
}

/* A host answers Init with its own, and says one more for each card device that it makes. */
static int vsc_take(struct skin *s, size_t *ret_used, struct err *e)
{
	const uint8_t *data = s->in.data + VSC_HEADER;
	size_t len;

	*ret_used = 0;
	if (s->in.len < VSC_HEADER)
		return 0;
	len = get_be32(s->in.data + 8);
	if (len > MESSAGE_MAX)
		return err_set(e, ERR_LINK, "vscard.length", "a message of %zu bytes", len);
	if (s->in.len < VSC_HEADER + len)
		return 0;
	*ret_used = VSC_HEADER + len;
	switch (get_be32(s->in.data)) {
	case VSC_INIT:
		s->adding++;
		return vsc_send(s, VSC_READER_ADD, vsc_no_reader, "kiln", 5, e);
	case VSC_ERROR:
		return vsc_result(s, get_be32(s->in.data + 4), data, len, e);
	case VSC_APDU:
		return vsc_apdu(s, data, len, e);
	case VSC_FLUSH:
		return vsc_send(s, VSC_FLUSH_COMPLETE, s->reader, NULL, 0, e);
	default:
		return 0;
	}
}

static int vsc_command(struct skin *s, const char *line, struct err *e)
{
	if (strcmp(line, "insert") == 0)
		return vsc_insert(s, e);
	if (strcmp(line, "remove") != 0)
		return err_set(e, ERR_CONFIG, "vscard.command", "unknown command \"%s\"", line);
	s->absent = true;
	return vsc_send(s, VSC_CARD_REMOVE, s->reader, NULL, 0, e);
}

static const struct protocol protocols[] = {
	{ "vpcd", vpcd_begin, vpcd_take, vpcd_command },
	{ "vscard", vsc_begin, vsc_take, vsc_command },
};

/* --- the loop --- */

static int take_messages(struct skin *s, const struct protocol *p, bool *ret_end, struct err *e)
{
	uint8_t *room = buf_room(&s->in, MESSAGE_MAX, e);
	const int at_once = 1;
	size_t used;
	ssize_t n;

	if (room == NULL)
		return -1;
	n = recv(s->fd, room, MESSAGE_MAX, 0);
	if (n < 0)
		return errno == EINTR ? 0 : err_errno(e, ERR_LINK, "vpcd.socket", "reading");
	/* vpcd writes a length, and its data only when that is acknowledged; not of a unix socket */
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof(at_once));
	*ret_end = n == 0;
	s->in.len += (size_t)n;
	do {
		if (p->take(s, &used, e) != 0)
			return -1;
		buf_drop(&s->in, used);
	} while (used > 0);
	return 0;
}

/* Lines are short, and come one at a time. */
static int take_line(struct skin *s, const struct protocol *p, bool *listens, struct err *e)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	*listens = n > 0;
	if (n <= 0)
		return 0;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return p->command(s, line, e);
}

static int run(struct skin *s, const struct protocol *p, struct err *e)
{
	bool listens = true, end = false;

	if (p->begin(s, e) != 0)
		return -1;
	while (!end) {
		struct pollfd fds[] = { { .fd = s->fd, .events = POLLIN },
			{ .fd = listens ? STDIN_FILENO : -1, .events = POLLIN } };

		if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
			return err_errno(e, ERR_LINK, "vpcd.socket", "waiting");
		if (fds[0].revents != 0 && take_messages(s, p, &end, e) != 0)
			return -1;
		if (fds[1].revents != 0 && take_line(s, p, &listens, e) != 0)
			return -1;
	}
	return 0;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		(void)close(fd); /* never connected */
		return -1;
	}
	return fd;
}

static int connect_tcp(const char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	const char *colon = strrchr(where, ':');
	char host[64];
	int fd;

	if (colon == NULL)
		return -1;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
		return -1;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) != 0) {
		(void)close(fd); /* never connected */
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

/* The other side may not listen yet. */
static int connect_to(const char *where, int *ret, struct err *e)
{
	int64_t deadline = clock_now_ms() + CONNECT_MS;

	do {
		*ret = where[0] == '/' ? connect_unix(where) : connect_tcp(where);
		if (*ret >= 0)
			return 0;
		wait_ms(AGAIN_MS);
	} while (clock_left_ms(deadline) > 0);
	return err_set(e, ERR_LINK, "vpcd.connect", "nobody listens at %s", where);
}

static const struct protocol *find_protocol(const char *address, const char **ret_where)
{
	for (size_t i = 0; i < COUNT(protocols); i++) {
		size_t len = strlen(protocols[i].name);

		if (strncmp(address, protocols[i].name, len) != 0 || address[len] != ':')
			continue;
		*ret_where = address + len + 1;
		return &protocols[i];
	}
	return NULL;
}

static int serve(const struct twin_config *config, const char *address, struct err *e)
{
	struct skin s = { .fd = -1 };
	const char *where = NULL;
	const struct protocol *p = find_protocol(address, &where);
	int rc;

	if (p == NULL)
		return err_set(e, ERR_CONFIG, "vpcd.address", "what is \"%s\"?", address);
	if (file_mkdir(config->folder, 0755, e) != 0 || twin_card_open(&s.card, config, e) != 0)
		return -1;
	rc = connect_to(where, &s.fd, e);
	if (rc == 0)
		rc = run(&s, p, e);
	twin_card_free(&s.card);
	buf_free(&s.in);
	buf_free(&s.out);
	if (s.fd >= 0)
		(void)close(s.fd); /* nothing is under way */
	return rc;
}

static int usage(void)
{
	(void)fputs(
	    "usage: kiln-vpcd --dir DIR [--serial S] [--model M] [--variant V] [--fault F]\n"
	    "                 [--seed N] [--keygen-ms MS] ADDRESS\n"
	    "ADDRESS: vpcd:HOST:PORT (pcscd with vpcd), vscard:HOST:PORT or vscard:/PATH\n"
	    "(QEMU's ccid-card-passthru). DIR keeps what the card remembers; beside it is\n"
	    "attestation-root.pem. Says \"ready\" once the card is in the reader. On standard\n"
	    "input, of vscard: remove, insert.\n",
	    stderr); /* there is nobody else to tell */
	return 2;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = { { "dir", required_argument, NULL, 'd' },
		{ "serial", required_argument, NULL, 's' },
		{ "model", required_argument, NULL, 'm' },
		{ "variant", required_argument, NULL, 'v' },
		{ "fault", required_argument, NULL, 'f' }, { "seed", required_argument, NULL, 'n' },
		{ "keygen-ms", required_argument, NULL, 'k' }, { NULL, 0, NULL, 0 } };
	struct twin_config config = { .serial = "PIV0000001", .model = "PIV-A", .usb = true };
	struct err e = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			config.folder = optarg;
		else if (option == 's')
			config.serial = optarg;
		else if (option == 'm')
			config.model = optarg;
		else if (option == 'v')
			config.variant = optarg;
		else if (option == 'f')
			config.fault = optarg;
		else if (option == 'n')
			config.seed = strtoull(optarg, NULL, 10);
		else if (option == 'k')
			config.keygen_ms = strtol(optarg, NULL, 10);
		else
			return usage();
	}
	if (config.folder == NULL || optind + 1 != argc)
		return usage();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that dies leaves no card behind */
	if (serve(&config, argv[optind], &e) == 0)
		return 0;
	fprintf(stderr, "kiln-vpcd: %s\n", e.message);
	return 1;
}
