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

static const struct command *find(const char *name)
{
	const struct command *c = commands;

	while (c->name != NULL && strcmp(name, c->name) != 0)
		c++;
	return c->name != NULL ? c : NULL;
}

static int help_of(const struct command *c)
{
	(void)printf("usage: kiln %s %s\n", c->name, c->usage);
	return EXIT_PASSED;
}

/* A usage does not say which of its words was missing; this one is what people leave out. */
static void say_what_is_missing(const struct command *c, int argc, char **argv)
{
	if (strstr(c->usage, "--config") == NULL)
		return;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "--c", 3) == 0 || strncmp(argv[i], "--r", 3) == 0)
			return;
	(void)fprintf(stderr,
	    "kiln %s: no --config was given: it names the station's station.yaml\n", c->name);
}

/* The last word; behind "--" it is a name like others. */
static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc - 1; i++)
		if (strcmp(argv[i], "--") == 0)
			return false;
	return argc > 1 && strcmp(argv[argc - 1], "--help") == 0;
}

static int run(const struct command *c, int argc, char **argv)
{
	int code;

	if (asks_for_help(argc, argv))
		return help_of(c);
	code = c->run(argc, argv);
	if (code == EXIT_USAGE)
		say_what_is_missing(c, argc, argv);
	return code;
}

int main(int argc, char **argv)
{
	const struct command *c;

	harden();
	if (!guard_memory())
		return EXIT_STATION;
	if (argc < 2)
		return help(stderr, EXIT_USAGE);
	if (strcmp(argv[1], "help") == 0 && argc == 3 && (c = find(argv[2])) != NULL)
		return help_of(c);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return help(stdout, EXIT_PASSED);
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("kiln %s (%s)\n", kiln_version(), build_id());
		return EXIT_PASSED;
	}
	c = find(argv[1]);
	if (c != NULL)
		return run(c, argc - 1, argv + 1);
	(void)fprintf(stderr, "kiln: there is no command \"%s\"; kiln --help lists them\n",
	    argv[1]);
	return EXIT_USAGE;
}
