/* kiln label: the label of a passed unit again, by the running station; or what it would be, here. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "asking.h"
#include "cli.h"
#include "label_unit.h"
#include "source.h"

struct call {
	const char *config, *reason, *serial;
	bool example;
};

static bool parse(struct call *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "reason", required_argument, NULL, 'r' },
		{ "example", no_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			c->config = optarg;
		else if (o == 'r')
			c->reason = optarg;
		else if (o == 'e')
			c->example = true;
		else
			return false;
	}
	if (optind < argc)
		c->serial = argv[optind++];
	return optind == argc && c->config != NULL && c->example == (c->serial == NULL);
}

static int ask(const struct call *c, struct err *e)
{
	AUTO_PTR(config) *config = NULL;
	AUTO_STRUCT(asking) asking = { 0 };
	AUTO(json_t) *ok = NULL;

	if (config_load(&config, c->config, e) != 0 || asking_open(&asking, config, e) != 0 ||
	    asking_ask(&asking,
		json_pack("{s:s, s:s, s:s*}", "do", "label", "serial", c->serial, "reason",
		    c->reason),
		&ok, e) != 0)
		return -1;
	(void)printf("%s: its label is the printer's next%s\n", c->serial,
	    strcmp(json_opt_str(ok, "printer", ""), "down") == 0
		? ", when it works again: kiln status says what is wrong"
		: "");
	return 0;
}

static int fill(const struct call *c, struct source *s, struct buf *zpl, struct err *e)
{
	AUTO_PTR(label) *label = NULL;
	AUTO_PTR(profile) *profile = NULL;

	if (config_load(&s->config, c->config, e) != 0)
		return -1;
	if (s->config->label_template == NULL)
		return err_set(e, ERR_OPERATOR, "label.off", "%s has no labels", c->config);
	if (label_load(&label, s->config->label_template, e) != 0)
		return -1;
	if (c->example)
		return profile_load(&profile, s->config->profile, e) == 0
			   ? label_of_example(label, s->config, profile, zpl, e)
			   : -1;
	if (records_open(&s->records, s->config->records, NULL, false, e) != 0)
		return -1;
	return label_of_unit(label, s->records, c->serial, zpl, e);
}

static int preview(const struct call *c, struct err *e)
{
	AUTO_STRUCT(source) source = { 0 };
	AUTO_STRUCT(buf) zpl = { 0 };

	if (fill(c, &source, &zpl, e) != 0)
		return -1;
	if (fwrite(zpl.data, 1, zpl.len, stdout) != zpl.len || fflush(stdout) != 0)
		return err_errno(e, ERR_CONFIG, "file", "standard output");
	return 0;
}

int cmd_label(int argc, char **argv)
{
	bool shows = argc > 1 && strcmp(argv[1], "preview") == 0;
	char *name = argv[0];
	struct call c = { 0 };
	struct err e = { 0 };

	if (shows) {
		argc--;
		argv++;
	}
	if (!parse(&c, argc, argv) || (!shows && c.example) || (shows && c.reason != NULL))
		return cli_usage(name);
	return (shows ? preview(&c, &e) : ask(&c, &e)) == 0 ? EXIT_PASSED : cli_fail(&e);
}
