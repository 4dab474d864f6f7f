/* TLS of the EST server: its own certificate, and clients judged by the issuing hierarchy. */
#ifndef KILN_TLS_H
#define KILN_TLS_H

#include <openssl/ssl.h>

#include "ca.h"

OWNED(SSL_CTX, SSL_CTX_free)

/* TLS 1.2 or later. A client certificate is asked for, not required; one that does not chain to the
 * CA's root ends the handshake. Sessions are never resumed: each connection proves itself anew. */
must_check int tls_context(const struct ca *ca, SSL_CTX **ret, struct err *e);

#endif
