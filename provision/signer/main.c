#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "admin.h"
#include "memory.h"
#include "signer.h"

/* The next read of the channel sees its end: what runs is finished, then the module is finalised. */
static void on_term(int number)
{
	(void)number;
	(void)shutdown(SERVE_FD, SHUT_RD); /* async-signal-safe; a closed channel is what we want */
}

static int run(bool admin, struct err *e)
{
	AUTO_STRUCT(signer) s = { 0 };

	if (admin)
		return serve("kiln-signer", false, hsm_admin_calls, hsm_admin_call_count, NULL, e);
	return serve("kiln-signer", false, signer_calls, signer_call_count, &s, e);
}

int main(int argc, char **argv)
{
	const struct sigaction term = { .sa_handler = on_term };
	bool admin = argc == 2 && strcmp(argv[1], "--admin") == 0;
	struct err e = { 0 };

	if (argc != 1 && !admin) {
		(void)fprintf(stderr,
		    "usage: kiln-signer [--admin]\nkiln starts it; it serves descriptor %d.\n",
		    SERVE_FD);
		return 2;
	}
	(void)sigaction(SIGTERM, &term, NULL); /* can not fail for a valid signal */
	if (memory_guard(&e) == 0 && run(admin, &e) == 0)
		return 0;
	(void)fprintf(stderr, "kiln-signer: %s\n", e.message);
	return 1;
}
