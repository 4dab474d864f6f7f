#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failpoint.h"
#include "serve.h"

int proc_folder(struct buf *ret, struct err *e)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0)
		return err_errno(e, ERR_CONFIG, "proc", "finding the folder of the programs");
	path[n] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	if (buf_add_str(ret, path, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

enum { ARGUMENTS_MAX = 30 };

/* What the child finds as its descriptors: the channel as SERVE_FD, or (output) as its 1 and nothing else. */
static int set_descriptors(posix_spawn_file_actions_t *actions, int channel, bool output)
{
	int rc;

	if ((rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0)) != 0)
		return rc;
	if (output)
		rc = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
	else
		rc = posix_spawn_file_actions_adddup2(actions, 2, 1);
	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_adddup2(actions, channel, output ? 1 : SERVE_FD);
	if (rc != 0)
		return rc;
	return posix_spawn_file_actions_addclosefrom_np(actions, output ? 3 : SERVE_FD + 1);
}

/* arguments begin behind argv[0], which is path. */
static int spawn(const char *path, const char *const arguments[], int channel, bool output,
    pid_t *ret_pid)
{
	const char *argv[ARGUMENTS_MAX + 2] = { path };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc;

	for (size_t i = 0; arguments[i] != NULL; i++) {
		if (i == ARGUMENTS_MAX)
			return E2BIG;
		argv[i + 1] = arguments[i];
	}
	(void)sigemptyset(&none); /* these three can not fail on valid sets */
	(void)sigfillset(&all);
	if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attributes)) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions); /* always succeeds on glibc */
		return rc;
	}
	if ((rc = posix_spawnattr_setflags(&attributes,
		 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0 &&
	    (rc = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
	    (rc = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
	    (rc = set_descriptors(&actions, channel, output)) == 0)
		rc = posix_spawn(ret_pid, path, &actions, &attributes, (char **)(uintptr_t)argv,
		    environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int proc_start(const char *name, const char *const arguments[], int *ret_fd, pid_t *ret_pid,
    struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	const char *text;
	int ends[2], high, rc;

	if (proc_folder(&path, e) != 0 || buf_printf(&path, e, "/%s", name) != 0)
		return -1;
	text = buf_str(&path, e);
	if (text == NULL)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "proc", "making a channel for %s", name);
	/* dup2 onto itself would keep close-on-exec: the child's end must not be SERVE_FD already. */
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, SERVE_FD + 1);
	(void)close(ends[1]); /* nothing was written */
	FAILPOINT("child.spawn");
	rc = high >= 0 ? spawn(text, arguments, high, false, ret_pid) : errno;
	FAILPOINT("child.spawned");
	if (high >= 0)
		(void)close(high); /* the child has its copy */
	if (rc != 0) {
		(void)close(ends[0]); /* nobody is at the other end */
		errno = rc;
		return err_errno(e, ERR_CONFIG, "proc", "starting %s", text);
	}
	*ret_fd = ends[0];
	return 0;
}

int proc_start_output(const char *path, const char *const arguments[], int *ret_fd, pid_t *ret_pid,
    struct err *e)
{
	int ends[2], high, rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, ERR_CONFIG, "proc", "making a pipe for %s", path);
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, SERVE_FD + 1); /* as in proc_start */
	(void)close(ends[1]);                                 /* nothing was written */
	rc = high >= 0 ? spawn(path, arguments, high, true, ret_pid) : errno;
	if (high >= 0)
		(void)close(high); /* the child has its copy */
	if (rc != 0) {
		(void)close(ends[0]); /* nobody is at the other end */
		errno = rc;
		return err_errno(e, ERR_CONFIG, "proc", "starting %s", path);
	}
	*ret_fd = ends[0];
	return 0;
}
