/* Certification requests for the tests of devca. */
#ifndef KILN_TEST_REQUEST_H
#define KILN_TEST_REQUEST_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cert.h"
#include "testing.h"

struct request_extension {
	int nid; /* 0: end of the list */
	const char *value;
};

static inline void request_add_extensions(X509_REQ *request,
    const struct request_extension *extensions)
{
	STACK_OF(X509_EXTENSION) *list = NULL;
	CONF *empty = NCONF_new(NULL); /* certificatePolicies insist on one */
	X509V3_CTX context;

	X509V3_set_ctx(&context, NULL, NULL, request, NULL, X509V3_CTX_REPLACE);
	X509V3_set_nconf(&context, empty);
	for (; extensions != NULL && extensions->nid != 0; extensions++) {
		X509_EXTENSION *one =
		    X509V3_EXT_nconf_nid(empty, &context, extensions->nid, extensions->value);

		assert_non_null(one);
		assert_non_null(X509v3_add_ext(&list, one, -1));
		X509_EXTENSION_free(one);
	}
	if (list != NULL)
		assert_int_equal(X509_REQ_add_extensions(request, list), 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	NCONF_free(empty);
}

/* CN=common_name over key, signed with SHA-256. extensions may be NULL. */
static inline X509_REQ *request_new(EVP_PKEY *key, const char *common_name,
    const struct request_extension *extensions)
{
	X509_REQ *request = X509_REQ_new();

	assert_non_null(request);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN",
			     MBSTRING_UTF8, (const uint8_t *)common_name, -1, -1, 0),
	    1);
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	request_add_extensions(request, extensions);
	assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
	return request;
}

/* Replaces ret. */
static inline void request_der(X509_REQ *request, struct buf *ret)
{
	uint8_t *der = NULL;
	struct err e = { 0 };
	int len = i2d_X509_REQ(request, &der);

	assert_true(len > 0);
	assert_ok(buf_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

#endif
