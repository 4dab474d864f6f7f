#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
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

static int spawn(const char *path, const char *const arguments[], int channel, pid_t *ret_pid)
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
	    (rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
	    (rc = posix_spawn_file_actions_adddup2(&actions, 2, 1)) == 0 &&
	    (rc = posix_spawn_file_actions_adddup2(&actions, channel, SERVE_FD)) == 0 &&
	    (rc = posix_spawn_file_actions_addclosefrom_np(&actions, SERVE_FD + 1)) == 0)
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
	rc = high >= 0 ? spawn(text, arguments, high, ret_pid) : errno;
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
