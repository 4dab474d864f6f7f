/* A fresh software TPM behind tpm2-pkcs11, as the second module of the tests. */
#ifndef KILN_TEST_SWTPM_H
#define KILN_TEST_SWTPM_H

#include <arpa/inet.h>
#include <glob.h>
#include <signal.h>
#include <sys/socket.h>

#include "clock.h"
#include "hsm/token.h"

struct swtpm {
	char *folder;
	char *module;
};

UNUSED_FN char *swtpm_module(void)
{
	glob_t found;
	char *path;

	if (glob("/usr/lib/*/pkcs11/libtpm2_pkcs11.so", 0, NULL, &found) != 0)
		testing_skip("libtpm2-pkcs11-1");
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

/* A listener on a port of the loopback, or -1. */
UNUSED_FN int swtpm_bind(uint16_t port)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* The first of two neighbouring ports that are free now: commands go to it, control to the next. */
UNUSED_FN uint16_t swtpm_port(void)
{
	for (uint16_t port = (uint16_t)(20000 + getpid() % 20000); port < 60000; port += 2) {
		int first = swtpm_bind(port);
		int second = first >= 0 ? swtpm_bind((uint16_t)(port + 1)) : -1;

		if (first >= 0)
			(void)close(first);
		if (second < 0)
			continue;
		(void)close(second);
		return port;
	}
	fail_msg("no free ports");
	return 0;
}

UNUSED_FN void swtpm_stop(struct swtpm *t)
{
	AUTO_STRUCT(buf) text = { 0 };
	char path[400];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/pid", t->folder);
	if (access(path, F_OK) == 0) {
		testing_read(path, &text);
		assert_non_null(buf_str(&text, &e));
		(void)kill((pid_t)strtol((const char *)text.data, NULL, 10), SIGKILL);
	}
	testing_folder_remove(t->folder);
	free(t->module);
}

/* Starts the TPM and a store without tokens, and points tpm2-pkcs11 at them. */
UNUSED_FN struct swtpm swtpm_start(void)
{
	struct swtpm t = { .module = swtpm_module() };
	unsigned port = swtpm_port();
	char command[2000], tcti[100], path[400];

	if (system("command -v swtpm tpm2_ptool tpm2_flushcontext >/dev/null") != 0)
		testing_skip("swtpm, libtpm2-pkcs11-tools, tpm2-tools");
	t.folder = testing_folder();
	(void)snprintf(tcti, sizeof(tcti), "swtpm:host=127.0.0.1,port=%u", port);
	(void)snprintf(path, sizeof(path), "%s/store", t.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(setenv("TPM2_PKCS11_TCTI", tcti, 1), 0);
	assert_int_equal(setenv("TPM2TOOLS_TCTI", tcti, 1), 0);
	assert_int_equal(setenv("TPM2_PKCS11_STORE", path, 1), 0);
	assert_int_equal(setenv("TPM2_PKCS11_LOG_LEVEL", "0", 1), 0);
	assert_int_equal(setenv("TSS2_LOG", "all+NONE", 1), 0);
	(void)snprintf(command, sizeof(command),
	    "mkdir %s/tpm && swtpm socket --tpm2 --tpmstate dir=%s/tpm "
	    "--server type=tcp,port=%u,bindaddr=127.0.0.1 --ctrl "
	    "type=tcp,port=%u,bindaddr=127.0.0.1 "
	    "--flags not-need-init,startup-clear --daemon --pid file=%s/pid && "
	    "tpm2_ptool init >/dev/null && tpm2_flushcontext -t",
	    t.folder, t.folder, port, port + 1, t.folder);
	run_shell(command);
	return t;
}

/* What a client that did not finalise would leave; without a resource manager the TPM fills up. */
UNUSED_FN void swtpm_flush(void)
{
	run_shell("tpm2_flushcontext -t && tpm2_flushcontext -l && tpm2_flushcontext -s");
}

#endif
