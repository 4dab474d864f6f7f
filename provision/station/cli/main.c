#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "cli.h"
#include "memory.h"
#include "serve.h"
#include "version.h"

static int help(FILE *out, int code)
{
	(void)fprintf(out, "kiln %s: burns identities into devices on a factory line\n\n",
	    kiln_version());
	for (const struct command *c = commands; c->name != NULL; c++)
		(void)fprintf(out, "kiln %s %s\n", c->name, c->usage);
	(void)fprintf(out,
	    "\nexit codes: 0 all passed, 1 a unit failed, was refused or never came, 2 usage,\n"
	    "3 profile, list, order or configuration, 4 station fault, 5 locked by another, 6 "
	    "aborted,\n"
	    "75 only pending units are left\n");
	return code;
}

/* PINs pass through this process: no core, no debugger of another user. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none); /* lowering a limit can not fail */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* libevent says where memory ran out, but not everywhere: a line that has no room looks like none. */
static bool guard_memory(void)
{
	struct err e = { 0 };

	event_set_mem_functions(memory_get, memory_resize, free);
	if (memory_guard(&e) == 0)
		return true;
	(void)cli_fail(&e);
	return false;
}

int main(int argc, char **argv)
{
	harden();
	if (!guard_memory())
		return EXIT_STATION;
	if (argc < 2)
		return help(stderr, EXIT_USAGE);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return help(stdout, EXIT_PASSED);
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("kiln %s (%s)\n", kiln_version(), build_id());
		return EXIT_PASSED;
	}
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (strcmp(argv[1], c->name) != 0)
			continue;
		if (argc == 3 && strcmp(argv[2], "--help") == 0) {
			(void)printf("usage: kiln %s %s\n", c->name, c->usage);
			return EXIT_PASSED;
		}
		return c->run(argc - 1, argv + 1);
	}
	(void)fprintf(stderr, "kiln: there is no command \"%s\"\n\n", argv[1]);
	return help(stderr, EXIT_USAGE);
}
