/* kiln status, watch: how a running station is, and what happens there. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "asking.h"
#include "cli.h"
#include "face.h"
#include "hold.h"

struct ask {
	const char *config_path;
	bool json;
	struct config *config;
	struct asking asking;
};

static void ask_free(struct ask *a)
{
	asking_close(&a->asking);
	if (a->config != NULL)
		config_free(a->config);
}
OWNED_STRUCT(ask, ask_free)

static bool parse(struct ask *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			a->config_path = optarg;
		else if (o == 'j')
			a->json = true;
		else
			return false;
	}
	return optind == argc && a->config_path != NULL;
}

static int connect_station(struct ask *a, struct err *e)
{
	if (config_load(&a->config, a->config_path, e) != 0)
		return -1;
	return asking_open(&a->asking, a->config, e);
}

static void print_advice(const json_t *of)
{
	const char *advice = json_opt_str(of, "advice", "");

	if (advice[0] == '\0')
		return;
	(void)printf("           -> ");
	cli_print(advice);
	(void)putchar('\n');
}

static void print_health(const char *title, const json_t *health)
{
	(void)printf("%s: %s", title, json_opt_str(health, "state", "?"));
	if (strcmp(json_opt_str(health, "state", ""), "down") == 0) {
		(void)printf(" since %s, %" PRId64 " wait: ", json_opt_str(health, "since", "?"),
		    json_opt_int(health, "waiting", 0));
		cli_print(json_opt_str(health, "message", ""));
	}
	(void)putchar('\n');
	print_advice(health);
}

static void print_printer(const json_t *printer)
{
	const json_t *serial;
	size_t i;

	if (!json_is_object(printer))
		return;
	print_health("printer", printer);
	if (json_opt_int(printer, "unprinted_count", 0) == 0)
		return;
	(void)printf("without a label:");
	json_array_foreach(json_object_get(printer, "unprinted"), i, serial)
	{
		(void)putchar(' ');
		cli_print(json_string_value(serial));
	}
	(void)printf(" (%" PRId64 " in all)\n           -> print it: kiln label SERIAL\n",
	    json_opt_int(printer, "unprinted_count", 0));
}

static void print_disk(const json_t *disk)
{
	if (disk == NULL)
		return;
	(void)printf("disk: %s, %" PRId64 " MiB free ", json_opt_str(disk, "state", "?"),
	    json_opt_int(disk, "free_bytes", 0) >> 20);
	cli_print(json_opt_str(disk, "message", ""));
	(void)putchar('\n');
	print_advice(disk);
}

/* Which rule has stopped the line, by which units. */
static void print_line(const json_t *line)
{
	const json_t *unit;
	size_t i;

	if (!json_is_object(line))
		return;
	(void)printf("line stopped at %s: %s:", json_opt_str(line, "at", "?"),
	    json_opt_str(line, "rule", "?"));
	json_array_foreach(json_object_get(line, "units"), i, unit)
	{
		const char *serial = json_is_string(unit) ? json_string_value(unit) : "";

		(void)putchar(' ');
		cli_print(serial[0] != '\0' ? serial : "(no serial)");
	}
	(void)printf(
	    "\n           -> an engineer finds what they have in common, then: kiln release "
	    "--reason R\n");
}

static void print_alarm(const json_t *alarm)
{
	const json_t *seen = json_object_get(alarm, "seen");

	if (json_is_object(seen))
		(void)printf("alarm seen by %s at %s\n", json_opt_str(seen, "by", "?"),
		    json_opt_str(seen, "at", "?"));
}

/* Of a unit that waits nobody knows how long. */
static void print_progress(const json_t *slot)
{
	if (strcmp(json_opt_str(slot, "state", ""), "running") == 0)
		(void)printf("%s, %" PRId64 " %%, %.1f s left ", json_opt_str(slot, "step", ""),
		    json_opt_int(slot, "percent", 0),
		    (double)json_opt_int(slot, "left_ms", 0) / 1000.0);
	else if (!json_is_string(json_object_get(slot, "scan")) &&
		 json_object_get(slot, "step") != NULL)
		(void)printf("%s: ", json_opt_str(slot, "step", ""));
}

static void print_slot(const json_t *slot)
{
	const char *held = json_opt_str(slot, "held", NULL);

	(void)printf("  %-8s %-9s %-16s ", json_opt_str(slot, "name", "?"),
	    json_opt_str(slot, "state", "?"), json_opt_str(slot, "serial", ""));
	print_progress(slot);
	if (held != NULL)
		(void)printf("(%s) ", hold_text(held));
	else if (json_opt_bool(slot, "ack", false))
		(void)printf("(to be acknowledged: kiln acknowledge) ");
	if (json_opt_bool(slot, "paused", false))
		(void)printf("(paused) ");
	cli_print(json_opt_str(slot, "message", ""));
	(void)putchar('\n');
	print_advice(slot);
}

static void print_order(const json_t *order)
{
	if (!json_is_object(order))
		return;
	(void)printf("order ");
	cli_print(json_opt_str(order, "id", "?"));
	(void)printf(": %" PRId64 " of %" PRId64 " made\n", json_opt_int(order, "made", 0),
	    json_opt_int(order, "quantity", 0));
}

static void print_operator(const json_t *operators)
{
	const json_t *who = json_object_get(operators, "operator");

	if (!json_is_object(operators))
		return;
	(void)printf("operator: ");
	cli_print(json_opt_str(who, "name", "nobody is signed on"));
	(void)printf(json_is_object(who) ? ", %s since %s\n" : "\n", json_opt_str(who, "role", ""),
	    json_opt_str(who, "since", ""));
}

static void print_state(const json_t *s)
{
	const json_t *stop = json_object_get(s, "stop"), *fault = json_object_get(s, "fault");

	(void)printf("station %s: %s\n", json_opt_str(json_object_get(s, "station"), "id", "?"),
	    json_opt_str(s, "state", "?"));
	if (json_is_object(stop)) {
		(void)printf("stopped by %s at %s: ", json_opt_str(stop, "by", "?"),
		    json_opt_str(stop, "at", "?"));
		cli_print(json_opt_str(stop, "reason", ""));
		(void)putchar('\n');
	}
	if (json_opt_bool(s, "paused", false))
		(void)printf("paused: nothing begins until kiln resume\n");
	print_operator(json_object_get(s, "operators"));
	if (json_is_object(fault)) {
		cli_print(json_opt_str(fault, "message", ""));
		(void)printf("\n        -> %s\n", json_opt_str(fault, "advice", ""));
	}
}

static void print_scan(const json_t *scan)
{
	const json_t *device = json_object_get(scan, "device"), *label;
	size_t i;

	if (json_is_object(device))
		print_health("scanner", device);
	json_array_foreach(json_object_get(scan, "pending"), i, label)
	{
		(void)printf("label of %s waits for its unit\n",
		    json_opt_str(label, "serial", "?"));
	}
}

static void print_snapshot(const json_t *s)
{
	const json_t *product = json_object_get(s, "profile");
	const json_t *counters = json_object_get(s, "counters");
	const json_t *health = json_object_get(s, "health");
	const json_t *slot;
	size_t i;

	print_state(s);
	(void)printf("profile: %s %s%s\n", json_opt_str(product, "product", "?"),
	    json_opt_str(product, "version", "?"),
	    json_opt_bool(s, "test", false) ? " (NOT FOR PRODUCTION: accept_test_ca)" : "");
	print_order(json_object_get(s, "order"));
	print_health("CA", json_object_get(health, "ca"));
	print_health("HSM", json_object_get(health, "hsm"));
	print_printer(json_object_get(health, "printer"));
	print_disk(json_object_get(health, "disk"));
	print_line(json_object_get(s, "line"));
	print_alarm(json_object_get(s, "alarm"));
	(void)printf("units since the start: %" PRId64 " passed, %" PRId64 " failed, %" PRId64
		     " refused, %" PRId64 " parked; %" PRId64 " per hour\n",
	    json_opt_int(counters, "passed", 0), json_opt_int(counters, "failed", 0),
	    json_opt_int(counters, "refused", 0), json_opt_int(counters, "parked", 0),
	    json_opt_int(json_object_get(s, "rates"), "units_per_hour", 0));
	print_scan(json_object_get(s, "scan"));
	json_array_foreach(json_object_get(s, "slots"), i, slot) print_slot(slot);
}

static int show_status(struct ask *a, struct err *e)
{
	AUTO(json_t) *ok = NULL;

	if (asking_ask(&a->asking, json_pack("{s:s}", "do", "status"), &ok, e) != 0)
		return -1;
	if (a->json) {
		(void)json_dumpf(json_object_get(ok, "snapshot"), stdout, JSON_COMPACT);
		(void)putchar('\n');
	} else {
		print_snapshot(json_object_get(ok, "snapshot"));
	}
	return 0;
}

/* Until the station ends. */
static int show_events(struct ask *a, struct face *face, struct err *e)
{
	for (;;) {
		AUTO(json_t) *event = NULL;

		if (asking_hear(&a->asking, &event, e) != 0)
			return -1;
		if (event == NULL)
			return 0;
		if (json_object_get(event, "n") != NULL)
			face_take(face, event);
	}
}

static int watch(struct ask *a, struct err *e)
{
	AUTO(json_t) *ok = NULL;
	struct event_base *loop = event_base_new();
	struct face face = { 0 };
	int rc = -1;

	if (loop == NULL)
		(void)err_nomem(e);
	else if (face_init(&face, loop, a->json, 0, e) == 0 &&
		 asking_ask(&a->asking, json_pack("{s:s}", "do", "subscribe"), &ok, e) == 0)
		rc = show_events(a, &face, e);
	face_free(&face);
	if (loop != NULL)
		event_base_free(loop);
	return rc;
}

static int run(int argc, char **argv, int (*ask)(struct ask *a, struct err *e))
{
	AUTO_STRUCT(ask) a = { 0 };
	struct err e = { 0 };

	if (!parse(&a, argc, argv))
		return cli_usage(argv[0]);
	if (connect_station(&a, &e) != 0 || ask(&a, &e) != 0)
		return cli_fail(&e);
	return EXIT_PASSED;
}

int cmd_status(int argc, char **argv)
{
	return run(argc, argv, show_status);
}

int cmd_watch(int argc, char **argv)
{
	return run(argc, argv, watch);
}
