/*
 * The certificates inside the body of an EST answer. What RFC 7030 4.1.3 and RFC 8951 3 want is the
 * base64 of a certs-only PKCS#7; what servers were seen to send instead is read too, each with a
 * warning. Pure: hostile bytes in, certificates or a refusal out.
 */
#ifndef KILN_CONTAINER_H
#define KILN_CONTAINER_H

#include "x509.h"

enum { CONTAINER_CERTS_MAX = 32, CONTAINER_DER_MAX = 128 * 1024 };

/*
 * At least one certificate, at most CONTAINER_CERTS_MAX and CONTAINER_DER_MAX bytes together.
 * Errors, domain CA: "est.empty", "est.html", "est.json", "est.base64", "est.container",
 * "est.no-certificate", "est.too-many"; the message shows the body's first line where it is text.
 */
must_check int container_certificates(const struct buf *body, X509_STACK **ret, unsigned *warnings,
    struct err *e);

/* The elements of a CsrAttrs (RFC 7030 4.5.2): the base64 of a DER SEQUENCE. */
must_check int container_attributes(const struct buf *body, size_t *ret_count, unsigned *warnings,
    struct err *e);

enum { FIRST_LINE = 161 };
/* What a text for people says first: the title of an HTML page, else the first line with anything
 * printable, cut; "" for what is not text. */
void container_first_line(const struct buf *body, char ret[static FIRST_LINE]);

#endif
