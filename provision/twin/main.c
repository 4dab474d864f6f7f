#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "serve.h"

enum { EXIT_USAGE = 2, EXIT_STATION = 4 };

/* SIGCHLD, SIGTERM and SIGINT are read in the loop. */
static int block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* valid sets and signals */
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool was_started_by_kiln(void)
{
	struct stat st;

	return fstat(SERVE_FD, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int run(const struct options *o, struct err *e)
{
	AUTO_STRUCT(fleet) f = { 0 };
	bool kiln = was_started_by_kiln();
	const char *serial;

	if (block_signals() != 0 || (kiln && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0))
		return err_errno(e, ERR_CONFIG, "twin.signal", "preparing");
	if (fleet_open(&f, o, e) != 0)
		return -1;
	for (int64_t slot = 1; slot <= o->slots; slot++)
		if (fleet_plug_next(&f, slot, &serial, e) != 0)
			return -1;
	return control_run(&f, kiln ? SERVE_FD : STDIN_FILENO, kiln ? SERVE_FD : STDOUT_FILENO, e);
}

int main(int argc, char *argv[])
{
	struct options o;
	struct err e = { 0 };

	if (options_parse(&o, &pty_skin, argc, argv, &e) != 0) {
		fprintf(stderr, "kiln-twin: %s\n", e.message);
		options_usage(stderr);
		return EXIT_USAGE;
	}
	if (o.help) {
		options_usage(stdout);
		return 0;
	}
	if (run(&o, &e) != 0) {
		fprintf(stderr, "kiln-twin: %s\n", e.message);
		return EXIT_STATION;
	}
	return 0;
}
