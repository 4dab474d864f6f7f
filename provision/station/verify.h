/*
 * The auditor's question: does every PASS in these records stand? Offline, on raw evidence, each thing
 * judged at the time of its event.
 */
#ifndef KILN_VERIFY_H
#define KILN_VERIFY_H

#include "records.h"
#include "x509.h"

struct verify_options {
	X509_STACK *trust; /* what attestations end in */
	/* How far the signer remembers to have attested a station's chain: an event that must be there, or
	 * declared lost (seq 0: it remembers nothing). NULL: not known (no configuration). */
	const struct records_place *signer;
	bool accept_test_ca; /* certificates of a throw-away CA are not a violation */
};

/*
 * First records_verify (chain, blobs, state: I1, I2, I7, I9 as constraints), then each passage: the CSR, the
 * chip's evidence of its key where the profile of then asks for it, the certificate and its chain against the profile of then, the proof over the nonce under the
 * certificate that was read back (I3), both forms of the attestation, and that its statement says what
 * the events say and stands in this very chain. Fills *ret with counts ("lost_events" where an
 * accepted restore left a gap in a chain). The first violation is the
 * error; its message names station, event and serial. Codes "verify.*" and the judges' own.
 */
must_check int verify_records(struct records *r, const struct verify_options *options, json_t **ret,
    struct err *e);

#endif
