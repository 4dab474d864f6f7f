/*
 * kiln dry-run: the whole job against emulated devices, a throw-away CA and a software token. It makes
 * a folder and then runs what `kiln batch` runs; its own part while that runs is to be the hands that
 * take a unit out and put the next one in.
 */
#include "cmd_dry_run.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "cli.h"
#include "config.h"
#include "face.h"
#include "file.h"
#include "proc.h"

enum { HANDS_MS = 5000, REPLUGS_MAX = 64 };

/* One thing to do, not from inside the station's own event; a slot waits for its own. */
struct move {
	struct hands *hands;
	long slot;
	char serial[IDENTITY_MAX + 1]; /* "" : the next device; else this one again */
};

/* Takes units out and puts units in, like a person at the fixture. */
struct hands {
	struct dry_run *d;
	struct face face;
	struct batch *batch;
	struct event_base *loop;
	bool busy[CONFIG_SLOTS_MAX]; /* a device is in the slot and its unit has not ended */
	struct move moves[CONFIG_SLOTS_MAX];
	char (*replugged)[IDENTITY_MAX + 1];
	size_t replugged_count, replugged_cap;
	struct err why;
};

static bool any_busy(const struct hands *h)
{
	for (long i = 0; i < h->d->slots; i++)
		if (h->busy[i])
			return true;
	return false;
}

static void give_up(struct hands *h, const struct err *why)
{
	h->why = *why;
	batch_no_more(h->batch);
}

static int ask_twins(struct hands *h, const char *what, long slot, const char *serial, json_t **ret,
    struct err *e)
{
	json_t *r = json_pack("{s:s, s:I}", "do", what, "slot", (json_int_t)slot);

	if (r != NULL && serial != NULL && json_set_str(r, "serial", serial, e) != 0) {
		json_decref(r);
		return -1;
	}
	return peer_ask(&h->d->twins, r, HANDS_MS, ret, e);
}

static int make_move(const struct move *m, struct err *e)
{
	struct hands *h = m->hands;
	AUTO(json_t) *gone = NULL;
	AUTO(json_t) *answer = NULL;

	if (m->serial[0] == '\0') {
		if (ask_twins(h, "swap", m->slot, NULL, &answer, e) != 0)
			return -1;
		h->busy[m->slot - 1] = !json_opt_bool(answer, "empty", false);
	} else if (ask_twins(h, "unplug", m->slot, NULL, &gone, e) != 0 ||
		   ask_twins(h, "plug", m->slot, m->serial, &answer, e) != 0) {
		return -1;
	}
	if (!any_busy(h))
		batch_no_more(h->batch);
	return 0;
}

static void on_move(evutil_socket_t fd, short what, void *context)
{
	struct move *m = context;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	if (make_move(m, &e) != 0)
		give_up(m->hands, &e);
}

/* A unit that waits for its cable is reseated once, as the screen says. */
static bool is_first_reseat(struct hands *h, const json_t *event)
{
	const char *serial = json_opt_str(event, "serial", "");

	if (strcmp(json_opt_str(event, "outcome", ""), "parked") != 0 ||
	    strcmp(json_opt_str(event, "domain", ""), "link") != 0)
		return false;
	for (size_t i = 0; i < h->replugged_count; i++)
		if (strcmp(h->replugged[i], serial) == 0)
			return false;
	if (h->replugged_count == h->replugged_cap)
		return false;
	(void)snprintf(h->replugged[h->replugged_count++], IDENTITY_MAX + 1, "%s", serial);
	return true;
}

static void plan_move(struct hands *h, const json_t *event)
{
	const struct timeval soon = { 0, 0 };
	long slot = strtol(json_opt_str(event, "slot", "0"), NULL, 10);
	struct move *m = &h->moves[slot - 1];
	struct err e = { 0 };

	*m = (struct move){ .hands = h, .slot = slot };
	if (is_first_reseat(h, event))
		(void)snprintf(m->serial, sizeof(m->serial), "%s",
		    json_opt_str(event, "serial", ""));
	if (event_base_once(h->loop, -1, EV_TIMEOUT, on_move, m, &soon) != 0) {
		(void)err_nomem(&e);
		give_up(h, &e);
	}
}

static void on_event(void *context, const json_t *event)
{
	struct hands *h = context;

	face_take(&h->face, event);
	if (strcmp(json_opt_str(event, "event", ""), "unit") == 0)
		plan_move(h, event);
}

static void on_armed(void *context, struct batch *b)
{
	struct hands *h = context;

	h->batch = b;
	for (long i = 0; i < h->d->slots; i++)
		h->busy[i] = i < h->d->devices;
}

static void print_end(const struct hands *h, const struct batch_result *r, bool json)
{
	FILE *out = json ? stderr : stdout;
	AUTO_STRUCT(buf) kiln = { 0 };
	struct err ignored = { 0 }; /* without the path the bare name still says what to run */
	const char *folder = proc_folder(&kiln, &ignored) == 0 ? (const char *)kiln.data : ".";

	stats_print_units(h->face.stats, out);
	stats_print(h->face.stats, out);
	(void)fprintf(out, "\n%ld passed, %ld failed, %ld refused, %ld pending\n", r->passed,
	    r->failed, r->refused, r->pending);
	(void)fprintf(out,
	    "\nDRY RUN - NOT FOR PRODUCTION. Look at it and check it with:\n"
	    "  %s/kiln log --config %s/station.yaml\n"
	    "  %s/kiln verify --config %s/station.yaml\n",
	    folder, h->d->folder, folder, h->d->folder);
}

static int run(struct dry_run *d, bool json, struct batch_result *ret, struct err *e)
{
	struct event_base *loop = event_base_new();
	struct hands h = { .d = d, .loop = loop };
	const struct batch_options options = { .config = (const char *)d->config.data,
		.event = on_event,
		.armed = on_armed,
		.context = &h };
	int rc = -1;

	h.replugged = calloc(REPLUGS_MAX, sizeof(*h.replugged));
	h.replugged_cap = h.replugged != NULL ? REPLUGS_MAX : 0;
	if (loop == NULL)
		(void)err_nomem(e);
	else if (face_init(&h.face, loop, json, d->devices, e) == 0)
		rc = batch_run(loop, &options, ret, e);
	if (rc == 0 && h.why.domain != ERR_NONE) {
		*e = h.why;
		rc = -1;
	}
	if (rc == 0)
		print_end(&h, ret, json);
	face_free(&h.face);
	free(h.replugged);
	if (loop != NULL)
		event_base_free(loop);
	return rc;
}

/* The default profile lies beside the programs: installed, or in the source tree above the build. */
static int find_profile(bool usb, struct buf *ret, struct err *e)
{
	static const char *const places[] = { "/../share/kiln/profiles", "/../../../profiles" };

	for (size_t i = 0; i < COUNT(places); i++) {
		buf_clear(ret);
		if (proc_folder(ret, e) != 0 ||
		    buf_printf(ret, e, "%s/spdm/infusion-pump%s.yaml", places[i],
			usb ? "-usb" : "") != 0 ||
		    buf_str(ret, e) == NULL)
			return -1;
		if (access((const char *)ret->data, R_OK) == 0)
			return 0;
	}
	return err_set(e, ERR_CONFIG, "profile",
	    "the default profile is not found: name one with --profile");
}

static int find_folder(const char *asked, char ret[static PATH_MAX], struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char made[PATH_MAX];

	if (asked != NULL) {
		if (file_mkdir(asked, 0755, e) != 0)
			return -1;
		if (realpath(asked, ret) == NULL)
			return err_errno(e, ERR_CONFIG, "file", "finding %s", asked);
		(void)snprintf(made, sizeof(made), "%.4000s/station.yaml", ret);
		if (access(made, F_OK) == 0)
			return err_set(e, ERR_CONFIG, "dry-run.folder",
			    "%s holds a dry run already, and one can not be continued", asked);
		return 0;
	}
	(void)snprintf(made, sizeof(made), "%s/kiln-dry-run-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(made) == NULL || realpath(made, ret) == NULL)
		return err_errno(e, ERR_CONFIG, "file", "making %s", made);
	return 0;
}

static int rehearse(struct dry_run *d, const char *folder, bool json)
{
	AUTO_STRUCT(buf) profile = { 0 };
	struct batch_result result = { 0 };
	char path[PATH_MAX];
	struct err e = { 0 };
	int rc = find_folder(folder, path, &e);

	d->folder = path;
	if (rc == 0 && d->profile_path == NULL) {
		rc = find_profile(d->usb, &profile, &e);
		d->profile_path = (const char *)profile.data;
	}
	if (rc == 0)
		rc = dry_run_make(d, &e);
	if (rc == 0)
		rc = run(d, json, &result, &e);
	dry_run_free(d);
	*d = (struct dry_run){ 0 };
	if (rc != 0)
		return cli_fail(&e);
	if (result.why.domain != ERR_NONE)
		(void)cli_fail(&result.why);
	return result.exit_code;
}

static const struct option options[] = {
	{ "devices", required_argument, NULL, 'n' },
	{ "slots", required_argument, NULL, 's' },
	{ "profile", required_argument, NULL, 'p' },
	{ "dir", required_argument, NULL, 'd' },
	{ "keygen-ms", required_argument, NULL, 'k' },
	{ "seed", required_argument, NULL, 'r' },
	{ "ca-fault", required_argument, NULL, 'c' },
	{ "twin-fault", required_argument, NULL, 't' },
	{ "twin-variant", required_argument, NULL, 'v' },
	{ "usb", no_argument, NULL, 'u' },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static bool take_number(const char *name, const char *value, long min, long max, long *ret)
{
	if (cli_number(value, min, max, ret))
		return true;
	(void)fprintf(stderr, "kiln dry-run: --%s %s: not a number from %ld to %ld\n", name, value,
	    min, max);
	return false;
}

static bool take_option(struct dry_run *d, int o, const char *value)
{
	switch (o) {
	case 'n':
		return take_number("devices", value, 1, 1000000, &d->devices);
	case 's':
		return take_number("slots", value, 1, CONFIG_SLOTS_MAX, &d->slots);
	case 'k':
		return take_number("keygen-ms", value, 0, 600000, &d->keygen_ms);
	case 'r':
		return take_number("seed", value, 0, LONG_MAX, &d->seed);
	case 'p':
		d->profile_path = value;
		return true;
	case 'u':
		d->usb = true;
		return true;
	case 'c':
		d->ca_fault = value;
		return true;
	case 'v':
		d->twin_variant = value;
		return true;
	case 't':
		if (d->twin_fault_count == DRY_RUN_FAULTS_MAX)
			return false;
		d->twin_faults[d->twin_fault_count++] = value;
		return true;
	default:
		return false;
	}
}

int cmd_dry_run(int argc, char **argv)
{
	struct dry_run d = { .devices = 8, .slots = 4, .keygen_ms = 200, .seed = 1 };
	const char *folder = NULL;
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'j')
			json = true;
		else if (o == 'd')
			folder = optarg;
		else if (!take_option(&d, o, optarg))
			return cli_usage(argv[0]);
	}
	if (optind != argc)
		return cli_usage(argv[0]);
	return rehearse(&d, folder, json);
}
