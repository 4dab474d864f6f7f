/* kiln doctor: could a batch start now? One line for each thing it needs, with what to do. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli.h"
#include "advice.h"
#include "attestation.h"
#include "clock.h"
#include "cmd_doctor.h"
#include "config.h"
#include "file.h"
#include "ground.h"
#include "peer.h"
#include "people.h"
#include "place.h"
#include "profile.h"
#include "records.h"
#include "slot_address.h"
#include "station_open.h"
#include "witness.h"
#include "x509.h"

/* Warned of before the station's own limits (ground.h) are met. */
enum { ASK_MS = 20000, FREE_MIB_WARN = 256, CLOCK_WARN_S = 60, EXPIRES_SOON_S = 14 * 86400 };

struct doctor {
	const char *path;
	struct config *config;
	long faults;
};

static void line(const char *mark, const char *what, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
static void line(const char *mark, const char *what, const char *fmt, va_list ap)
{
	(void)printf("%-5s %-22s ", mark, what);
	(void)vprintf(fmt, ap);
	(void)putchar('\n');
}

static void good(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void good(const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("ok", what, fmt, ap);
	va_end(ap);
}

/* A batch can start, and something should be done soon. */
static void warn(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("WARN", what, fmt, ap);
	va_end(ap);
}

static void bad(struct doctor *d, const char *what, const struct err *e)
{
	(void)printf("FAIL  %-22s %s [%s]\n      -> %s\n", what, e->message, e->code,
	    advice_for(e));
	d->faults++;
}

/* For what is no error of a call: domain and sentence are the whole diagnosis. */
static void wrong(struct doctor *d, const char *what, enum err_domain domain, const char *code,
    const char *sentence)
{
	struct err e = { 0 };

	(void)err_set(&e, domain, code, "%s", sentence);
	bad(d, what, &e);
}

static void check_profile(struct doctor *d)
{
	AUTO_PTR(profile) *p = NULL;
	struct err e = { 0 };

	if (profile_load(&p, d->config->profile, &e) != 0)
		bad(d, "profile", &e);
	else
		good("profile", "%s version %s, driver %s", p->product, p->version, p->driver);
}

static void check_disk(struct doctor *d)
{
	AUTO_STRUCT(buf) folder = { 0 };
	const char *path = d->config->records, *slash = strrchr(path, '/');
	struct statvfs disk;
	struct err e = { 0 };
	uint64_t bytes;

	if (buf_printf(&folder, &e, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
		slash != NULL ? path : ".") != 0) {
		bad(d, "disk", &e);
		return;
	}
	if (statvfs((const char *)folder.data, &disk) != 0) {
		wrong(d, "disk", ERR_RECORDS, "records.io", "the free space can not be read");
		return;
	}
	bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (ground_check_space(bytes, path, &e) != 0)
		bad(d, "disk", &e);
	else if (bytes >> 20 < FREE_MIB_WARN)
		warn("disk", "%llu MiB free, no unit begins below %d: make room soon",
		    (unsigned long long)(bytes >> 20), GROUND_FREE_MIB);
	else
		good("disk", "%llu MiB free", (unsigned long long)(bytes >> 20));
}

/* Looks only: what is not there is not made. */
static void check_records(struct doctor *d)
{
	AUTO_STRUCT(buf) checkpoint = { 0 };
	AUTO_PTR(records) *r = NULL;
	struct ground ground = { 0 };
	struct err e = { 0 }, none = { 0 };

	if (buf_printf(&checkpoint, &e, "%s.checkpoint", d->config->records) != 0 ||
	    witness_open(&r, d->config, false, &none) != 0) {
		if (!err_is(&none, "records.none"))
			bad(d, "records", none.domain != ERR_NONE ? &none : &e);
		else if (access((const char *)checkpoint.data, F_OK) == 0)
			wrong(d, "records", ERR_RECORDS, "records.restored",
			    "there are no records, and their checkpoint is still there");
		else
			good("records", "%s: none yet; the first start makes it",
			    d->config->records);
		return;
	}
	if (records_last_made(r, &ground.made_ms, &e) != 0 ||
	    ground_check_clock(&ground, clock_wall_ms(), clock_now_ms(), &e) != 0)
		bad(d, "clock and records", &e);
	good("records", "%s, schema %d, writable", d->config->records, RECORDS_SCHEMA);
}

static void check_certificate(struct doctor *d, const char *what, const char *path,
    bool attestation)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(buf) subject = { 0 };
	AUTO(X509_STACK) *list = NULL;
	time_t soon = time(NULL) + EXPIRES_SOON_S;
	struct err e = { 0 };
	X509 *cert;

	if (file_read(path, 64 * 1024, &pem, &e) != 0 ||
	    x509_parse_pem(path, &pem, &list, ERR_CONFIG, &e) != 0) {
		bad(d, what, &e);
		return;
	}
	cert = sk_X509_value(list, 0);
	if (x509_add_subject(cert, &subject, &e) != 0 ||
	    (attestation && attestation_check_certificate(cert, ERR_CONFIG, &e) != 0))
		bad(d, what, &e);
	else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		wrong(d, what, ERR_CONFIG, "certificate.expired",
		    "the station's certificate has expired");
	else if (X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0)
		warn(what, "%s expires within 14 days: have the CA's owner issue a new one",
		    (const char *)subject.data);
	else
		good(what, "%s", (const char *)subject.data);
}

/* One row of the audit: {"check", "ok" or "err"}. */
static void tell_row(struct doctor *d, const char *token, const json_t *row)
{
	struct err e = { 0 };
	char what[64];

	(void)snprintf(what, sizeof(what), "%s %s", token, json_opt_str(row, "check", "?"));
	if (json_opt_str(row, "ok", NULL) != NULL) {
		good(what, "%s", json_opt_str(row, "ok", ""));
		return;
	}
	(void)json_to_err(json_object_get(row, "err"), &e);
	bad(d, what, &e);
}

static json_t *audit_request(const struct doctor *d, const struct config_token *t, struct err *e)
{
	AUTO_STRUCT(secret) pin = { 0 };
	AUTO(json_t) *r = json_pack("{s:s, s:s, s:s, s:s, s:s}", "do", "audit", "module",
	    d->config->module, "token", t->token, "key", t->key, "guard", t->guard);

	if (r == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (config_pin(t, &pin, e) != 0 || secret_to_json(&pin, r, "pin", e) != 0)
		return NULL;
	return steal(&r);
}

static void check_token(struct doctor *d, const char *name, const char *program,
    const struct config_token *t)
{
	static const char *const arguments[] = { "--admin", NULL };
	AUTO_STRUCT(peer) admin = { 0 };
	AUTO(json_t) *request = NULL;
	AUTO(json_t) *ok = NULL;
	const json_t *rows;
	struct err e = { 0 };
	char what[64];

	(void)snprintf(what, sizeof(what), "%s token", name);
	request = audit_request(d, t, &e);
	if (request == NULL || peer_start(&admin, program, arguments, &e) != 0 ||
	    peer_ask(&admin, steal(&request), ASK_MS, &ok, &e) != 0) {
		bad(d, what, &e);
		return;
	}
	rows = json_object_get(ok, "checks");
	for (size_t i = 0; i < json_array_size(rows); i++)
		tell_row(d, name, json_array_get(rows, i));
	(void)snprintf(what, sizeof(what), "%s certificate", name);
	check_certificate(d, what, t->certificate, t == &d->config->attestation);
}

static void tell_ca(struct doctor *d, const json_t *ok)
{
	int64_t offset = json_opt_int(ok, "date_offset_s", 0);
	static const struct {
		const char *member, *what;
	} failures[] = { { "tls_error", "CA connection" }, { "cacerts_error", "CA certificates" },
		{ "date_offset_s_error", "clock" } };

	for (size_t i = 0; i < COUNT(failures); i++)
		if (json_opt_str(ok, failures[i].member, NULL) != NULL)
			wrong(d, failures[i].what, ERR_CA, "ca.check",
			    json_opt_str(ok, failures[i].member, ""));
	if (json_opt_str(ok, "tls", NULL) != NULL)
		good("CA connection", "%s, %s", json_opt_str(ok, "tls", ""),
		    json_opt_str(ok, "peer", ""));
	if (json_object_get(ok, "cacerts") != NULL)
		good("CA certificates", "%lld", (long long)json_opt_int(ok, "cacerts", 0));
	if (json_object_get(ok, "date_offset_s") == NULL)
		return;
	if (offset > GROUND_CLOCK_MS / 1000 || offset < -GROUND_CLOCK_MS / 1000)
		wrong(d, "clock", ERR_CONFIG, "clock.ca",
		    "this machine's clock differs from the CA's by more than 300 s");
	else if (offset > CLOCK_WARN_S || offset < -CLOCK_WARN_S)
		warn("clock",
		    "%lld s from the CA's, nothing is made beyond %d s: set it right (NTP)",
		    (long long)offset, GROUND_CLOCK_MS / 1000);
	else
		good("clock", "%lld s from the CA's", (long long)offset);
}

static void check_issuer(struct doctor *d, struct peer *enroller)
{
	AUTO(json_t) *ok = NULL;
	struct err e = { 0 };

	if (peer_ask(enroller, json_pack("{s:s}", "do", "cacerts"), ASK_MS, &ok, &e) != 0)
		return; /* told above, as the CA's certificates */
	if (doctor_judge_issuer(d->config, json_object_get(ok, "certificates"), &e) != 0)
		bad(d, "CA and profile", &e);
	else
		good("CA and profile", "the CA's certificates are among the profile's");
}

static void check_ca(struct doctor *d)
{
	static const char *const none[] = { NULL };
	AUTO_STRUCT(secret) secret = { 0 };
	AUTO_STRUCT(peer) enroller = { 0 };
	AUTO(json_t) *opened = NULL;
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *open = NULL;
	const struct config *c = d->config;
	struct err e = { 0 };
	int rc = c->credential_kind == NULL ? config_pin(&c->tls, &secret, &e)
					    : secret_from_file(&secret, c->credential_file, &e);

	if (rc == 0)
		open = station_open_enroller(c, &secret, &e);
	if (open == NULL || peer_start(&enroller, "kiln-enroller", none, &e) != 0 ||
	    peer_ask(&enroller, steal(&open), ASK_MS, &opened, &e) != 0 ||
	    peer_ask(&enroller, json_pack("{s:s}", "do", "check"), ASK_MS, &ok, &e) != 0) {
		bad(d, "CA", &e);
		return;
	}
	tell_ca(d, ok);
	check_issuer(d, &enroller);
}

static void check_slot(struct doctor *d, const struct config_slot *s)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err e = { 0 };
	const char *text;
	char what[80];
	int fd;

	(void)snprintf(what, sizeof(what), "slot %s", s->name);
	if (place_path(s->address, &path, &e) != 0) {
		bad(d, what, &e);
		return;
	}
	text = (const char *)path.data;
	fd = open(text, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && access(text, F_OK) != 0)
		good(what, "%s: nothing plugged in", text);
	else if (fd < 0)
		wrong(d, what, ERR_LINK, "link.permission",
		    "no permission for the port: add the station's user to its group (dialout)");
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		wrong(d, what, ERR_LINK, "link.locked", "another program has the port");
	else
		good(what, "%s", text);
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
}

static void check_placed(struct doctor *d, const struct usb_view *view, const struct profile *p,
    const struct config_slot *s)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };
	char what[80];

	(void)snprintf(what, sizeof(what), "slot %s", s->name);
	if (slot_address_check(s, p, &e) != 0)
		bad(d, what, &e);
	else if (s->address != NULL)
		check_slot(d, s);
	else if (doctor_check_places(view, s, p, &text, &e) != 0 || buf_str(&text, &e) == NULL)
		bad(d, what, &e);
	else
		good(what, "%s", (const char *)text.data);
}

static void check_usb(struct doctor *d)
{
	const char *warning = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i < d->config->slot_count; i++) {
		if (d->config->slots[i].place_count == 0)
			continue;
		if (doctor_check_usb("", &warning, &e) != 0)
			bad(d, "USB", &e);
		else if (warning != NULL)
			warn("USB", "%s", warning);
		else
			good("USB", "host controller, device nodes and udev rules are there");
		return;
	}
}

static void check_slots(struct doctor *d)
{
	struct usb_view view = { .root = "" };
	struct usb_device *devices = NULL;
	AUTO_PTR(profile) *p = NULL;
	struct err e = { 0 }, told = { 0 }; /* the profile's errors are told above */

	check_usb(d);
	if (profile_load(&p, d->config->profile, &told) != 0)
		return;
	if (usb_tree_read("", &devices, &view.count, &e) != 0) {
		bad(d, "USB", &e);
		return;
	}
	view.devices = devices;
	for (size_t i = 0; i < d->config->slot_count; i++)
		check_placed(d, &view, p, &d->config->slots[i]);
	free(devices);
}

static void check_label(struct doctor *d)
{
	struct err printer = { 0 }, e = { 0 };

	if (d->config->label_template == NULL)
		return;
	if (doctor_check_label(d->config, &printer, &e) != 0)
		bad(d, "label", &e);
	else if (printer.domain != ERR_NONE)
		warn("label", "%s: %s; units are made, and their labels wait",
		    d->config->label_printer, printer.message);
	else
		good("label", "%s, to %s", d->config->label_template, d->config->label_printer);
}

static void check_operators(struct doctor *d)
{
	const char *path = d->config->operators_file;
	AUTO_PTR(people) *people = NULL;
	struct err e = { 0 };

	if (path == NULL)
		return;
	if (people_load(&people, path, &e) != 0)
		bad(d, "operators", &e);
	else if (people_count(people) == 0 && d->config->operators_required)
		warn("operators", "%s names nobody, and nothing begins before somebody signs on",
		    path);
	else
		good("operators", "%zu may work here", people_count(people));
}

static int examine(struct doctor *d)
{
	struct err e = { 0 };

	if (config_load(&d->config, d->path, &e) != 0) {
		bad(d, "configuration", &e);
		return EXIT_INPUT;
	}
	good("configuration", "%s, station %s, %zu slots", d->path, d->config->station,
	    d->config->slot_count);
	if (file_mkdir(d->config->state, 0700, &e) != 0)
		bad(d, "state", &e);
	check_profile(d);
	check_records(d);
	check_disk(d);
	if (d->config->tls.token != NULL)
		check_token(d, "tls", "kiln-enroller", &d->config->tls);
	check_token(d, "attestation", "kiln-signer", &d->config->attestation);
	check_ca(d);
	check_slots(d);
	check_label(d);
	check_operators(d);
	config_free(d->config);
	return d->faults == 0 ? EXIT_PASSED : EXIT_STATION;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct doctor d = { 0 };
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o != 'c')
			return cli_usage(argv[0]);
		d.path = optarg;
	}
	if (optind != argc || d.path == NULL)
		return cli_usage(argv[0]);
	return examine(&d);
}
