/* The parts of judge_cert, one file each. Private to judge_cert.c and lint_*.c. */
#ifndef KILN_LINT_H
#define KILN_LINT_H

#include <openssl/x509v3.h>

#include "judge_cert.h"
#include "subject.h"

enum { LINT_NAME_MAX = 100 };

struct lint {
	const struct profile *profile;
	const struct identity *identity;
	const struct cert_question *question;
	const struct subject *want;
	X509 *leaf;
	struct cert_report *report;
	bool no_memory; /* nothing is said of the certificate */
};

void lint_error(struct lint *l, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lint_warning(struct lint *l, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The short name of an identifier, as profiles write it, or its digits. */
void lint_name(const ASN1_OBJECT *type, char ret[static LINT_NAME_MAX]);

/* The extension of that dotted type, or NULL. Borrowed. */
X509_EXTENSION *lint_extension(X509 *cert, const char *oid);

void lint_subject(struct lint *l);
void lint_san(struct lint *l);
void lint_extensions(struct lint *l);
void lint_dates(struct lint *l);
/* Builds the chain into the report. */
void lint_chain(struct lint *l);

#define OID_KEY_USAGE               "2.5.29.15"
#define OID_EXTENDED_KEY_USAGE      "2.5.29.37"
#define OID_BASIC_CONSTRAINTS       "2.5.29.19"
#define OID_SUBJECT_ALT_NAME        "2.5.29.17"
#define OID_SUBJECT_KEY_ID          "2.5.29.14"
#define OID_AUTHORITY_KEY_ID        "2.5.29.35"
#define OID_POLICIES                "2.5.29.32"
#define OID_CRL_DISTRIBUTION_POINTS "2.5.29.31"
#define OID_AUTHORITY_INFO_ACCESS   "1.3.6.1.5.5.7.1.1"
#define OID_MUD_URL                 "1.3.6.1.5.5.7.1.25" /* RFC 8520 11 */

#endif
