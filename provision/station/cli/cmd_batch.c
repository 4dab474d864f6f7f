/* kiln batch: provisions what appears in the slots until the list or the count is done. */
#include <getopt.h>
#include <stdio.h>

#include "batch.h"
#include "cli.h"
#include "face.h"

static void on_event(void *context, const json_t *event)
{
	face_take(context, event);
}

/* So that an operator before an empty screen knows that it is his turn. */
static void on_armed(void *context, struct batch *b)
{
	struct face *f = context;
	AUTO(json_t) *event = NULL;

	(void)b;
	if (f->json)
		return;
	event = json_pack("{s:s, s:s, s:s}", "event", "station", "what", "ready", "message",
	    "plug the units in; Ctrl-C finishes what is in flight and ends");
	if (event != NULL)
		face_take(f, event);
}

static void print_summary(const struct face *f, const struct batch_result *r)
{
	FILE *out = f->json ? stderr : stdout;

	if (!f->json)
		stats_print(f->stats, out);
	(void)fprintf(out, "\n%ld passed, %ld failed, %ld refused, %ld pending, %ld never came\n",
	    r->passed, r->failed, r->refused, r->pending, r->missing);
}

static int run_on(struct event_base *loop, struct batch_options *options, bool json,
    struct batch_result *ret, struct err *e)
{
	AUTO_STRUCT(face) face = { 0 };

	options->event = on_event;
	options->armed = on_armed;
	options->context = &face;
	if (face_init(&face, loop, json, options->count, e) != 0 ||
	    batch_run(loop, options, ret, e) != 0)
		return -1;
	print_summary(&face, ret);
	return 0;
}

static int run(struct batch_options *options, bool json)
{
	struct event_base *loop = event_base_new();
	struct batch_result result = { 0 };
	struct err e = { 0 };
	int rc = loop != NULL ? run_on(loop, options, json, &result, &e) : err_nomem(&e);

	if (loop != NULL)
		event_base_free(loop);
	if (rc != 0)
		return cli_fail(&e);
	if (result.why.domain != ERR_NONE)
		(void)cli_fail(&result.why);
	return result.exit_code;
}

int cmd_batch(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "list", required_argument, NULL, 'l' },
		{ "count", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct batch_options batch = { 0 };
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			batch.config = optarg;
		else if (o == 'l')
			batch.list = optarg;
		else if (o == 'j')
			json = true;
		else if (o != 'n' || !cli_number(optarg, 1, 100000000, &batch.count))
			return cli_usage(argv[0]);
	}
	if (optind != argc || batch.config == NULL)
		return cli_usage(argv[0]);
	return run(&batch, json);
}
