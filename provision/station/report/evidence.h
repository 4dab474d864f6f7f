/* What proves a unit's identity, as files that stock tools read. */
#ifndef KILN_EVIDENCE_H
#define KILN_EVIDENCE_H

#include "records.h"

enum { EVIDENCE_FILES_MAX = 9, EVIDENCE_NAME_MAX = 64 };

/* Of the newest job of the unit: csr.der, cert.pem, chain.pem, proof-preimage.bin, proof-signature.bin,
 * statement.json, attestation.p7s, attestation.jws, origin.pem (origin.bin where that are no certificates), as far
 * as it came. */
struct evidence {
	struct {
		const char *name; /* a literal */
		struct buf bytes;
	} files[EVIDENCE_FILES_MAX];
	size_t count;
	int64_t at_s; /* when the job ended or was opened: seconds since the epoch */
};
void evidence_free(struct evidence *v);
OWNED_STRUCT(evidence, evidence_free)

/* Errors: OPERATOR "unit.unknown" (no job); as of records.h. */
must_check int evidence_collect(struct evidence *ret, struct records *r, const char *serial,
    struct err *e);
/* A serial as the name of a file or folder: whatever is no letter, digit, '.', '_' or '-' becomes '_', and so does
 * a first '.' or '-'. */
void evidence_name(const char *serial, char ret[static EVIDENCE_NAME_MAX + 1]);
/* All files in one tar, in a folder of the unit's name. */
must_check int evidence_tar(const struct evidence *v, const char *serial, struct buf *ret,
    struct err *e);

#endif
