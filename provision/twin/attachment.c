#include "attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ORDERS_FD = ATTACHMENT_UNPLUGGED,
	ANSWERS_FD,
	KEEP_FD,
	LEAVE_MS = 200, /* longer than a device that waits needs on a full machine */
};

/* 0, or -1 where the other side is gone. */
static int take_byte(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

static int give_byte(int fd)
{
	return write(fd, "", 1) == 1 ? 0 : -1;
}

/*
 * Nothing of the parent's but its standard error and what is given stays open: not its channel above all. Those
 * may lie in each other's way.
 */
static int shed_descriptors(int orders, int answers, int *keep)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[] = { orders, answers, *keep >= 0 ? *keep : nothing };

	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, KEEP_FD + 1);
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    dup3(fds[0], ORDERS_FD, O_CLOEXEC) < 0 || dup3(fds[1], ANSWERS_FD, O_CLOEXEC) < 0 ||
	    dup3(fds[2], KEEP_FD, O_CLOEXEC) < 0)
		return -1;
	*keep = *keep >= 0 ? KEEP_FD : -1;
	return close_range(KEEP_FD + 1, ~0U, 0);
}

/* A device has left, and the slot's next is there. */
static bool another_follows(struct err *e)
{
	if (!err_is(e, "twin.unplugged"))
		return false;
	*e = (struct err){ 0 };
	return take_byte(ORDERS_FD) == 0 && give_byte(ANSWERS_FD) == 0 && take_byte(ORDERS_FD) == 0;
}

/* In the new process. */
_Noreturn static void run(const struct skin_ops *ops, struct skin *skin,
    const struct skin_plug *plug, int keep, int orders, int answers, pid_t parent)
{
	struct err e = { 0 };
	sigset_t none;

	(void)sigemptyset(&none); /* valid sets and signals */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* ns; else every wait is 50 us longer */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0 ||
	    shed_descriptors(orders, answers, &keep) != 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		_exit(1);
	while (ops->serve(skin, plug, keep, ANSWERS_FD, &e) != 0 && another_follows(&e))
		continue;
	if (e.code[0] != '\0')
		(void)fprintf(stderr, "kiln-twin: device %s: %s\n", plug->config->serial,
		    e.message);
	_exit(1);
}

static void close_both(const int ends[static 2])
{
	(void)close(ends[0]); /* of a pipe, which keeps nothing */
	(void)close(ends[1]);
}

static int start(struct attachment *a, const struct skin_ops *ops, struct skin *skin,
    const struct skin_plug *plug, int keep, struct err *e)
{
	pid_t parent = getpid();
	int orders[2], answers[2];

	if (pipe2(orders, O_CLOEXEC) != 0)
		return err_errno(e, ERR_CONFIG, "twin.start", "making a pipe");
	if (pipe2(answers, O_CLOEXEC) != 0) {
		close_both(orders);
		return err_errno(e, ERR_CONFIG, "twin.start", "making a pipe");
	}
	a->pid = fork();
	if (a->pid == 0)
		run(ops, skin, plug, keep, orders[0], answers[1], parent);
	if (a->pid < 0) {
		a->pid = 0;
		close_both(orders);
		close_both(answers);
		return err_errno(e, ERR_CONFIG, "twin.start", "starting a device");
	}
	(void)close(orders[0]); /* the child's */
	(void)close(answers[1]);
	a->orders = orders[1];
	a->answers = answers[0];
	return 0;
}

/* 0 once it has its port; -1 when it ended before. */
static int await(const struct attachment *a, struct err *e)
{
	return take_byte(a->answers) == 0
		   ? 0
		   : err_set(e, ERR_CONFIG, "twin.start", "a device does not start");
}

int attachment_start(struct attachment *ret, const struct skin_ops *ops, struct skin *skin,
    const struct skin_plug *plug, struct err *e)
{
	struct attachment a = { 0 };
	int keep, rc;

	if (ops->prepare(skin, plug->slot, &keep, e) != 0)
		return -1;
	rc = start(&a, ops, skin, plug, keep, e);
	if (keep >= 0)
		(void)close(keep); /* the child's */
	if (rc != 0)
		return -1;
	if (await(&a, e) != 0) {
		attachment_end(&a);
		return -1;
	}
	*ret = a;
	return 0;
}

bool attachment_leave(const struct attachment *a)
{
	struct pollfd p = { .fd = a->answers, .events = POLLIN };

	return give_byte(a->orders) == 0 && poll(&p, 1, LEAVE_MS) == 1 &&
	       take_byte(a->answers) == 0;
}

int attachment_follow(const struct attachment *a, struct err *e)
{
	if (give_byte(a->orders) != 0)
		return err_set(e, ERR_CONFIG, "twin.start", "a device does not start");
	return await(a, e);
}

static void forget(struct attachment *a)
{
	(void)close(a->orders); /* pipes, which keep nothing */
	(void)close(a->answers);
	*a = (struct attachment){ 0 };
}

void attachment_end(struct attachment *a)
{
	if (a->pid == 0)
		return;
	(void)kill(-a->pid, SIGKILL); /* whoever is left of the group */
	(void)kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	forget(a);
}

bool attachment_has_ended(struct attachment *a)
{
	if (a->pid == 0 || waitpid(a->pid, NULL, WNOHANG) != a->pid)
		return false;
	(void)kill(-a->pid, SIGKILL); /* what it may have left behind */
	forget(a);
	return true;
}
