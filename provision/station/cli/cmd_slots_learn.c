/*
 * kiln slots learn: the operator plugs a device into one position of the fixture after the other and says
 * its name; the places are written into a file of slots. Answers are lines, also from a pipe.
 */
#include "cmd_slots.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advice.h"
#include "arrival.h"
#include "cli.h"
#include "clock.h"
#include "file.h"
#include "slots_file.h"
#include "uevent.h"

enum { LINE_ROOM = 256, LOOK_MS = 500, SETTLING_LOOK_MS = 100 };

/* What came while we waited. */
enum heard { HEARD_NOTHING, HEARD_LINE, HEARD_END };

struct learning {
	struct slots_file file;
	struct arrival arrival;
	bool json;
	int uevents;
	char in[LINE_ROOM]; /* not yet a line */
	size_t in_len;
	bool in_ended;
	char line[LINE_ROOM];
	size_t learned;
};

static void learning_free(struct learning *l)
{
	slots_file_free(&l->file);
	arrival_free(&l->arrival);
	if (l->uevents >= 0)
		(void)close(l->uevents); /* only read */
}
OWNED_STRUCT(learning, learning_free)

/* For people; on stderr with --json. */
static void say(const struct learning *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct learning *l, const char *fmt, ...)
{
	FILE *out = l->json ? stderr : stdout;
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(out, fmt, ap);
	va_end(ap);
	(void)fflush(out);
}

/* For programs; takes event over. */
static void tell(const struct learning *l, json_t *event)
{
	AUTO(json_t) *owned = event;

	if (!l->json || owned == NULL)
		return;
	(void)json_dumpf(owned, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static void tell_refused(const struct learning *l, const struct err *why)
{
	say(l, "  ! %s\n    -> %s\n", why->message, advice_for(why));
	tell(l, json_pack("{s:s, s:s, s:s, s:s}", "event", "refused", "code", why->code, "message",
		    why->message, "advice", advice_for(why)));
}

/* Moves a whole line from what was read; the last one needs no newline. Too long a line is cut. */
static bool take_line(struct learning *l)
{
	const char *end = memchr(l->in, '\n', l->in_len);
	bool whole = end != NULL || l->in_len == sizeof(l->in) || (l->in_ended && l->in_len > 0);
	size_t len = end != NULL ? (size_t)(end - l->in) : l->in_len;
	size_t used = end != NULL ? len + 1 : len;

	if (!whole)
		return false;
	len -= len == sizeof(l->line);
	memcpy(l->line, l->in, len);
	l->line[len] = '\0';
	l->in_len -= used;
	memmove(l->in, l->in + used, l->in_len);
	return true;
}

static void fill(struct learning *l)
{
	ssize_t n = read(STDIN_FILENO, l->in + l->in_len, sizeof(l->in) - l->in_len);

	if (n > 0)
		l->in_len += (size_t)n;
	else if (n == 0 || errno != EINTR)
		l->in_ended = true;
}

/* Until a line, the input's end, a word of the kernel's, or so many ms; -1: no limit. */
static enum heard hear(struct learning *l, int ms)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = l->uevents, .events = POLLIN } };

	if (take_line(l))
		return HEARD_LINE;
	if (l->in_ended)
		return HEARD_END;
	if (poll(fds, COUNT(fds), ms) <= 0)
		return HEARD_NOTHING; /* also for EINTR: it is asked again */
	if (fds[1].revents != 0)
		uevent_drain(l->uevents);
	if (fds[0].revents != 0)
		fill(l);
	if (take_line(l))
		return HEARD_LINE;
	return l->in_ended ? HEARD_END : HEARD_NOTHING;
}

static bool is_quit(const char *line)
{
	return strcmp(line, "q") == 0;
}

/* False: the operator ends. The answer is in l->line, without blanks around it. */
static bool ask(struct learning *l)
{
	enum heard heard;
	size_t len, skip;

	do
		heard = hear(l, -1);
	while (heard == HEARD_NOTHING);
	if (heard == HEARD_END)
		return false;
	skip = strspn(l->line, " \t");
	memmove(l->line, l->line + skip, strlen(l->line + skip) + 1);
	for (len = strlen(l->line); len > 0 && strchr(" \t\r", l->line[len - 1]) != NULL; len--)
		l->line[len - 1] = '\0';
	return !is_quit(l->line);
}

static bool ask_name(struct learning *l, char ret[static LINE_ROOM])
{
	for (;;) {
		struct err e = { 0 };
		char next[16];

		slots_file_next_name(&l->file, next);
		say(l, "Name of the next position [%s], q ends: ", next);
		tell(l,
		    json_pack("{s:s, s:s, s:s}", "event", "ask", "what", "name", "default", next));
		if (!ask(l))
			return false;
		(void)snprintf(ret, LINE_ROOM, "%s", l->line[0] != '\0' ? l->line : next);
		if (slots_file_check_name(&l->file, ret, &e) == 0)
			return true;
		tell_refused(l, &e);
	}
}

/* What has become of waiting for a device. */
enum wait { WAIT_CAME, WAIT_SKIP, WAIT_QUIT, WAIT_FAILED };

/* One device has come and stayed. */
static enum wait await_one(struct learning *l, struct err *e)
{
	for (;;) {
		enum arrival_state state;
		enum heard heard;

		if (arrival_look(&l->arrival, clock_now_ms(), &state, e) != 0)
			return WAIT_FAILED;
		if (state == ARRIVAL_ONE)
			return WAIT_CAME;
		if (state == ARRIVAL_SEVERAL) {
			(void)err_set(e, ERR_OPERATOR, "slot.two-devices",
			    "%zu devices came at once, at %s and at %s: take them out, and plug "
			    "one into the position",
			    l->arrival.fresh_count, l->arrival.fresh[0].place,
			    l->arrival.fresh[1].place);
			tell_refused(l, e);
			if (arrival_begin(&l->arrival, e) != 0)
				return WAIT_FAILED;
		}
		heard = hear(l, state == ARRIVAL_SETTLING ? SETTLING_LOOK_MS : LOOK_MS);
		if (heard == HEARD_LINE)
			return is_quit(l->line) ? WAIT_QUIT : WAIT_SKIP;
		if (heard == HEARD_END)
			return WAIT_QUIT;
	}
}

static void show(const struct learning *l, const char *name, const struct usb_device *d)
{
	char text[400], interfaces[200];
	json_t *event = slot_device_json(d);

	say(l, "  %s%s%s\n  %04x:%04x  %s  %s\n", d->place, d->peer[0] != '\0' ? ", also " : "",
	    d->peer, d->vendor, d->product, slot_interfaces(d, interfaces),
	    slot_device_text(d, text));
	if (event != NULL)
		(void)json_object_update_new(event,
		    json_pack("{s:s, s:s}", "event", "arrived", "slot", name));
	tell(l, event);
}

/* WAIT_CAME: it is the position's. */
static enum wait confirm(struct learning *l, const char *name, const struct usb_device *d)
{
	show(l, name, d);
	say(l, "Is this position %s? [Y/n], q ends: ", name);
	tell(l, json_pack("{s:s, s:s, s:s}", "event", "ask", "what", "confirm", "slot", name));
	if (!ask(l))
		return WAIT_QUIT;
	return l->line[0] == '\0' || strcasecmp(l->line, "y") == 0 ||
		       strcasecmp(l->line, "yes") == 0
		   ? WAIT_CAME
		   : WAIT_SKIP;
}

static bool is_known(const struct learning *l, const struct usb_device *d)
{
	const struct slots_file_row *slot = slots_file_at(&l->file, d->place, d->peer);
	struct err e = { 0 };

	if (slot == NULL)
		return false;
	(void)err_set(&e, ERR_OPERATOR, "slot.known", "this is slot %s already (%s)", slot->name,
	    d->place);
	tell_refused(l, &e);
	return true;
}

static int add(struct learning *l, const char *name, const struct usb_device *d, struct err *e)
{
	if (slots_file_add(&l->file, name, d->place, d->peer, e) != 0)
		return -1;
	l->learned++;
	say(l, "  slot %s is %s%s%s; it may be taken out now\n", name, d->place,
	    d->peer[0] != '\0' ? " and " : "", d->peer);
	tell(l, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event", "learned", "slot", name,
		    "place", d->place, "peer", d->peer, "serial", d->serial, "file", l->file.path));
	return 0;
}

/* One position, until it is learned or given up. */
static enum wait learn_one(struct learning *l, const char *name, struct err *e)
{
	for (;;) {
		struct usb_device d;
		enum wait w;

		if (arrival_begin(&l->arrival, e) != 0)
			return WAIT_FAILED;
		say(l, "Plug a device into position %s (Enter: another name, q ends)\n", name);
		tell(l, json_pack("{s:s, s:s}", "event", "plug", "slot", name));
		w = await_one(l, e);
		if (w != WAIT_CAME)
			return w;
		d = l->arrival.fresh[0];
		if (is_known(l, &d))
			continue;
		w = confirm(l, name, &d);
		if (w == WAIT_SKIP)
			continue;
		if (w == WAIT_CAME && add(l, name, &d, e) != 0)
			return WAIT_FAILED;
		return w;
	}
}

static bool is_named(const struct learning *l, const struct config *station)
{
	char a[PATH_MAX], b[PATH_MAX];

	return station->slots_file != NULL && realpath(station->slots_file, a) != NULL &&
	       realpath(l->file.path, b) != NULL && strcmp(a, b) == 0;
}

static void sum_up(const struct learning *l, const struct config *station)
{
	bool named = is_named(l, station);
	char path[PATH_MAX];

	say(l, "\n%zu learned, %zu slots in %s\n", l->learned, l->file.count, l->file.path);
	if (l->file.kept_as != NULL)
		say(l, "The file as it was is kept as %s\n", l->file.kept_as);
	if (!named && l->file.count > 0)
		say(l, "Put this into %s%s:\n  slots: %s\n", station->path,
		    station->slot_count > 0 ? ", in place of the slots that are there" : "",
		    realpath(l->file.path, path) != NULL ? path : l->file.path);
	tell(l, json_pack("{s:s, s:s, s:s*, s:I, s:I, s:b}", "event", "summary", "file",
		    l->file.path, "kept", l->file.kept_as, "learned", (json_int_t)l->learned,
		    "slots", (json_int_t)l->file.count, "named", named));
}

static int learn(struct learning *l, const struct config *station, struct err *e)
{
	char name[LINE_ROOM];
	enum wait w = WAIT_SKIP;

	while (w != WAIT_QUIT && ask_name(l, name)) {
		w = learn_one(l, name, e);
		if (w == WAIT_FAILED)
			return -1;
	}
	sum_up(l, station);
	return 0;
}

/* Where the slots go: as asked, as station.yaml says, or beside it. */
static int find_file(const struct config *station, const char *out, struct buf *ret, struct err *e)
{
	int rc;

	if (out != NULL)
		rc = buf_add_str(ret, out, e);
	else if (station->slots_file != NULL)
		rc = buf_add_str(ret, station->slots_file, e);
	else
		rc = file_beside(station->path, "slots.yaml", ret, e);
	return rc == 0 && buf_str(ret, e) != NULL ? 0 : -1;
}

static int run(const char *config, const char *out, bool anew, bool json)
{
	AUTO_STRUCT(learning) l = { .json = json, .arrival.root = "", .uevents = uevent_open() };
	AUTO_PTR(config) *station = NULL;
	AUTO_STRUCT(buf) path = { 0 };
	struct err e = { 0 };

	if (config_load_slots(&station, config, &e) != 0 ||
	    find_file(station, out, &path, &e) != 0 ||
	    slots_file_open(&l.file, (const char *)path.data, anew, &e) != 0 ||
	    learn(&l, station, &e) != 0)
		return cli_fail(&e);
	return EXIT_PASSED;
}

int cmd_slots_learn(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "out", required_argument, NULL, 'o' },
		{ "anew", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = NULL, *out = NULL;
	bool anew = false, json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			config = optarg;
		else if (o == 'o')
			out = optarg;
		else if (o == 'a')
			anew = true;
		else if (o == 'j')
			json = true;
		else
			return cli_usage("slots");
	}
	return optind == argc && config != NULL ? run(config, out, anew, json) : cli_usage("slots");
}
