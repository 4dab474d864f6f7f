/* A hostile CA's answer: the first certificate is the leaf, the input is also the anchors. */
#include "judge_cert.h"

#include <stdlib.h>

#include "fuzz_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One certificate off the front: a leaf with strangers behind it. */
static size_t first_len(const uint8_t *data, size_t size)
{
	const uint8_t *p = data;
	AUTO(X509) *cert = d2i_X509(NULL, &p, size < 1 << 20 ? (long)size : 1 << 20);

	return cert != NULL ? (size_t)(p - data) : size;
}

static void judge(struct profile *p, const uint8_t *data, size_t size, EVP_PKEY *key)
{
	const struct identity unit = { .model = "TP-A", .serial = "SN0001" };
	size_t len = first_len(data, size);
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509_STACK) *others = NULL;
	AUTO_STRUCT(buf) leaf = { 0 };
	AUTO_STRUCT(buf) issuer = { 0 };
	struct err e = { 0 };

	if (buf_add(&issuer, data, size, &e) < 0 || buf_add(&leaf, data, len, &e) < 0)
		return;
	(void)(profile_anchors_take(&p->issuer, &issuer, &e) ==
	       0); /* else those of the last input stay */
	if (len < size && x509_parse_list(data + len, size - len, &others, ERR_CERT, &e) < 0)
		others = NULL;
	(void)(judge_cert(p, &unit,
		   &(struct cert_question){ .leaf = &leaf,
		       .others = others,
		       .key = key,
		       .at = 1795372200 },
		   &report, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct profile *profile; /* read once for all inputs */
	static EVP_PKEY *key;           /* made once */

	if (profile == NULL) {
		profile = fuzz_profile();
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	}
	judge(profile, data, size, key);
	return 0;
}
