/* What the signer's tests share: a token with a certified attestation key, and requests. */
#ifndef KILN_TEST_STATION_H
#define KILN_TEST_STATION_H

#include "hsm/token.h"
#include "profiles/pki.h"

#include "signer.h"

struct station {
	char *folder;
	char *state;
	char *guard;
	struct pki pki; /* pki.key: the public half of the token's key */
};

/* The token's key as certificates know it. */
UNUSED_FN EVP_PKEY *station_public_key(const char *key)
{
	AUTO_PTR(hsm) *h = token_open(SOFTHSM, "station");
	EVP_PKEY *private_key = NULL, *public_key;
	uint8_t *der = NULL;
	const uint8_t *p;
	struct err e = { 0 };
	int len;

	assert_ok(hsm_key(h, key, &private_key, &e), &e);
	len = i2d_PUBKEY(private_key, &der);
	p = der;
	public_key = d2i_PUBKEY(NULL, &p, len);
	assert_non_null(public_key);
	OPENSSL_free(der);
	EVP_PKEY_free(private_key);
	return public_key;
}

UNUSED_FN struct station *station_make(const char *algorithm)
{
	struct station *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->folder = token_folder();
	assert_true(asprintf(&s->state, "%s/position", s->folder) > 0);
	assert_true(asprintf(&s->guard, "%s/guard", s->folder) > 0);
	token_make("station");
	token_keygen("station", ATTESTER, algorithm);
	s->pki = pki_make(station_public_key(ATTESTER), "critical,digitalSignature",
	    OID_KILN_EKU_ATTESTATION);
	return s;
}

UNUSED_FN void station_free(struct station *s)
{
	testing_folder_remove(s->folder);
	free(s->state);
	free(s->guard);
	pki_free(&s->pki);
	free(s);
}

/* The caller owns it, and may change it. */
UNUSED_FN json_t *station_open_request(const struct station *s, const char *module)
{
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };
	json_t *request;

	assert_ok(x509_add_pem(s->pki.leaf, &pem, &e), &e);
	assert_ok(x509_add_pem(s->pki.ca, &pem, &e), &e);
	assert_non_null(buf_str(&pem, &e));
	request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "do", "open", "module",
	    module, "token", "station", "key", ATTESTER, "guard", s->guard, "certificate",
	    (const char *)pem.data, "state", s->state, "station", "line-7");
	assert_non_null(request);
	assert_ok(secret_to_json(&pin, request, "pin", &e), &e);
	return request;
}

/* As serve() does it; *ret_ok is owned by the caller. */
UNUSED_FN int station_call(struct signer *signer, const json_t *request, json_t **ret_ok,
    struct err *e)
{
	const char *name = json_opt_str(request, "do", "");

	*ret_ok = json_object();
	assert_non_null(*ret_ok);
	for (size_t i = 0; i < signer_call_count; i++)
		if (strcmp(signer_calls[i].name, name) == 0)
			return signer_calls[i].run(signer, request, *ret_ok, e);
	fail_msg("no call %s", name);
	return -1;
}

UNUSED_FN int station_open(struct signer *signer, const json_t *request, struct err *e)
{
	AUTO(json_t) *ok = NULL;

	return station_call(signer, request, &ok, e);
}

/* Attests a good statement at that position. *ret_ok may be NULL. */
UNUSED_FN int station_attest(struct signer *signer, int64_t seq, json_t **ret_ok, struct err *e)
{
	AUTO(json_t) *request =
	    json_pack("{s:s, s:o}", "do", "attest", "statement", pki_statement(seq));
	json_t *ok = NULL;
	int rc;

	assert_non_null(request);
	rc = station_call(signer, request, &ok, e);
	if (ret_ok != NULL && rc == 0)
		*ret_ok = ok;
	else
		json_decref(ok);
	return rc;
}

#endif
