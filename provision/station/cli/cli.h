/* What the subcommands share: their table, exit codes, and how an error is told to people. */
#ifndef KILN_CLI_H
#define KILN_CLI_H

#include "json.h"

enum exit_code {
	EXIT_PASSED = 0, /* all passed */
	EXIT_UNITS = 1,  /* a unit failed, was refused or never came */
	EXIT_USAGE = 2,
	EXIT_INPUT = 3,   /* profile, list, order or configuration */
	EXIT_STATION = 4, /* station fault */
	EXIT_LOCKED = 5,  /* another process has the records */
	EXIT_ABORTED = 6,
	EXIT_PENDING = 75, /* only pending units are left */
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns an exit code */
	const char *usage;                 /* arguments and one line of what it does */
};

int cmd_act(int argc, char **argv); /* what cmd_act.c has a row of */
int cmd_batch(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_dry_run(int argc, char **argv);
int cmd_evidence(int argc, char **argv);
int cmd_hsm(int argc, char **argv);
int cmd_label(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_operator(int argc, char **argv);
int cmd_orphans(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_records(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_rework(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_scrap(int argc, char **argv);
int cmd_slots(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_unit(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_watch(int argc, char **argv);

/* The table, NULL name at the end. */
extern const struct command commands[];

/* "kiln: <message>" and what to do, on stderr; the exit code that belongs to the error. */
int cli_fail(const struct err *e);
/* The same; and with json, for a program that asked, {"err": {domain, scope, code, message, retry, advice}} as a line on
 * stdout. */
int cli_fail_as(bool json, const struct err *e);
/* One canonical line on stdout; the exit code. */
int cli_json(const json_t *object);
/* "usage: kiln NAME ..." on stderr; EXIT_USAGE. */
int cli_usage(const char *name);
/* A text of the records on stdout: what a terminal would obey becomes '?'. */
void cli_print(const char *text);
/* A whole number from text; false where it is none or out of bounds. */
bool cli_number(const char *text, long min, long max, long *ret);

#endif
