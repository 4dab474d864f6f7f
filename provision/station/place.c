#include "place.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

enum { SLOW_LOOK_MS = 1000 };

/* What tells one device node from the next that appears under the same name. */
struct node {
	bool present;
	dev_t device;
	ino_t inode,
	    link; /* a pty's number is used again: then only the link to it is another one */
	struct timespec linked;
};

struct place {
	struct buf path;
	struct node node;
};

struct places {
	struct place *all;
	size_t count;
	int inotify;
	struct event *changes, *slow;
	place_changed *changed;
	void *context;
};

int place_path(const char *address, struct buf *ret, struct err *e)
{
	const char *colon = strchr(address, ':');
	size_t len;

	if (colon == NULL)
		return err_set(e, ERR_CONFIG, "link.address",
		    "%s: an address is scheme:path?options", address);
	len = strcspn(colon + 1, "?");
	if (buf_add(ret, colon + 1, len, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

static struct node look(const char *path)
{
	struct stat node, link;

	if (stat(path, &node) != 0 || lstat(path, &link) != 0)
		return (struct node){ 0 };
	if (!S_ISLNK(link.st_mode))
		return (struct node){ true, node.st_rdev, node.st_ino, 0, { 0 } };
	return (struct node){ true, node.st_rdev, node.st_ino, link.st_ino, link.st_mtim };
}

static bool is_same(const struct node *a, const struct node *b)
{
	return a->device == b->device && a->inode == b->inode && a->link == b->link &&
	       a->linked.tv_sec == b->linked.tv_sec && a->linked.tv_nsec == b->linked.tv_nsec;
}

static void look_at_all(struct places *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct place *place = &p->all[i];
		struct node now = look((const char *)place->path.data);
		bool was = place->node.present;
		bool swapped = was && now.present && !is_same(&place->node, &now);

		place->node = now;
		if (was && (!now.present || swapped))
			p->changed(p->context, i, false);
		if (now.present && (!was || swapped))
			p->changed(p->context, i, true);
	}
}

/* Adding a watch again is how a folder that came back is watched; one that is absent is no error. */
static void watch_folders(struct places *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char folder[PATH_MAX];
		const char *path = (const char *)p->all[i].path.data;
		const char *slash = strrchr(path, '/');

		if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(folder))
			continue;
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
		(void)inotify_add_watch(p->inotify, folder,
		    IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR | IN_ATTRIB);
	}
}

static void on_changes(evutil_socket_t fd, short what, void *context)
{
	char events[4096];

	(void)what;
	while (read(fd, events, sizeof(events)) > 0)
		; /* which one it was is found by looking */
	look_at_all(context);
}

static void on_slow(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	watch_folders(context);
	look_at_all(context);
}

static int start(struct places *p, struct event_base *loop, const char *const addresses[],
    struct err *e)
{
	const struct timeval every = { SLOW_LOOK_MS / 1000, SLOW_LOOK_MS % 1000 * 1000 };

	for (size_t i = 0; i < p->count; i++)
		if (place_path(addresses[i], &p->all[i].path, e) != 0)
			return -1;
	p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->inotify < 0)
		return err_errno(e, ERR_CONFIG, "place", "watching for devices");
	p->changes = event_new(loop, p->inotify, EV_READ | EV_PERSIST, on_changes, p);
	p->slow = event_new(loop, -1, EV_PERSIST, on_slow, p);
	if (p->changes == NULL || p->slow == NULL || event_add(p->changes, NULL) != 0 ||
	    event_add(p->slow, &every) != 0)
		return err_nomem(e);
	event_active(p->slow, EV_TIMEOUT, 0);
	return 0;
}

int places_start(struct places **ret, struct event_base *loop, const char *const addresses[],
    size_t count, place_changed *changed, void *context, struct err *e)
{
	AUTO_PTR(places) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->inotify = -1;
	p->changed = changed;
	p->context = context;
	p->all = calloc(count, sizeof(*p->all));
	if (p->all == NULL)
		return err_nomem(e);
	p->count = count;
	if (start(p, loop, addresses, e) != 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

void places_stop(struct places *p)
{
	if (p->changes != NULL)
		event_free(p->changes);
	if (p->slow != NULL)
		event_free(p->slow);
	if (p->inotify >= 0)
		(void)close(p->inotify); /* only read */
	for (size_t i = 0; p->all != NULL && i < p->count; i++)
		buf_free(&p->all[i].path);
	free(p->all);
	free(p);
}
