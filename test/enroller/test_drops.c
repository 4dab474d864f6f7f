/*
 * One POST for one intent, counted where it matters: by a CA that takes the whole request and then
 * drops the connection without an answer. KILN_DROPS says how many (10000; fewer under a sanitizer).
 */
#include <curl/curl.h>

#include "clock.h"
#include "est.h"
#include "peer.h"

enum { DROPS = 10000, DROPS_SANITIZED = 1000, NUMBERS_MAX = 1000000 };
enum death { DIE_FIN, DIE_RST, DIE_POLITELY, DEATHS };

static struct peer_identity good;
static const struct retry_limits limits = { .min = 5, .max = 86400, .fallback = 300 };

/* What the CA counts, in memory shared with the test: POSTs by the number in the CSR's subject. */
static struct tally {
	int drops[DEATHS];
	int first;      /* drops of the first request of a connection */
	int after_get;  /* of the second one, after an answered GET */
	int after_post; /* of a later one, after an answered POST */
	int answered;
	uint8_t posts[NUMBERS_MAX];
} * tally;

static int drops_wanted(void)
{
	const char *text = getenv("KILN_DROPS");
	int fewer = getenv("KILN_SANITIZE") != NULL ? DROPS_SANITIZED : DROPS;

	return text != NULL ? atoi(text) : fewer;
}

/* A device's CSR: a number that no other one has, all under one key, which saves time. */
static void make_csr(EVP_PKEY *key, int number, struct buf *ret)
{
	AUTO(X509_REQ) *csr = X509_REQ_new();
	struct err e = { 0 };
	unsigned char *der = NULL;
	char text[16];
	int len;

	(void)snprintf(text, sizeof(text), "%d", number);
	assert_non_null(csr);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN",
			     MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0),
	    1);
	assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
	assert_true(X509_REQ_sign(csr, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(csr, &der);
	assert_true(len > 0);
	buf_clear(ret);
	assert_ok(buf_add(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

/* The number in a request's body; 0 where it is no CSR of ours. */
static int number_of(const char *body)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *csr = NULL;
	struct err e = { 0 };
	char joined[2048], text[16] = "";
	size_t len = 0;

	for (; *body != '\0' && len + 1 < sizeof(joined); body++)
		if (*body != '\n')
			joined[len++] = *body;
	if (base64_decode(joined, len, &der, ERR_CA, &e) != 0 ||
	    x509_parse_request(der.data, der.len, &csr, ERR_CA, &e) != 0 ||
	    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(csr), NID_commonName, text,
		sizeof(text)) <= 0)
		return 0;
	return atoi(text);
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static const char pending[] =
    "HTTP/1.1 202 Accepted\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";

static void drop(SSL *ssl, int number, int before, bool posted)
{
	enum death death = (enum death)(number / 4 % DEATHS);

	tally->drops[death]++;
	if (before == 0)
		tally->first++;
	else if (posted)
		tally->after_post++;
	else
		tally->after_get++;
	if (death != DIE_POLITELY)
		peer_die(ssl, death == DIE_RST);
}

/* A GET and a POST whose number is divisible by 4 are answered; every other POST is taken and the
 * connection dies. */
static void serve(SSL *ssl, struct peer_seen *seen, int n)
{
	bool posted = false;

	(void)n;
	for (int before = 0; peer_read_request(ssl, seen); before++) {
		int number;

		if (memcmp(seen->head, "POST ", 5) != 0) {
			peer_say(ssl, ok);
			continue;
		}
		number = number_of(seen->body);
		if (number < 1 || number >= NUMBERS_MAX)
			_exit(1);
		tally->posts[number]++;
		if (number % 4 != 0) {
			drop(ssl, number, before, posted);
			return;
		}
		tally->answered++;
		posted = true;
		peer_say(ssl, pending);
	}
}

static const struct peer_setup setup = { .identity = &good,
	.no_delay = true,
	.min_version = TLS1_3_VERSION,
	.serve = serve };

static void config_for(const struct peer *p, struct buf *pem, struct secret *credential, char *url,
    size_t size, struct http_config *ret)
{
	struct err e = { 0 };

	(void)snprintf(url, size, "https://127.0.0.1:%d/.well-known/est", p->port);
	assert_ok(x509_add_pem(good.cert, pem, &e), &e);
	assert_ok(secret_set(credential, "Basic eA==", 10, &e), &e);
	*ret = (struct http_config){ .url = url, .anchors = pem, .authorization = credential };
}

static struct est *est_to(const struct peer *p)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(secret) credential = { 0 };
	struct http_config config;
	struct est *est = NULL;
	struct err e = { 0 };
	char url[64];

	config_for(p, &pem, &credential, url, sizeof(url), &config);
	assert_ok(est_open(&est, &config, &limits, &e), &e);
	return est;
}

static void expect(struct est *est, const struct buf *csr, enum enrol_outcome outcome)
{
	const struct enrol_request request = { .csr = csr, .deadline = clock_now_ms() + 60000 };
	AUTO_STRUCT(enrol_answer) a = { 0 };
	struct err e = { 0 };

	assert_ok(est_issue(est, &request, &a, &e), &e);
	assert_string_equal(enrol_outcome_name(a.outcome), enrol_outcome_name(outcome));
	assert_int_equal(a.posts, 1);
	assert_int_equal(a.possibly_issued, outcome == ENROL_UNKNOWN);
}

static struct peer begin(void)
{
	memset(tally, 0, sizeof(*tally));
	return peer_start(&setup);
}

static void expect_each_once(int from, int to)
{
	for (int i = from; i < to; i++)
		if (tally->posts[i] != 1)
			fail_msg("the CA got CSR %d %d times", i, tally->posts[i]);
}

/* The intents of whole lots of devices, through one client: the connection of every one that is dropped
 * was used before, for /cacerts or for another device's request. */
static void test_I2_one_post_for_an_intent_on_kept_connections(void **state)
{
	AUTO(EVP_PKEY) *key = peer_key();
	AUTO_STRUCT(buf) csr = { 0 };
	int wanted = drops_wanted(), dropped = 0, number = 0;
	struct peer p = begin();
	AUTO_PTR(est) *est = est_to(&p);
	int64_t began = clock_now_ms();

	(void)state;
	while (dropped < wanted) {
		number++;
		make_csr(key, number, &csr);
		expect(est, &csr, number % 4 == 0 ? ENROL_PENDING : ENROL_UNKNOWN);
		dropped += number % 4 != 0;
	}
	print_message(
	    "%d answers dropped (%d FIN, %d RST, %d close_notify; %d after a GET, %d after a "
	    "POST of the same connection), %d given, in %d connections, %lld ms\n",
	    dropped, tally->drops[DIE_FIN], tally->drops[DIE_RST], tally->drops[DIE_POLITELY],
	    tally->after_get, tally->after_post, tally->answered, p.seen->connections,
	    (long long)(clock_now_ms() - began));
	expect_each_once(1, number + 1);
	assert_int_equal(p.seen->posts, number);
	assert_int_equal(tally->answered, number - dropped);
	assert_int_equal(p.seen->connections,
	    dropped); /* none after the last: nothing was tried again */
	assert_int_equal(tally->first, 0);
	assert_int_equal(tally->after_get + tally->after_post, dropped);
	assert_true(tally->after_post >= dropped / 4);
	for (int d = 0; d < DEATHS; d++)
		assert_true(tally->drops[d] >= dropped / 4);
	peer_stop(&p);
}

/* The same on the first request of a connection, which est.c never lets a POST be. */
static void test_I2_one_post_for_an_intent_on_fresh_connections(void **state)
{
	AUTO(EVP_PKEY) *key = peer_key();
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(secret) credential = { 0 };
	AUTO_PTR(http) *http = NULL;
	int wanted = drops_wanted() / 10, dropped = 0, number = 0;
	struct peer p = begin();
	struct http_config config;
	struct err e = { 0 };
	char url[64];

	(void)state;
	config_for(&p, &pem, &credential, url, sizeof(url), &config);
	assert_ok(http_open(&http, &config, &e), &e);
	for (; dropped < wanted; dropped++) {
		AUTO_STRUCT(buf) body = { 0 };
		AUTO_STRUCT(http_answer) a = { 0 };

		number += number % 4 == 3 ? 2 : 1;
		make_csr(key, number, &csr);
		assert_ok(est_request_body(&csr, &body, &e), &e);
		assert_ok(http_post(http, "/simpleenroll", "application/pkcs10", &body,
			      clock_now_ms() + 60000, &a, &e),
		    &e);
		assert_true(a.sent && !a.answered);
		assert_int_equal(a.posts, 1);
		assert_int_equal(tally->posts[number], 1);
	}
	assert_int_equal(tally->first, dropped);
	assert_int_equal(p.seen->posts, dropped);
	assert_int_equal(p.seen->connections, dropped);
	peer_stop(&p);
}

static size_t swallow(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

static void post_with(CURL *c, EVP_PKEY *key, int number, const struct peer *p)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) body = { 0 };
	struct err e = { 0 };
	char url[64];

	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p->port);
	make_csr(key, number, &csr);
	assert_ok(est_request_body(&csr, &body, &e), &e);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body.len);
	curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body.data);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	(void)curl_easy_perform(c); /* the CA's count is what is asked */
}

/* libcurl as it comes asks the same CA twice. So the counts above would show it. */
static void libcurl_alone_posts_twice(void **state)
{
	AUTO(EVP_PKEY) *key = peer_key();
	struct peer p = begin();
	CURL *c = curl_easy_init();
	int twice = 0;

	(void)state;
	for (int number = 4; number < 200; number += 4) {
		post_with(c, key, number, &p);
		post_with(c, key, number + 1, &p);
		assert_int_equal(tally->posts[number], 1);
		twice += tally->posts[number + 1] == 2;
	}
	print_message("libcurl alone: %d of %d requests twice\n", twice, 49);
	assert_true(twice > 0);
	curl_easy_cleanup(c);
	peer_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I2_one_post_for_an_intent_on_kept_connections),
		cmocka_unit_test(test_I2_one_post_for_an_intent_on_fresh_connections),
		cmocka_unit_test(libcurl_alone_posts_twice),
	};
	struct err e = { 0 };
	int rc;

	assert_ok(http_init(&e), &e);
	tally =
	    mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(tally != MAP_FAILED);
	good = peer_identity("CA", "IP:127.0.0.1", NULL, 86400);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	peer_identity_free(&good);
	munmap(tally, sizeof(*tally));
	http_exit();
	return rc;
}
