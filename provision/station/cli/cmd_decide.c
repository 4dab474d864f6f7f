/* kiln rework, kiln scrap: what a person decides about one unit, as a recorded event. */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"
#include "source.h"

struct decision {
	const char *event, *serial, *reason, *by, *done;
	struct source source;
};

static int decide(struct decision *d, struct err *e)
{
	AUTO(json_t) *unit = NULL;

	if (source_open(&d->source, true, e) != 0 ||
	    records_unit(d->source.records, d->serial, &unit, e) != 0)
		return -1;
	if (unit == NULL)
		return err_set(e, ERR_OPERATOR, "unit.unknown", "serial %s is not in these records",
		    d->serial);
	return source_append(&d->source,
	    json_pack("{s:s, s:s, s:s, s:s}", "event", d->event, "serial", d->serial, "reason",
		d->reason, "by", d->by),
	    e);
}

static int run(int argc, char **argv, const char *event, const char *done)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, 'r' },
		{ "by", required_argument, NULL, 'b' },
		{ "config", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct decision d = { .event = event };
	struct err e = { 0 };
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'r')
			d.reason = optarg;
		else if (o == 'b')
			d.by = optarg;
		else if (o == 'c')
			d.source.config_path = optarg;
		else
			return cli_usage(argv[0]);
	}
	if (optind + 1 != argc || d.reason == NULL || d.by == NULL || d.source.config_path == NULL)
		return cli_usage(argv[0]);
	if (d.reason[0] == '\0' || d.by[0] == '\0') {
		(void)fprintf(stderr,
		    "kiln %s: --reason and --by are for the auditor: they can not be empty\n",
		    argv[0]);
		return EXIT_USAGE;
	}
	d.serial = argv[optind];
	rc = decide(&d, &e);
	source_close(&d.source);
	if (rc != 0)
		return cli_fail(&e);
	(void)printf("%s: %s\n", d.serial, done);
	return EXIT_PASSED;
}

int cmd_rework(int argc, char **argv)
{
	return run(argc, argv, "rework",
	    "may be provisioned once more; its old certificate becomes an orphan");
}

int cmd_scrap(int argc, char **argv)
{
	return run(argc, argv, "scrap", "is taken out; its certificate is listed for revocation");
}
