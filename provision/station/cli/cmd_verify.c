/* kiln verify: the records, checked offline. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "cli.h"
#include "file.h"
#include "source.h"
#include "verify.h"
#include "witness.h"

enum { TRUST_MAX = 16 };

struct check {
	const char *trust[TRUST_MAX];
	size_t trust_count;
	bool json;
	struct source source;
	struct records_place signer; /* options borrow it */
	struct verify_options options;
};

static int add_trust(struct check *c, const char *path, struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(X509_STACK) *list = NULL;

	if (file_read(path, 256 * 1024, &pem, e) != 0 ||
	    x509_parse_pem(path, &pem, &list, ERR_CONFIG, e) != 0)
		return -1;
	while (sk_X509_num(list) > 0) {
		X509 *cert = sk_X509_shift(list);

		if (sk_X509_push(c->options.trust, cert) <= 0) {
			X509_free(cert);
			return err_nomem(e);
		}
	}
	return 0;
}

static int verify(struct check *c, json_t **ret, struct err *e)
{
	c->options.trust = sk_X509_new_null();
	if (c->options.trust == NULL)
		return err_nomem(e);
	if (source_open(&c->source, false, e) != 0)
		return -1;
	for (size_t i = 0; i < c->trust_count; i++)
		if (add_trust(c, c->trust[i], e) != 0)
			return -1;
	if (c->source.config != NULL) {
		c->options.accept_test_ca |= c->source.config->ca_test;
		if (c->trust_count == 0 &&
		    add_trust(c, c->source.config->attestation_anchors, e) != 0)
			return -1;
		if (witness_position(c->source.config, &c->signer, e) != 0)
			return -1;
		c->options.signer = &c->signer;
	}
	return verify_records(c->source.records, &c->options, ret, e);
}

static int report(const struct check *c, const json_t *counts, const struct err *e)
{
	const char *key;
	json_t *value;

	if (c->json) {
		AUTO(json_t) *line =
		    counts != NULL
			? json_pack("{s:b, s:O}", "ok", 1, "counts", counts)
			: json_pack("{s:b, s:o}", "ok", 0, "violation", json_from_err(e));

		(void)json_dumpf(line, stdout, JSON_COMPACT);
		(void)putchar('\n');
	} else if (counts == NULL) {
		(void)printf("VIOLATION %s: %s\n", e->code, e->message);
		if (err_is(e, "verify.truncated") || err_is(e, "verify.position"))
			(void)printf("  what to do: %s\n", advice_for(e));
	} else {
		(void)printf("ok:");
		json_object_foreach((json_t *)(uintptr_t)counts, key, value)(void)
		    printf(" %s %lld", key, (long long)json_integer_value(value));
		(void)putchar('\n');
	}
	return counts != NULL ? EXIT_PASSED : EXIT_UNITS;
}

/* Records that are damaged or say something wrong; not such that are not there, or another build's. */
static bool is_violation(const struct check *c, const struct err *e)
{
	return err_is(e, "records.damaged") ||
	       (c->source.records != NULL &&
		   (e->domain == ERR_RECORDS || e->domain == ERR_CERT || e->domain == ERR_DEVICE));
}

int cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ "trust", required_argument, NULL, 't' },
		{ "accept-test-ca", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct check c = { 0 };
	struct err e = { 0 };
	AUTO(json_t) *counts = NULL;
	int o, rc, code;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			c.source.config_path = optarg;
		else if (o == 'r')
			c.source.records_path = optarg;
		else if (o == 'a')
			c.options.accept_test_ca = true;
		else if (o == 'j')
			c.json = true;
		else if (o == 't' && c.trust_count < TRUST_MAX)
			c.trust[c.trust_count++] = optarg;
		else
			return cli_usage(argv[0]);
	}
	while (c.trust_count > 0 && optind < argc && c.trust_count < TRUST_MAX)
		c.trust[c.trust_count++] = argv[optind++]; /* --trust A B C */
	if (optind != argc || (c.source.config_path == NULL) == (c.source.records_path == NULL) ||
	    (c.source.records_path != NULL && c.trust_count == 0))
		return cli_usage(argv[0]);
	rc = verify(&c, &counts, &e);
	code = rc == 0 || is_violation(&c, &e) ? report(&c, counts, &e) : cli_fail(&e);
	source_close(&c.source);
	x509_stack_free(c.options.trust);
	return code;
}
