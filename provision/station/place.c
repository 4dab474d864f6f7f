#include "place.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "sighting.h"
#include "uevent.h"

/* Of what comes at once, one plug brings a dozen messages. Who may open a node is never told. */
enum { SLOW_LOOK_MS = 1000, SOON_MS = 50, UNREADY_LOOK_MS = 100 };

/* What tells one device node from the next that appears under the same name. */
struct node {
	bool present;
	dev_t device;
	ino_t inode,
	    link; /* a pty's number is used again: then only the link to it is another one */
	struct timespec linked;
};

struct place {
	const struct config_slot *slot;
	struct buf path; /* with an address */
	struct node node;
	struct sighting told, seen; /* with places; seen: not told yet */
	int64_t seen_ms;
};

struct places {
	struct place *all;
	size_t count;
	bool usb; /* some are in USB */
	struct place_terms terms;
	int inotify, uevents;
	struct event *changes, *slow, *said, *soon;
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

static void tell(struct places *p, const struct place *place, bool present)
{
	const struct place_now now = { .present = present,
		.place = present ? place->told.place : NULL,
		.trouble =
		    present && place->told.state == SIGHTING_SEVERAL ? &place->told.why : NULL };

	p->changed(p->context, (size_t)(place - p->all), &now);
}

static void look_at_path(struct places *p, struct place *place)
{
	struct node now = look((const char *)place->path.data);
	bool was = place->node.present;
	bool swapped = was && now.present && !is_same(&place->node, &now);

	place->node = now;
	if (was && (!now.present || swapped))
		tell(p, place, false);
	if (now.present && (!was || swapped))
		tell(p, place, true);
}

static bool is_there(const struct sighting *s)
{
	return s->state > SIGHTING_HUB;
}

static bool is_told(const struct place *place, const struct sighting *now)
{
	return (now->state == SIGHTING_SEVERAL) == (place->told.state == SIGHTING_SEVERAL) &&
	       is_there(now) == is_there(&place->told) && sighting_is_same(&place->told, now);
}

/* Long enough there to be told, though something is wrong with it. */
static bool has_settled(const struct places *p, struct place *place, const struct sighting *now)
{
	if (now->state != place->seen.state || !sighting_is_same(&place->seen, now))
		place->seen_ms = clock_now_ms();
	place->seen = *now;
	return clock_now_ms() - place->seen_ms >= p->terms.settle_ms;
}

/* True where it must be looked at again soon. */
static bool look_in_usb(struct places *p, struct place *place, const struct usb_view *view)
{
	bool was = is_there(&place->told);
	struct sighting now;

	sighting_take(view, place->slot, p->terms.link, p->terms.tty_interface, &now);
	if (is_told(place, &now)) {
		place->seen = now;
		return false;
	}
	/* Two at once may be one that moves; until that is settled the first one counts. */
	if (was && now.state != SIGHTING_SEVERAL) {
		place->told = (struct sighting){ 0 };
		tell(p, place, false);
		was = false;
	}
	if (!is_there(&now)) {
		place->seen = now;
		return false;
	}
	if (now.state != SIGHTING_READY && !has_settled(p, place, &now))
		return true;
	place->told = now;
	if (was)
		tell(p, place, false);
	tell(p, place, true);
	return false;
}

static void arm(struct event *timer, int ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (event_pending(timer, EV_TIMEOUT, NULL) == 0)
		(void)event_add(timer, &t); /* without memory nothing works any more (memory.h) */
}

static void look_at_usb(struct places *p)
{
	struct usb_view view = { .root = p->terms.root };
	struct usb_device *devices = NULL;
	struct err unreadable = { 0 }; /* as before, then; kiln doctor says why */
	bool again = false;

	if (!p->usb || usb_tree_read(p->terms.root, &devices, &view.count, &unreadable) != 0)
		return;
	view.devices = devices;
	for (size_t i = 0; i < p->count; i++)
		if (p->all[i].slot->place_count > 0)
			again |= look_in_usb(p, &p->all[i], &view);
	free(devices);
	if (again)
		arm(p->soon, UNREADY_LOOK_MS);
}

static void look_at_paths(struct places *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->all[i].slot->address != NULL)
			look_at_path(p, &p->all[i]);
}

/* Adding a watch again is how a folder that came back is watched; one that is absent is no error. */
static void watch_folders(struct places *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char folder[PATH_MAX];
		const char *path = (const char *)p->all[i].path.data;
		const char *slash = path != NULL ? strrchr(path, '/') : NULL;

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
	look_at_paths(context);
}

static void on_said(evutil_socket_t fd, short what, void *context)
{
	struct places *p = context;

	(void)what;
	uevent_drain(fd);
	arm(p->soon, SOON_MS);
}

static void on_soon(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	look_at_usb(context);
}

static void on_slow(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	watch_folders(context);
	look_at_paths(context);
	look_at_usb(context);
}

static int listen_to_kernel(struct places *p, struct event_base *loop, struct err *e)
{
	p->soon = evtimer_new(loop, on_soon, p);
	if (p->soon == NULL)
		return err_nomem(e);
	p->uevents = uevent_open();
	if (p->uevents < 0)
		return 0; /* the slow look sees the same, later */
	p->said = event_new(loop, p->uevents, EV_READ | EV_PERSIST, on_said, p);
	if (p->said == NULL || event_add(p->said, NULL) != 0)
		return err_nomem(e);
	return 0;
}

static int start(struct places *p, struct event_base *loop, struct err *e)
{
	const struct timeval every = { SLOW_LOOK_MS / 1000, SLOW_LOOK_MS % 1000 * 1000 };

	p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->inotify < 0)
		return err_errno(e, ERR_CONFIG, "place", "watching for devices");
	p->changes = event_new(loop, p->inotify, EV_READ | EV_PERSIST, on_changes, p);
	p->slow = event_new(loop, -1, EV_PERSIST, on_slow, p);
	if (p->changes == NULL || p->slow == NULL || event_add(p->changes, NULL) != 0 ||
	    event_add(p->slow, &every) != 0)
		return err_nomem(e);
	if (p->usb && listen_to_kernel(p, loop, e) != 0)
		return -1;
	event_active(p->slow, EV_TIMEOUT, 0);
	return 0;
}

static int take_slots(struct places *p, const struct config_slot slots[], size_t count,
    struct err *e)
{
	p->all = calloc(count, sizeof(*p->all));
	if (p->all == NULL)
		return err_nomem(e);
	p->count = count;
	for (size_t i = 0; i < count; i++) {
		p->all[i].slot = &slots[i];
		p->usb |= slots[i].place_count > 0;
		if (slots[i].address != NULL &&
		    place_path(slots[i].address, &p->all[i].path, e) != 0)
			return -1;
	}
	return 0;
}

int places_start(struct places **ret, struct event_base *loop, const struct config_slot slots[],
    size_t count, const struct place_terms *terms, place_changed *changed, void *context,
    struct err *e)
{
	AUTO_PTR(places) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->inotify = p->uevents = -1;
	p->changed = changed;
	p->context = context;
	p->terms = *terms;
	if (take_slots(p, slots, count, e) != 0 || start(p, loop, e) != 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

void places_stop(struct places *p)
{
	struct event *const events[] = { p->changes, p->slow, p->said, p->soon };

	for (size_t i = 0; i < COUNT(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	if (p->inotify >= 0)
		(void)close(p->inotify); /* both only read */
	if (p->uevents >= 0)
		(void)close(p->uevents);
	for (size_t i = 0; p->all != NULL && i < p->count; i++)
		buf_free(&p->all[i].path);
	free(p->all);
	free(p);
}
