#include "lint.h"

#include <time.h>

#include <openssl/x509_vfy.h>

#include "oids.h"

OWNED(X509_STORE, X509_STORE_free)
OWNED(X509_STORE_CTX, X509_STORE_CTX_free)

enum {
	SECURITY_LEVEL = 2,
	OTHERS_MAX = 16
}; /* level 2: 112 bits (SSL_CTX_set_security_level(3)) */

/* Anchors (the profile's own) and helpers of one verification. */
struct material {
	const X509_STACK *anchors;
	X509_STACK *helpers;
};

static void material_free(struct material *m)
{
	x509_stack_free(m->helpers);
}
OWNED_STRUCT(material, material_free)

static bool add_copies(X509_STACK *to, const X509_STACK *from)
{
	for (int k = 0; k < sk_X509_num(from) && k < OTHERS_MAX; k++) {
		X509 *cert = sk_X509_value(from, k);

		if (X509_up_ref(cert) != 1)
			return false;
		if (sk_X509_push(to, cert) <= 0) {
			X509_free(cert);
			return false;
		}
	}
	return true;
}

static bool collect(const struct lint *l, struct material *m)
{
	m->anchors = l->profile->issuer.certs;
	m->helpers = sk_X509_new_null();
	return m->helpers != NULL && add_copies(m->helpers, l->profile->intermediates.certs) &&
	       add_copies(m->helpers, l->question->others);
}

/* A chain may end in an intermediate CA where the profile names one as its anchor. */
static unsigned long flags_for(const X509_STACK *anchors)
{
	unsigned long flags = 0;

	for (int k = 0; k < sk_X509_num(anchors); k++)
		if (X509_self_signed(sk_X509_value(anchors, k), 0) != 1)
			flags |= X509_V_FLAG_PARTIAL_CHAIN;
	return flags;
}

/* The question's time, or the leaf's first second where that lies within the clock skew. */
static time_t verify_time(const struct lint *l)
{
	time_t at = (time_t)l->question->at;
	time_t latest = at + (time_t)l->profile->clock_skew_s;
	const ASN1_TIME *from = X509_get0_notBefore(l->leaf);

	return X509_cmp_time(from, &at) > 0 && X509_cmp_time(from, &latest) < 0 ? latest : at;
}

static X509_STORE *make_store(const struct lint *l, const X509_STACK *anchors)
{
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = store != NULL ? X509_STORE_get0_param(store) : NULL;

	if (param == NULL)
		return NULL;
	X509_VERIFY_PARAM_set_time(param, verify_time(l));
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(param, OTHERS_MAX);
	(void)X509_VERIFY_PARAM_set_flags(param, flags_for(anchors)); /* can not fail for these */
	for (int k = 0; k < sk_X509_num(anchors); k++) {
		if (X509_STORE_add_cert(store, sk_X509_value(anchors, k)) != 1) {
			X509_STORE_free(store);
			return NULL;
		}
	}
	return store;
}

/* The certificate, if any, that the leaf names as its issuer and whose key made its signature. */
static X509 *find_issuer(X509 *leaf, const struct material *m, bool *ret_named)
{
	const X509_STACK *const lists[] = { m->helpers, m->anchors };

	*ret_named = false;
	for (size_t n = 0; n < COUNT(lists); n++) {
		for (int k = 0; k < sk_X509_num(lists[n]); k++) {
			X509 *cert = sk_X509_value(lists[n], k);
			EVP_PKEY *key = X509_get0_pubkey(cert);

			if (X509_NAME_cmp(X509_get_subject_name(cert),
				X509_get_issuer_name(leaf)) != 0)
				continue;
			*ret_named = true;
			if (key != NULL && X509_verify(leaf, key) == 1)
				return cert;
		}
	}
	return NULL;
}

/* Of a chain that verified it is the second; else whoever has that name, to say what is wrong. */
static X509 *take_issuer(struct lint *l, const struct material *m, const X509_STACK *verified)
{
	bool named;
	X509 *issuer;

	if (sk_X509_num(verified) > 1)
		return sk_X509_value(verified, 1);
	issuer = find_issuer(l->leaf, m, &named);
	if (issuer == NULL && named)
		lint_error(l, "cert.signature",
		    "its signature does not verify under its issuer's key");
	return issuer;
}

static void lint_issuer(struct lint *l, X509 *issuer)
{
	const ASN1_OCTET_STRING *have = X509_get0_authority_key_id(l->leaf), *want;

	if (issuer == NULL)
		return;
	want = X509_get0_subject_key_id(issuer);
	if (have != NULL && want != NULL && ASN1_OCTET_STRING_cmp(have, want) != 0)
		lint_error(l, "cert.aki",
		    "the authorityKeyIdentifier is not its issuer's identifier");
	if (!l->profile->outlives_issuer &&
	    ASN1_TIME_compare(X509_get0_notAfter(l->leaf), X509_get0_notAfter(issuer)) > 0)
		lint_error(l, "cert.validity",
		    "it outlives its issuer, which the profile does not allow");
}

static void lint_members(struct lint *l, const X509_STACK *chain)
{
	bool test_ca = lint_extension(l->leaf, OID_KILN_NOT_FOR_PRODUCTION) != NULL;

	for (int k = 1; k < sk_X509_num(chain); k++)
		test_ca = test_ca || lint_extension(sk_X509_value(chain, k),
					 OID_KILN_NOT_FOR_PRODUCTION) != NULL;
	if (test_ca && !l->question->accept_test_ca)
		lint_error(l, "cert.test-ca",
		    "a throw-away CA made it; only a configuration with accept_test_ca: true takes "
		    "it");
	if (sk_X509_num(chain) > l->profile->max_chain)
		lint_error(l, "cert.chain-length",
		    "%d certificates from leaf to anchor, the most is %lld", sk_X509_num(chain),
		    (long long)l->profile->max_chain);
}

static void report_chain(struct lint *l, const X509_STACK *chain)
{
	struct err ignored;

	for (int k = 0; k < sk_X509_num(chain); k++) {
		if (x509_add_der(sk_X509_value(chain, k), &l->report->chain, &ignored) < 0) {
			l->no_memory = true;
			buf_clear(&l->report->chain);
			return;
		}
	}
	l->report->chain_length = sk_X509_num(chain);
}

static void verify(struct lint *l, X509_STORE *store, const struct material *m)
{
	AUTO(X509_STORE_CTX) *ctx = X509_STORE_CTX_new();
	bool verified;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, l->leaf, m->helpers) != 1) {
		l->no_memory = true;
		return;
	}
	verified = X509_verify_cert(ctx) == 1;
	lint_issuer(l, take_issuer(l, m, verified ? X509_STORE_CTX_get0_chain(ctx) : NULL));
	lint_members(l, X509_STORE_CTX_get0_chain(ctx));
	if (verified)
		report_chain(l, X509_STORE_CTX_get0_chain(ctx));
	else
		lint_error(l, "cert.chain",
		    "no chain to the profile's anchors: %s (certificate %d)",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
		    X509_STORE_CTX_get_error_depth(ctx) + 1);
}

void lint_chain(struct lint *l)
{
	AUTO_STRUCT(material) m = { 0 };
	AUTO(X509_STORE) *store = NULL;

	if (l->profile->issuer.certs == NULL) {
		lint_error(l, "cert.chain", "the profile's anchors are not loaded");
		return;
	}
	if (collect(l, &m))
		store = make_store(l, m.anchors);
	if (store == NULL) {
		l->no_memory = true;
		return;
	}
	verify(l, store, &m);
}
