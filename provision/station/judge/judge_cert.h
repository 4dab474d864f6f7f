/*
 * Is the certificate that came back the one we asked for? Every field against the profile, and the
 * chain to the profile's anchors, built by ourselves. Pure, no I/O.
 */
#ifndef KILN_JUDGE_CERT_H
#define KILN_JUDGE_CERT_H

#include <openssl/evp.h>

#include "profile.h"
#include "x509.h"

enum { CERT_FINDINGS_MAX = 40 };

struct cert_question {
	const struct buf *leaf; /* one certificate, DER */
	X509_STACK
	*others;       /* what came with it: helps to build the chain, never to trust. NULL: none */
	EVP_PKEY *key; /* of the CSR that was judged */
	int64_t at;    /* wall clock, seconds since the epoch, at which it is judged */
	bool accept_test_ca; /* a certificate of OID_KILN_NOT_FOR_PRODUCTION may be in the chain */
};

/*
 * Ids of findings; they are also the codes of errors:
 *   cert.der          not strict DER of one certificate
 *   cert.version      not version 3
 *   cert.spki         another public key than the device's
 *   cert.subject      RDN missing, added, of another value, order or string type
 *   cert.san          name missing or added, criticality, malformed
 *   cert.ku cert.eku cert.bc      usage, purposes, basic constraints
 *   cert.critical     a critical extension that nobody asked for
 *   cert.extra        an extension that the profile does not name, or one that is there twice
 *   cert.validity     dates
 *   cert.signature    algorithm not allowed or too weak, or it does not verify
 *   cert.serial       the serial number: zero, negative, too long, too short
 *   cert.aki cert.ski key identifiers
 *   cert.policies cert.aia cert.crldp cert.mud
 *   cert.chain cert.chain-length
 *   cert.test-ca      made by a throw-away CA
 */
struct cert_finding {
	const char *id;
	bool is_error; /* else a warning: recorded, never a refusal */
	char message[200];
};

struct cert_report {
	struct cert_finding findings[CERT_FINDINGS_MAX];
	size_t count;
	X509 *leaf; /* parsed; NULL where it does not parse */
	struct buf
	    chain; /* leaf, intermediates, anchor: DERs one behind the other; empty where none */
	int chain_length; /* certificates in it */
};
void cert_report_free(struct cert_report *r);
OWNED_STRUCT(cert_report, cert_report_free)

/*
 * Checks everything and fills ret with all that it finds, whatever the result. The error is the first
 * finding that is one: domain CERT, its id as code; CONFIG where the profile can not be applied, and
 * "nomem", which says nothing of the certificate.
 */
must_check int judge_cert(const struct profile *p, const struct identity *i,
    const struct cert_question *q, struct cert_report *ret, struct err *e);

#endif
