/* What was tolerated in an answer, and that somebody should know of: a set of bits with names. */
#ifndef KILN_WARNING_H
#define KILN_WARNING_H

#include <jansson.h>

#include "err.h"
#include "own.h"

enum est_warning {
	WARN_CONTENT_TYPE = 1 << 0, /* another media type than application/pkcs7-mime */
	WARN_PEM_ARMOUR = 1 << 1,
	WARN_BARE_CERTIFICATE = 1 << 2, /* a certificate instead of a PKCS#7 */
	WARN_NOT_BASE64 = 1 << 3,       /* binary DER */
	WARN_NOT_DER = 1 << 4,          /* BER */
	WARN_TRAILING_NUL = 1 << 5,
	WARN_FOREIGN_END_ENTITY = 1 << 6, /* a certificate for somebody else's key came along */
	WARN_DUPLICATE_CERTIFICATE = 1 << 7,
	WARN_UNRELATED_CA = 1 << 8,        /* a CA certificate that is not above the leaf */
	WARN_RETRY_AFTER_MISSING = 1 << 9, /* with 202, which must have it (RFC 7030 4.2.3) */
	WARN_RETRY_AFTER_INVALID = 1 << 10,
	WARN_RETRY_AFTER_CLAMPED = 1 << 11, /* it was above the configured maximum */
	WARN_BODY_WITH_202 = 1 << 12,       /* certificates in a "not yet" */
};

/* The names of a set as a JSON array, in the order above. */
must_check json_t *warning_names(unsigned set);

#endif
