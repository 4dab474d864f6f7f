/* Any body through the decoder, the request's checks and the issue. */
#include "csr.h"
#include "leaf.h"

#include <stdlib.h>

#include <openssl/err.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ca *ca;
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *request = NULL;
	AUTO(X509) *leaf = NULL;
	struct err e = { 0 };

	if (ca == NULL && ca_new(&ca, &(const struct ca_options){ .hours = 1 }, &e) != 0)
		abort();
	if (csr_decode(data, len, &der, &e) == 0 &&
	    x509_parse_request(der.data, der.len, &request, ERR_DEVICE, &e) == 0 &&
	    leaf_issue(ca, request, 0, &leaf, &e) == 0 && leaf == NULL)
		abort();
	ERR_clear_error();
	return 0;
}
