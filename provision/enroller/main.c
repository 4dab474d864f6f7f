/* kiln-enroller: CSR in, certificate out. Faces the network; knows no device and no records. */
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "calls.h"
#include "memory.h"

static int run_service(struct err *e)
{
	AUTO_STRUCT(enroller) enroller = { 0 };

	return serve("kiln-enroller", true, enroller_calls, enroller_call_count, &enroller, e);
}

static int run_admin(struct err *e)
{
	return serve("kiln-enroller", false, hsm_admin_calls, hsm_admin_call_count, NULL, e);
}

int main(int argc, char **argv)
{
	bool admin = argc == 2 && strcmp(argv[1], "--admin") == 0;
	struct err e = { 0 };
	int rc;

	if (argc > 1 && !admin) {
		(void)fprintf(stderr, "usage: kiln-enroller [--admin]   (started by kiln)\n");
		return 2;
	}
	if (memory_guard(&e) != 0 || http_init(&e) != 0)
		rc = -1;
	else
		rc = admin ? run_admin(&e) : run_service(&e);
	http_exit();
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "kiln-enroller: %s\n", e.message); /* nowhere else to say it */
	return 4;
}
