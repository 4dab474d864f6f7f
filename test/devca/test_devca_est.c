#include "est.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "label.h"
#include "request.h"

struct fixture {
	struct ca *ca;
	struct est est;
	EVP_PKEY *key;
	struct buf csr;
	FILE *log;
};

static int setup(void **state)
{
	static struct fixture f;
	struct err e = { 0 };
	X509_REQ *request;

	f = (struct fixture){ .log = tmpfile() };
	assert_ok(ca_new(&f.ca, &(const struct ca_options){ .hours = 24 }, &e), &e);
	assert_ok(cert_new_key(&f.key, &e), &e);
	request = request_new(f.key, "SN0001", NULL);
	request_der(request, &f.csr);
	X509_REQ_free(request);
	f.est = (struct est){ .ca = f.ca, .log_fd = dup(fileno(f.log)) };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	est_free(&f->est);
	ca_free(f->ca);
	EVP_PKEY_free(f->key);
	buf_free(&f->csr);
	(void)fclose(f->log); /* a temporary file */
	return 0;
}

static struct est_answer ask(struct fixture *f, const char *method, const char *path,
    const struct buf *body, enum est_client client)
{
	const struct est_request r = {
		.method = method,
		.path = path,
		.content_type = "application/pkcs10",
		.body = body != NULL ? body->data : NULL,
		.len = body != NULL ? body->len : 0,
		.client = client,
	};
	struct est_answer answer = { 0 };
	struct err e = { 0 };

	assert_ok(est_handle(&f->est, &r, &answer, &e), &e);
	return answer;
}

static int status_of(struct fixture *f, const char *method, const char *path)
{
	struct est_answer answer = ask(f, method, path, &f->csr, EST_RA);
	int status = answer.status;

	est_answer_free(&answer);
	return status;
}

/* The newest line of the log. */
static json_t *logged(struct fixture *f)
{
	char line[4096] = "", next[4096];
	struct err e = { 0 };
	json_t *value = NULL;

	rewind(f->log);
	while (fgets(next, sizeof(next), f->log) != NULL)
		memcpy(line, next, sizeof(line));
	assert_ok(json_parse(line, strlen(line), &value, ERR_CONFIG, &e), &e);
	return value;
}

static void test_paths(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(status_of(f, "GET", "/.well-known/est/cacerts"), 200);
	assert_int_equal(status_of(f, "GET", "/.well-known/est/csrattrs"), 200);
	assert_int_equal(status_of(f, "GET", "/.well-known/est/slow/cacerts"), 200);
	assert_int_equal(status_of(f, "POST", "/.well-known/est/simpleenroll"), 200);
	assert_int_equal(status_of(f, "POST", "/.well-known/est/simplereenroll"), 200);
	assert_int_equal(status_of(f, "POST", "/.well-known/est/deny/simpleenroll"), 403);
	assert_int_equal(status_of(f, "POST", "/deny/.well-known/est/simpleenroll"), 403);
}

static void test_wrong_paths(void **state)
{
	static const char *const paths[] = { "", "/", "/.well-known/est", "/.well-known/est/",
		"/cacerts", "/.well-known/est//cacerts", "/.well-known/est/nonsense/cacerts",
		"//.well-known/est/cacerts", "/nonsense/.well-known/est/cacerts",
		"/deny/.well-known/est/deny/cacerts", "x/.well-known/est/cacerts",
		"/.well-known/est/cacerts/", "/.well-known/est/slow/cacerts/more",
		"/.well-known/est/a-label-longer-than-any-name-could-be-here/cacerts" };

	for (size_t i = 0; i < COUNT(paths); i++)
		assert_int_equal(status_of(*state, "GET", paths[i]), 404);
}

static void test_wrong_methods(void **state)
{
	assert_int_equal(status_of(*state, "POST", "/.well-known/est/cacerts"), 405);
	assert_int_equal(status_of(*state, "GET", "/.well-known/est/simpleenroll"), 405);
	assert_int_equal(status_of(*state, "other", "/.well-known/est/simpleenroll"), 405);
}

static void test_only_an_ra_enrols(void **state)
{
	static const enum est_client wrong[] = { EST_ANONYMOUS, EST_CLIENT };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct est_answer answer =
		    ask(f, "POST", "/.well-known/est/simpleenroll", &f->csr, wrong[i]);
		AUTO(json_t) *line = logged(f);

		assert_int_equal(answer.status, 403);
		assert_string_equal(json_opt_str(line, "answer", ""), "denied");
		assert_true(json_is_null(json_object_get(line, "csr_sha256")));
		est_answer_free(&answer);
	}
}

static void test_client_of(void **state)
{
	struct fixture *f = *state;
	AUTO(X509_REQ) *request = request_new(f->key, "RA", NULL);
	AUTO(X509) *ra = NULL;
	struct err e = { 0 };

	assert_ok(ca_sign_station(f->ca, request, CA_STATION_RA, &ra, &e), &e);
	assert_int_equal(est_client_of(ra), EST_RA);
	assert_int_equal(est_client_of(f->ca->tls.cert), EST_CLIENT);  /* another usage */
	assert_int_equal(est_client_of(f->ca->root.cert), EST_CLIENT); /* no usage at all */
	assert_int_equal(est_client_of(NULL), EST_ANONYMOUS);
}

static void test_log_of_an_issue(void **state)
{
	struct fixture *f = *state;
	struct est_answer answer = ask(f, "POST", "/.well-known/est/simpleenroll", &f->csr, EST_RA);
	AUTO(json_t) *line = logged(f);
	char csr[2 * SHA256_LEN + 1], spki[2 * SHA256_LEN + 1];
	uint8_t digest[SHA256_LEN];
	struct err e = { 0 };

	sha256_hex(f->csr.data, f->csr.len, csr);
	assert_ok(x509_spki_digest(f->key, digest, &e), &e);
	hex_encode(digest, sizeof(digest), spki);
	assert_string_equal(json_opt_str(line, "csr_sha256", ""), csr);
	assert_string_equal(json_opt_str(line, "spki_sha256", ""), spki);
	assert_string_equal(json_opt_str(line, "operation", ""), "simpleenroll");
	assert_string_equal(json_opt_str(line, "label", "?"), "");
	assert_string_equal(json_opt_str(line, "answer", ""), "issued");
	assert_int_equal(json_opt_int(line, "status", 0), 200);
	assert_int_equal(json_opt_int(line, "post_number", 0), 1);
	assert_int_equal(strlen(json_opt_str(line, "serial", "")), 32);
	assert_int_equal(strlen(json_opt_str(line, "certificate_sha256", "")), 64);
	assert_true(json_is_real(json_object_get(line, "service_ms")));
	est_answer_free(&answer);
}

static void test_log_of_a_bad_body(void **state)
{
	struct fixture *f = *state;
	uint8_t noise[] = "noise";
	const struct buf body = { .data = noise, .len = 5 };
	struct est_answer answer = ask(f, "POST", "/.well-known/est/simpleenroll", &body, EST_RA);
	AUTO(json_t) *line = logged(f);

	assert_int_equal(answer.status, 400);
	assert_string_equal(json_opt_str(line, "answer", ""), "rejected");
	assert_int_equal(json_opt_int(line, "post_number", -1), 0);
	assert_true(json_is_null(json_object_get(line, "serial")));
	est_answer_free(&answer);
}

/* A log that can not be written is an error: a certificate nobody accounts for would be worse. */
static void test_log_that_fails(void **state)
{
	struct fixture *f = *state;
	struct est_answer answer = { 0 };
	struct est est = { .ca = f->ca, .log_fd = open("/dev/full", O_WRONLY | O_CLOEXEC) };
	const struct est_request r = { .method = "POST",
		.path = "/.well-known/est/simpleenroll",
		.body = f->csr.data,
		.len = f->csr.len,
		.client = EST_RA };
	struct err e = { 0 };

	assert_true(est.log_fd >= 0);
	assert_err(est_handle(&est, &r, &answer, &e), &e, "devca");
	est_answer_free(&answer);
	est_free(&est);
}

static void test_how_to_send(void **state)
{
	static const struct {
		const char *path;
		unsigned flaws;
		int delay_ms;
	} cases[] = {
		{ "/.well-known/est/simpleenroll", 0, 0 },
		{ "/.well-known/est/chunked/simpleenroll", ANSWER_CHUNKED, 0 },
		{ "/.well-known/est/close/simpleenroll", ANSWER_CLOSE, 0 },
		{ "/.well-known/est/truncate/simpleenroll", ANSWER_TRUNCATED, 0 },
		{ "/.well-known/est/drop/simpleenroll", ANSWER_DROPPED, 0 },
		{ "/.well-known/est/drop-after-issue/simpleenroll", ANSWER_DROPPED, 0 },
		{ "/.well-known/est/slow/simpleenroll", 0, 3000 },
		{ "/.well-known/est/pending-date/simpleenroll", ANSWER_RETRY_DATE, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture *f = *state;
		struct est_answer answer = ask(f, "POST", cases[i].path, &f->csr, EST_RA);

		assert_int_equal(answer.flaws, cases[i].flaws);
		assert_int_equal(answer.delay_ms, cases[i].delay_ms);
		est_answer_free(&answer);
	}
}

/* A bad request to a label that drops or delays is answered at once: it is no fault of the wire. */
static void test_bad_request_to_a_faulty_label(void **state)
{
	static const struct request_extension greedy[] = { { NID_basic_constraints, "CA:TRUE" },
		{ 0, NULL } };
	struct fixture *f = *state;
	AUTO(X509_REQ) *request = request_new(f->key, "SN0001", greedy);
	AUTO_STRUCT(buf) csr = { 0 };
	struct est_answer answer;

	request_der(request, &csr);
	answer = ask(f, "POST", "/.well-known/est/drop-after-issue/simpleenroll", &csr, EST_RA);
	assert_int_equal(answer.status, 400);
	assert_int_equal(answer.flaws, 0);
	assert_non_null(strstr(buf_str(&answer.body, &(struct err){ 0 }), "can not become a CA"));
	est_answer_free(&answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_paths),
		TEST(test_wrong_paths),
		TEST(test_wrong_methods),
		TEST(test_only_an_ra_enrols),
		TEST(test_client_of),
		TEST(test_log_of_an_issue),
		TEST(test_log_of_a_bad_body),
		TEST(test_log_that_fails),
		TEST(test_how_to_send),
		TEST(test_bad_request_to_a_faulty_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
