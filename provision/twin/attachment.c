#include "attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3, KEEP_FD = 4 };

/*
 * Nothing of the parent's but its standard error and what the skin keeps stays open: not its channel
 * above all. The two may lie in each other's way.
 */
static int shed_descriptors(int *ready, int *keep)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	int kept = fcntl(*keep >= 0 ? *keep : nothing, F_DUPFD_CLOEXEC, KEEP_FD + 1);
	int pipe = fcntl(*ready, F_DUPFD_CLOEXEC, KEEP_FD + 1);

	if (nothing < 0 || kept < 0 || pipe < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || dup2(pipe, READY_FD) < 0 ||
	    dup2(kept, KEEP_FD) < 0)
		return -1;
	*ready = READY_FD;
	*keep = *keep >= 0 ? KEEP_FD : -1;
	return close_range(KEEP_FD + 1, ~0U, 0);
}

/* In the new process. */
_Noreturn static void run(const struct skin_ops *ops, struct skin *skin,
    const struct skin_plug *plug, int keep, int ready, pid_t parent)
{
	struct err e = { 0 };
	sigset_t none;

	(void)sigemptyset(&none); /* valid sets and signals */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* ns; else every wait is 50 us longer */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0 ||
	    shed_descriptors(&ready, &keep) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		_exit(1);
	if (ops->serve(skin, plug, keep, ready, &e) != 0)
		(void)fprintf(stderr, "kiln-twin: device %s: %s\n", plug->config->serial,
		    e.message);
	_exit(1);
}

/* 0 once the process has its port; -1 when it ended before. */
static int await(int ready, pid_t pid, const char *serial, struct err *e)
{
	char byte;
	ssize_t n;

	do
		n = read(ready, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return err_set(e, ERR_CONFIG, "twin.start", "device %s does not start", serial);
}

static int start(const struct skin_ops *ops, struct skin *skin, const struct skin_plug *plug,
    int keep, pid_t *ret, struct err *e)
{
	pid_t parent = getpid();
	int ends[2], rc;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "making a pipe");
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]); /* the parent's */
		run(ops, skin, plug, keep, ends[1], parent);
	}
	(void)close(ends[1]); /* the child's */
	rc = pid < 0 ? err_errno(e, ERR_CONFIG, "twin.start", "starting a device")
		     : await(ends[0], pid, plug->config->serial, e);
	(void)close(ends[0]); /* only read */
	if (rc == 0)
		*ret = pid;
	return rc;
}

int attachment_start(const struct skin_ops *ops, struct skin *skin, const struct skin_plug *plug,
    pid_t *ret, struct err *e)
{
	int keep, rc;

	if (ops->prepare(skin, plug->slot, &keep, e) != 0)
		return -1;
	rc = start(ops, skin, plug, keep, ret, e);
	if (keep >= 0)
		(void)close(keep); /* the child's */
	return rc;
}
