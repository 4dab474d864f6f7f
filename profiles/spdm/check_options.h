/* What a profile asks of the spdm family, read once: its `spdm` section and its key algorithm. */
#ifndef KILN_SPDM_OPTIONS_H
#define KILN_SPDM_OPTIONS_H

#include <openssl/evp.h>

#include "profile.h"

/* One signature algorithm with its hash, in every notation that is needed. */
struct spdm_algorithm {
	const char *name;   /* the profile's: "EC:P-256" */
	const char *digest; /* OpenSSL's: "SHA256" */
	const char *group;  /* OpenSSL's: "P-256" */
	const EVP_MD *(*md)(void);
	uint32_t asym; /* BaseAsymAlgo */
	uint32_t hash; /* BaseHashAlgo */
	uint32_t key;  /* AsymAlgo of key pairs */
	size_t hash_len;
	size_t signature_len; /* r and s, each half of it */
	struct {
		uint8_t data[32];
		size_t len;
	} key_head; /* of a SubjectPublicKeyInfo (RFC 5480), up to x and y */
};

enum spdm_identity { SPDM_BY_VENDOR, SPDM_BY_UUID, SPDM_BY_CERTIFICATE, SPDM_BY_CSR };

struct spdm_options {
	const struct spdm_algorithm *algorithm;
	enum spdm_identity identity;
	const char *model;   /* SPDM_BY_UUID: the profile's; else NULL */
	bool v12, v13;       /* accepted versions */
	bool has_vendor;     /* vendor-defined messages are there, under vendor_pen */
	uint32_t vendor_pen; /* IANA enterprise number */
	uint8_t key_pair;    /* KeyPairID, 1.. */
	bool
	    vendor_reset; /* a required reset is asked for by message; else the operator makes it */
};

/* By the profile's name for it; NULL: the family has none such. */
const struct spdm_algorithm *spdm_algorithm_find(const char *name);
/* Errors: CONFIG "yaml" with the place, as profile_parse. The profile outlives ret. */
must_check int spdm_options_read(const struct profile *p, struct spdm_options *ret, struct err *e);

/* The version byte is one of the accepted ones. */
bool spdm_options_accept(const struct spdm_options *o, uint8_t version);

/* BaseHash over the bytes; ret holds algorithm->hash_len. */
void spdm_hash(const struct spdm_algorithm *a, const void *data, size_t len, uint8_t *ret);

#endif
