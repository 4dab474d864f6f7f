#include "bed_skin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bed_node.h"
#include "bed_tree.h"
#include "options.h"

/* What a device's process says on its channel. */
enum { SAYS_PLUGGED = 'P', SAYS_GONE = 'G' };

struct bed_slot {
	const struct skin_plug *plug;
	int channel; /* of its process; -1: none */
	struct bed_node *node;
	unsigned address;
	bool leaves; /* by itself; under the nodes' lock until turn */
};

struct skin {
	enum gadget_speed speed;
	UMockdevTestbed *testbed;
	struct bed_slot slots[BED_SLOTS_MAX];
	char places[BED_SLOTS_MAX][BED_NAME_MAX];
	struct bed_node
	    *nodes[BED_LAST_ADDRESS + 1]; /* by address, also of devices that have left */
	unsigned last_address;
	int wake, watched; /* eventfd; epoll of it and the channels */
	FILE *log;
};

/* more: " " and something, or "". */
static void note(struct skin *s, const char *what, size_t slot, const char *more)
{
	fprintf(s->log, "%s %zu%s\n", what, slot + 1, more);
	(void)fflush(s->log);
}

/* From the thread of the handlers. */
static void told(void *context, size_t slot, const char *what)
{
	struct skin *s = context;

	note(s, what, slot, "");
	if (strcmp(what, "leaves") != 0)
		return;
	s->slots[slot].leaves = true;
	(void)eventfd_write(s->wake, 1); /* it counts far enough */
}

static int mock(struct err *e, UMockdevTestbed *testbed, struct buf *records)
{
	const char *text = buf_str(records, e);
	GError *why = NULL;
	int rc;

	if (text == NULL)
		return -1;
	if (umockdev_testbed_add_from_string(testbed, text, &why))
		return 0;
	rc = err_set(e, ERR_CONFIG, "bed", "mocking a device: %s", why != NULL ? why->message : "");
	g_clear_error(&why);
	return rc;
}

static int watch_fd(struct skin *s, int fd, struct err *e)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(s->watched, EPOLL_CTL_ADD, fd, &event) != 0)
		return err_errno(e, ERR_CONFIG, "bed", "watching");
	return 0;
}

/* Who runs the programs under the preload may be somebody else. */
static int show(struct skin *s, const char *dir, struct err *e)
{
	g_autofree gchar *root = umockdev_testbed_get_root_dir(s->testbed);
	g_autofree gchar *link = g_strdup_printf("%s/umockdev", dir);
	g_autofree gchar *log = g_strdup_printf("%s/usb.log", dir);

	(void)unlink(link); /* of a run before */
	s->log = fopen(log, "we");
	if (s->log == NULL || chmod(root, 0755) != 0 || symlink(root, link) != 0)
		return err_errno(e, ERR_CONFIG, "bed", "making %s and %s", link, log);
	return 0;
}

static int build(struct skin *s, const struct options *o, struct err *e)
{
	AUTO_STRUCT(buf) hubs = { 0 };

	s->watched = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch_fd(s, s->wake, e) != 0 || mkdir(o->dir, 0755) != 0 ? errno != EEXIST : false)
		return err_errno(e, ERR_CONFIG, "bed", "making %s", o->dir);
	s->testbed = umockdev_testbed_new();
	if (show(s, o->dir, e) != 0 || bed_tree_hubs(&hubs, e) != 0)
		return -1;
	return mock(e, s->testbed, &hubs);
}

static void close_bed(struct skin *s)
{
	for (unsigned i = 0; i <= BED_LAST_ADDRESS; i++)
		if (s->nodes[i] != NULL)
			bed_node_close(s->nodes[i], s->testbed);
	g_clear_object(&s->testbed);
	if (s->log != NULL)
		(void)fclose(s->log); /* it was flushed */
	(void)close(s->watched);      /* only watched */
	(void)close(s->wake);
	free(s);
}

static int open_bed(struct skin **ret, const struct options *o, struct err *e)
{
	struct skin *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	if (o->slots > BED_SLOTS_MAX) {
		free(s);
		return err_set(e, ERR_CONFIG, "bed", "there are %d ports", BED_SLOTS_MAX);
	}
	s->speed = o->usb_speed;
	s->last_address = BED_FIRST_ADDRESS - 1;
	for (size_t i = 0; i < BED_SLOTS_MAX; i++) {
		bed_tree_place(i, s->places[i]);
		s->slots[i].channel = -1;
	}
	if (build(s, o, e) != 0) {
		close_bed(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static const char *place_of(const struct skin *s, size_t slot)
{
	return s->places[slot];
}

static int prepare(struct skin *s, size_t slot, int *ret_keep, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "bed", "making a socket");
	s->slots[slot].channel = ends[0];
	*ret_keep = ends[1];
	return 0;
}

/* --- in the device's process --- */

static int say(int channel, char what, int fd, struct err *e)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec text = { &what, 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(channel, &message, MSG_NOSIGNAL) != 1)
		return err_errno(e, ERR_LINK, "bed", "telling the bed");
	return 0;
}

static int serve(struct skin *s, const struct skin_plug *p, int keep, int ready, struct err *e)
{
	(void)s;
	for (;;) {
		int ends[2], rc;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
			return err_errno(e, ERR_CONFIG, "bed", "making a socket");
		rc = say(keep, SAYS_PLUGGED, ends[0], e);
		(void)close(ends[0]); /* the bed's */
		if (rc != 0 || skin_ready(&ready, e) != 0)
			return -1;
		rc = p->family->serve(p->config, ends[1], e);
		(void)close(ends[1]); /* what was sent stays */
		if (rc != 0 || say(keep, SAYS_GONE, -1, e) != 0)
			return -1;
		skin_pause();
	}
}

/* --- in the bed --- */

/* The next address: not one that was used just before, and none of a device that is there. */
static unsigned next_address(struct skin *s)
{
	bool used;

	do {
		s->last_address =
		    s->last_address == BED_LAST_ADDRESS ? BED_FIRST_ADDRESS : s->last_address + 1;
		used = false;
		for (size_t i = 0; i < BED_SLOTS_MAX; i++)
			if (s->slots[i].node != NULL && s->slots[i].address == s->last_address)
				used = true;
	} while (used);
	if (s->nodes[s->last_address] != NULL)
		bed_node_close(s->nodes[s->last_address], s->testbed);
	s->nodes[s->last_address] = NULL;
	return s->last_address;
}

static void tell_hosts(struct skin *s, size_t slot, const char *action)
{
	char path[160];

	bed_tree_syspath(slot, NULL, path, sizeof(path));
	umockdev_testbed_uevent(s->testbed, path, action);
}

/* Who may open the node may talk to its handler. */
static int open_to_all(struct skin *s, const char *node, struct err *e)
{
	g_autofree gchar *root = umockdev_testbed_get_root_dir(s->testbed);
	g_autofree gchar *path = g_strdup_printf("%s/ioctl%s", root, node);

	return chmod(path, 0666) == 0 ? 0 : err_errno(e, ERR_CONFIG, "bed", "opening %s", path);
}

static int appear(struct skin *s, size_t slot, int fd, struct err *e)
{
	struct bed_slot *at = &s->slots[slot];
	AUTO_STRUCT(buf) records = { 0 };
	char node[BED_NAME_MAX + 1] = " ";

	at->address = next_address(s);
	if (bed_node_open(&at->node, s->testbed, at->plug, s->speed, at->address, fd, told, s, e) !=
	    0)
		return -1;
	s->nodes[at->address] = at->node;
	if (bed_tree_device(slot, at->address, bed_node_gadget(at->node), &records, e) != 0 ||
	    mock(e, s->testbed, &records) != 0)
		return -1;
	bed_tree_node(at->address, node + 1);
	if (open_to_all(s, node + 1, e) != 0)
		return -1;
	note(s, "plug", slot, node);
	tell_hosts(s, slot, "add");
	return 0;
}

static void disappear(struct skin *s, size_t slot)
{
	struct bed_slot *at = &s->slots[slot];
	char path[160];

	if (at->node == NULL)
		return;
	bed_node_unplug(at->node);
	tell_hosts(s, slot, "remove");
	bed_tree_syspath(slot, ":1.0", path, sizeof(path));
	umockdev_testbed_remove_device(s->testbed, path);
	bed_tree_syspath(slot, NULL, path, sizeof(path));
	umockdev_testbed_remove_device(s->testbed, path);
	note(s, "unplug", slot, "");
	at->node = NULL;
	at->leaves = false;
}

/* *ret_fd: what came with it, or -1. */
static char hear(int channel, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	char what = '\0';
	struct iovec text = { &what, 1 };
	struct msghdr message = { .msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;

	*ret_fd = -1;
	if (recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return '\0';
	c = CMSG_FIRSTHDR(&message);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return what;
}

static int listen_to(struct skin *s, size_t slot, struct err *e)
{
	struct bed_slot *at = &s->slots[slot];
	int fd = -1;

	switch (hear(at->channel, &fd)) {
	case SAYS_PLUGGED:
		return appear(s, slot, fd, e);
	case SAYS_GONE:
		if (at->node != NULL)
			bed_node_drain(at->node);
		disappear(s, slot);
		return 0;
	default: /* its process has ended: that is told apart */
		(void)epoll_ctl(s->watched, EPOLL_CTL_DEL, at->channel, NULL);
		return 0;
	}
}

static int plugged(struct skin *s, const struct skin_plug *p, struct err *e)
{
	struct bed_slot *at = &s->slots[p->slot];

	at->plug = p;
	if (listen_to(s, p->slot, e) != 0)
		return -1;
	return watch_fd(s, at->channel, e);
}

static void unplugged(struct skin *s, size_t slot)
{
	struct bed_slot *at = &s->slots[slot];

	disappear(s, slot);
	if (at->channel >= 0)
		(void)close(at->channel); /* its process has ended */
	at->channel = -1;
}

static int watch(const struct skin *s)
{
	return s->watched;
}

static int turn(struct skin *s, struct err *e)
{
	struct epoll_event events[BED_SLOTS_MAX + 1];
	int n = epoll_wait(s->watched, events, COUNT(events), 0);
	eventfd_t count;

	(void)eventfd_read(s->wake, &count); /* there may be nothing */
	for (size_t slot = 0; slot < BED_SLOTS_MAX; slot++) {
		if (s->slots[slot].leaves)
			disappear(s, slot);
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == s->slots[slot].channel &&
			    listen_to(s, slot, e) != 0)
				return -1;
	}
	return 0;
}

const struct skin_ops bed_skin = {
	.name = "umockdev",
	.usb = true,
	.open = open_bed,
	.close = close_bed,
	.place = place_of,
	.prepare = prepare,
	.serve = serve,
	.plugged = plugged,
	.unplugged = unplugged,
	.watch = watch,
	.turn = turn,
};
