#include "hsm/swtpm.h"

#include "hsm_csr.h"
#include "x509.h"

static int set_up(void **state)
{
	struct swtpm *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	alarm(100); /* a hang is a failure of its own */
	*t = swtpm_start();
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct swtpm *t = *state;

	alarm(0);
	swtpm_stop(t);
	free(t);
	return 0;
}

static void make(const struct swtpm *t)
{
	AUTO_STRUCT(secret) so_pin = secret_of(SO_PIN);
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	struct err e = { 0 };

	assert_ok(hsm_init_token(t->module, "station", &so_pin, &pin, &e), &e);
	swtpm_flush();
}

static void a_tpm_makes_sound_keys_that_sign(void **state)
{
	struct swtpm *t = *state;
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *r = NULL;
	struct hsm_key_audit a;
	struct hsm_token token;
	const char *mechanism;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };
	struct hsm *h;

	make(t);
	h = token_open(t->module, "station");
	assert_ok(hsm_token(h, &token, &e), &e);
	assert_true(token.initialised);
	assert_ok(hsm_keygen(h, ATTESTER, "EC:P-256", &e), &e);
	assert_ok(hsm_key_audit(h, ATTESTER, &a, &e), &e);
	assert_string_equal(a.type, "EC:P-256");
	assert_ok(hsm_key_is_sound(ATTESTER, &a, &e), &e);
	assert_ok(hsm_mechanism(h, &a, &mechanism, &e), &e);
	assert_string_equal(mechanism, "CKM_ECDSA");
	assert_ok(hsm_key(h, ATTESTER, &key, &e), &e);
	assert_ok(hsm_key_test(h, key, &e), &e);
	assert_ok(hsm_csr(key, "/CN=station 7", HSM_PURPOSE_ATTESTATION, &der, &e), &e);
	assert_ok(x509_parse_request(der.data, der.len, &r, ERR_HSM, &e), &e);
	EVP_PKEY_free(key);
	hsm_close(h);
}

/* Finalised each time, so that nothing stays in the TPM: without that the fourth login fails. */
static void it_opens_again_and_again(void **state)
{
	struct swtpm *t = *state;
	struct err e = { 0 };

	make(t);
	for (int i = 0; i < 6; i++) {
		struct hsm *h = token_open(t->module, "station");
		uint8_t random[16];

		assert_ok(hsm_random(h, random, sizeof(random), &e), &e);
		hsm_close(h);
	}
}

/* A TPM shows no counter before it locks: only the guard file protects it. */
static void a_wrong_pin_is_tried_once(void **state)
{
	struct swtpm *t = *state;
	AUTO_STRUCT(secret) wrong = secret_of("wrong-pin");
	AUTO_STRUCT(secret) right = secret_of(PIN);
	char guard[400];
	struct err e = { 0 };

	make(t);
	(void)snprintf(guard, sizeof(guard), "%s/guard", t->folder);
	for (int i = 0; i < 5; i++) {
		AUTO_PTR(hsm) *h = NULL;

		assert_ok(hsm_open(&h, t->module, "station", &e), &e);
		assert_err(hsm_login(h, &wrong, guard, &e), &e,
		    i == 0 ? "hsm.operator.pin" : "hsm.operator.guard");
	}
	assert_ok(hsm_guard_clear(guard, &e), &e);
	{
		AUTO_PTR(hsm) *h = NULL;

		assert_ok(hsm_open(&h, t->module, "station", &e), &e);
		assert_ok(hsm_login(h, &right, guard, &e), &e);
	}
}

#define TPM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TPM_TEST(a_tpm_makes_sound_keys_that_sign),
		TPM_TEST(it_opens_again_and_again),
		TPM_TEST(a_wrong_pin_is_tried_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
