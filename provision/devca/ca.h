/*
 * A certification authority that forgets itself: its keys are made at start, live in this process's
 * memory and are gone with it. One hierarchy issues (root, issuing CA), another one, deliberately
 * apart, vouches for the TLS server: a client that mixes up its two sets of anchors fails here and
 * not at a real CA.
 */
#ifndef KILN_CA_H
#define KILN_CA_H

#include "cert.h"

struct ca_options {
	int64_t hours; /* how long the CA's own certificates are valid */
	int64_t
	    leaf_days; /* a device certificate's life, even beyond the CA's; 0: as long as the CA */
	bool no_expiry; /* device certificates end at 99991231235959Z */
	/* What a device's certificate is for where its request does not say, as openssl's x509v3_config(5)
	 * writes it; NULL: "critical,digitalSignature" and no extended key usage. */
	const char *key_usage, *ext_key_usage;
};

struct ca {
	struct ca_options options;
	struct cert_pair root;
	struct cert_pair issuing;
	struct cert_pair tls_root;
	struct cert_pair tls; /* for 127.0.0.1 and localhost */
	int64_t not_after;    /* of all of these */
};

/* Everything is valid from this long before now, so that a clock a little behind ours agrees. */
enum { CA_BACKDATE_S = 300 };

must_check int ca_new(struct ca **ret, const struct ca_options *options, struct err *e);
void ca_free(struct ca *ca);
OWNED_PTR(ca, ca_free)

/* Writes root.pem, issuing.pem, chain.pem (issuing, root) and tls-anchor.pem into folder. */
must_check int ca_write(const struct ca *ca, const char *folder, struct err *e);

enum ca_station_use {
	CA_STATION_RA,          /* TLS client and registration authority: clientAuth, id-kp-cmcRA */
	CA_STATION_ATTESTATION, /* signs attestation statements: OID_KILN_EKU_ATTESTATION */
};

/* The station's own certificate: subject and key from the request, the rest by use. */
must_check int ca_sign_station(const struct ca *ca, X509_REQ *request, enum ca_station_use use,
    X509 **ret, struct err *e);

#endif
