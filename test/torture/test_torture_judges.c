/* Each allocation of the judges and the parsers fails once: the answer is "no memory" and never a verdict. */
#include "judge/judge_kit.h"
#include "torture.h"

#include <sys/socket.h>
#include <unistd.h>

#include "judge_cert.h"
#include "judge_csr.h"
#include "line.h"

static const char *const codes[] = { "nomem", NULL };
static struct kit kit;

static void nothing(void *context, int rc)
{
	(void)context;
	(void)rc;
}

static int parse_profile(void *context, struct err *e)
{
	AUTO_PTR(profile) *p = NULL;

	(void)context;
	return profile_parse(&p, "test.yaml", kit_profile, strlen(kit_profile), e);
}

static int load_profile(void *context, struct err *e)
{
	AUTO_PTR(profile) *p = NULL;

	return profile_load(&p, context, e);
}

static void test_profile(void **state)
{
	static const char *const files[] = { "profiles/spdm/infusion-pump.yaml",
		"profiles/linux-shell/tpm2.yaml" };
	struct torture t = { parse_profile, nothing, NULL, codes };

	(void)state;
	assert_true(torture_each(&t, 1) > 0);
	t.call = load_profile;
	for (size_t i = 0; i < COUNT(files); i++) {
		t.context = (void *)(uintptr_t)testing_source(files[i]);
		if (access(t.context, R_OK) == 0)
			assert_true(torture_each(&t, 1) > 0);
	}
}

static int match(void *context, struct err *e)
{
	return profile_match(kit.profile, context, e);
}

static void test_identity(void **state)
{
	(void)state;
	assert_true(torture_each(&(struct torture){ match, nothing, &kit.unit, codes }, 1) > 0);
}

static void make_csr(struct buf *ret)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	const uint8_t *name = kit.subject.name.data;
	X509_NAME *subject = d2i_X509_NAME(NULL, &name, (long)kit.subject.name.len);
	uint8_t *der = NULL;
	struct err e = { 0 };
	int len;

	assert_true(request != NULL && subject != NULL);
	assert_int_equal(X509_REQ_set_subject_name(request, subject), 1);
	assert_int_equal(X509_REQ_set_pubkey(request, kit.unit_key), 1);
	assert_true(X509_REQ_sign(request, kit.unit_key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_true(len > 0);
	assert_ok(buf_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	X509_NAME_free(subject);
}

static int judge_request(void *context, struct err *e)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };

	return judge_csr(kit.profile, &kit.unit, context, &facts, e);
}

static void test_csr(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };

	(void)state;
	make_csr(&csr);
	assert_true(torture_each(&(struct torture){ judge_request, nothing, &csr, codes }, 1) > 0);
}

static int judge_leaf(void *context, struct err *e)
{
	AUTO_STRUCT(cert_report) report = { 0 };

	return judge_cert(kit.profile, &kit.unit,
	    &(struct cert_question){ .leaf = context, .key = kit.unit_key, .at = KIT_NOW }, &report,
	    e);
}

static void test_cert(void **state)
{
	AUTO(X509) *cert = kit_unsigned_leaf(&kit);
	AUTO_STRUCT(buf) leaf = { 0 };

	(void)state;
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha256()) > 0);
	kit_der(cert, &leaf);
	assert_true(torture_each(&(struct torture){ judge_leaf, nothing, &leaf, codes }, 1) > 0);
}

/* A line there and back, longer than the buffers begin with. */
static int pass_line(void *context, struct err *e)
{
	const int *ends = context;
	AUTO_STRUCT(line) in = { .fd = ends[1] };
	AUTO(json_t) *sent = json_pack("{s:s, s:s+}", "do", "x", "text",
	    "0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789");
	AUTO(json_t) *got = NULL;
	bool eof;

	if (line_write(ends[0], sent, INT64_MAX, ERR_LINK, e) != 0 ||
	    line_read(&in, &got, &eof, INT64_MAX, ERR_LINK, e) != 0)
		return -1;
	return json_equal(sent, got) ? 0 : err_set(e, ERR_LINK, "differs", "it arrived changed");
}

/* What a failed read left on the way. */
static void drain(void *context, int rc)
{
	const int *ends = context;
	char text[4096];

	(void)rc;
	while (recv(ends[1], text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

static void test_line(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(torture_each(&(struct torture){ pass_line, drain, ends, codes }, 1) > 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static int open_kit(void **state)
{
	(void)state;
	kit_open(&kit);
	return 0;
}

static int close_kit(void **state)
{
	(void)state;
	kit_close(&kit);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_csr),
		cmocka_unit_test(test_cert),
		cmocka_unit_test(test_line),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
