/* kiln profile check: is a profile sound, and if not, where. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "profile.h"

static bool check(const char *path)
{
	AUTO_PTR(profile) *p = NULL;
	char digest[2 * SHA256_LEN + 1];
	struct err e = { 0 };

	if (profile_load(&p, path, &e) != 0) {
		(void)fprintf(stderr, "%s\n", e.message);
		return false;
	}
	hex_encode(p->digest, SHA256_LEN, digest);
	(void)printf("%s: ok: %s version %s, driver %s, sha256 %s\n", path, p->product, p->version,
	    p->driver, digest);
	return true;
}

int cmd_profile(int argc, char **argv)
{
	bool all_sound = true;

	if (argc < 3 || strcmp(argv[1], "check") != 0)
		return cli_usage(argv[0]);
	for (int i = 2; i < argc; i++)
		all_sound = check(argv[i]) && all_sound;
	return all_sound ? EXIT_PASSED : EXIT_INPUT;
}
