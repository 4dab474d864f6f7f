#include "hsm_ckr.h"

#include <stdio.h>
#include <string.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "own.h"

#define PIN      "hsm.operator.pin"
#define OPERATOR "hsm.operator"
#define REBUILD  "hsm.rebuild"
#define FATAL    "hsm.fatal"

/* clang-format off */
static const struct meaning {
	unsigned long rv;
	const char *name;
	const char *code;
	const char *text;
} meanings[] = {
	{ CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", PIN, "the PIN is wrong" },
	{ CKR_PIN_INVALID, "CKR_PIN_INVALID", PIN, "the token does not accept this PIN" },
	{ CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", PIN, "the PIN is too short or too long" },
	{ CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", PIN, "the PIN has expired: change it" },
	{ CKR_PIN_TOO_WEAK, "CKR_PIN_TOO_WEAK", PIN, "the token finds this PIN too weak" },
	{ CKR_PIN_LOCKED, "CKR_PIN_LOCKED", "hsm.operator.pin.locked",
	    "the PIN is locked: unlock the token with the security officer's PIN" },
	{ CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", "hsm.operator.no-pin",
	    "the token has no user PIN: run kiln hsm init" },
	{ CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", "hsm.operator.token", "there is no token" },
	{ CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", "hsm.operator.token",
	    "the token is not initialised or of another kind" },
	{ CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", OPERATOR,
	    "the token is write protected" },
	{ CKR_ACTION_PROHIBITED, "CKR_ACTION_PROHIBITED", OPERATOR, "the token's policy forbids it" },
	{ CKR_CANCEL, "CKR_CANCEL", OPERATOR, "it was cancelled at the token" },
	{ CKR_FUNCTION_CANCELED, "CKR_FUNCTION_CANCELED", OPERATOR, "it was cancelled at the token" },
	{ CKR_FUNCTION_REJECTED, "CKR_FUNCTION_REJECTED", OPERATOR, "it was refused at the token" },
	{ CKR_SESSION_EXISTS, "CKR_SESSION_EXISTS", OPERATOR, "another program has a session open" },

	{ CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", REBUILD, "the module gives no reason" },
	{ CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", REBUILD, "the module gives no reason" },
	{ CKR_HOST_MEMORY, "CKR_HOST_MEMORY", REBUILD, "the module is out of memory" },
	{ CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", REBUILD, "the token's slot is gone" },
	{ CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", REBUILD, "the token reports an error" },
	{ CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", REBUILD, "the token is out of memory" },
	{ CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", REBUILD, "the token was removed" },
	{ CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", REBUILD, "the key is gone" },
	{ CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", REBUILD, "the object is gone" },
	{ CKR_OPERATION_ACTIVE, "CKR_OPERATION_ACTIVE", REBUILD, "a session is in a wrong state" },
	{ CKR_OPERATION_NOT_INITIALIZED, "CKR_OPERATION_NOT_INITIALIZED", REBUILD,
	    "a session is in a wrong state" },
	{ CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", REBUILD, "the session was closed" },
	{ CKR_SESSION_COUNT, "CKR_SESSION_COUNT", REBUILD, "the token has no session left" },
	{ CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", REBUILD, "the session is gone" },
	{ CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", REBUILD, "the login is gone" },
	{ CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", REBUILD,
	    "another user is logged in" },
	{ CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", REBUILD,
	    "the module was shut down" },

	{ CKR_ARGUMENTS_BAD, "CKR_ARGUMENTS_BAD", FATAL, "the module refuses the arguments" },
	{ CKR_ATTRIBUTE_READ_ONLY, "CKR_ATTRIBUTE_READ_ONLY", FATAL,
	    "the module refuses an attribute" },
	{ CKR_ATTRIBUTE_SENSITIVE, "CKR_ATTRIBUTE_SENSITIVE", FATAL,
	    "the module hides an attribute" },
	{ CKR_ATTRIBUTE_TYPE_INVALID, "CKR_ATTRIBUTE_TYPE_INVALID", FATAL,
	    "the module does not know an attribute" },
	{ CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", FATAL,
	    "the module refuses an attribute" },
	{ CKR_BUFFER_TOO_SMALL, "CKR_BUFFER_TOO_SMALL", FATAL, "the answer is longer than kiln expects" },
	{ CKR_CANT_LOCK, "CKR_CANT_LOCK", FATAL, "the module can not use threads" },
	{ CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", FATAL,
	    "the token does not know this curve" },
	{ CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE", FATAL, "the data has a wrong length for the key" },
	{ CKR_DOMAIN_PARAMS_INVALID, "CKR_DOMAIN_PARAMS_INVALID", FATAL,
	    "the token does not know this curve" },
	{ CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", FATAL,
	    "the module can not do this" },
	{ CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", FATAL,
	    "the key may not be used for this" },
	{ CKR_KEY_SIZE_RANGE, "CKR_KEY_SIZE_RANGE", FATAL, "the token does not make keys of this size" },
	{ CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT", FATAL, "the key is of a wrong type" },
	{ CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", FATAL,
	    "the token does not know this algorithm" },
	{ CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID", FATAL,
	    "the token does not know this algorithm" },
	{ CKR_RANDOM_NO_RNG, "CKR_RANDOM_NO_RNG", FATAL, "the token makes no random numbers" },
	{ CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY", FATAL, "the token can only be read" },
	{ CKR_TEMPLATE_INCOMPLETE, "CKR_TEMPLATE_INCOMPLETE", FATAL,
	    "the module wants more attributes" },
	{ CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", FATAL,
	    "the module refuses these attributes together" },
};
/* clang-format on */

static const struct meaning *find(unsigned long rv)
{
	static const struct meaning unknown = { 0, "an unknown CKR value", FATAL,
		"the module gives a value of its own" };

	for (size_t i = 0; i < COUNT(meanings); i++)
		if (meanings[i].rv == rv)
			return &meanings[i];
	return &unknown;
}

int hsm_ckr_verror(struct err *e, unsigned long rv, const char *fmt, va_list ap)
{
	const struct meaning *m = find(rv);
	char what[200];

	(void)vsnprintf(what, sizeof(what), fmt, ap); /* texts for people are cut */
	return err_set(e, ERR_HSM, m->code, "%s: %s (%s, 0x%lx)", what, m->text, m->name, rv);
}

int hsm_ckr_error(struct err *e, unsigned long rv, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)hsm_ckr_verror(e, rv, fmt, ap);
	va_end(ap);
	return -1;
}

bool hsm_ckr_is_absence(unsigned long rv)
{
	static const unsigned long absent[] = { CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
		CKR_DEVICE_REMOVED, CKR_SESSION_CLOSED, CKR_SESSION_HANDLE_INVALID,
		CKR_SLOT_ID_INVALID, CKR_CRYPTOKI_NOT_INITIALIZED };

	for (size_t i = 0; i < COUNT(absent); i++)
		if (absent[i] == rv)
			return true;
	return false;
}

bool hsm_ckr_is_pin(const struct err *e)
{
	return strncmp(e->code, PIN, strlen(PIN)) == 0;
}
