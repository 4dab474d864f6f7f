#include "tls_client.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

int tls_client_set(struct tls_client *t, X509 *certificate, const X509_STACK *chain, EVP_PKEY *key,
    struct err *e)
{
	if (X509_up_ref(certificate) != 1)
		return err_nomem(e);
	t->certificate = certificate;
	if (EVP_PKEY_up_ref(key) != 1)
		return err_nomem(e);
	t->key = key;
	if (chain == NULL)
		return 0;
	t->chain =
	    X509_chain_up_ref((X509_STACK *)(uintptr_t)chain); /* it only counts references */
	return t->chain != NULL ? 0 : err_nomem(e);
}

void tls_client_free(struct tls_client *t)
{
	X509_free(t->peer);
	X509_free(t->certificate);
	x509_stack_free(t->chain);
	EVP_PKEY_free(t->key);
	*t = (struct tls_client){ 0 };
}

static void watch(const SSL *ssl, int where, int value)
{
	struct tls_client *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		t->alert = value & 0xff;
	if ((where & SSL_CB_HANDSHAKE_DONE) == 0)
		return;
	if (SSL_version(ssl) < TLS1_3_VERSION)
		t->settled = true;
	X509_free(t->peer);
	t->peer = SSL_get1_peer_certificate(ssl);
	(void)snprintf(t->version, sizeof(t->version), "%s",
	    SSL_get_version(ssl)); /* short names */
}

bool tls_client_attach(struct tls_client *t, SSL_CTX *ctx)
{
	(void)SSL_CTX_set_app_data(ctx, t); /* slot 0 always exists */
	SSL_CTX_set_info_callback(ctx, watch);
	t->settled = false;
	if (t->certificate == NULL)
		return true;
	if (SSL_CTX_use_certificate(ctx, t->certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, t->key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return false;
	for (int i = 0; i < sk_X509_num(t->chain); i++)
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(t->chain, i)) != 1)
			return false;
	return true;
}

bool tls_client_was_refused(const struct tls_client *t)
{
	switch (t->alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return !t->settled;
	default:
		return false;
	}
}

void tls_client_add_clock(long verified, struct err *e)
{
	size_t len = strlen(e->message);
	char now[CLOCK_TEXT];

	if (verified != X509_V_ERR_CERT_HAS_EXPIRED && verified != X509_V_ERR_CERT_NOT_YET_VALID)
		return;
	clock_wall_text(now);
	(void)snprintf(e->message + len, sizeof(e->message) - len,
	    "; this machine's clock says %s: if that is wrong set it right (NTP)", now);
}
