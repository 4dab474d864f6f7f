/*
 * A PKCS#11 module in front of SoftHSM for what SoftHSM never does. Tests compile it at run time
 * (token.h). Environment, read at C_Initialize:
 *   SHIM_FLAGS       token flags to add, a number: what a token near its lock says
 *   SHIM_LOG         file to which each C_Login appends "login\n", each C_Sign "sign\n"
 *   SHIM_FAIL        name of a function that returns SHIM_RV
 *   SHIM_RV          that value, a number
 *   SHIM_HANG        name of a function that never returns
 *   SHIM_PER_CALLER  each C_GetFunctionList gives another list, as p11-kit's remote client does
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static struct ck_function_list *real;

static void note(const char *what)
{
	const char *path = getenv("SHIM_LOG");
	FILE *f = path != NULL ? fopen(path, "a") : NULL;

	if (f != NULL) {
		(void)fprintf(f, "%s\n", what);
		(void)fclose(f);
	}
}

/* CKR_OK where the function shall do its work. */
static ck_rv_t disturb(const char *function)
{
	const char *fail = getenv("SHIM_FAIL");
	const char *hang = getenv("SHIM_HANG");

	while (hang != NULL && strcmp(hang, function) == 0)
		(void)pause();
	if (fail != NULL && strcmp(fail, function) == 0)
		return strtoul(getenv("SHIM_RV"), NULL, 0);
	return CKR_OK;
}

static ck_rv_t get_token_info(ck_slot_id_t slot, struct ck_token_info *info)
{
	const char *flags = getenv("SHIM_FLAGS");
	ck_rv_t rv = disturb("C_GetTokenInfo");

	if (rv == CKR_OK)
		rv = real->C_GetTokenInfo(slot, info);
	if (rv == CKR_OK && flags != NULL)
		info->flags |= strtoul(flags, NULL, 0);
	return rv;
}

static ck_rv_t login(ck_session_handle_t session, ck_user_type_t user, unsigned char *pin,
    unsigned long len)
{
	ck_rv_t rv;

	note("login");
	rv = disturb("C_Login");
	return rv == CKR_OK ? real->C_Login(session, user, pin, len) : rv;
}

static ck_rv_t open_session(ck_slot_id_t slot, ck_flags_t flags, void *application,
    ck_notify_t notify, ck_session_handle_t *session)
{
	ck_rv_t rv = disturb("C_OpenSession");

	return rv == CKR_OK ? real->C_OpenSession(slot, flags, application, notify, session) : rv;
}

static ck_rv_t sign(ck_session_handle_t session, unsigned char *data, unsigned long len,
    unsigned char *signature, unsigned long *signature_len)
{
	ck_rv_t wanted, rv;

	note("sign");
	wanted = disturb("C_Sign");
	rv = real->C_Sign(session, data, len, signature, signature_len); /* ends the operation */
	return wanted != CKR_OK ? wanted : rv;
}

ck_rv_t C_GetFunctionList(struct ck_function_list **ret)
{
	static struct ck_function_list lists[16];
	static size_t next;
	struct ck_function_list *list = &lists[next];
	ck_rv_t (*get)(struct ck_function_list **) = NULL;

	if (real == NULL)
		*(void **)&get =
		    dlsym(dlopen(SOFTHSM, RTLD_NOW | RTLD_NODELETE), "C_GetFunctionList");
	if (real == NULL && get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	*list = *real;
	list->C_GetTokenInfo = get_token_info;
	list->C_Login = login;
	list->C_OpenSession = open_session;
	list->C_Sign = sign;
	if (getenv("SHIM_PER_CALLER") != NULL)
		next = (next + 1) % 16;
	*ret = list;
	return CKR_OK;
}
