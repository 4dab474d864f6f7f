/* kiln evidence: what proves a unit's identity, as files that stock tools read. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"
#include "source.h"
#include "x509.h"

/* Blob digests of the newest job: its own members, and from the events its last proof's and what the chip said of
 * its key. */
struct evidence {
	const char *folder;
	json_t *job;
};

static const char *const members[] = { "csr", "certificate", "chain", "preimage", "signature",
	"statement", "cms", "jws", "origin", NULL };

/* The last of each step counts. */
static int collect(const json_t *event, void *context, struct err *e)
{
	static const struct {
		const char *step, *member;
	} wanted[] = { { "prove", "preimage" }, { "prove", "signature" }, { "request", "origin" } };
	struct evidence *v = context;
	const char *step = json_opt_str(event, "step", "");

	if (json_opt_int(event, "job", -1) != json_opt_int(v->job, "job", 0))
		return 0;
	for (size_t i = 0; i < COUNT(wanted); i++) {
		if (strcmp(step, wanted[i].step) != 0)
			continue;
		(void)json_object_del(v->job, wanted[i].member); /* there may be none yet */
		if (json_set_str(v->job, wanted[i].member,
			json_opt_str(event, wanted[i].member, NULL), e) != 0)
			return -1;
	}
	return 0;
}

static int put(const struct evidence *v, const char *name, const struct buf *bytes, struct err *e)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", v->folder, name);
	if (file_write(path, bytes->data, bytes->len, 0644, e) != 0)
		return -1;
	(void)printf("%s\n", path);
	return 0;
}

/* DERs one behind the other as PEM, from the first-th on. */
static int put_pem(const struct evidence *v, const char *name, const struct buf *ders, int first,
    struct err *e)
{
	AUTO(X509_STACK) *list = NULL;
	AUTO_STRUCT(buf) pem = { 0 };

	if (x509_parse_list(ders->data, ders->len, &list, ERR_RECORDS, e) != 0)
		return -1;
	for (int i = first; i < sk_X509_num(list); i++)
		if (x509_add_pem(sk_X509_value(list, i), &pem, e) != 0)
			return -1;
	return put(v, name, &pem, e);
}

/* Evidence that nobody asked for was never judged: it may be no certificates at all. */
static int put_origin(const struct evidence *v, const char *name, const struct buf *bytes,
    struct err *e)
{
	AUTO(X509_STACK) *list = NULL;
	struct err why = { 0 };

	if (x509_parse_list(bytes->data, bytes->len, &list, ERR_RECORDS, &why) != 0)
		return put(v, "origin.bin", bytes, e);
	return put_pem(v, name, bytes, 0, e);
}

static int put_member(const struct evidence *v, struct records *r, const char *member,
    const char *name, struct err *e)
{
	const char *digest = json_opt_str(v->job, member, NULL);
	AUTO_STRUCT(buf) bytes = { 0 };

	if (digest == NULL)
		return 0;
	if (records_blob(r, digest, &bytes, e) != 0)
		return -1;
	if (strcmp(member, "certificate") == 0)
		return put_pem(v, name, &bytes, 0, e);
	if (strcmp(member, "chain") == 0)
		return put_pem(v, name, &bytes, 1, e);
	if (strcmp(member, "origin") == 0)
		return put_origin(v, name, &bytes, e);
	return put(v, name, &bytes, e);
}

/* Evidence of two units in one folder would look like one unit's. */
static int make_folder(const char *folder, struct err *e)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/csr.der", folder);
	if (access(path, F_OK) == 0)
		return err_set(e, ERR_CONFIG, "file",
		    "%s holds evidence already: name another folder", folder);
	return file_mkdir(folder, 0755, e);
}

static int write_all(struct source *s, const char *serial, struct evidence *v, struct err *e)
{
	static const char *const names[] = { "csr.der", "cert.pem", "chain.pem",
		"proof-preimage.bin", "proof-signature.bin", "statement.json", "attestation.p7s",
		"attestation.jws", "origin.pem" };

	if (source_open(s, false, e) != 0 || records_unit(s->records, serial, &v->job, e) != 0)
		return -1;
	if (v->job == NULL)
		return err_set(e, ERR_OPERATOR, "unit.unknown",
		    "serial %s has no job in these records", serial);
	if (records_events(s->records, serial, 0, collect, v, e) != 0)
		return -1;
	if (make_folder(v->folder, e) != 0)
		return -1;
	for (size_t i = 0; members[i] != NULL; i++)
		if (put_member(v, s->records, members[i], names[i], e) != 0)
			return -1;
	return 0;
}

int cmd_evidence(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct evidence v = { 0 };
	struct source s = { 0 };
	struct err e = { 0 };
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'd')
			v.folder = optarg;
		else if (o == 'c')
			s.config_path = optarg;
		else if (o == 'r')
			s.records_path = optarg;
		else
			return cli_usage(argv[0]);
	}
	if (optind + 1 != argc || v.folder == NULL ||
	    (s.config_path == NULL) == (s.records_path == NULL))
		return cli_usage(argv[0]);
	rc = write_all(&s, argv[optind], &v, &e);
	source_close(&s);
	json_decref(v.job);
	return rc == 0 ? EXIT_PASSED : cli_fail(&e);
}
