/* kiln records upgrade: brings records of an older schema to this one. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "records.h"

int cmd_records(int argc, char **argv)
{
	struct err e = { 0 };

	if (argc != 3 || strcmp(argv[1], "upgrade") != 0)
		return cli_usage(argv[0]);
	if (records_upgrade(argv[2], &e) != 0)
		return cli_fail(&e);
	(void)printf("%s: schema %d, verified\n", argv[2], RECORDS_SCHEMA);
	return EXIT_PASSED;
}
