/*
 * An emulated Linux device: a real shell on a real terminal in a folder of its own, with a real TPM
 * emulator or token where the variant has one. Only the wire and the device's flaws are made up.
 */
#include "twin.h"

#include <string.h>
#include <unistd.h>

#include "twin_bridge.h"
#include "twin_home.h"
#include "twin_token.h"

static const char *const variants[] = { "tpm2", "openssl", "login", "pkcs11", NULL };

static bool has_tpm(const struct twin_config *config)
{
	return config->variant == NULL || strcmp(config->variant, "tpm2") == 0;
}

static bool has_token(const struct twin_config *config)
{
	return config->variant != NULL && strcmp(config->variant, "pkcs11") == 0;
}

static int serve_shell(const struct twin_config *config, const struct shell_plan *plan, int fd,
    struct err *e)
{
	pid_t shell = 0;
	int device, rc;

	if (shell_home_start_shell(config, &shell, &device, e) != 0)
		return -1;
	rc = shell_bridge_run(config, plan, fd, device, e);
	(void)close(device); /* hangs up: what runs in the shell ends */
	shell_home_stop(shell);
	return rc;
}

static int serve(const struct twin_config *config, int fd, struct err *e)
{
	struct shell_plan plan;
	pid_t tpm = 0;
	int rc;

	if (shell_plan_parse(&plan, config, e) != 0 || shell_home_make(config, &plan, e) != 0)
		return -1;
	if (has_token(config) && shell_token_make(config->folder, e) != 0)
		return -1;
	if (has_tpm(config) && shell_home_start_tpm(config->folder, &tpm, e) != 0)
		return -1;
	rc = serve_shell(config, &plan, fd, e);
	shell_home_stop(tpm);
	return rc;
}

static int check(const struct twin_config *config, struct err *e)
{
	struct shell_plan plan;

	return shell_plan_parse(&plan, config, e);
}

const struct twin_family linux_shell_twin = {
	.name = "linux-shell",
	.faults = shell_plan_faults,
	.variants = variants,
	.serial = true,
	.check = check,
	.serve = serve,
};
