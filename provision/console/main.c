/*
 * kiln-console: the operator's page, on loopback. It asks the station's control socket and touches nothing
 * else: no record, no device, no CA, no HSM.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "serve.h"
#include "server.h"
#include "version.h"
#include "where.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *config, *socket;
	uint16_t port;
};

static const char usage[] =
    "usage: kiln-console --config station.yaml [--port P]\n"
    "       kiln-console --socket PATH [--port P]\n"
    "The operator's page of a station that runs (kiln run), on 127.0.0.1.\n"
    "  --config FILE   the station's; only where it listens is read\n"
    "  --socket PATH   its control socket\n"
    "  --port P        0, the default: any free one\n"
    "  --version, --help\n"
    "The first line it writes names its URL. It runs until SIGTERM or SIGINT.\n";

static bool read_port(const char *text, uint16_t *ret)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > UINT16_MAX)
		return false;
	*ret = (uint16_t)number;
	return true;
}

/* -1: go on; else the exit code. */
static int read_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'c':
		o->config = value;
		return -1;
	case 's':
		o->socket = value;
		return -1;
	case 'p':
		return read_port(value, &o->port) ? -1 : EXIT_USAGE;
	case 'v':
		(void)printf("kiln-console %s\n", kiln_version());
		return EXIT_SUCCESS;
	case 'h':
		(void)fputs(usage, stdout);
		return EXIT_SUCCESS;
	default:
		return EXIT_USAGE;
	}
}

static int read_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "port", required_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int rc = -1;

	while (rc < 0) {
		int option = getopt_long(argc, argv, "", options, NULL);

		if (option == -1)
			break;
		rc = read_option(o, option, optarg);
	}
	if (rc < 0 && (optind != argc || (o->config == NULL) == (o->socket == NULL)))
		rc = EXIT_USAGE;
	if (rc == EXIT_USAGE)
		(void)fputs(usage, stderr);
	return rc;
}

static int greet(const struct server *s, struct err *e)
{
	AUTO(json_t) *hello = json_pack("{s:s, s:s, s:o}", "hello", "kiln-console", "build",
	    build_id(), "url", json_sprintf("http://127.0.0.1:%u/", server_port(s)));

	if (hello == NULL)
		return err_nomem(e);
	return line_write(STDOUT_FILENO, hello, INT64_MAX, ERR_CONFIG, e);
}

static int run(const struct options *o, struct err *e)
{
	AUTO_STRUCT(buf) found = { 0 };
	AUTO_PTR(server) *server = NULL;
	const char *path = o->socket;

	if (serve_harden(false, e) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, ERR_CONFIG, "console", "giving up privileges");
	if (path == NULL && where_socket(o->config, &found, e) != 0)
		return -1;
	if (path == NULL)
		path = (const char *)found.data;
	if (server_open(&server, o->port, path, e) != 0 || greet(server, e) != 0)
		return -1;
	return server_run(server, e);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int rc = read_options(&o, argc, argv);

	if (rc >= 0)
		return rc;
	if (run(&o, &e) == 0)
		return EXIT_SUCCESS;
	(void)fprintf(stderr, "kiln-console: %s\n", e.message);
	return EXIT_FAILURE;
}
