/* est.c over real TLS, and the answers that other people's servers gave (vectors/est). */
#include "est.h"

#include "clock.h"
#include "peer.h"
#include "warning.h"

static struct peer_identity good;
static const struct retry_limits limits = { .min = 5, .max = 86400, .fallback = 300 };

static int64_t soon(void)
{
	return clock_now_ms() + 20000;
}

static struct est *link_to(int port)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(secret) credential = { 0 };
	struct http_config config = { .anchors = &pem, .authorization = &credential };
	struct est *est = NULL;
	struct err e = { 0 };
	char url[64];

	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/.well-known/est", port);
	config.url = url;
	assert_ok(x509_add_pem(good.cert, &pem, &e), &e);
	assert_ok(secret_set(&credential, "Basic eA==", 10, &e), &e);
	assert_ok(est_open(&est, &config, &limits, &e), &e);
	return est;
}

/* The wire: one request in, these bytes out, end of connection. */
static struct buf answer;

static void serve_answer(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	if (peer_read_request(ssl, seen))
		peer_send(ssl, answer.data, answer.len);
}

static void read_vector(const json_t *entry, const char *key, struct buf *ret)
{
	const char *name = json_opt_str(entry, key, "csr/p256.der");
	char path[256];

	(void)snprintf(path, sizeof(path), "est/%s", name);
	assert_non_null(testing_vector(path));
	testing_read(testing_vector(path), ret);
}

static void add_pem_file(const char *name, X509_STACK *list)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(X509_STACK) *certs = NULL;
	struct err e = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "est/%s", name);
	testing_read(testing_vector(path), &pem);
	assert_ok(x509_parse_pem(path, &pem, &certs, ERR_CONFIG, &e), &e);
	while (sk_X509_num(certs) > 0)
		assert_true(sk_X509_push(list, sk_X509_shift(certs)) > 0);
}

static X509_STACK *read_issuers(const json_t *entry)
{
	X509_STACK *list = sk_X509_new_null();
	const json_t *name;
	size_t i;

	add_pem_file(json_opt_str(entry, "trust_anchor", ""), list);
	json_array_foreach(json_object_get(entry, "intermediates"), i, name)
	    add_pem_file(json_string_value(name), list);
	return list;
}

/* expected, or one of also_permitted. */
static bool permits(const json_t *entry, const char *key, const char *value)
{
	const json_t *other;
	size_t i;

	if (strcmp(json_opt_str(entry, key, ""), value) == 0)
		return true;
	json_array_foreach(json_object_get(entry, "also_permitted"), i,
	    other) if (strcmp(json_string_value(other), value) == 0) return true;
	return false;
}

static void check_warnings(const json_t *entry, unsigned set)
{
	AUTO(json_t) *got = warning_names(set);
	const json_t *expected = json_object_get(entry, "warnings");
	const json_t *name;
	size_t i, j;

	assert_int_equal(json_array_size(got), json_array_size(expected));
	json_array_foreach(expected, i, name)
	{
		for (j = 0; j < json_array_size(got); j++)
			if (json_equal(name, json_array_get(got, j)))
				break;
		assert_true(j < json_array_size(got));
	}
}

static void check_leaf(const json_t *entry, const struct enrol_answer *got)
{
	const char *expected = json_opt_str(entry, "leaf_sha256", NULL);
	uint8_t digest[SHA256_LEN], want[SHA256_LEN];
	struct err e = { 0 };

	assert_true((got->leaf != NULL) == (got->outcome == ENROL_ISSUED));
	if (expected == NULL || got->leaf == NULL)
		return;
	assert_true(hex_decode(expected, want, sizeof(want)));
	assert_ok(x509_digest(got->leaf, digest, &e), &e);
	assert_memory_equal(digest, want, sizeof(want));
}

/* A date comes nearer while the test runs. */
static void check_retry_after(const json_t *entry, const struct enrol_answer *got, int64_t begun)
{
	int64_t expected = json_opt_int(entry, "retry_after_s", limits.fallback);

	if (got->outcome != ENROL_PENDING && got->outcome != ENROL_THROTTLED)
		return;
	if (expected < limits.min)
		expected = limits.min;
	if (expected > limits.max)
		expected = limits.max;
	assert_true(got->retry_after_s <= expected);
	assert_true(got->retry_after_s >= expected - (clock_wall_s() - begun));
}

/* The answers that are dates were made for this moment. */
static void shift_dates(const json_t *index, struct buf *http, int64_t now)
{
	static const char form[] = "%a, %d %b %Y %H:%M:%S GMT";
	AUTO_STRUCT(buf) copy = { 0 };
	struct err e = { 0 };
	const char *text;
	char *at;
	struct tm tm = { 0 };
	time_t when;

	assert_ok(buf_add(&copy, http->data, http->len, &e), &e);
	text = buf_str(&copy, &e);
	at = strcasestr(text, "\nRetry-After: ");
	if (at == NULL || strptime(at + 14, form, &tm) == NULL)
		return;
	when = timegm(&tm) - json_opt_int(index, "verify_at_epoch", 0) + now;
	assert_non_null(gmtime_r(&when, &tm));
	assert_int_equal(strftime((char *)http->data + (at + 14 - text), 30, form, &tm), 29);
	http->data[at + 14 - text + 29] = '\r';
}

static void check_enrolment(const json_t *entry, struct est *est, int64_t begun)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(enrol_answer) got = { 0 };
	AUTO(X509_STACK) *issuers = read_issuers(entry);
	struct enrol_request request = { .csr = &csr, .issuers = issuers, .deadline = soon() };
	struct err e = { 0 };
	const char *outcome;

	read_vector(entry, "csr", &csr);
	assert_ok(est_issue(est, &request, &got, &e), &e);
	outcome = enrol_outcome_name(got.outcome);
	if (!permits(entry, "outcome", outcome))
		fail_msg("%s %s: %s", outcome, got.why.code, got.why.message);
	if (strcmp(json_opt_str(entry, "outcome", ""), outcome) != 0)
		return;
	assert_int_equal(got.status, json_opt_int(entry, "http_status", -1));
	assert_int_equal(got.possibly_issued, json_opt_bool(entry, "possibly_issued", false));
	assert_int_equal(got.posts, 1);
	assert_true(got.why.code[0] != '\0');
	check_leaf(entry, &got);
	check_warnings(entry, got.warnings);
	check_retry_after(entry, &got, begun);
}

static void check_cacerts(const json_t *entry, struct est *est)
{
	const json_t *expected = json_object_get(entry, "certificates_sha256");
	AUTO(X509_STACK) *certs = NULL;
	int64_t date_s = -1;
	struct err e = { 0 };

	assert_ok(est_cacerts(est, soon(), &certs, &date_s, &e), &e);
	assert_true(date_s == 0 || date_s > 1700000000);
	assert_int_equal(sk_X509_num(certs), json_array_size(expected));
	for (int i = 0; i < sk_X509_num(certs); i++) {
		uint8_t digest[SHA256_LEN];
		char hex[2 * SHA256_LEN + 1];

		assert_ok(x509_digest(sk_X509_value(certs, i), digest, &e), &e);
		hex_encode(digest, sizeof(digest), hex);
		assert_string_equal(hex, json_string_value(json_array_get(expected, (size_t)i)));
	}
}

static void check_vector(const json_t *index, const json_t *entry)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_answer };
	const char *outcome = json_opt_str(entry, "outcome", "");
	const int64_t begun = clock_wall_s();
	struct peer p;
	struct est *est;

	print_message("%s\n", json_opt_str(entry, "file", ""));
	read_vector(entry, "file", &answer);
	shift_dates(index, &answer, begun);
	p = peer_start(&setup);
	est = link_to(p.port);
	if (strcmp(outcome, "cacerts") == 0)
		check_cacerts(entry, est);
	else if (strcmp(outcome, "csrattrs") != 0) /* test_container.c */
		check_enrolment(entry, est, begun);
	assert_true(p.seen->posts <= 1);
	est_close(est);
	peer_stop(&p);
}

static void agrees_with_the_vectors(void **state)
{
	static const char *const groups[] = { "answers", "rewrapped" };
	AUTO(json_t) *index = NULL;
	size_t count = 0;

	(void)state;
	if (testing_vector("est/index.json") == NULL)
		testing_skip("the EST vectors ($KILN_VECTORS)");
	index = testing_json(testing_vector("est/index.json"));
	for (size_t g = 0; g < COUNT(groups); g++) {
		const json_t *entry;
		size_t i;

		json_array_foreach(json_object_get(index, groups[g]), i, entry)
		{
			check_vector(index, entry);
			count++;
		}
	}
	buf_free(&answer);
	assert_true(count >= 124);
}

static void make_csr(struct buf *ret)
{
	AUTO(EVP_PKEY) *key = peer_key();
	AUTO(X509_REQ) *csr = X509_REQ_new();
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len;

	assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
	assert_true(X509_REQ_sign(csr, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(csr, &der);
	assert_true(len > 0);
	assert_ok(buf_add(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

static void posts_64_columns(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) body = { 0 };
	AUTO_STRUCT(enrol_answer) got = { 0 };
	struct enrol_request request = { .csr = &csr, .deadline = soon() };
	const struct peer_setup setup = { .identity = &good, .serve = serve_answer };
	struct peer p;
	AUTO_PTR(est) *est = NULL;
	struct err e = { 0 };

	(void)state;
	make_csr(&csr);
	assert_ok(est_request_body(&csr, &body, &e), &e);
	for (size_t i = 0; i + 1 < body.len; i++)
		assert_int_equal(body.data[i] == '\n', i % 65 == 64);
	assert_int_equal(body.data[body.len - 1], '\n');
	assert_ok(buf_add_str(&answer, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", &e), &e);
	p = peer_start(&setup);
	est = link_to(p.port);
	assert_ok(est_issue(est, &request, &got, &e), &e);
	assert_int_equal(got.outcome, ENROL_REJECTED);
	assert_string_equal(p.seen->body, buf_str(&body, &e));
	assert_non_null(strstr(p.seen->head, "POST /.well-known/est/simpleenroll HTTP/1.1"));
	peer_stop(&p);
	buf_free(&answer);
}

static void refuses_what_is_no_request(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(enrol_answer) got = { 0 };
	struct enrol_request request = { .csr = &csr, .deadline = soon() };
	AUTO_PTR(est) *est = link_to(1);
	struct err e = { 0 };

	(void)state;
	assert_err(est_issue(est, &request, &got, &e), &e, "x509");
	make_csr(&csr);
	assert_ok(buf_add_u8(&csr, 0, &e), &e);
	assert_err(est_issue(est, &request, &got, &e), &e, "x509");
	buf_clear(&csr);
	for (int i = 0; i < 65537; i++)
		assert_ok(buf_add_u8(&csr, 0x30, &e), &e);
	assert_err(est_issue(est, &request, &got, &e), &e, "est.csr");
}

static void says_not_sent(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(enrol_answer) got = { 0 };
	AUTO(json_t) *json = json_object();
	struct enrol_request request = { .csr = &csr, .deadline = soon() };
	AUTO_PTR(est) *est = link_to(1);
	struct err e = { 0 };

	(void)state;
	make_csr(&csr);
	assert_ok(est_issue(est, &request, &got, &e), &e);
	assert_int_equal(got.outcome, ENROL_NOT_SENT);
	assert_false(got.possibly_issued);
	assert_ok(enrol_answer_to_json(&got, json, &e), &e);
	assert_string_equal(json_opt_str(json, "outcome", ""), "not_sent");
	assert_string_equal(json_opt_str(json, "code", ""), "est.connect");
	assert_int_equal(json_opt_int(json, "posts", -1), 0);
	assert_int_equal(json_opt_int(json, "status", -1), 0);
	assert_null(json_object_get(json, "leaf"));
	assert_int_equal(json_array_size(json_object_get(json, "others")), 0);
}

static void refuses_bad_limits(void **state)
{
	static const struct retry_limits bad[] = {
		{ .min = -1, .max = 10, .fallback = 5 },
		{ .min = 6, .max = 10, .fallback = 5 },
		{ .min = 1, .max = 4, .fallback = 5 },
	};
	struct http_config config = { .url = "https://ca.test" };
	struct est *est = NULL;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_err(est_open(&est, &config, &bad[i], &e), &e, "est.retry");
}

static const char *cacerts_answer, *csrattrs_answer;

static void serve_by_path(SSL *ssl, struct peer_seen *seen, int n)
{
	(void)n;
	while (peer_read_request(ssl, seen))
		peer_say(ssl, strstr(seen->head, "/cacerts ") ? cacerts_answer : csrattrs_answer);
}

static void check_link(struct est_health *ret)
{
	const struct peer_setup setup = { .identity = &good, .serve = serve_by_path };
	struct peer p = peer_start(&setup);
	AUTO_PTR(est) *est = link_to(p.port);
	struct err e = { 0 };

	assert_ok(est_check(est, soon(), ret, &e), &e);
	assert_null(strstr(p.seen->head, "POST"));
	peer_stop(&p);
}

static void checks_each_part(void **state)
{
	AUTO_STRUCT(est_health) health = { 0 };

	(void)state;
	cacerts_answer = "HTTP/1.1 500 No\r\nDate: Sun, 22 Nov 2020 18:30:00 GMT\r\n"
			 "Content-Length: 0\r\n\r\n";
	csrattrs_answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nMAA=";
	check_link(&health);
	assert_string_equal(health.tls, "TLSv1.3");
	assert_int_equal(X509_cmp(health.peer, good.cert), 0);
	assert_string_equal(health.tls_why.code, "");
	assert_string_equal(health.cacerts_why.code, "est.server");
	assert_string_equal(health.date_why.code, "");
	assert_int_equal(health.date_offset_s / 10, (1606069800 - clock_wall_s()) / 10);
	assert_string_equal(health.csrattrs_why.code, "");
	assert_int_equal(health.csrattrs, 0);
}

static void checks_without_date_and_attributes(void **state)
{
	AUTO_STRUCT(est_health) health = { 0 };

	(void)state;
	cacerts_answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!";
	csrattrs_answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
	check_link(&health);
	assert_string_equal(health.cacerts_why.code, "est.base64");
	assert_string_equal(health.date_why.code, "est.date");
	assert_string_equal(health.csrattrs_why.code, "");
}

static void checks_a_ca_that_is_away(void **state)
{
	AUTO_STRUCT(est_health) health = { 0 };
	AUTO_PTR(est) *est = link_to(1);
	struct err e = { 0 };

	(void)state;
	assert_ok(est_check(est, soon(), &health, &e), &e);
	assert_null(health.peer);
	assert_string_equal(health.tls_why.code, "est.connect");
	assert_string_equal(health.cacerts_why.code, "est.connect");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_vectors),
		cmocka_unit_test(posts_64_columns),
		cmocka_unit_test(refuses_what_is_no_request),
		cmocka_unit_test(says_not_sent),
		cmocka_unit_test(refuses_bad_limits),
		cmocka_unit_test(checks_each_part),
		cmocka_unit_test(checks_without_date_and_attributes),
		cmocka_unit_test(checks_a_ca_that_is_away),
	};
	struct err e = { 0 };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (http_init(&e) != 0)
		return 1;
	good = peer_identity("CA", "IP:127.0.0.1", NULL, 3600);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	peer_identity_free(&good);
	http_exit();
	return rc;
}
