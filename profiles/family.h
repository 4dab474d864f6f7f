/*
 * What the station knows of a device family without talking to a device: what it can do, and what a
 * proof of it says. Each family's check.c defines one `const struct family <name>_family` ('-' in the
 * folder's name becomes '_'); the build makes the table from the folders.
 */
#ifndef KILN_FAMILY_H
#define KILN_FAMILY_H

#include "profile.h"

/* What the device signed, as raw evidence: kept, so that anyone can check again. */
struct proof {
	char scheme[32];      /* the family's name for the layout of preimage: "spdm-challenge" */
	struct buf preimage;  /* what was signed, before the family's own hashing */
	struct buf signature; /* as the device gave it */
};
void proof_free(struct proof *p);
OWNED_STRUCT(proof, proof_free)

/* What a proof says, once its layout is understood. Nothing here is verified yet. */
struct proof_claims {
	uint8_t nonce[32];               /* the station's, as found in the preimage */
	uint8_t leaf_sha256[SHA256_LEN]; /* of the certificate that the device says it proves */
	struct buf message;              /* the bytes the signature is over */
	struct buf signature;            /* as OpenSSL verifies it: ECDSA DER, RSA octets */
	char digest[16];                 /* OpenSSL digest name for the signature: "SHA256" */
};
void proof_claims_free(struct proof_claims *c);
OWNED_STRUCT(proof_claims, proof_claims_free)

/* What evidence of a key's origin says, once its layout is understood. Nothing here is verified yet. */
enum { ORIGIN_SCHEME_MAX = 32 };
struct origin_claims {
	char scheme[ORIGIN_SCHEME_MAX];  /* "piv-attestation": the statement's origin_evidence */
	struct buf spki;                 /* DER SubjectPublicKeyInfo of the key it speaks of */
	struct buf chain;                /* DERs: the evidence first, then what it is signed by */
	char serial[IDENTITY_MAX + 1];   /* the device's, where the evidence names it; else "" */
	char firmware[IDENTITY_MAX + 1]; /* the same, in the form of the family's `identify` */
};
void origin_claims_free(struct origin_claims *c);
OWNED_STRUCT(origin_claims, origin_claims_free)

/* What the device stores: the bytes, or a digest of them where it gives no more. */
struct stored {
	bool is_digest;   /* bytes is SHA-256 of the object as install got it */
	struct buf bytes; /* the object in install's own form, or 32 bytes */
};
void stored_free(struct stored *s);
OWNED_STRUCT(stored, stored_free)

struct family {
	const char *name;

	/* Capabilities: data, not code. */
	bool keygen;  /* makes a key on demand; else it made one before (policy reuse only) */
	bool seals;   /* knows `seal` */
	bool anchors; /* stores trust anchors */
	bool rooted;  /* stores the hash of its chain's root: there must be one */
	bool
	    identity_before_key; /* some way of `identify` needs no key; check_options has the rest */
	unsigned objects;        /* bit per enum object it can store */
	unsigned links;          /* bit per enum profile_link it can be reached by */
	/* Codes by which a device refuses the profile's secret, NULL behind the last; or NULL. Where units in a
	 * row end so the station stops: the secret is wrong, and each try may be one of few. */
	const char *const *secret_refusals;

	/*
	 * The profile's section of this family (may be NULL) and what it asks of the family are sound.
	 * A profile that could learn the serial only after keygen is refused. No I/O.
	 */
	int (*check_options)(const struct profile *p, struct err *e);

	/* Pure, no I/O, fuzzed: finds nonce and certificate in the preimage. DEVICE "proof.*". */
	int (*check_proof)(const struct profile *p, const struct proof *proof,
	    struct proof_claims *ret, struct err *e);

	/*
	 * Pure, no I/O, fuzzed: what the driver's `origin` brought, read. NULL where the family has none.
	 * DEVICE "origin.*".
	 */
	int (*check_origin)(const struct profile *p, const struct buf *ders,
	    struct origin_claims *ret, struct err *e);
};

/* The family of that name, or NULL. */
const struct family *family_find(const char *name);
/* By index, NULL behind the last. */
const struct family *family_at(size_t i);

#endif
