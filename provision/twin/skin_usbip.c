/*
 * A device on the kernel's virtual USB host controller. The device's process answers the kernel; the
 * twin's serve() runs in a child of it, and both leave together.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "options.h"
#include "usbip.h"
#include "vhci.h"

enum { DRAIN_MS = 500, BUS = 1 };

struct skin {
	enum gadget_speed speed;
	struct vhci_port *ports;
};

static void close_skin(struct skin *s)
{
	free(s->ports);
	free(s);
}
OWNED_PTR(skin, close_skin)

static int open_skin(struct skin **ret, const struct options *o, struct err *e)
{
	AUTO_PTR(skin) *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->speed = o->usb_speed;
	s->ports = calloc((size_t)o->slots, sizeof(*s->ports));
	if (s->ports == NULL)
		return err_nomem(e);
	if (vhci_find(VHCI_FOLDER, s->ports, (size_t)o->slots, e) != 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

static const char *place_of(const struct skin *s, size_t slot)
{
	return s->ports[slot].place;
}

/* In a process of its own; its status says whether the device resets itself. */
static int start_twin(const struct skin_plug *p, int fd, int other, pid_t *ret, struct err *e)
{
	pid_t parent = getpid();

	*ret = fork();
	if (*ret < 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "starting a device");
	if (*ret > 0)
		return 0;
	(void)close(other); /* the parent's */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	if (p->family->serve(p->config, fd, e) == 0)
		_exit(0);
	(void)fprintf(stderr, "kiln-twin: device %s: %s\n", p->config->serial, e->message);
	_exit(1);
}

/* Until the device has left: the host took it, its twin has ended and all it said is said, or it
 * unplugs itself. */
static int run(struct usbip *u, int twin, struct err *e)
{
	int64_t deadline = INT64_MAX;
	bool end = false;

	for (;;) {
		short events = pump_events(u->pump);
		struct pollfd p[] = { { .fd = u->fd, .events = POLLIN },
			{ .fd = events != 0 ? u->pump->fd : -1, .events = events },
			{ .fd = deadline == INT64_MAX ? twin : -1, .events = POLLIN } };

		if (poll(p, COUNT(p), deadline == INT64_MAX ? -1 : clock_left_ms(deadline)) < 0 &&
		    errno != EINTR)
			return err_errno(e, ERR_LINK, "twin.usbip", "waiting");
		if (p[2].revents != 0)
			deadline = clock_now_ms() + DRAIN_MS;
		if (usbip_read(u, &end, e) != 0 || usbip_answer(u, e) != 0)
			return -1;
		if (end)
			return err_set(e, ERR_LINK, "twin.usbip", "detached by the host");
		if (u->pump->gadget.gone)
			return err_set(e, ERR_LINK, "twin.usbip", "unplugs itself");
		if (deadline != INT64_MAX &&
		    (pump_is_drained(u->pump) || clock_left_ms(deadline) == 0))
			return 0;
	}
}

/* The twin has ended or ends now; 0 where it asked for a reset. */
static int end_twin(pid_t pid, struct err *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, ERR_CONFIG, "twin.start", "ending a device");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "twin.start", "its process has ended");
}

static int plug_in(const struct skin *s, const struct skin_plug *p, struct usbip *u, pid_t pid,
    int *ready, struct err *e)
{
	const struct vhci_port *port = &s->ports[p->slot];
	enum vhci_speed speed = s->speed == GADGET_HIGH ? VHCI_HIGH : VHCI_FULL;
	int ends[2], twin, rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "making a socket");
	u->fd = ends[0];
	rc = vhci_attach(VHCI_FOLDER, port->number, ends[1], BUS << 16 | (unsigned)(p->slot + 1),
	    speed, e);
	(void)close(ends[1]); /* the kernel has its own */
	twin = pidfd_open(pid, 0);
	if (rc == 0)
		rc = twin >= 0 ? skin_ready(ready, e)
			       : err_errno(e, ERR_CONFIG, "twin.start", "watching a device");
	if (rc == 0)
		rc = run(u, twin, e);
	(void)close(twin);    /* only watched */
	(void)close(ends[0]); /* unplugs */
	return rc;
}

/* From one reset to the next. */
static int serve_once(const struct skin *s, const struct skin_plug *p, int *ready, struct err *e)
{
	AUTO_STRUCT(usbip) u = { 0 };
	AUTO_STRUCT(pump) pump = { .fd = -1 };
	struct err ignored = { 0 };
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "making a socket");
	if (start_twin(p, ends[1], ends[0], &pid, e) != 0)
		return -1;    /* the process ends with both sockets */
	(void)close(ends[1]); /* the child's */
	if (pump_open(&pump, p, s->speed, ends[0], e) != 0)
		return -1;
	u.pump = &pump;
	if (plug_in(s, p, &u, pid, ready, e) == 0)
		return end_twin(pid, e);
	(void)kill(pid, SIGKILL); /* it may be dead */
	(void)end_twin(pid, &ignored);
	return -1;
}

static int serve_usbip(struct skin *s, const struct skin_plug *p, int keep, int ready,
    struct err *e)
{
	(void)keep;
	while (serve_once(s, p, &ready, e) == 0)
		skin_pause();
	return -1;
}

static void unplug(struct skin *s, size_t slot)
{
	vhci_detach(VHCI_FOLDER, s->ports[slot].number);
}

const struct skin_ops usbip_skin = {
	.name = "usbip",
	.usb = true,
	.open = open_skin,
	.close = close_skin,
	.place = place_of,
	.prepare = skin_no_descriptor,
	.serve = serve_usbip,
	.plugged = skin_not_told,
	.unplugged = unplug,
	.watch = skin_not_watched,
	.turn = skin_idle,
};
