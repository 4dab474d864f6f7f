#include "judge_origin.h"

#include <string.h>
#include <time.h>

#include <openssl/x509_vfy.h>

#include "x509.h"

OWNED(X509_STORE, X509_STORE_free)
OWNED(X509_STORE_CTX, X509_STORE_CTX_free)

enum { SECURITY_LEVEL = 2, DEPTH_MAX = 8 }; /* level 2: 112 bits (SSL_CTX_set_security_level(3)) */

/* X509_verify_cert looks at these when the chain has ended in a root; the root is its last certificate. */
static int spare_root(int ok, X509_STORE_CTX *ctx)
{
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	if (ok == 1)
		return ok;
	if (depth != sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1)
		return 0;
	return error == X509_V_ERR_INVALID_CA || error == X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
}

static int make_store(const struct profile *p, int64_t at, X509_STORE **ret, struct err *e)
{
	const struct buf *ders = &p->attestation.ders;
	AUTO(X509_STORE) *store = X509_STORE_new();
	AUTO(X509_STACK) *roots = NULL;
	X509_VERIFY_PARAM *param = store != NULL ? X509_STORE_get0_param(store) : NULL;
	struct err why = { 0 };

	if (param == NULL)
		return err_nomem(e);
	if (x509_parse_list(ders->data, ders->len, &roots, ERR_CONFIG, &why) < 0)
		return err_set(e, ERR_CONFIG, "profile",
		    "the profile's attestation roots are not loaded: %s", why.message);
	for (int k = 0; k < sk_X509_num(roots); k++)
		if (X509_STORE_add_cert(store, sk_X509_value(roots, k)) != 1)
			return err_nomem(e);
	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		return err_nomem(e);
	*ret = steal(&store);
	return 0;
}

static int check_chain(const struct profile *p, const struct origin_claims *claims, int64_t at,
    struct err *e)
{
	AUTO(X509_STORE_CTX) *ctx = X509_STORE_CTX_new();
	AUTO(X509_STORE) *store = NULL;
	AUTO(X509_STACK) *came = NULL;
	struct err why = { 0 };

	if (x509_parse_list(claims->chain.data, claims->chain.len, &came, ERR_DEVICE, &why) < 0)
		return err_set(e, ERR_DEVICE, "origin.chain", "%s", why.message);
	if (make_store(p, at, &store, e) < 0)
		return -1;
	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, sk_X509_value(came, 0), came) != 1)
		return err_nomem(e);
	X509_STORE_CTX_set_verify_cb(ctx, spare_root);
	if (X509_verify_cert(ctx) != 1)
		return err_openssl(e, ERR_DEVICE, "origin.chain",
		    "the chip's evidence has no chain to the profile's attestation roots: %s "
		    "(certificate %d)",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
		    X509_STORE_CTX_get_error_depth(ctx) + 1);
	if (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) < 2)
		return err_set(e, ERR_DEVICE, "origin.chain",
		    "the chip's evidence is an attestation root itself: nobody vouches for it");
	return 0;
}

/* The keys are compared, not their bytes: chips encode them as they like. */
static int check_key(const struct origin_claims *claims, EVP_PKEY *key, struct err *e)
{
	const uint8_t *p = claims->spki.data;
	AUTO(EVP_PKEY) *attested = NULL;

	if (claims->spki.len > 0 && claims->spki.len <= INT32_MAX)
		attested = d2i_PUBKEY(NULL, &p, (long)claims->spki.len);
	if (attested == NULL || p != claims->spki.data + claims->spki.len)
		return err_openssl(e, ERR_DEVICE, "origin.key",
		    "the key that the chip's evidence is about can not be read");
	if (EVP_PKEY_eq(attested, key) != 1)
		return err_set(e, ERR_DEVICE, "origin.key",
		    "the chip's evidence is about another key than the CSR's");
	return 0;
}

int judge_origin_claims(const struct profile *p, const struct identity *i,
    const struct origin_claims *claims, EVP_PKEY *key, int64_t at, struct err *e)
{
	if (check_chain(p, claims, at, e) < 0 || check_key(claims, key, e) < 0)
		return -1;
	if (claims->serial[0] != '\0' && strcmp(claims->serial, i->serial) != 0)
		return err_set(e, ERR_DEVICE, "origin.serial",
		    "the chip's evidence is of unit %s, and this is %s", claims->serial, i->serial);
	if (claims->firmware[0] != '\0' && strcmp(claims->firmware, i->firmware) != 0)
		return err_set(e, ERR_DEVICE, "origin.firmware",
		    "the chip's evidence is of firmware %s, and the device says \"%s\"",
		    claims->firmware, i->firmware);
	return 0;
}

int judge_origin(const struct profile *p, const struct identity *i, const struct buf *evidence,
    EVP_PKEY *key, int64_t at, struct origin_claims *ret, struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };

	if (p->attestation.file != NULL) {
		if (evidence->len == 0)
			return err_set(e, ERR_DEVICE, "origin.missing",
			    "the profile takes a key only with the chip's own evidence of its "
			    "origin, and the device brought none");
		if (family_find(p->driver)->check_origin(p, evidence, &claims, e) < 0 ||
		    judge_origin_claims(p, i, &claims, key, at, e) < 0)
			return -1;
	}
	origin_claims_free(ret);
	*ret = claims;
	claims = (struct origin_claims){ 0 };
	return 0;
}
