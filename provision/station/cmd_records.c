/* kiln records: brings records of an older schema to this one, and records that are an old copy back to
 * work. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "records.h"
#include "witness.h"

static int upgrade(const char *path)
{
	struct err e = { 0 };

	if (records_upgrade(path, &e) != 0)
		return cli_fail(&e);
	(void)printf("%s: schema %d, verified\n", path, RECORDS_SCHEMA);
	return EXIT_PASSED;
}

static void print_restored(const char *path, const json_t *event)
{
	long long from = json_opt_int(event, "from", 0), to = json_opt_int(event, "to", 0);

	if (to < from)
		(void)printf("%s: goes on at event %lld; nothing is known to be lost\n", path,
		    to + 1);
	else
		(void)
		    printf("%s: goes on at event %lld; events %lld to %lld are recorded as lost\n",
			path, to + 1, from, to);
	(void)printf(
	    "have the CA's owner list what it issued to this station since then: what is neither "
	    "delivered\nnor among kiln orphans is on a device whose record is lost, or on none\n");
}

static int accept_restore(const char *config_path, const char *by, const char *reason,
    struct err *e)
{
	AUTO_PTR(config) *config = NULL;
	AUTO(json_t) *event = NULL;
	struct records_place signer;

	if (config_load(&config, config_path, e) != 0 ||
	    witness_position(config, &signer, e) != 0 ||
	    records_accept_restore(config->records, config->station, &signer, by, reason, &event,
		e) != 0)
		return -1;
	print_restored(config->records, event);
	return 0;
}

static int run_accept_restore(int argc, char **argv)
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
	if (optind != argc || config == NULL || by == NULL || reason == NULL || by[0] == '\0' ||
	    reason[0] == '\0')
		return cli_usage("records");
	return accept_restore(config, by, reason, &e) == 0 ? EXIT_PASSED : cli_fail(&e);
}

int cmd_records(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "upgrade") == 0)
		return upgrade(argv[2]);
	if (argc > 1 && strcmp(argv[1], "accept-restore") == 0)
		return run_accept_restore(argc - 1, argv + 1);
	return cli_usage(argv[0]);
}
