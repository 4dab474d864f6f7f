/*
 * A TLS server for the tests of the CA link, in a process of its own: each test says what it does
 * with a connection. It counts what came over the wire, in memory shared with the test.
 */
#ifndef KILN_TEST_PEER_H
#define KILN_TEST_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "testing.h"
#include "x509.h"

struct peer_seen {
	int connections; /* accepted sockets */
	int handshakes;  /* that succeeded */
	int resumed;     /* that continued an earlier session */
	int heads;       /* request heads that came whole */
	int requests;    /* requests whose body came whole too */
	int posts;       /* heads that were POSTs */
	int bytes;       /* of application data */
	int proxied;     /* connections that did not begin with a TLS handshake */
	char head[4096]; /* the newest request's */
	char body[16384];
};

struct peer {
	pid_t pid;
	int port;
	int closed; /* gets a byte after each connection was closed */
	struct peer_seen *seen;
};

struct peer_identity {
	EVP_PKEY *key;
	X509 *cert;
};

struct peer_setup {
	const struct peer_identity *identity;
	X509 *client_ca;              /* NULL: no client certificate is asked for */
	int min_version, max_version; /* 0 for OpenSSL's own */
	/* A small answer does not wait 40 ms for the ACK of what came before it. A peer that ends after its
	 * answer must not: the client would ask again before it sees the end. */
	bool no_delay;
	/* What to do with connection number n (from 0); the socket is closed afterwards. */
	void (*serve)(SSL *ssl, struct peer_seen *seen, int n);
};

static inline EVP_PKEY *peer_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static inline void peer_extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* A certificate for key; issuer NULL makes it self-signed. san may be NULL. Ends in seconds from
 * now. */
static inline X509 *peer_certify(EVP_PKEY *key, const char *name, const char *san, bool is_ca,
    const struct peer_identity *issuer, long ends_s)
{
	static long serial;
	X509 *cert = X509_new();

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -7200));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), ends_s));
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
			     (const unsigned char *)name, -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(cert,
			     X509_get_subject_name(issuer != NULL ? issuer->cert : cert)),
	    1);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	if (is_ca)
		peer_extend(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (san != NULL)
		peer_extend(cert, NID_subject_alt_name, san);
	assert_true(X509_sign(cert, issuer != NULL ? issuer->key : key, EVP_sha256()) > 0);
	return cert;
}

static inline struct peer_identity peer_identity(const char *name, const char *san,
    const struct peer_identity *issuer, long ends_s)
{
	struct peer_identity id = { .key = peer_key() };

	id.cert = peer_certify(id.key, name, san, san == NULL, issuer, ends_s);
	return id;
}

static inline void peer_identity_free(struct peer_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	*id = (struct peer_identity){ 0 };
}

/* Reads one request into seen; false when the connection ended before its end. */
static inline bool peer_read_request(SSL *ssl, struct peer_seen *seen)
{
	char data[20480] = "";
	size_t len = 0, want = 0, head = 0;

	while (head == 0 || len < head + want) {
		const char *length;
		int n;

		if (len + 1 >= sizeof(data))
			return false;
		n = SSL_read(ssl, data + len, (int)(sizeof(data) - 1 - len));
		if (n <= 0)
			return false;
		len += (size_t)n;
		data[len] = '\0';
		seen->bytes += n;
		if (head != 0 || strstr(data, "\r\n\r\n") == NULL)
			continue;
		head = (size_t)(strstr(data, "\r\n\r\n") - data) + 4;
		length = strcasestr(data, "\r\nContent-Length:");
		want = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
		seen->heads++;
		seen->posts += memcmp(data, "POST ", 5) == 0;
		(void)snprintf(seen->head, sizeof(seen->head), "%.*s", (int)head, data);
	}
	(void)snprintf(seen->body, sizeof(seen->body), "%s", data + head);
	seen->requests++;
	return true;
}

static inline void peer_send(SSL *ssl, const void *data, size_t len)
{
	(void)SSL_write(ssl, data, (int)len); /* a client that left early is its own business */
}

static inline void peer_say(SSL *ssl, const char *text)
{
	peer_send(ssl, text, strlen(text));
}

/* The connection dies now, without a close_notify: with a TCP reset, or with a FIN. */
static inline void peer_die(SSL *ssl, bool reset)
{
	struct linger now = { 1, 0 };
	int fd = SSL_get_fd(ssl);

	if (reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_set_quiet_shutdown(ssl, 1);
	(void)shutdown(fd, reset ? SHUT_RD : SHUT_RDWR);
}

static inline SSL_CTX *peer_context(const struct peer_setup *setup)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_use_certificate(ctx, setup->identity->cert);
	SSL_CTX_use_PrivateKey(ctx, setup->identity->key);
	SSL_CTX_set_security_level(ctx, setup->max_version == TLS1_1_VERSION ? 0 : 1);
	SSL_CTX_set_min_proto_version(ctx, setup->min_version);
	SSL_CTX_set_max_proto_version(ctx, setup->max_version);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"peer", 4);
	if (setup->client_ca != NULL) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), setup->client_ca);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return ctx;
}

static inline void peer_connection(SSL_CTX *ctx, int fd, const struct peer_setup *setup,
    struct peer_seen *seen)
{
	int n = seen->connections++;
	unsigned char first = 0;
	SSL *ssl;

	if (recv(fd, &first, 1, MSG_PEEK) != 1)
		return;
	if (first != 0x16) {
		seen->proxied++;
		return;
	}
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		seen->handshakes++;
		seen->resumed += SSL_session_reused(ssl);
		setup->serve(ssl, seen, n);
		SSL_shutdown(ssl);
	} else {
		char rest[256];

		/* What the client sent meanwhile is read, or a reset would overtake our alert. */
		(void)shutdown(fd, SHUT_WR);
		while (recv(fd, rest, sizeof(rest), 0) > 0)
			;
	}
	SSL_free(ssl);
}

static inline void peer_loop(int listener, int closed, const struct peer_setup *setup,
    struct peer_seen *seen)
{
	SSL_CTX *ctx = peer_context(setup);
	const int on = setup->no_delay;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
			_exit(1);
		peer_connection(ctx, fd, setup, seen);
		close(fd);
		if (write(closed, "c", 1) != 1)
			_exit(0);
	}
}

static inline struct peer peer_start(const struct peer_setup *setup)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct peer p = { .seen = mmap(NULL, sizeof(*p.seen), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int closed[2];
	pid_t parent = getpid();

	assert_true(p.seen != MAP_FAILED);
	assert_int_equal(pipe(closed), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	p.port = ntohs(at.sin_port);
	p.closed = closed[0];
	p.pid = fork();
	assert_true(p.pid >= 0);
	if (p.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			peer_loop(listener, closed[1], setup, p.seen);
		_exit(1);
	}
	close(listener);
	close(closed[1]);
	return p;
}

/* Returns when one more connection has been closed by the server. */
static inline void peer_wait_closed(const struct peer *p)
{
	char c;

	assert_int_equal(read(p->closed, &c, 1), 1);
}

static inline void peer_stop(struct peer *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	close(p->closed);
	munmap(p->seen, sizeof(*p->seen));
	*p = (struct peer){ 0 };
}

#endif
