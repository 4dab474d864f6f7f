/*
 * kiln-usb-bed: kiln-twin on a USB that programs under umockdev's preload see and nobody else.
 *
 *   kiln-usb-bed KILN-TWIN'S-OPTIONS [-- COMMAND...]
 *
 * Speaks kiln-twin's channel on standard input and output. With a command it runs that under the
 * preload instead, without a channel, and ends as it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed_skin.h"
#include "control.h"

#define PRELOAD "libumockdev-preload.so.0"

enum { EXIT_USAGE = 2, EXIT_STATION = 4 };

static void block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* valid sets and signals */
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* In the new process. The descriptor that it does not know of is closed when it has ended. */
_Noreturn static void run_under_preload(char *const command[])
{
	sigset_t none;

	(void)sigemptyset(&none); /* a valid set */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execvp(command[0], command);
	(void)dprintf(STDERR_FILENO, "kiln-usb-bed: starting %s: %s\n", command[0],
	    strerror(errno));
	_exit(127);
}

static int run_command(struct fleet *f, char *const command[], int *ret_status, struct err *e)
{
	int ends[2], status, rc;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	if (nowhere < 0 || pipe(ends) != 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0)
		return err_errno(e, ERR_CONFIG, "bed", "preparing a command");
	pid = fork();
	if (pid == 0)
		run_under_preload(command);
	(void)close(ends[1]); /* the command's */
	if (pid < 0)
		return err_errno(e, ERR_CONFIG, "bed", "starting a command");
	rc = control_run(f, ends[0], nowhere, e);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return rc;
}

static int run(const struct options *o, char *const command[], int *ret_status, struct err *e)
{
	AUTO_STRUCT(fleet) f = { 0 };
	const char *serial;

	if (fleet_open(&f, o, e) != 0)
		return -1;
	for (int64_t slot = 1; slot <= o->slots; slot++)
		if (fleet_plug_next(&f, slot, &serial, e) != 0)
			return -1;
	if (command != NULL)
		return run_command(&f, command, ret_status, e);
	return control_run(&f, STDIN_FILENO, STDOUT_FILENO, e);
}

/* What is behind "--", or NULL; argc is cut there. */
static char *const *take_command(int *argc, char *argv[])
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		*argc = i;
		return argv[i + 1] != NULL ? &argv[i + 1] : NULL;
	}
	return NULL;
}

/* umockdev sends the kernel's messages through a libudev that sees the mocked machine. */
static int enter_preload(char *argv[], struct err *e)
{
	const char *loaded = getenv("LD_PRELOAD");

	if (loaded != NULL && strstr(loaded, PRELOAD) != NULL)
		return 0;
	if (setenv("LD_PRELOAD", PRELOAD, 1) == 0)
		(void)execv("/proc/self/exe", argv);
	return err_errno(e, ERR_CONFIG, "bed", "starting again under the preload");
}

int main(int argc, char *argv[])
{
	struct err e = { 0 };
	int rc = enter_preload(argv, &e);
	char *const *command = take_command(&argc, argv);
	struct options o;
	int status = 0;

	if (rc != 0 || options_parse(&o, &bed_skin, argc, argv, &e) != 0 || o.help) {
		fprintf(stderr, "kiln-usb-bed: %s\n", e.message);
		options_usage(stderr);
		return EXIT_USAGE;
	}
	block_signals();
	if (run(&o, command, &status, &e) != 0) {
		fprintf(stderr, "kiln-usb-bed: %s\n", e.message);
		return EXIT_STATION;
	}
	return status;
}
