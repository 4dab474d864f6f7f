/* kiln records: brings records of an older schema to this one, and says what a person accepts: that newer
 * records are lost, that the clock was wrong. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "records.h"
#include "source.h"
#include "witness.h"

static int upgrade(const char *path)
{
	struct err e = { 0 };

	if (records_upgrade(path, &e) != 0)
		return cli_fail(&e);
	(void)printf("%s: schema %d, verified\n", path, RECORDS_SCHEMA);
	return EXIT_PASSED;
}

struct kept {
	const char *station;
	int64_t end;         /* the last event that the records still hold */
	char at[CLOCK_TEXT]; /* its time; empty where they hold none */
};

static int keep_time(const json_t *event, void *context, struct err *e)
{
	struct kept *k = context;

	(void)e;
	if (json_opt_int(event, "seq", 0) == k->end &&
	    strcmp(json_opt_str(event, "station", ""), k->station) == 0)
		(void)snprintf(k->at, sizeof(k->at), "%s", json_opt_str(event, "at", ""));
	return 0;
}

static int read_kept(const char *path, struct kept *k, struct err *e)
{
	AUTO_PTR(records) *r = NULL;

	return records_open(&r, path, NULL, false, e) == 0
		   ? records_events(r, NULL, 0, keep_time, k, e)
		   : -1;
}

static void print_restored(const char *path, const json_t *event, const struct kept *kept)
{
	long long from = json_opt_int(event, "from", 0), to = json_opt_int(event, "to", 0);

	if (to < from)
		(void)printf("%s: goes on at event %lld; nothing is known to be lost\n", path,
		    to + 1);
	else
		(void)
		    printf("%s: goes on at event %lld; events %lld to %lld are recorded as lost\n",
			path, to + 1, from, to);
	(void)
	    printf("have the CA's owner list what it issued to this station %s%s: what is neither "
		   "delivered\nnor among kiln orphans is on a device whose record is lost, or on "
		   "none\n",
		kept->at[0] != '\0' ? "since " : "ever since it was set up", kept->at);
}

static int accept_restore(const char *config_path, const char *by, const char *reason,
    struct err *e)
{
	AUTO_PTR(config) *config = NULL;
	AUTO(json_t) *event = NULL;
	struct records_place signer;
	struct kept kept = { 0 };

	if (config_load(&config, config_path, e) != 0 ||
	    witness_position(config, &signer, e) != 0 ||
	    records_accept_restore(config->records, config->station, &signer, by, reason, &event,
		e) != 0)
		return -1;
	kept.station = config->station;
	kept.end = json_opt_int(event, "from", 0) - 1;
	if (read_kept(config->records, &kept, e) != 0)
		return -1;
	print_restored(config->records, event, &kept);
	return 0;
}

static bool is_given(const char *verb, const char *option, const char *value)
{
	if (value != NULL && value[0] != '\0')
		return true;
	(void)fprintf(stderr, "kiln: records %s needs %s\n", verb, option);
	return false;
}

static int run_accept(int argc, char **argv,
    int (*accept)(const char *config, const char *by, const char *reason, struct err *e))
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "by", required_argument, NULL, 'b' },
		{ "reason", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = NULL, *by = NULL, *reason = NULL;
	struct err e = { 0 };
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			config = optarg;
		else if (o == 'b')
			by = optarg;
		else if (o == 'r')
			reason = optarg;
		else
			return cli_usage("records");
	}
	if (optind != argc)
		return cli_usage("records");
	if (!is_given(argv[0], "--config station.yaml", config) ||
	    !is_given(argv[0], "--by WHO (your name)", by) ||
	    !is_given(argv[0], "--reason R (why it is right)", reason))
		return EXIT_USAGE;
	return accept(config, by, reason, &e) == 0 ? EXIT_PASSED : cli_fail(&e);
}

static int accept_clock(const char *config_path, const char *by, const char *reason, struct err *e)
{
	AUTO_STRUCT(source) s = { .config_path = config_path };

	if (source_open(&s, true, e) != 0 ||
	    source_append(&s,
		json_pack("{s:s, s:s, s:s, s:s}", "event", "station", "what", "clock-accepted",
		    "by", by, "reason", reason),
		e) != 0)
		return -1;
	(void)printf("%s: this machine's clock is taken for right from now on\n",
	    s.config->station);
	return 0;
}

int cmd_records(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "upgrade") == 0)
		return upgrade(argv[2]);
	if (argc > 1 && strcmp(argv[1], "accept-restore") == 0)
		return run_accept(argc - 1, argv + 1, accept_restore);
	if (argc > 1 && strcmp(argv[1], "accept-clock") == 0)
		return run_accept(argc - 1, argv + 1, accept_clock);
	return cli_usage(argv[0]);
}
