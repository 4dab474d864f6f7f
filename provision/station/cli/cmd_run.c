/* kiln run: the station as a service. */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"
#include "face.h"
#include "service.h"

static void on_event(void *context, const json_t *event)
{
	face_take(context, event);
}

static int run_on(struct event_base *loop, const char *config, bool json, struct err *ret_why,
    bool *ret_aborted, struct err *e)
{
	AUTO_STRUCT(face) face = { 0 };
	const struct service_options options = { config, on_event, &face };

	if (face_init(&face, loop, json, 0, e) != 0)
		return -1;
	return service_run(loop, &options, ret_why, ret_aborted, e);
}

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = NULL;
	struct event_base *loop;
	struct err e = { 0 }, why = { 0 };
	bool json = false, aborted = false;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			config = optarg;
		else if (o == 'j')
			json = true;
		else
			return cli_usage(argv[0]);
	}
	if (optind != argc || config == NULL)
		return cli_usage(argv[0]);
	loop = event_base_new();
	rc = loop != NULL ? run_on(loop, config, json, &why, &aborted, &e) : err_nomem(&e);
	if (loop != NULL)
		event_base_free(loop);
	if (rc != 0)
		return cli_fail(&e);
	if (why.domain != ERR_NONE) {
		(void)cli_fail(&why);
		return EXIT_STATION;
	}
	return aborted ? EXIT_ABORTED : EXIT_PASSED;
}
