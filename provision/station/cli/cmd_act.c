/* kiln stop, start, pause, resume, retest, acknowledge, release, scan: what a person has a running station do. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "asking.h"
#include "cli.h"

/* Of a request; which members it may have, in the order of options. */
enum member { MEMBER_REASON, MEMBER_SLOT, MEMBER_SERIAL, MEMBER_TEXT, MEMBER_COUNT };

static const char *const member_names[MEMBER_COUNT] = { "reason", "slot", "serial", "text" };

/* What the request does not need, the station says; what it can not have is refused here. */
static const struct act {
	const char *name;
	bool has[MEMBER_COUNT];
	const char *done; /* said when it is */
} acts[] = {
	{ "stop", { [MEMBER_REASON] = true },
	    "stopped: no unit begins any more, those in flight go on" },
	{ "start", { [MEMBER_REASON] = true },
	    "started: what is plugged in begins, unless kiln status says why not" },
	{ "pause", { [MEMBER_SLOT] = true },
	    "paused: no unit begins there, those in flight go on" },
	{ "resume", { [MEMBER_SLOT] = true },
	    "resumed: what is plugged in begins, unless kiln status says why not" },
	{ "retest", { [MEMBER_SLOT] = true, [MEMBER_SERIAL] = true, [MEMBER_REASON] = true },
	    "the unit is made again, or may be once more" },
	{ "acknowledge", { [MEMBER_SLOT] = true }, "acknowledged" },
	{ "release", { [MEMBER_REASON] = true },
	    "released: the rules count anew; what is plugged in begins, unless kiln status says "
	    "why not" },
	{ "scan", { [MEMBER_TEXT] = true, [MEMBER_SLOT] = true },
	    "scanned: kiln status says whose label it is, or that it waits for its unit" },
};

static const struct act *find_act(const char *name)
{
	for (size_t i = 0; i < COUNT(acts); i++)
		if (strcmp(acts[i].name, name) == 0)
			return &acts[i];
	return NULL; /* a row of cli.c that has none here */
}

struct call {
	const char *config, *members[MEMBER_COUNT];
};

static bool parse(struct call *c, const struct act *act, int argc, char **argv)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, MEMBER_REASON },
		{ "slot", required_argument, NULL, MEMBER_SLOT },
		{ "serial", required_argument, NULL, MEMBER_SERIAL },
		{ "config", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			c->config = optarg;
		else if (o >= 0 && o < MEMBER_COUNT && act->has[o])
			c->members[o] = optarg;
		else
			return false;
	}
	if (act->has[MEMBER_TEXT] && optind < argc)
		c->members[MEMBER_TEXT] = argv[optind++];
	return optind == argc && c->config != NULL &&
	       (!act->has[MEMBER_TEXT] || c->members[MEMBER_TEXT] != NULL);
}

static json_t *write_request(const struct call *c, const struct act *act, struct err *e)
{
	AUTO(json_t) *request = json_pack("{s:s}", "do", act->name);

	if (request == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (json_set_str(request, member_names[i], c->members[i], e) != 0)
			return NULL;
	return steal(&request);
}

static int ask(const struct call *c, const struct act *act, struct err *e)
{
	AUTO_PTR(config) *config = NULL;
	AUTO(json_t) *request = write_request(c, act, e);
	AUTO(json_t) *ok = NULL;
	struct asking asking = { 0 };
	int rc;

	if (request == NULL || config_load(&config, c->config, e) != 0)
		return -1;
	rc = asking_open(&asking, config, e);
	if (rc == 0)
		rc = asking_ask(&asking, steal(&request), &ok, e);
	asking_close(&asking);
	return rc;
}

int cmd_act(int argc, char **argv)
{
	const struct act *act = find_act(argv[0]);
	struct call c = { 0 };
	struct err e = { 0 };

	if (act == NULL || !parse(&c, act, argc, argv))
		return cli_usage(argv[0]);
	if (ask(&c, act, &e) != 0)
		return cli_fail(&e);
	(void)puts(act->done);
	return EXIT_PASSED;
}
