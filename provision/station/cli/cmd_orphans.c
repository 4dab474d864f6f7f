/* kiln orphans: certificates that exist, or may exist, and are on no device; for the CA's owner. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "source.h"
#include "x509.h"

enum { ISSUER_MAX = 4096 };

static void print_member(const json_t *o, const char *label, const char *member)
{
	(void)printf("    %-12s ", label);
	cli_print(json_opt_str(o, member, "unknown"));
	(void)putchar('\n');
}

static void print_one(const json_t *o)
{
	(void)printf("%s  %s\n", json_opt_str(o, "id", ""), json_opt_str(o, "revocation", ""));
	print_member(o, "unit", "serial");
	print_member(o, "listed", "at");
	print_member(o, "CSR", "csr");
	print_member(o, "key", "spki");
	print_member(o, "number", "number");
	print_member(o, "issuer", "issuer");
	print_member(o, "reason", "reason");
	if (json_opt_int(o, "attempts", 1) > 1)
		(void)printf("    %-12s %lld\n", "attempts",
		    (long long)json_opt_int(o, "attempts", 1));
	if (json_object_get(o, "revoked_by") != NULL) {
		print_member(o, "revoked by", "revoked_by");
		print_member(o, "revoked at", "revoked_at");
	}
}

/* From the certificate itself, where there is one that can be read. */
static int add_issuer(struct source *s, json_t *o, struct err *e)
{
	const char *digest = json_opt_str(o, "certificate", NULL);
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) issuer = { 0 };
	AUTO(X509) *cert = NULL;
	struct err ignored = { 0 }; /* a certificate that the judge refused may be of any kind */

	if (digest == NULL || records_blob(s->records, digest, &der, &ignored) != 0 ||
	    x509_parse(der.data, der.len, &cert, ERR_CERT, &ignored) != 0 ||
	    x509_add_issuer(cert, &issuer, &ignored) != 0 || issuer.len > ISSUER_MAX)
		return 0;
	return json_set_str(o, "issuer", buf_str(&issuer, e), e);
}

/* One CSR that was sent again and again is one thing for the CA's owner to look for: the first that was
 * listed stands for all of its state, with their count. */
static int merge(json_t **orphans, struct err *e)
{
	AUTO(json_t) *merged = json_array();
	AUTO(json_t) *firsts = json_object();
	char key[128];

	if (merged == NULL || firsts == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(*orphans); i++) {
		json_t *o = json_array_get(*orphans, i), *first;

		(void)snprintf(key, sizeof(key), "%s %s", json_opt_str(o, "id", ""),
		    json_opt_str(o, "revocation", ""));
		first = json_object_get(firsts, key);
		if (first != NULL) {
			if (json_set_int(first, "attempts", json_opt_int(first, "attempts", 1) + 1,
				e) != 0)
				return -1;
			continue;
		}
		if (json_object_set(firsts, key, o) != 0 || json_array_append(merged, o) != 0)
			return err_nomem(e);
	}
	json_decref(*orphans);
	*orphans = steal(&merged);
	return 0;
}

static int list(struct source *s, bool json, struct err *e)
{
	AUTO(json_t) *orphans = NULL;
	size_t revoked = 0, undecided = 0;

	if (records_orphans(s->records, &orphans, e) != 0 || (!json && merge(&orphans, e) != 0))
		return -1;
	for (size_t i = 0; i < json_array_size(orphans); i++) {
		json_t *o = json_array_get(orphans, i);

		if (add_issuer(s, o, e) != 0)
			return -1;
		revoked += strcmp(json_opt_str(o, "revocation", ""), "revoked") == 0;
		undecided += strcmp(json_opt_str(o, "revocation", ""), "undecided") == 0;
		if (!json) {
			print_one(o);
			continue;
		}
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		(void)putchar('\n');
	}
	(void)fprintf(stderr, "orphans: %zu, of which %zu revoked, %zu undecided\n",
	    json_array_size(orphans), revoked, undecided);
	return 0;
}

static int revoke(struct source *s, const char *id, const char *by, struct err *e)
{
	uint8_t digest[SHA256_LEN];

	if (!hex_decode(id, digest, sizeof(digest)))
		return err_set(e, ERR_OPERATOR, "orphan.id",
		    "\"%s\" is no orphan's id: it is the long number that kiln orphans shows first",
		    id);
	if (source_append(s,
		json_pack("{s:s, s:s, s:s}", "event", "revoked", "orphan", id, "by", by), e) != 0)
		return -1;
	(void)printf("%s: is recorded as revoked\n", id);
	return 0;
}

int cmd_orphans(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ "revoked", required_argument, NULL, 'v' },
		{ "by", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *revoked = NULL, *by = NULL;
	struct source s = { 0 };
	struct err e = { 0 };
	bool json = false;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			s.config_path = optarg;
		else if (o == 'r')
			s.records_path = optarg;
		else if (o == 'v')
			revoked = optarg;
		else if (o == 'b')
			by = optarg;
		else if (o == 'j')
			json = true;
		else
			return cli_usage(argv[0]);
	}
	if (optind != argc || (s.config_path == NULL) == (s.records_path == NULL) ||
	    (revoked == NULL) != (by == NULL))
		return cli_usage(argv[0]);
	rc = source_open(&s, revoked != NULL, &e);
	if (rc == 0)
		rc = revoked != NULL ? revoke(&s, revoked, by, &e) : list(&s, json, &e);
	source_close(&s);
	return rc == 0 ? EXIT_PASSED : cli_fail(&e);
}
