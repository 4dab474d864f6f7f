/*
 * kiln-devca: a throw-away EST CA on loopback, for dry runs and tests. What it issues is marked as
 * not for production.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csr.h"
#include "file.h"
#include "http.h"
#include "label.h"
#include "serve.h"
#include "version.h"

enum { EXIT_USAGE = 2, HOURS_MAX = 10 * 366 * 24, DAYS_MAX = 100 * 366, SIGN_MAX = 8 };

struct options {
	const char *dir;
	const char *log;
	uint16_t port;
	struct ca_options ca;
	struct {
		enum ca_station_use use;
		const char *files; /* CSR:OUT */
	} sign[SIGN_MAX];
	size_t sign_count;
};

static const char usage[] =
    "usage: kiln-devca --dir DIR [options]\n"
    "A throw-away EST CA on 127.0.0.1. DRY RUN: nothing it makes is for production.\n"
    "  --dir DIR                    root.pem, issuing.pem, chain.pem (issuing and root) and\n"
    "                               tls-anchor.pem (what a client trusts for TLS) go here\n"
    "  --port P                     0, the default: any free one\n"
    "  --hours H                    life of the CA itself (24)\n"
    "  --leaf-days N                life of device certificates, even beyond the CA's own end\n"
    "  --no-expiry                  device certificates end at 99991231235959Z\n"
    "                               (neither of the two: as long as the CA)\n"
    "  --key-usage V, --ext-key-usage V\n"
    "                               of requests that ask for none (x509v3_config(5));\n"
    "                               critical,digitalSignature and nothing\n"
    "  --sign-ra CSR:OUT            sign the station's RA certificate (clientAuth, cmcRA);\n"
    "                               CSR is PEM or DER, OUT gets certificate and issuing CA as PEM\n"
    "  --sign-attestation CSR:OUT   sign the station's attestation certificate\n"
    "  --log FILE                   one JSON line per POST, appended\n"
    "  --labels                     list the fault labels, URL/.well-known/est/LABEL\n"
    "  --version, --help\n"
    "The first line it writes names its URL: on descriptor 3 where that is a socket (it then runs\n"
    "until the other end closes), else on stdout (until SIGTERM or SIGINT).\n";

static int die(const struct err *e)
{
	(void)fprintf(stderr, "kiln-devca: %s\n", e->message);
	return EXIT_FAILURE;
}

static bool read_number(const char *text, long min, long max, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *ret >= min && *ret <= max;
}

static bool add_sign(struct options *o, enum ca_station_use use, const char *files)
{
	if (o->sign_count == SIGN_MAX || strchr(files, ':') == NULL)
		return false;
	o->sign[o->sign_count].use = use;
	o->sign[o->sign_count++].files = files;
	return true;
}

static void list_labels(void)
{
	for (unsigned i = 1; label_at(i) != NULL; i++)
		(void)printf("%-20s %s\n", label_at(i)->name, label_at(i)->what);
}

/* -1: go on; else the exit code. */
static int read_option(struct options *o, int option, const char *value)
{
	long number = 0;

	switch (option) {
	case 'd':
		o->dir = value;
		return -1;
	case 'g':
		o->log = value;
		return -1;
	case 'p':
		if (!read_number(value, 0, UINT16_MAX, &number))
			return EXIT_USAGE;
		o->port = (uint16_t)number;
		return -1;
	case 'H':
		if (!read_number(value, 1, HOURS_MAX, &number))
			return EXIT_USAGE;
		o->ca.hours = number;
		return -1;
	case 'n':
		if (!read_number(value, 1, DAYS_MAX, &number))
			return EXIT_USAGE;
		o->ca.leaf_days = number;
		return -1;
	case 'e':
		o->ca.no_expiry = true;
		return -1;
	case 'k':
		o->ca.key_usage = value;
		return -1;
	case 'x':
		o->ca.ext_key_usage = value;
		return -1;
	case 'r':
		return add_sign(o, CA_STATION_RA, value) ? -1 : EXIT_USAGE;
	case 'a':
		return add_sign(o, CA_STATION_ATTESTATION, value) ? -1 : EXIT_USAGE;
	case 'l':
		list_labels();
		return EXIT_SUCCESS;
	case 'v':
		(void)printf("kiln-devca %s\n", kiln_version());
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
		{ "dir", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'g' },
		{ "port", required_argument, NULL, 'p' },
		{ "hours", required_argument, NULL, 'H' },
		{ "leaf-days", required_argument, NULL, 'n' },
		{ "no-expiry", no_argument, NULL, 'e' },
		{ "key-usage", required_argument, NULL, 'k' },
		{ "ext-key-usage", required_argument, NULL, 'x' },
		{ "sign-ra", required_argument, NULL, 'r' },
		{ "sign-attestation", required_argument, NULL, 'a' },
		{ "labels", no_argument, NULL, 'l' },
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
	if (rc < 0 &&
	    (optind != argc || o->dir == NULL || (o->ca.no_expiry && o->ca.leaf_days > 0)))
		rc = EXIT_USAGE;
	if (rc == EXIT_USAGE)
		(void)fputs(usage, stderr);
	return rc;
}

/* files: CSR:OUT. */
static int sign_station(const struct ca *ca, enum ca_station_use use, const char *files,
    struct err *e)
{
	const char *colon = strrchr(files, ':');
	AUTO_STRUCT(buf) path = { 0 };
	AUTO_STRUCT(buf) body = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(X509_REQ) *request = NULL;
	AUTO(X509) *cert = NULL;
	const char *name;

	if (buf_add(&path, files, (size_t)(colon - files), e) != 0)
		return -1;
	name = buf_str(&path, e);
	if (name == NULL || file_read(name, CSR_BODY_MAX, &body, e) != 0)
		return -1;
	if (csr_decode(body.data, body.len, &der, e) != 0 ||
	    x509_parse_request(der.data, der.len, &request, ERR_CONFIG, e) != 0 ||
	    ca_sign_station(ca, request, use, &cert, e) != 0)
		return err_while(e, "signing %s", name);
	if (x509_add_pem(cert, &pem, e) != 0 || x509_add_pem(ca->issuing.cert, &pem, e) != 0)
		return -1;
	return file_write(colon + 1, pem.data, pem.len, 0644, e);
}

/* The files are complete before anybody learns the URL. */
static int prepare(const struct options *o, const struct ca *ca, struct err *e)
{
	if (file_mkdir(o->dir, 0755, e) != 0 || ca_write(ca, o->dir, e) != 0)
		return -1;
	for (size_t i = 0; i < o->sign_count; i++)
		if (sign_station(ca, o->sign[i].use, o->sign[i].files, e) != 0)
			return -1;
	return 0;
}

static int open_log(const char *path, int *ret, struct err *e)
{
	*ret = -1;
	if (path == NULL)
		return 0;
	*ret = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return *ret >= 0 ? 0 : err_errno(e, ERR_CONFIG, "devca", "opening the log %s", path);
}

static int greet(const struct http *h, int fd, struct err *e)
{
	AUTO(json_t) *hello = json_pack("{s:s, s:s, s:o}", "hello", "kiln-devca", "build",
	    build_id(), "url", json_sprintf("https://127.0.0.1:%u/.well-known/est", http_port(h)));

	if (hello == NULL)
		return err_nomem(e);
	return line_write(fd, hello, INT64_MAX, ERR_CONFIG, e);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int run(const struct options *o, struct err *e)
{
	bool leashed = is_socket(SERVE_FD);
	AUTO_PTR(ca) *ca = NULL;
	AUTO_STRUCT(est) est = { .log_fd = -1 };
	AUTO_PTR(http) *http = NULL;

	if (serve_harden(leashed, e) != 0 || ca_new(&ca, &o->ca, e) != 0 ||
	    prepare(o, ca, e) != 0 || open_log(o->log, &est.log_fd, e) != 0)
		return -1;
	est.ca = ca;
	if (http_open(&http, ca, &est, o->port, e) != 0 ||
	    greet(http, leashed ? SERVE_FD : STDOUT_FILENO, e) != 0)
		return -1;
	return http_run(http, leashed ? SERVE_FD : -1, e);
}

int main(int argc, char **argv)
{
	struct options o = { .ca.hours = 24 };
	struct err e = { 0 };
	int rc = read_options(&o, argc, argv);

	if (rc >= 0)
		return rc;
	return run(&o, &e) == 0 ? EXIT_SUCCESS : die(&e);
}
