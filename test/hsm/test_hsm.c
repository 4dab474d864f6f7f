#include "hsm/token.h"

#include <openssl/err.h>

#include "x509.h"

#define FINAL_TRY "0x20000"
#define LOCKED    "0x40000"

struct fixture {
	char *folder;
	char *guard;
	char *shim_log;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	alarm(60); /* a hang is a failure of its own */
	f->folder = token_folder();
	assert_true(asprintf(&f->guard, "%s/guard", f->folder) > 0);
	assert_true(asprintf(&f->shim_log, "%s/shim.log", f->folder) > 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const shim[] = { "SHIM_FLAGS", "SHIM_LOG", "SHIM_FAIL", "SHIM_RV",
		"SHIM_HANG", "SHIM_PER_CALLER" };
	struct fixture *f = *state;

	alarm(0);
	for (size_t i = 0; i < COUNT(shim); i++)
		assert_int_equal(unsetenv(shim[i]), 0);
	testing_folder_remove(f->folder);
	free(f->guard);
	free(f->shim_log);
	free(f);
	return 0;
}

/* One login on a freshly opened token, as a restarted service does it. */
static int log_in(const char *module, const char *pin_text, const char *guard, struct err *e)
{
	AUTO_STRUCT(secret) pin = secret_of(pin_text);
	AUTO_PTR(hsm) *h = NULL;

	assert_ok(hsm_open(&h, module, "station", e), e);
	return hsm_login(h, &pin, guard, e);
}

static void refuses_what_is_no_module(void **state)
{
	struct hsm *h = NULL;
	struct err e = { 0 };

	(void)state;
	assert_err(hsm_open(&h, "/nonexistent/module.so", NULL, &e), &e, "hsm.fatal.module");
	assert_err(hsm_open(&h, "libm.so.6", NULL, &e), &e, "hsm.fatal.module");
	assert_null(h);
}

static void names_the_tokens_there_are(void **state)
{
	struct hsm *h = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	assert_err(hsm_open(&h, SOFTHSM, "statoin", &e), &e, "hsm.operator.token");
	assert_non_null(strstr(e.message, "\"station\""));
	assert_null(h);
}

static void an_uninitialised_token_is_seen_and_never_used(void **state)
{
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_token tokens[4];
	struct hsm *none = NULL;
	struct err e = { 0 };
	size_t count;

	(void)state;
	assert_ok(hsm_open(&h, SOFTHSM, NULL, &e), &e);
	assert_ok(hsm_tokens(h, tokens, COUNT(tokens), &count, &e), &e);
	assert_int_equal(count, 1);
	assert_false(tokens[0].initialised);
	assert_int_equal(tokens[0].user_pin, PIN_NOT_SET);
	assert_err(hsm_choose(h, tokens[0].label, &e), &e, "hsm.operator.token");
	assert_err(hsm_login(h, &pin, NULL, &e), &e, "hsm.label");
	assert_err(hsm_open(&none, SOFTHSM, "", &e), &e, "hsm.operator.token");
}

static void init_makes_one_token_of_a_label(void **state)
{
	AUTO_STRUCT(secret) so_pin = secret_of(SO_PIN);
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	AUTO_STRUCT(secret) brief = secret_of("123");
	AUTO_STRUCT(secret) empty = { 0 };
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_token t;
	struct err e = { 0 };

	(void)state;
	assert_err(hsm_init_token(SOFTHSM, "station", &so_pin, &brief, &e), &e, "hsm.pin");
	assert_err(hsm_init_token(SOFTHSM, "station", &empty, &pin, &e), &e, "hsm.pin");
	assert_err(hsm_init_token(SOFTHSM, "", &so_pin, &pin, &e), &e, "hsm.label");
	assert_err(hsm_init_token(SOFTHSM, "a label of more than 32 characters", &so_pin, &pin, &e),
	    &e, "hsm.label");
	assert_ok(hsm_init_token(SOFTHSM, "station", &so_pin, &pin, &e), &e);
	assert_err(hsm_init_token(SOFTHSM, "station", &so_pin, &pin, &e), &e, "hsm.operator.token");
	assert_ok(hsm_open(&h, SOFTHSM, "station", &e), &e);
	assert_ok(hsm_token(h, &t, &e), &e);
	assert_string_equal(t.label, "station");
	assert_string_equal(t.manufacturer, "SoftHSM project");
	assert_true(t.initialised && t.login_required);
	assert_int_equal(t.user_pin, PIN_OK);
}

static void two_tokens_of_one_label_are_ambiguous(void **state)
{
	struct hsm *h = NULL;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		run_shell(
		    "softhsm2-util --init-token --free --label twice --so-pin 123456 --pin 1234 "
		    ">/dev/null");
	assert_err(hsm_open(&h, SOFTHSM, "twice", &e), &e, "hsm.operator.token");
	assert_non_null(strstr(e.message, "2 tokens"));
}

static void makes_sound_keys_that_sign(void **state)
{
	static const char *const algorithms[] = { "EC:P-256", "EC:P-384", "RSA:2048", "RSA:3072" };
	struct err e = { 0 };

	(void)state;
	token_make("station");
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		AUTO_PTR(hsm) *h = token_open(SOFTHSM, "station");
		struct hsm_key_audit a;
		const char *mechanism;
		EVP_PKEY *key = NULL;

		assert_ok(hsm_keygen(h, algorithms[i], algorithms[i], &e), &e);
		assert_ok(hsm_key_audit(h, algorithms[i], &a, &e), &e);
		assert_true(a.present);
		assert_string_equal(a.type, algorithms[i]);
		assert_ok(hsm_key_is_sound(algorithms[i], &a, &e), &e);
		assert_ok(hsm_mechanism(h, &a, &mechanism, &e), &e);
		assert_string_equal(mechanism, i < 2 ? "CKM_ECDSA" : "CKM_RSA_PKCS");
		assert_ok(hsm_key(h, algorithms[i], &key, &e), &e);
		assert_string_equal(hsm_key_digest(key), i == 1 ? "SHA384" : "SHA256");
		assert_ok(hsm_key_test(h, key, &e), &e);
		EVP_PKEY_free(key);
	}
}

static void keygen_refuses(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	h = token_open(SOFTHSM, "station");
	assert_err(hsm_keygen(h, "a", "EC:P-255", &e), &e, "hsm.algorithm");
	assert_err(hsm_keygen(h, "", "EC:P-256", &e), &e, "hsm.label");
	assert_ok(hsm_keygen(h, "a", "EC:P-256", &e), &e);
	assert_err(hsm_keygen(h, "a", "EC:P-256", &e), &e, "hsm.operator.key");
}

static void nothing_works_before_the_login(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_key_audit a;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };
	uint8_t random[4];

	(void)state;
	token_make("station");
	assert_ok(hsm_open(&h, SOFTHSM, "station", &e), &e);
	assert_err(hsm_key_audit(h, "a", &a, &e), &e, "hsm.login");
	assert_err(hsm_key(h, "a", &key, &e), &e, "hsm.login");
	assert_err(hsm_random(h, random, sizeof(random), &e), &e, "hsm.login");
	assert_err(hsm_keygen(h, "a", "EC:P-256", &e), &e, "hsm.login");
}

static void an_absent_key_is_named(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_key_audit a;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	h = token_open(SOFTHSM, "station");
	assert_ok(hsm_key_audit(h, "missing", &a, &e), &e);
	assert_false(a.present);
	assert_err(hsm_key_is_sound("missing", &a, &e), &e, "hsm.operator.key");
	assert_err(hsm_key(h, "missing", &key, &e), &e, "hsm.operator.key");
	assert_non_null(strstr(e.message, "missing"));
}

static void an_extractable_key_is_not_sound(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_key_audit a;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	raw_keygen("leaky", false, true);
	h = token_open(SOFTHSM, "station");
	assert_ok(hsm_key_audit(h, "leaky", &a, &e), &e);
	assert_err(hsm_key_is_sound("leaky", &a, &e), &e, "hsm.fatal.key");
	assert_non_null(strstr(e.message, " SENSITIVE=false"));
	assert_non_null(strstr(e.message, " EXTRACTABLE=true"));
	assert_non_null(strstr(e.message, " NEVER_EXTRACTABLE=false"));
	assert_null(strstr(e.message, "LOCAL"));
}

static void each_unsound_attribute_is_refused(void **state)
{
	const struct hsm_key_audit sound = { .present = true,
		.is_private = true,
		.sensitive = true,
		.always_sensitive = true,
		.never_extractable = true,
		.local = true,
		.sign = true };
	struct hsm_key_audit wrong[] = { sound, sound, sound, sound, sound, sound, sound };
	struct err e = { 0 };

	(void)state;
	wrong[0].is_private = false;
	wrong[1].sensitive = false;
	wrong[2].always_sensitive = false;
	wrong[3].extractable = true;
	wrong[4].never_extractable = false;
	wrong[5].local = false;
	wrong[6].sign = false;
	assert_ok(hsm_key_is_sound("k", &sound, &e), &e);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(hsm_key_is_sound("k", &wrong[i], &e), &e, "hsm.fatal.key");
}

static void an_ed25519_key_is_named_instead_of_hiding_all(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	struct hsm_key_audit a;
	const char *mechanism;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	token_keygen("station", ATTESTER, "EC:P-256");
	raw_keygen("edward", true, false);
	h = token_open(SOFTHSM, "station");
	assert_err(hsm_key(h, ATTESTER, &key, &e), &e, "hsm.operator.foreign-key");
	assert_non_null(strstr(e.message, "\"edward\""));
	assert_non_null(strstr(e.message, "Ed25519"));
	assert_ok(hsm_key_audit(h, "edward", &a, &e), &e);
	assert_string_equal(a.type, "ED25519");
	assert_err(hsm_mechanism(h, &a, &mechanism, &e), &e, "hsm.fatal.key");
}

static void two_keys_of_one_label_are_ambiguous(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	raw_keygen("twice", false, false);
	raw_keygen("twice", false, false);
	h = token_open(SOFTHSM, "station");
	assert_err(hsm_key(h, "twice", &key, &e), &e, "hsm.operator.key");
}

static void a_key_without_public_half_is_explained(void **state)
{
	ck_object_class_t class = CKO_PUBLIC_KEY;
	struct ck_attribute template = { CKA_CLASS, &class, sizeof(class) };
	AUTO_PTR(hsm) *h = NULL;
	struct raw_session s;
	ck_object_handle_t object;
	unsigned long count;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	token_keygen("station", "half", "EC:P-256");
	s = raw_open(PIN);
	assert_int_equal(s.call->C_FindObjectsInit(s.handle, &template, 1), CKR_OK);
	assert_int_equal(s.call->C_FindObjects(s.handle, &object, 1, &count), CKR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(s.call->C_FindObjectsFinal(s.handle), CKR_OK);
	assert_int_equal(s.call->C_DestroyObject(s.handle, object), CKR_OK);
	raw_close(&s);
	h = token_open(SOFTHSM, "station");
	assert_err(hsm_key(h, "half", &key, &e), &e, "hsm.fatal.key");
	assert_non_null(strstr(e.message, "public key object"));
}

static void a_wrong_pin_is_tried_once(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	struct err e = { 0 };

	token_make("station");
	assert_int_equal(setenv("SHIM_LOG", f->shim_log, 1), 0);
	assert_err(log_in(shim, "wrong-pin", f->guard, &e), &e, "hsm.operator.pin");
	assert_int_equal(count_in(f->shim_log, "login"), 1);

	/* Also the right PIN waits for a person now, in this process and in the next. */
	assert_err(log_in(shim, "wrong-pin", f->guard, &e), &e, "hsm.operator.guard");
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.guard");
	assert_int_equal(count_in(f->shim_log, "login"), 1);
	assert_int_equal(count_in(f->guard, "wrong-pin"), 0);

	assert_ok(hsm_guard_clear(f->guard, &e), &e);
	assert_ok(log_in(shim, PIN, f->guard, &e), &e);
	assert_int_equal(access(f->guard, F_OK), -1);
	assert_int_equal(count_in(f->shim_log, "login"), 2);
	free(shim);
}

static void softhsm_shows_a_low_counter_and_one_login_resets_it(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	struct hsm_token t;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	assert_err(log_in(SOFTHSM, "wrong-pin", NULL, &e), &e, "hsm.operator.pin");
	assert_ok(hsm_open(&h, SOFTHSM, "station", &e), &e);
	assert_ok(hsm_token(h, &t, &e), &e);
	assert_int_equal(t.user_pin, PIN_COUNT_LOW);
	assert_ok(hsm_login(h, &pin, NULL, &e), &e);
	assert_err(hsm_login(h, &pin, NULL, &e), &e, "hsm.login");
	assert_ok(hsm_token(h, &t, &e), &e);
	assert_int_equal(t.user_pin, PIN_OK);
}

static void no_login_near_the_lock(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	struct err e = { 0 };

	token_make("station");
	assert_int_equal(setenv("SHIM_LOG", f->shim_log, 1), 0);
	assert_int_equal(setenv("SHIM_FLAGS", FINAL_TRY, 1), 0);
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.final-try");
	assert_int_equal(setenv("SHIM_FLAGS", LOCKED, 1), 0);
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.pin.locked");
	assert_int_equal(count_in(f->shim_log, "login"), 0);
	assert_int_equal(access(f->guard, F_OK), -1);
	free(shim);
}

static void a_token_without_user_pin_is_named(void **state)
{
	unsigned char label[33] = "station                         ";
	unsigned char so_pin[] = "123456";
	struct ck_function_list *call = NULL;
	ck_rv_t (*get)(struct ck_function_list **) = NULL;
	struct err e = { 0 };

	(void)state;
	*(void **)(uintptr_t)&get =
	    dlsym(dlopen(SOFTHSM, RTLD_NOW | RTLD_NODELETE), "C_GetFunctionList");
	assert_int_equal(get(&call), CKR_OK);
	assert_int_equal(call->C_Initialize(NULL), CKR_OK);
	assert_int_equal(call->C_InitToken(0, so_pin, 6, label), CKR_OK);
	assert_int_equal(call->C_Finalize(NULL), CKR_OK);
	assert_err(log_in(SOFTHSM, PIN, NULL, &e), &e, "hsm.operator.no-pin");
}

static void a_failing_session_is_an_error_and_no_hang(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	struct err e = { 0 };

	token_make("station");
	assert_int_equal(setenv("SHIM_FAIL", "C_OpenSession", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "0xe1", 1), 0); /* CKR_TOKEN_NOT_RECOGNIZED */
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.token");
	assert_int_equal(setenv("SHIM_RV", "5", 1), 0); /* CKR_GENERAL_ERROR */
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	free(shim);
}

/* Not a wrong PIN: the next start may try once more, the third not. */
static void a_login_without_verdict_is_tried_twice(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	struct err e = { 0 };

	token_make("station");
	assert_int_equal(setenv("SHIM_FAIL", "C_Login", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "5", 1), 0);
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.guard");
	free(shim);
}

/* An HSM that is away for an hour is tried all the time, and counts no PIN meanwhile. */
static void a_login_without_a_token_counts_for_nothing(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	struct err e = { 0 };

	token_make("station");
	assert_int_equal(setenv("SHIM_FAIL", "C_Login", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "5", 1), 0);
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_int_equal(setenv("SHIM_RV", "0x32", 1), 0); /* CKR_DEVICE_REMOVED */
	for (int i = 0; i < 5; i++)
		assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_int_equal(setenv("SHIM_RV", "5", 1), 0); /* what did count still does */
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.operator.guard");
	assert_ok(hsm_guard_clear(f->guard, &e), &e);
	assert_int_equal(setenv("SHIM_RV", "0x32", 1), 0);
	assert_err(log_in(shim, PIN, f->guard, &e), &e, "hsm.rebuild");
	assert_int_equal(access(f->guard, F_OK), -1);
	assert_int_equal(unsetenv("SHIM_FAIL"), 0);
	assert_ok(log_in(shim, PIN, f->guard, &e), &e);
	free(shim);
}

static void a_module_with_an_instance_per_caller_works(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	AUTO_PTR(hsm) *h = NULL;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	token_make("station");
	token_keygen("station", ATTESTER, "EC:P-256");
	assert_int_equal(setenv("SHIM_PER_CALLER", "1", 1), 0);
	assert_int_equal(setenv("SHIM_LOG", f->shim_log, 1), 0);
	h = token_open(shim, "station");
	assert_int_equal(count_in(f->shim_log, "login"), 2); /* ours, then libp11's */
	assert_ok(hsm_key(h, ATTESTER, &key, &e), &e);
	assert_ok(hsm_key_test(h, key, &e), &e);
	EVP_PKEY_free(key);
	free(shim);
}

static void the_modules_value_decides_what_to_do(void **state)
{
	struct fixture *f = *state;
	char *shim = token_shim(f->folder);
	AUTO_PTR(hsm) *h = NULL;
	EVP_PKEY *key = NULL;
	struct err e = { 0 };

	token_make("station");
	token_keygen("station", ATTESTER, "EC:P-256");
	h = token_open(shim, "station");
	assert_ok(hsm_key(h, ATTESTER, &key, &e), &e);
	assert_int_equal(setenv("SHIM_FAIL", "C_Sign", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "0x32", 1), 0); /* CKR_DEVICE_REMOVED */
	assert_err(hsm_key_test(h, key, &e), &e, "hsm.rebuild");
	assert_non_null(strstr(e.message, "CKR_DEVICE_REMOVED"));
	assert_int_equal(setenv("SHIM_RV", "0x68", 1), 0); /* CKR_KEY_FUNCTION_NOT_PERMITTED */
	assert_err(hsm_key_test(h, key, &e), &e, "hsm.fatal");
	assert_int_equal(ERR_peek_error(), 0);
	EVP_PKEY_free(key);
	free(shim);
}

static void a_token_that_vanishes_is_an_error(void **state)
{
	struct fixture *f = *state;
	AUTO_PTR(hsm) *h = NULL;
	EVP_PKEY *key = NULL;
	char command[700];
	struct err e = { 0 };

	token_make("station");
	token_keygen("station", ATTESTER, "EC:P-256");
	h = token_open(SOFTHSM, "station");
	assert_ok(hsm_key(h, ATTESTER, &key, &e), &e);
	(void)snprintf(command, sizeof(command), "mv %s/tokens %s/gone", f->folder, f->folder);
	run_shell(command);
	assert_err(hsm_key_test(h, key, &e), &e, "hsm.rebuild");
	EVP_PKEY_free(key);
}

static void random_bytes_differ(void **state)
{
	AUTO_PTR(hsm) *h = NULL;
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	struct err e = { 0 };

	(void)state;
	token_make("station");
	h = token_open(SOFTHSM, "station");
	assert_ok(hsm_random(h, a, sizeof(a), &e), &e);
	assert_ok(hsm_random(h, b, sizeof(b), &e), &e);
	assert_memory_not_equal(a, b, sizeof(a));
}

#define HSM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HSM_TEST(refuses_what_is_no_module),
		HSM_TEST(names_the_tokens_there_are),
		HSM_TEST(an_uninitialised_token_is_seen_and_never_used),
		HSM_TEST(init_makes_one_token_of_a_label),
		HSM_TEST(two_tokens_of_one_label_are_ambiguous),
		HSM_TEST(makes_sound_keys_that_sign),
		HSM_TEST(keygen_refuses),
		HSM_TEST(nothing_works_before_the_login),
		HSM_TEST(an_absent_key_is_named),
		HSM_TEST(an_extractable_key_is_not_sound),
		HSM_TEST(each_unsound_attribute_is_refused),
		HSM_TEST(an_ed25519_key_is_named_instead_of_hiding_all),
		HSM_TEST(two_keys_of_one_label_are_ambiguous),
		HSM_TEST(a_key_without_public_half_is_explained),
		HSM_TEST(a_wrong_pin_is_tried_once),
		HSM_TEST(softhsm_shows_a_low_counter_and_one_login_resets_it),
		HSM_TEST(no_login_near_the_lock),
		HSM_TEST(a_token_without_user_pin_is_named),
		HSM_TEST(a_failing_session_is_an_error_and_no_hang),
		HSM_TEST(a_login_without_verdict_is_tried_twice),
		HSM_TEST(a_login_without_a_token_counts_for_nothing),
		HSM_TEST(a_module_with_an_instance_per_caller_works),
		HSM_TEST(the_modules_value_decides_what_to_do),
		HSM_TEST(a_token_that_vanishes_is_an_error),
		HSM_TEST(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
