#include "hsm_raw.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failpoint.h"
#include "hsm_ckr.h"
#include "hsm_module.h"

static int load(struct hsm_raw *r, const char *module, struct err *e)
{
	ck_rv_t (*get)(struct ck_function_list **) = NULL;
	struct ck_function_list *second = NULL;
	ck_rv_t rv;

	r->library = dlopen(module, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (r->library == NULL)
		return err_set(e, ERR_HSM, "hsm.fatal.module", "loading the PKCS#11 module: %s",
		    dlerror());
	/* POSIX's own way to turn what dlsym gives into a function. */
	*(void **)(uintptr_t)&get = dlsym(r->library, "C_GetFunctionList");
	if (get == NULL)
		return err_set(e, ERR_HSM, "hsm.fatal.module", "%s is not a PKCS#11 module",
		    module);
	rv = get(&r->call);
	if (rv == CKR_OK)
		rv = get(&second);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "loading %s", module);
	r->per_caller = second != r->call;
	return 0;
}

int hsm_raw_open(struct hsm_raw **ret, const char *module, struct err *e)
{
	struct ck_c_initialize_args args = { .flags = CKF_OS_LOCKING_OK };
	AUTO_PTR(hsm_raw) *r = calloc(1, sizeof(*r));
	ck_rv_t rv;

	if (r == NULL)
		return err_nomem(e);
	if (load(r, module, e) != 0)
		return -1;
	rv = r->call->C_Initialize(&args);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return hsm_ckr_error(e, rv, "starting %s", module);
	*ret = steal(&r);
	return 0;
}

void hsm_raw_close(struct hsm_raw *r)
{
	hsm_raw_session_end(r);
	if (r->call != NULL)
		(void)r->call->C_Finalize(
		    NULL); /* libp11 may have done it; nothing left to do on failure */
	if (r->library != NULL)
		(void)dlclose(r->library); /* RTLD_NODELETE: drops a count */
	free(r);
}

bool hsm_raw_is_per_caller(const struct hsm_raw *r)
{
	return r->per_caller;
}

/* A field that is padded with blanks, as text. */
static void unpad(const unsigned char *field, size_t len, char *ret)
{
	while (len > 0 && (field[len - 1] == ' ' || field[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < len; i++)
		ret[i] = field[i] >= 0x20 && field[i] <= 0x7e ? (char)field[i] : '?';
	ret[len] = '\0';
}

/* The worst that is said; a module may set several flags. */
static enum pin_state pin_state(ck_flags_t flags)
{
	if ((flags & CKF_USER_PIN_LOCKED) != 0)
		return PIN_LOCKED;
	if ((flags & CKF_USER_PIN_INITIALIZED) == 0)
		return PIN_NOT_SET;
	if ((flags & CKF_USER_PIN_FINAL_TRY) != 0)
		return PIN_FINAL_TRY;
	return (flags & CKF_USER_PIN_COUNT_LOW) != 0 ? PIN_COUNT_LOW : PIN_OK;
}

int hsm_raw_token(struct hsm_raw *r, unsigned long slot, struct hsm_token *ret, struct err *e)
{
	struct hsm_token token = { .slot = slot };
	struct ck_token_info info = { 0 };
	ck_rv_t rv = r->call->C_GetTokenInfo(slot, &info);

	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "looking at the token in slot %lu", slot);
	unpad(info.label, sizeof(info.label), token.label);
	unpad(info.serial_number, sizeof(info.serial_number), token.serial);
	unpad(info.manufacturer_id, sizeof(info.manufacturer_id), token.manufacturer);
	unpad(info.model, sizeof(info.model), token.model);
	token.initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
	token.login_required = (info.flags & CKF_LOGIN_REQUIRED) != 0;
	token.user_pin = pin_state(info.flags);
	token.pin_min = info.min_pin_len;
	token.pin_max = info.max_pin_len;
	*ret = token;
	return 0;
}

int hsm_raw_tokens(struct hsm_raw *r, struct hsm_token *ret, size_t max, size_t *ret_count,
    struct err *e)
{
	ck_slot_id_t slots[HSM_TOKENS_MAX];
	unsigned long count = 0;
	size_t found = 0;
	ck_rv_t rv;

	/* The call without a list is what makes a module look again (PKCS#11 2.40, C_GetSlotList). */
	rv = r->call->C_GetSlotList(1, NULL, &count);
	count = COUNT(slots);
	if (rv == CKR_OK)
		rv = r->call->C_GetSlotList(1, slots, &count);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "listing tokens");
	for (size_t i = 0; i < count && i < COUNT(slots) && found < max; i++) {
		struct err gone = { 0 }; /* pulled since the list was made */

		if (hsm_raw_token(r, slots[i], &ret[found], &gone) == 0)
			found++;
	}
	*ret_count = found;
	return 0;
}

int hsm_raw_session(struct hsm_raw *r, unsigned long slot, struct err *e)
{
	ck_rv_t rv;

	if (r->session != CK_INVALID_HANDLE)
		return 0;
	rv = r->call->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &r->session);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "opening a session");
	return 0;
}

void hsm_raw_session_end(struct hsm_raw *r)
{
	if (r->session != CK_INVALID_HANDLE)
		(void)r->call->C_CloseSession(r->session); /* a dead session is closed already */
	r->session = CK_INVALID_HANDLE;
}

static ck_rv_t login(struct hsm_raw *r, ck_session_handle_t session, ck_user_type_t user,
    const struct secret *pin)
{
	FAILPOINT("token.login");
	return r->call->C_Login(session, user, hsm_input(secret_reveal(pin)), secret_len(pin));
}

int hsm_raw_login(struct hsm_raw *r, const struct secret *pin, bool *ret_absent, struct err *e)
{
	ck_rv_t rv = login(r, r->session, CKU_USER, pin);

	*ret_absent = hsm_ckr_is_absence(rv);
	if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
		return hsm_ckr_error(e, rv, "logging in");
	return 0;
}

int hsm_raw_random(struct hsm_raw *r, uint8_t *ret, size_t len, struct err *e)
{
	ck_rv_t rv = r->call->C_GenerateRandom(r->session, ret, len);

	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "getting random bytes");
	return 0;
}

int hsm_raw_has_mechanism(struct hsm_raw *r, unsigned long slot, const char *name, bool *ret,
    struct err *e)
{
	static const struct {
		const char *name;
		ck_mechanism_type_t type;
	} known[] = {
		{ "CKM_ECDSA", CKM_ECDSA },
		{ "CKM_RSA_PKCS", CKM_RSA_PKCS },
		{ "CKM_RSA_X_509", CKM_RSA_X_509 },
	};
	struct ck_mechanism_info info = { 0 };
	ck_rv_t rv = CKR_MECHANISM_INVALID;

	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(known[i].name, name) == 0)
			rv = r->call->C_GetMechanismInfo(slot, known[i].type, &info);
	if (rv != CKR_OK && rv != CKR_MECHANISM_INVALID)
		return hsm_ckr_error(e, rv, "asking for %s", name);
	*ret = rv == CKR_OK && (info.flags & CKF_SIGN) != 0;
	return 0;
}

static int set_user_pin(struct hsm_raw *r, ck_session_handle_t session, const struct secret *so_pin,
    const struct secret *pin, struct err *e)
{
	ck_rv_t rv = login(r, session, CKU_SO, so_pin);

	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "logging in as security officer");
	rv = r->call->C_InitPIN(session, hsm_input(secret_reveal(pin)), secret_len(pin));
	(void)r->call->C_Logout(session); /* the session is closed next */
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "setting the user PIN");
	return 0;
}

int hsm_raw_init_token(struct hsm_raw *r, unsigned long slot, const char *label,
    const struct secret *so_pin, const struct secret *pin, struct err *e)
{
	unsigned char padded[33]; /* PKCS#11 wants 32 without an end; snprintf writes one */
	ck_session_handle_t session;
	ck_rv_t rv;
	int rc;

	(void)snprintf((char *)padded, sizeof(padded), "%-32s", label); /* the caller checked it */
	rv = r->call->C_InitToken(slot, hsm_input(secret_reveal(so_pin)), secret_len(so_pin),
	    padded);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "initialising the token in slot %lu", slot);
	rv =
	    r->call->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "opening a session on the new token \"%s\"", label);
	rc = set_user_pin(r, session, so_pin, pin, e);
	(void)r->call->C_CloseSession(session); /* the module is finalised next */
	if (rc != 0)
		return err_while(e, "the token \"%s\" is initialised but has no user PIN", label);
	return 0;
}
