#include "twin_token.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "twin_home.h"

static const char *const modules[] = {
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
};

/*
 * token/pin comes last: where it is, the token is whole. The folder may have moved, so the configuration
 * is written each time.
 */
static const char script[] =
    "umask 077; mkdir -p token\n"
    "printf 'directories.tokendir = %s/token/tokens\\n' \"$PWD\" >\"$SOFTHSM2_CONF\" || exit\n"
    "[ -s token/pin ] && exit\n"
    "PIN=$(od -An -N8 -tx1 /dev/urandom | tr -d ' ') && export PIN || exit\n"
    "rm -rf token/tokens; mkdir token/tokens\n"
    "tool() { pkcs11-tool --module \"$KILN_PKCS11_MODULE\" \"$@\"; }\n"
    "tool --init-token --slot-index 0 --label device --so-pin env:PIN &&\n"
    "    tool --token-label device --login --login-type so --so-pin env:PIN --init-pin \\\n"
    "	--new-pin env:PIN &&\n"
    "    printf '%s\\n' \"$PIN\" >token/pin.new && mv -f token/pin.new token/pin\n";

static const char *module_path(void)
{
	for (size_t i = 0; i < COUNT(modules); i++)
		if (access(modules[i], R_OK) == 0)
			return modules[i];
	return NULL;
}

int shell_token_environment(const char *home)
{
	const char *module = module_path();
	char *conf;
	int rc;

	if (module == NULL)
		return 0; /* no variant but the one with a token asks for it, and that has been refused */
	if (asprintf(&conf, "%s/token/softhsm2.conf", home) < 0)
		return -1;
	rc = setenv("SOFTHSM2_CONF", conf, 1) != 0 ||
		     setenv("KILN_PKCS11_MODULE", module, 1) != 0 ||
		     setenv("KILN_PKCS11_PIN_FILE", "token/pin", 1) != 0
		 ? -1
		 : 0;
	free(conf);
	return rc;
}

static void run_script(const char *folder)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *home;

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(126);
	shell_home_become(folder);
	home = realpath(".", NULL);
	if (home == NULL || shell_token_environment(home) != 0)
		_exit(126);
	(void)execl("/bin/sh", "sh", "-c", script,
	    (char *)NULL); /* comes back only when it fails */
	_exit(127);
}

int shell_token_make(const char *folder, struct err *e)
{
	int status = 0;
	pid_t pid;

	if (module_path() == NULL)
		return err_set(e, ERR_CONFIG, "twin.token",
		    "there is no libsofthsm2.so; install the package softhsm2");
	pid = fork();
	if (pid < 0)
		return err_errno(e, ERR_CONFIG, "twin.token", "starting a shell");
	if (pid == 0)
		run_script(folder);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return err_set(e, ERR_CONFIG, "twin.token",
		    "no token can be made in %s/token; install the packages opensc and softhsm2",
		    folder);
	return 0;
}
