#include "twin_home.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "twin_token.h"
#include "twin_tools.h"

enum { TPM_WAIT_MS = 5000, TPM_POLL_MS = 10 };

static int write_file(const char *folder, const char *name, const char *text, mode_t mode,
    struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };

	if (buf_printf(&path, e, "%s/%s", folder, name) != 0 || buf_str(&path, e) == NULL)
		return -1;
	return file_write((const char *)path.data, text, strlen(text), mode, e);
}

static int write_line(const char *folder, const char *name, const char *text, struct err *e)
{
	AUTO_STRUCT(buf) line = { 0 };

	if (buf_printf(&line, e, "%s\n", text) != 0 || buf_str(&line, e) == NULL)
		return -1;
	return write_file(folder, name, (const char *)line.data, 0644, e);
}

static int make_folders(const char *folder, struct err *e)
{
	static const char *const names[] = { "identity", "keys", "certs", "bin", "tpm" };

	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO_STRUCT(buf) path = { 0 };

		if (buf_printf(&path, e, "%s/%s", folder, names[i]) != 0 ||
		    buf_str(&path, e) == NULL || file_mkdir((const char *)path.data, 0700, e) != 0)
			return -1;
	}
	return 0;
}

static int make_tools(const struct twin_config *config, const struct shell_plan *plan,
    struct err *e)
{
	for (size_t i = 0; i < SHELL_TOOL_COUNT; i++) {
		AUTO_STRUCT(buf) script = { 0 }, name = { 0 };

		if (shell_tool_write((enum shell_tool)i, config, plan, &script, e) != 0 ||
		    buf_printf(&name, e, "bin/%s", shell_tool_name((enum shell_tool)i)) != 0 ||
		    buf_str(&script, e) == NULL || buf_str(&name, e) == NULL ||
		    write_file(config->folder, (const char *)name.data, (const char *)script.data,
			0755, e) != 0)
			return -1;
	}
	return 0;
}

int shell_home_make(const struct twin_config *config, const struct shell_plan *plan, struct err *e)
{
	if (make_folders(config->folder, e) != 0 ||
	    write_line(config->folder, "identity/model", config->model, e) != 0 ||
	    write_line(config->folder, "identity/serial", config->serial, e) != 0 ||
	    write_line(config->folder, "identity/firmware", "2.4.1", e) != 0)
		return -1;
	return make_tools(config, plan, e);
}

static int struck_path(const char *folder, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, "%s/struck", folder) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

bool shell_home_has_struck(const char *folder)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err ignored = { 0 }; /* without memory the fault strikes again */

	return struck_path(folder, &path, &ignored) == 0 &&
	       access((const char *)path.data, F_OK) == 0;
}

int shell_home_strike(const char *folder, struct err *e)
{
	return write_line(folder, "struck", "yes", e);
}

void shell_home_become(const char *folder)
{
	(void)signal(SIGPIPE, SIG_DFL); /* a valid signal */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || close_range(3, ~0U, 0) != 0 ||
	    chdir(folder) != 0)
		_exit(126);
}

static void run_tpm(const char *folder)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(126);
	shell_home_become(folder);
	(void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--server", "type=unixio,path=tpm/sock",
	    "--ctrl", "type=unixio,path=tpm/sock.ctrl", "--tpmstate", "dir=tpm", "--flags",
	    "not-need-init,startup-clear", (char *)NULL); /* comes back only when it fails */
	_exit(127);
}

static const char *const sockets[] = { "tpm/sock", "tpm/sock.ctrl" };

static int socket_path(const char *folder, size_t i, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, "%s/%s", folder, sockets[i]) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

/* Those of a device that lost its power are still there. */
static int drop_sockets(const char *folder, struct err *e)
{
	for (size_t i = 0; i < COUNT(sockets); i++) {
		AUTO_STRUCT(buf) path = { 0 };

		if (socket_path(folder, i, &path, e) != 0)
			return -1;
		if (unlink((const char *)path.data) != 0 && errno != ENOENT)
			return err_errno(e, ERR_CONFIG, "twin.tpm", "removing %s",
			    (const char *)path.data);
	}
	return 0;
}

static bool tpm_listens(const char *folder)
{
	for (size_t i = 0; i < COUNT(sockets); i++) {
		AUTO_STRUCT(buf) path = { 0 };
		struct err ignored = { 0 }; /* without memory it is not there yet */

		if (socket_path(folder, i, &path, &ignored) != 0 ||
		    access((const char *)path.data, F_OK) != 0)
			return false;
	}
	return true;
}

int shell_home_start_tpm(const char *folder, pid_t *ret, struct err *e)
{
	const struct timespec wait = { .tv_nsec = TPM_POLL_MS * 1000000L };
	pid_t pid;

	if (drop_sockets(folder, e) != 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_errno(e, ERR_CONFIG, "twin.tpm", "starting swtpm");
	if (pid == 0)
		run_tpm(folder);
	for (int ms = 0; ms < TPM_WAIT_MS; ms += TPM_POLL_MS) {
		if (tpm_listens(folder)) {
			*ret = pid;
			return 0;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return err_set(e, ERR_CONFIG, "twin.tpm",
			    "swtpm does not run; install the packages swtpm and tpm2-openssl");
		(void)nanosleep(&wait, NULL); /* an early end only asks sooner */
	}
	shell_home_stop(pid);
	return err_set(e, ERR_CONFIG, "twin.tpm", "swtpm does not listen in %s/tpm", folder);
}

/* A getty as small as it can be; the trap lets Ctrl-C through to the shell that follows. */
static const char login[] =
    "trap : INT\n"
    "while :; do\n"
    "	printf '\\ngateway login: '; read -r user || continue\n"
    "	stty -echo; printf 'Password: '; read -r password; stty echo\n"
    "	printf '\\n'\n"
    "	[ \"$user:$password\" = root:" SHELL_TWIN_PASSWORD " ] && exec $shell\n"
    "	printf 'Login incorrect\\n'\n"
    "done\n";

static int set_environment(const char *home)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	char twin[16];
	char *own = NULL;

	(void)snprintf(twin, sizeof(twin), "%d", (int)getppid());
	if (clearenv() != 0 || shell_token_environment(home) != 0 ||
	    asprintf(&own, "%s/bin:%s", home, path) < 0)
		return -1;
	return setenv("HOME", home, 1) != 0 || setenv("PATH", own, 1) != 0 ||
	       setenv("TERM", "vt102", 1) != 0 || setenv("KILN_TWIN_PID", twin, 1) != 0 ||
	       setenv("PS1", "gateway:\\w# ", 1) != 0 ||
	       setenv("TPM2OPENSSL_TCTI", "swtpm:path=tpm/sock", 1) != 0 ||
	       setenv("TPM2TOOLS_TCTI", "swtpm:path=tpm/sock", 1) != 0 ||
	       setenv("shell", "bash --norc --noprofile -i", 1) != 0;
}

static void run_shell(const struct twin_config *config)
{
	char *home;

	shell_home_become(config->folder);
	home = realpath(".", NULL);
	if (home == NULL || set_environment(home) != 0)
		_exit(126);
	if (config->variant != NULL && strcmp(config->variant, "login") == 0)
		(void)execl("/bin/sh", "sh", "-c", login, (char *)NULL);
	else
		(void)execlp("bash", "bash", "--norc", "--noprofile", "-i", (char *)NULL);
	_exit(127); /* neither came back but to fail */
}

int shell_home_start_shell(const struct twin_config *config, pid_t *ret, int *ret_fd, struct err *e)
{
	const struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int fd = -1;
	pid_t pid = forkpty(&fd, NULL, NULL, &size);

	if (pid < 0)
		return err_errno(e, ERR_CONFIG, "twin.shell", "starting a shell");
	if (pid == 0)
		run_shell(config);
	*ret = pid;
	*ret_fd = fd;
	return 0;
}

void shell_home_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);    /* fails where it has ended already */
	(void)waitpid(pid, NULL, 0); /* ours, and ending */
}
