/* Our end of TLS: the client certificate whose key an HSM may hold, and what a handshake has
 * shown. */
#ifndef KILN_TLS_CLIENT_H
#define KILN_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "x509.h"

/* { 0 } is a client without a certificate. */
struct tls_client {
	X509 *certificate;
	X509_STACK *chain;
	EVP_PKEY *key;

	char version[16]; /* of the newest handshake that succeeded: "TLSv1.3" */
	X509 *peer;       /* whom it was with, NULL before the first */
	int alert; /* the newest fatal alert from the peer, 0 for none; the owner resets it */
	/* The peer of the newest connection has judged our certificate: its handshake ended (TLS
	 * 1.2), or it answered (TLS 1.3, where it judges after our end of the handshake; set by
	 * the owner). */
	bool settled;
};

/* Takes new references. chain may be NULL; the key must outlive the struct. */
must_check int tls_client_set(struct tls_client *t, X509 *certificate, const X509_STACK *chain,
    EVP_PKEY *key, struct err *e);
void tls_client_free(struct tls_client *t);

/* Puts certificate and key into ctx and watches its handshakes; t outlives ctx's connections. False
 * where OpenSSL refuses the key. */
must_check bool tls_client_attach(struct tls_client *t, SSL_CTX *ctx);

/*
 * True where the peer's alert speaks of our certificate (RFC 8446 6.2) and came before it was
 * settled: then the peer's handshake failed, and it has read no request, even if one was sent
 * already.
 */
bool tls_client_was_refused(const struct tls_client *t);

/* A peer's date is judged by our own clock: where that was the fault (verified: X509_V_ERR_...), e also
 * tells what the clock says. */
void tls_client_add_clock(long verified, struct err *e);

#endif
