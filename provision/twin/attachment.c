#include "attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "port.h"

enum { RESET_MS = 100, READY_FD = 3 };

static void wait_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL); /* a shorter wait is as good */
}

/* Serves on one port after the other until it is killed. ready is closed when the first is there. */
static int serve_ports(const struct twin_family *family, const struct twin_config *config,
    const char *link, int ready, struct err *e)
{
	for (;;) {
		struct port port;
		int rc;

		if (port_open(&port, link, e) != 0)
			return -1;
		if (ready >= 0 && write(ready, "", 1) != 1)
			return err_errno(e, ERR_CONFIG, "twin.start", "reporting");
		if (ready >= 0)
			(void)close(ready); /* it was a pipe */
		ready = -1;
		rc = family->serve(config, port.master, e);
		if (rc == 0)
			port_drain(&port);
		port_close(&port);
		if (rc != 0)
			return -1;
		wait_ms(RESET_MS);
	}
}

/* Nothing of the parent's but its standard error stays open: not its channel above all. */
static int shed_descriptors(int *ready)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || dup2(*ready, READY_FD) < 0)
		return -1;
	*ready = READY_FD;
	return close_range(READY_FD + 1, ~0U, 0);
}

/* In the new process. */
_Noreturn static void run(const struct twin_family *family, const struct twin_config *config,
    const char *link, int ready, pid_t parent)
{
	struct err e = { 0 };
	sigset_t none;

	(void)sigemptyset(&none); /* valid sets and signals */
	(void)signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0 ||
	    shed_descriptors(&ready) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		_exit(1);
	if (serve_ports(family, config, link, ready, &e) != 0)
		(void)fprintf(stderr, "kiln-twin: device %s: %s\n", config->serial, e.message);
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

int attachment_start(const struct twin_family *family, const struct twin_config *config,
    const char *link, pid_t *ret, struct err *e)
{
	pid_t parent = getpid();
	int ends[2], rc;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "making a pipe");
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]); /* the parent's */
		run(family, config, link, ends[1], parent);
	}
	(void)close(ends[1]); /* the child's */
	rc = pid < 0 ? err_errno(e, ERR_CONFIG, "twin.start", "starting a device")
		     : await(ends[0], pid, config->serial, e);
	(void)close(ends[0]); /* only read */
	if (rc == 0)
		*ret = pid;
	return rc;
}
