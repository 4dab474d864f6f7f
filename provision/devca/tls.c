#include "tls.h"

static int fail(struct err *e)
{
	return err_openssl(e, ERR_CONFIG, "devca", "preparing TLS");
}

/* The issuing certificate is here too: many clients send nothing but their own certificate. */
static int trust(SSL_CTX *context, X509 *cert, struct err *e)
{
	if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert) != 1 ||
	    SSL_CTX_add_client_CA(context, cert) != 1)
		return fail(e);
	return 0;
}

int tls_context(const struct ca *ca, SSL_CTX **ret, struct err *e)
{
	AUTO(SSL_CTX) *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_use_certificate(context, ca->tls.cert) != 1 ||
	    SSL_CTX_use_PrivateKey(context, ca->tls.key) != 1 ||
	    SSL_CTX_set_num_tickets(context, 0) != 1)
		return fail(e);
	if (trust(context, ca->root.cert, e) != 0 || trust(context, ca->issuing.cert, e) != 0)
		return -1;
	(void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	*ret = steal(&context);
	return 0;
}
