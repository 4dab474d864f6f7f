/* Is this CSR the one that the profile asks of this unit? Pure, no I/O. */
#ifndef KILN_JUDGE_CSR_H
#define KILN_JUDGE_CSR_H

#include <openssl/evp.h>

#include "profile.h"

struct csr_facts {
	uint8_t csr_sha256[SHA256_LEN];
	uint8_t spki_sha256[SHA256_LEN];
	EVP_PKEY *key; /* owned */
	struct buf
	    ecdsa_r; /* r of the CSR's ECDSA signature, big endian; empty for other algorithms */
};
void csr_facts_free(struct csr_facts *f);
OWNED_STRUCT(csr_facts, csr_facts_free)

/*
 * der is exactly one PKCS#10 request. Errors, all DEVICE:
 *   csr.der         not strict DER of a version 1 request, or bytes behind it
 *   csr.key         another algorithm or strength than the profile's, or signed with a weak digest
 *   csr.pop         the signature does not verify: no proof of possession
 *   csr.weak        see weak_key.h
 *   csr.subject     not the profile's subject of this unit, byte for byte
 *   csr.san         a requested name that the profile does not have
 *   csr.serial      a requested name with another unit's serial (HardwareModuleName, or the DMTF's
 *                   device information, which a device may add of its own)
 *   csr.extension   asks to be a CA, or for an extension twice
 * CONFIG "subject" where the profile's names can not be rendered.
 */
must_check int judge_csr(const struct profile *p, const struct identity *i, const struct buf *der,
    struct csr_facts *ret, struct err *e);

/* r of an ECDSA-Sig-Value, big endian without leading zeros; DEVICE "csr.der" for anything else. */
must_check int judge_ecdsa_r(const uint8_t *signature, size_t len, struct buf *ret, struct err *e);

#endif
