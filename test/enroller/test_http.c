#include "http.h"

#include <fcntl.h>

#include <curl/curl.h>

#include "clock.h"
#include "peer.h"

static const char bearer[] = "Bearer canary-5d1f";
static struct peer_identity good;

static int64_t soon(void)
{
	return clock_now_ms() + 20000;
}

/* The server's answers. */
static const char small_ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void serve_all(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	while (peer_read_request(ssl, seen))
		peer_say(ssl, small_ok);
}

static struct http *link_to(int port, const char *host, const struct peer_identity *anchor,
    const struct peer_identity *client)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(secret) credential = { 0 };
	struct http_config config = { .anchors = &pem };
	struct http *h = NULL;
	struct err e = { 0 };
	char url[64];

	(void)snprintf(url, sizeof(url), "https://%s:%d/.well-known/est/", host, port);
	assert_ok(x509_add_pem(anchor->cert, &pem, &e), &e);
	assert_ok(secret_set(&credential, bearer, strlen(bearer), &e), &e);
	config.url = url;
	if (client != NULL) {
		config.certificate = client->cert;
		config.key = client->key;
	} else {
		config.authorization = &credential;
	}
	assert_ok(http_open(&h, &config, &e), &e);
	return h;
}

static void post(struct http *h, struct http_answer *ret)
{
	struct buf body = { .data = (uint8_t *)(uintptr_t) "MII=\n", .len = 5 };
	struct err e = { 0 };

	assert_ok(http_post(h, "/simpleenroll", "application/pkcs10", &body, soon(), ret, &e), &e);
}

/* One POST over a fresh link to a server of that kind; the server's counters in ret_seen. */
static void post_to(const struct peer_setup *setup, const char *host, struct http_answer *ret,
    struct peer_seen *ret_seen)
{
	struct peer p = peer_start(setup);
	AUTO_PTR(http) *h = link_to(p.port, host, &good, NULL);

	post(h, ret);
	*ret_seen = *p.seen;
	peer_stop(&p);
}

static void sends_what_servers_take(void **state)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_all };
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_to(&setup, "127.0.0.1", &a, &seen);
	assert_true(a.sent && a.answered && a.complete);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.posts, 1);
	assert_int_equal(a.body.len, 2);
	assert_non_null(strstr(seen.head, "POST /.well-known/est/simpleenroll HTTP/1.1\r\n"));
	assert_non_null(strstr(seen.head, "\r\nContent-Type: application/pkcs10\r\n"));
	assert_non_null(strstr(seen.head, "\r\nContent-Length: 5\r\n"));
	assert_non_null(strstr(seen.head, "\r\nAuthorization: Bearer canary-5d1f\r\n"));
	assert_null(strcasestr(seen.head, "\r\nExpect:"));
	assert_null(strcasestr(seen.head, "\r\nTransfer-Encoding:"));
	assert_null(strcasestr(seen.head, "\r\nContent-Transfer-Encoding:"));
	assert_string_equal(seen.body, "MII=\n");
}

static void keeps_one_connection(void **state)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_all };
	struct peer p = peer_start(&setup);
	AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, NULL);
	AUTO_STRUCT(http_answer) a = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++) {
		post(h, &a);
		assert_int_equal(a.status, 200);
		assert_ok(http_get(h, "/cacerts", soon(), &a, &e), &e);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.posts, 0);
	}
	assert_int_equal(p.seen->connections, 1);
	assert_int_equal(p.seen->requests, 20);
	assert_non_null(strstr(p.seen->head, "GET /.well-known/est/cacerts HTTP/1.1\r\n"));
	assert_string_equal(http_peer(h).tls, "TLSv1.3");
	assert_int_equal(X509_cmp(http_peer(h).certificate, good.cert), 0);
	peer_stop(&p);
}

/* A CA that takes the second request of each connection completely ("issues") and dies. */
static enum { DIE_FIN, DIE_RST, DIE_POLITELY } death;

static void serve_one_and_die(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	if (!peer_read_request(ssl, seen))
		return;
	peer_say(ssl, small_ok);
	if (peer_read_request(ssl, seen) && death != DIE_POLITELY)
		peer_die(ssl, death == DIE_RST);
}

static void post_once_though_it_dies(int version, int rounds)
{
	const struct peer_setup setup = { .identity = &good,
		.min_version = version,
		.max_version = version,
		.serve = serve_one_and_die };
	struct peer p = peer_start(&setup);
	AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, NULL);
	AUTO_STRUCT(http_answer) a = { 0 };

	for (int i = 1; i <= rounds; i++) {
		post(h, &a);
		assert_true(a.complete);
		assert_int_equal(p.seen->connections, i);
		post(h, &a);
		assert_true(a.sent);
		assert_false(a.answered);
		assert_int_equal(a.posts, 1);
		assert_true(a.why.code[0] != '\0');
		assert_int_equal(p.seen->heads, 2 * i);
		assert_int_equal(p.seen->requests, 2 * i);
		assert_int_equal(p.seen->connections, i); /* the dead one was the kept-alive one */
	}
	peer_stop(&p);
}

static void posts_once_when_a_kept_connection_dies(void **state)
{
	(void)state;
	for (death = DIE_FIN; death <= DIE_POLITELY; death++) {
		post_once_though_it_dies(TLS1_3_VERSION, 50);
		post_once_though_it_dies(TLS1_2_VERSION, 10);
	}
}

static size_t swallow(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

/* The same death with libcurl as it comes: two POSTs, and no error. It shows that the test above
 * would see a second one. */
static void libcurl_alone_posts_twice(void **state)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_one_and_die };
	struct peer p;
	CURL *c = curl_easy_init();
	char url[64];

	(void)state;
	death = DIE_RST;
	p = peer_start(&setup);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p.port);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, "MII=\n");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	assert_int_equal(p.seen->requests, 1);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	assert_int_equal(p.seen->requests, 3);
	curl_easy_cleanup(c);
	peer_stop(&p);
}

static void serve_one_and_part(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	if (peer_read_request(ssl, seen))
		peer_say(ssl, small_ok); /* and a close_notify, which looks like life to libcurl */
}

static void does_not_use_a_connection_that_was_closed(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

	(void)state;
	for (size_t v = 0; v < COUNT(versions); v++) {
		const struct peer_setup setup = { .identity = &good,
			.max_version = versions[v],
			.serve = serve_one_and_part };
		struct peer p = peer_start(&setup);
		AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, NULL);
		AUTO_STRUCT(http_answer) a = { 0 };

		for (int i = 1; i <= 20; i++) {
			post(h, &a);
			assert_true(a.complete);
			assert_int_equal(p.seen->requests, i);
			peer_wait_closed(&p);
		}
		assert_int_equal(p.seen->resumed, 0); /* each connection proved our key anew */
		peer_stop(&p);
	}
}

/* Nothing listens there. */
static void says_not_sent_when_nobody_listens(void **state)
{
	AUTO_PTR(http) *h = link_to(1, "127.0.0.1", &good, NULL);
	AUTO_STRUCT(http_answer) a = { 0 };

	(void)state;
	post(h, &a);
	assert_false(a.sent);
	assert_int_equal(a.posts, 0);
	assert_string_equal(a.why.code, "est.connect");
}

static void says_not_sent_after_the_deadline(void **state)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_all };
	struct peer p = peer_start(&setup);
	AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, NULL);
	AUTO_STRUCT(http_answer) a = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(http_get(h, "/", clock_now_ms() - 1, &a, &e), &e);
	assert_false(a.sent);
	assert_string_equal(a.why.code, "est.timeout");
	assert_int_equal(p.seen->connections, 0);
	peer_stop(&p);
}

/* No byte of a request reaches a server that is not the CA. */
static void expect_no_trust(const struct peer_setup *setup, const char *host, const char *code)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	post_to(setup, host, &a, &seen);
	assert_string_equal(a.why.code, code);
	assert_false(a.sent);
	assert_int_equal(a.posts, 0);
	assert_int_equal(seen.connections, 1);
	assert_int_equal(seen.bytes, 0);
}

static void refuses_a_server_that_is_not_the_ca(void **state)
{
	struct peer_identity other = peer_identity("other", "IP:127.0.0.1", NULL, 3600);
	struct peer_identity expired = peer_identity("expired", "IP:127.0.0.1", NULL, -3600);
	struct peer_identity root = peer_identity("root", NULL, NULL, 3600);
	struct peer_identity under = peer_identity("under", "IP:127.0.0.1", &root, 3600);
	struct peer_setup setup = { .serve = serve_all };

	(void)state;
	setup.identity = &other; /* self-signed, unknown */
	expect_no_trust(&setup, "127.0.0.1", "est.server-certificate");
	setup.identity = &under; /* under a CA that is not ours */
	expect_no_trust(&setup, "127.0.0.1", "est.server-certificate");
	setup.identity = &good;
	expect_no_trust(&setup, "localhost", "est.server-certificate"); /* its name is 127.0.0.1 */
	setup.identity = &expired;
	{
		struct peer p = peer_start(&setup);
		AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &expired, NULL);
		AUTO_STRUCT(http_answer) a = { 0 };

		post(h, &a);
		assert_string_equal(a.why.code, "est.server-certificate");
		assert_int_equal(p.seen->bytes, 0);
		peer_stop(&p);
	}
	peer_identity_free(&other);
	peer_identity_free(&expired);
	peer_identity_free(&under);
	peer_identity_free(&root);
}

static void refuses_old_tls(void **state)
{
	const struct peer_setup setup = { .identity = &good,
		.min_version = TLS1_1_VERSION,
		.max_version = TLS1_1_VERSION,
		.serve = serve_all };

	(void)state;
	expect_no_trust(&setup, "127.0.0.1", "est.tls");
}

static void offers_the_client_certificate(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct peer_identity root = peer_identity("RA root", NULL, NULL, 3600);
	struct peer_identity client = peer_identity("RA", "DNS:ra.test", &root, 3600);
	struct peer_identity stranger = peer_identity("stranger", "DNS:ra.test", NULL, 3600);

	(void)state;
	for (size_t v = 0; v < COUNT(versions); v++) {
		const struct peer_setup setup = { .identity = &good,
			.client_ca = root.cert,
			.max_version = versions[v],
			.serve = serve_all };
		struct peer p = peer_start(&setup);
		AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, &client);
		AUTO_PTR(http) *unknown = link_to(p.port, "127.0.0.1", &good, &stranger);
		AUTO_STRUCT(http_answer) a = { 0 };

		post(h, &a);
		assert_true(a.complete && !a.refused);
		http_close(steal(&h)); /* the server serves one connection at a time */
		post(unknown, &a);
		assert_true(a.refused);
		assert_false(a.answered);
		assert_int_equal(p.seen->requests, 1);
		assert_null(strstr(p.seen->head, "Authorization"));
		peer_stop(&p);
	}
	peer_identity_free(&root);
	peer_identity_free(&client);
	peer_identity_free(&stranger);
}

static const char *canned;

static void serve_canned(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	if (peer_read_request(ssl, seen))
		peer_say(ssl, canned);
}

static void post_for(const char *answer, struct http_answer *ret, struct peer_seen *ret_seen)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_canned };

	canned = answer;
	post_to(&setup, "127.0.0.1", ret, ret_seen);
}

static void follows_no_redirect(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_for("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", &a,
	    &seen);
	assert_int_equal(a.status, 307);
	assert_true(a.complete);
	assert_int_equal(seen.heads, 1);
}

static void reads_headers(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_for(
	    "HTTP/1.1 100 Continue\r\nRetry-After: 1\r\n\r\nHTTP/1.1 401 No\r\nretry-after: 7\r\n"
	    "Content-Type: text/plain\r\nDate: x\r\nWWW-Authenticate: Basic\r\nContent-Length: "
	    "0\r\n\r\n",
	    &a, &seen);
	assert_int_equal(a.status, 401);
	assert_string_equal(a.retry_after, "7");
	assert_string_equal(a.content_type, "text/plain");
	assert_string_equal(a.challenge, "Basic");
	assert_string_equal(a.date, "x");
}

static void an_interim_answer_is_none(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_for("HTTP/1.1 100 Continue\r\n\r\n", &a, &seen);
	assert_true(a.sent);
	assert_false(a.answered);
	assert_int_equal(a.status, 0);
}

static void tells_an_answer_that_is_cut(void **state)
{
	static const char *const cut[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
	};
	struct peer_seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT(cut); i++) {
		AUTO_STRUCT(http_answer) a = { 0 };

		post_for(cut[i], &a, &seen);
		assert_true(a.sent && a.answered);
		assert_false(a.complete);
		assert_true(a.why.code[0] != '\0');
	}
	for (size_t i = 0; i < 2; i++) {
		static const char *const headless[] = { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n",
			"" };
		AUTO_STRUCT(http_answer) a = { 0 };

		post_for(headless[i], &a, &seen);
		assert_true(a.sent);
		assert_false(a.answered);
	}
}

static void refuses_what_is_not_http(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_for("220 mail.test ESMTP\r\n", &a, &seen);
	assert_true(a.sent);
	assert_false(a.answered);
}

static void serve_flood(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	if (!peer_read_request(ssl, seen))
		return;
	peer_say(ssl, canned);
	for (int i = 0; i < 100000; i++)
		if (SSL_write(ssl, "X-Flood: xxxxxxxxxxxxxxxxxxxxxxxxx\r\n", 36) <= 0)
			return;
}

static void bounds_what_it_reads(void **state)
{
	static const struct {
		const char *start;
		bool answered;
	} floods[] = {
		{ "HTTP/1.1 200 OK\r\n", false },
		{ "HTTP/1.1 200 OK\r\n\r\n", true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", true },
	};
	const struct peer_setup setup = { .identity = &good, .serve = serve_flood };
	struct peer_seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT(floods); i++) {
		AUTO_STRUCT(http_answer) a = { 0 };

		canned = floods[i].start;
		post_to(&setup, "127.0.0.1", &a, &seen);
		assert_int_equal(a.answered, floods[i].answered);
		assert_false(a.complete);
		assert_string_equal(a.why.code, "est.too-long");
		assert_true(a.body.len <= HTTP_BODY_MAX);
	}
}

static void serve_one_and_fall_silent(SSL *ssl, struct peer_seen *seen, int n)
{
	char c;

	(void)n;
	if (!peer_read_request(ssl, seen))
		return;
	peer_say(ssl, small_ok);
	if (peer_read_request(ssl, seen))
		(void)SSL_read(ssl, &c, 1);
}

static void ends_at_the_deadline(void **state)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_one_and_fall_silent };
	struct peer p = peer_start(&setup);
	AUTO_PTR(http) *h = link_to(p.port, "127.0.0.1", &good, NULL);
	AUTO_STRUCT(http_answer) a = { 0 };
	struct err e = { 0 };

	(void)state;
	post(h, &a);
	assert_ok(http_get(h, "/cacerts", clock_now_ms() + 200, &a, &e), &e);
	assert_true(a.sent);
	assert_false(a.answered);
	assert_string_equal(a.why.code, "est.timeout");
	assert_in_range(a.took_ms, 150, 5000);
	peer_stop(&p);
}

static void hides_a_quoted_credential(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	struct peer_seen seen;

	(void)state;
	post_for("HTTP/1.1 403 No\r\nContent-Length: 43\r\n\r\n"
		 "I refuse Bearer canary-5d1f canary-5d1f ok!",
	    &a, &seen);
	assert_int_equal(a.body.len, 43);
	assert_null(memmem(a.body.data, a.body.len, "Bearer canary-5d1f", 18));
	assert_non_null(memmem(a.body.data, a.body.len, "I refuse *", 10));
}

/* What it is overwritten with looks like it. */
static void hides_a_credential_of_asterisks(void **state)
{
	AUTO_STRUCT(http_answer) a = { 0 };
	AUTO_STRUCT(secret) stars = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(secret_set(&stars, "**", 2, &e), &e);
	assert_ok(buf_add_str(&a.body, "x***** *", &e), &e);
	http_answer_hide(&a, &stars);
	assert_memory_equal(a.body.data, "x***** *", 8);
}

static void expect_refused(struct http_config config, const char *code)
{
	struct http *h = NULL;
	struct err e = { 0 };

	assert_err(http_open(&h, &config, &e), &e, code);
	assert_null(h);
}

static void refuses_bad_configuration(void **state)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(secret) credential = { 0 };
	AUTO_STRUCT(secret) split = { 0 };
	struct http_config config = { .url = "https://ca.test/est", .anchors = &pem };
	struct err e = { 0 };

	(void)state;
	assert_ok(x509_add_pem(good.cert, &pem, &e), &e);
	assert_ok(secret_set(&credential, "Basic eA==", 10, &e), &e);
	assert_ok(secret_set(&split, "Basic eA==\r\nX: y", 16, &e), &e);
	expect_refused(config, "est.credential"); /* neither */
	config.authorization = &split;
	expect_refused(config, "est.credential");
	config.authorization = &credential;
	config.certificate = good.cert;
	config.key = good.key;
	expect_refused(config, "est.credential"); /* both */
	config.certificate = NULL;
	config.url = "http://ca.test/est";
	expect_refused(config, "est.url");
	config.url = "https://ca.test/est";
	buf_clear(&pem);
	expect_refused(config, "x509"); /* no trust anchor */
}

/* What every test of this program runs under, and none may notice. */
static const char key_log[] = "kiln-test-http-keys";

static void left_no_key_log(void **state)
{
	(void)state;
	assert_int_equal(access(key_log, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_what_servers_take),
		cmocka_unit_test(keeps_one_connection),
		cmocka_unit_test(posts_once_when_a_kept_connection_dies),
		cmocka_unit_test(libcurl_alone_posts_twice),
		cmocka_unit_test(does_not_use_a_connection_that_was_closed),
		cmocka_unit_test(says_not_sent_when_nobody_listens),
		cmocka_unit_test(says_not_sent_after_the_deadline),
		cmocka_unit_test(refuses_a_server_that_is_not_the_ca),
		cmocka_unit_test(refuses_old_tls),
		cmocka_unit_test(offers_the_client_certificate),
		cmocka_unit_test(follows_no_redirect),
		cmocka_unit_test(reads_headers),
		cmocka_unit_test(an_interim_answer_is_none),
		cmocka_unit_test(tells_an_answer_that_is_cut),
		cmocka_unit_test(refuses_what_is_not_http),
		cmocka_unit_test(bounds_what_it_reads),
		cmocka_unit_test(ends_at_the_deadline),
		cmocka_unit_test(hides_a_quoted_credential),
		cmocka_unit_test(hides_a_credential_of_asterisks),
		cmocka_unit_test(refuses_bad_configuration),
		cmocka_unit_test(left_no_key_log),
	};
	struct err e = { 0 };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)unlink(key_log);
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	setenv("OPENSSL_CONF", "/nonexistent", 1);
	setenv("SSLKEYLOGFILE", key_log, 1);
	if (http_init(&e) != 0)
		return 1;
	good = peer_identity("CA", "IP:127.0.0.1", NULL, 3600);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	peer_identity_free(&good);
	http_exit();
	return rc;
}
