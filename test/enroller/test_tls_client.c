#include "tls_client.h"

#include <string.h>

#include "peer.h"

static struct peer_identity server, client;

static SSL_CTX *server_context(int version)
{
	const struct peer_setup setup = { .identity = &server, .max_version = version };

	return peer_context(&setup);
}

/* A handshake between two ends in memory. */
static void shake(SSL_CTX *ours, SSL_CTX *theirs)
{
	SSL *c = SSL_new(ours), *s = SSL_new(theirs);
	BIO *to_c = NULL, *to_s = NULL;
	bool done = false;

	assert_int_equal(BIO_new_bio_pair(&to_c, 0, &to_s, 0), 1);
	SSL_set_bio(c, to_c, to_c);
	SSL_set_bio(s, to_s, to_s);
	SSL_set_connect_state(c);
	SSL_set_accept_state(s);
	for (int i = 0; i < 10 && !done; i++) {
		bool mine = SSL_do_handshake(c) == 1;

		done = SSL_do_handshake(s) == 1 && mine;
	}
	assert_true(done);
	SSL_free(c);
	SSL_free(s);
}

static void shows_the_handshake(void **state)
{
	static const struct {
		int version;
		const char *name;
		bool settled;
	} versions[] = {
		{ TLS1_2_VERSION, "TLSv1.2", true },
		{ TLS1_3_VERSION, "TLSv1.3", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct tls_client t = { .settled = true };
		SSL_CTX *ours = SSL_CTX_new(TLS_client_method());
		SSL_CTX *theirs = server_context(versions[i].version);
		struct err e = { 0 };

		assert_ok(tls_client_set(&t, client.cert, NULL, client.key, &e), &e);
		assert_true(tls_client_attach(&t, ours));
		assert_false(t.settled);
		shake(ours, theirs);
		assert_string_equal(t.version, versions[i].name);
		assert_int_equal(X509_cmp(t.peer, server.cert), 0);
		assert_int_equal(t.settled, versions[i].settled);
		assert_int_equal(t.alert, 0);
		SSL_CTX_free(ours);
		SSL_CTX_free(theirs);
		tls_client_free(&t);
	}
}

static void an_alert_refuses_only_before_it_is_settled(void **state)
{
	static const int about_us[] = { SSL_AD_BAD_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE,
		SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,
		SSL_AD_UNKNOWN_CA, SSL_AD_ACCESS_DENIED, SSL_AD_CERTIFICATE_REQUIRED };
	struct tls_client t = { 0 };
	int refusals = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(about_us); i++) {
		t = (struct tls_client){ .alert = about_us[i] };
		assert_true(tls_client_was_refused(&t));
		t.settled = true;
		assert_false(tls_client_was_refused(&t));
	}
	for (int alert = 0; alert < 256; alert++) {
		t = (struct tls_client){ .alert = alert };
		refusals += tls_client_was_refused(&t);
	}
	assert_int_equal(refusals, COUNT(about_us));
}

static void refuses_a_key_that_is_not_the_certificates(void **state)
{
	SSL_CTX *ours = SSL_CTX_new(TLS_client_method());
	struct tls_client t = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(tls_client_set(&t, client.cert, NULL, server.key, &e), &e);
	assert_false(tls_client_attach(&t, ours));
	SSL_CTX_free(ours);
	tls_client_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_the_handshake),
		cmocka_unit_test(an_alert_refuses_only_before_it_is_settled),
		cmocka_unit_test(refuses_a_key_that_is_not_the_certificates),
	};
	int rc;

	server = peer_identity("server", "IP:127.0.0.1", NULL, 3600);
	client = peer_identity("client", "DNS:ra.test", NULL, 3600);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	peer_identity_free(&server);
	peer_identity_free(&client);
	return rc;
}
