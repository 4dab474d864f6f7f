/* What the tests of judge_cert share: a good leaf, changed in one thing, and judged. */
#ifndef KILN_TEST_JUDGE_CERT_KIT_H
#define KILN_TEST_JUDGE_CERT_KIT_H

#include "judge_cert.h"
#include "judge_kit.h"

static struct kit kit;

KIT_FN int judge(X509 *cert, bool accept_test_ca, struct cert_report *report, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	kit_der(cert, &der);
	return judge_cert(kit.profile, &kit.unit,
	    &(struct cert_question){ .leaf = &der,
		.key = kit.unit_key,
		.at = KIT_NOW,
		.accept_test_ca = accept_test_ca },
	    report, e);
}

KIT_FN bool has(const struct cert_report *r, const char *id, const char *words)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->findings[i].id, id) == 0 &&
		    strstr(r->findings[i].message, words) != NULL)
			return true;
	return false;
}

KIT_FN void print(const struct cert_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		print_message("  %s %s: %s\n", r->findings[i].is_error ? "error" : "warning",
		    r->findings[i].id, r->findings[i].message);
}

/* A good leaf, changed, signed by the CA. */
KIT_FN X509 *make(void (*change)(X509 *))
{
	X509 *cert = kit_unsigned_leaf(&kit);

	if (change != NULL)
		change(cert);
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha256()) > 0);
	return cert;
}

KIT_FN void refuse(void (*change)(X509 *), const char *id, const char *words)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(change);
	struct err e = { 0 };

	assert_err(judge(cert, false, &report, &e), &e, id);
	assert_int_equal(e.domain, ERR_CERT);
	if (has(&report, id, words))
		return;
	print(&report);
	fail_msg("no finding %s with \"%s\"", id, words);
}

KIT_FN void accept(void (*change)(X509 *))
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(change);
	struct err e = { 0 };

	assert_ok(judge(cert, false, &report, &e), &e);
}

KIT_FN int open_kit(void **state)
{
	(void)state;
	kit_open(&kit);
	return 0;
}

KIT_FN int close_kit(void **state)
{
	(void)state;
	kit_close(&kit);
	return 0;
}

#endif
