#include <string.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "hsm_ckr.h"
#include "testing.h"

static void each_class_has_its_code(void **state)
{
	static const struct {
		unsigned long rv;
		const char *code;
		bool pin;
	} expected[] = {
		{ CKR_PIN_INCORRECT, "hsm.operator.pin", true },
		{ CKR_PIN_LOCKED, "hsm.operator.pin.locked", true },
		{ CKR_PIN_EXPIRED, "hsm.operator.pin", true },
		{ CKR_USER_PIN_NOT_INITIALIZED, "hsm.operator.no-pin", false },
		{ CKR_TOKEN_NOT_PRESENT, "hsm.operator.token", false },
		{ CKR_GENERAL_ERROR, "hsm.rebuild", false },
		{ CKR_SESSION_HANDLE_INVALID, "hsm.rebuild", false },
		{ CKR_OBJECT_HANDLE_INVALID, "hsm.rebuild", false },
		{ CKR_DEVICE_REMOVED, "hsm.rebuild", false },
		{ CKR_MECHANISM_INVALID, "hsm.fatal", false },
		{ CKR_FUNCTION_NOT_SUPPORTED, "hsm.fatal", false },
		{ 0x80000005, "hsm.fatal", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct err e = { 0 };

		assert_err(hsm_ckr_error(&e, expected[i].rv, "signing"), &e, expected[i].code);
		assert_int_equal(e.domain, ERR_HSM);
		assert_int_equal(e.scope, SCOPE_STATION);
		assert_false(e.retry);
		assert_int_equal(hsm_ckr_is_pin(&e), expected[i].pin);
	}
}

static void the_message_names_the_value(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(hsm_ckr_error(&e, CKR_DEVICE_REMOVED, "making key \"%s\"", "tls"), -1);
	assert_string_equal(e.message,
	    "making key \"tls\": the token was removed (CKR_DEVICE_REMOVED, 0x32)");
	assert_int_equal(hsm_ckr_error(&e, 0x80000005, "signing"), -1);
	assert_non_null(strstr(e.message, "0x80000005"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_class_has_its_code),
		cmocka_unit_test(the_message_names_the_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
