/*
 * A PKCS#11 module in front of SoftHSM for what SoftHSM never does. Tests compile it at run time
 * (token.h, station_kit.py). Environment, read at each call:
 *   SHIM_FLAGS       token flags to add, a number: what a token near its lock says
 *   SHIM_LOG         file to which each C_Login appends "login\n", each C_Sign "sign\n"
 *   SHIM_FAIL        name of a function that returns SHIM_RV
 *   SHIM_RV          that value, a number
 *   SHIM_HANG        name of a function that never returns
 *   SHIM_PER_CALLER  each C_GetFunctionList gives another list, as p11-kit's remote client does
 *   SHIM_TRACE       file to which each call appends "PROGRAM FUNCTION\n"
 *   SHIM_TIMES       file to which each C_Sign appends "PROGRAM MICROSECONDS\n" of processor time, without the calls around it
 *   SHIM_CONTROL     file that can change while the module runs. One line: PROGRAM FUNCTION ACTION VALUE N
 *                    PROGRAM is a process's name or "*"; FUNCTION a name or "*"; ACTION "fail" (returns
 *                    VALUE), "hang", "spoil" (C_Sign's signature) or "die" (SIGKILL); it takes effect from
 *                    the N-th call on that fits, counted since the process began; "die" only at that one
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

extern char *program_invocation_short_name;

static struct ck_function_list *real;
static int spoiled;

static void append(const char *variable, const char *first, const char *second)
{
	const char *path = getenv(variable);
	FILE *f = path != NULL ? fopen(path, "a") : NULL;

	if (f != NULL) {
		(void)fprintf(f, "%s%s\n", first, second);
		(void)fclose(f);
	}
}

/* A busy machine's delays are not the token's time. */
static long long now_us(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void note_time(long long us)
{
	char line[80];

	(void)snprintf(line, sizeof(line), " %lld", us);
	append("SHIM_TIMES", program_invocation_short_name, line);
}

static int fits(const char *pattern, const char *text)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, text) == 0;
}

/* How often this call, or any, was made. */
static unsigned long count_of(const char *function, int any)
{
	static struct {
		const char *name;
		unsigned long count;
	} counts[32];
	static unsigned long all;
	size_t i = 0;

	if (any)
		return all;
	all++;
	while (i < 31 && counts[i].name != NULL && strcmp(counts[i].name, function) != 0)
		i++;
	counts[i].name = function;
	return ++counts[i].count;
}

static ck_rv_t obey(const char *function)
{
	const char *path = getenv("SHIM_CONTROL");
	FILE *f = path != NULL ? fopen(path, "r") : NULL;
	char program[32], name[32], action[32], value[32];
	unsigned long n = 0, count = count_of(function, 0);
	int got;

	if (f == NULL)
		return CKR_OK;
	got = fscanf(f, "%31s %31s %31s %31s %lu", program, name, action, value, &n);
	(void)fclose(f);
	if (got != 5 || !fits(program, program_invocation_short_name) || !fits(name, function))
		return CKR_OK;
	if (strcmp(name, "*") == 0)
		count = count_of(function, 1);
	if (count < n)
		return CKR_OK;
	if (strcmp(action, "die") == 0 && count == n)
		(void)raise(SIGKILL);
	spoiled = strcmp(action, "spoil") == 0;
	while (strcmp(action, "hang") == 0)
		(void)pause();
	return strcmp(action, "fail") == 0 ? strtoul(value, NULL, 0) : CKR_OK;
}

/* CKR_OK where the function shall do its work. */
static ck_rv_t disturb(const char *function)
{
	const char *fail = getenv("SHIM_FAIL");
	const char *hang = getenv("SHIM_HANG");
	char line[80];

	(void)snprintf(line, sizeof(line), "%s ", program_invocation_short_name);
	append("SHIM_TRACE", line, function);
	while (hang != NULL && strcmp(hang, function) == 0)
		(void)pause();
	if (fail != NULL && strcmp(fail, function) == 0)
		return strtoul(getenv("SHIM_RV"), NULL, 0);
	return obey(function);
}

static ck_rv_t initialize(void *arguments)
{
	ck_rv_t rv = disturb("C_Initialize");

	return rv == CKR_OK ? real->C_Initialize(arguments) : rv;
}

static ck_rv_t finalize(void *reserved)
{
	ck_rv_t rv = disturb("C_Finalize");

	return rv == CKR_OK ? real->C_Finalize(reserved) : rv;
}

static ck_rv_t get_slot_list(unsigned char present, ck_slot_id_t *slots, unsigned long *count)
{
	ck_rv_t rv = disturb("C_GetSlotList");

	return rv == CKR_OK ? real->C_GetSlotList(present, slots, count) : rv;
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

static ck_rv_t open_session(ck_slot_id_t slot, ck_flags_t flags, void *application,
    ck_notify_t notify, ck_session_handle_t *session)
{
	ck_rv_t rv = disturb("C_OpenSession");

	return rv == CKR_OK ? real->C_OpenSession(slot, flags, application, notify, session) : rv;
}

static ck_rv_t login(ck_session_handle_t session, ck_user_type_t user, unsigned char *pin,
    unsigned long len)
{
	ck_rv_t rv;

	append("SHIM_LOG", "login", "");
	rv = disturb("C_Login");
	return rv == CKR_OK ? real->C_Login(session, user, pin, len) : rv;
}

static ck_rv_t find_objects_init(ck_session_handle_t session, struct ck_attribute *attributes,
    unsigned long count)
{
	ck_rv_t rv = disturb("C_FindObjectsInit");

	return rv == CKR_OK ? real->C_FindObjectsInit(session, attributes, count) : rv;
}

static ck_rv_t find_objects(ck_session_handle_t session, ck_object_handle_t *objects,
    unsigned long max, unsigned long *count)
{
	ck_rv_t rv = disturb("C_FindObjects");

	return rv == CKR_OK ? real->C_FindObjects(session, objects, max, count) : rv;
}

static ck_rv_t get_attribute_value(ck_session_handle_t session, ck_object_handle_t object,
    struct ck_attribute *attributes, unsigned long count)
{
	ck_rv_t rv = disturb("C_GetAttributeValue");

	return rv == CKR_OK ? real->C_GetAttributeValue(session, object, attributes, count) : rv;
}

static ck_rv_t generate_random(ck_session_handle_t session, unsigned char *bytes, unsigned long len)
{
	ck_rv_t rv = disturb("C_GenerateRandom");

	return rv == CKR_OK ? real->C_GenerateRandom(session, bytes, len) : rv;
}

static ck_rv_t sign_init(ck_session_handle_t session, struct ck_mechanism *mechanism,
    ck_object_handle_t key)
{
	ck_rv_t rv = disturb("C_SignInit");

	return rv == CKR_OK ? real->C_SignInit(session, mechanism, key) : rv;
}

static ck_rv_t sign(ck_session_handle_t session, unsigned char *data, unsigned long len,
    unsigned char *signature, unsigned long *signature_len)
{
	ck_rv_t wanted, rv;
	long long begun;

	append("SHIM_LOG", "sign", "");
	spoiled = 0;
	wanted = disturb("C_Sign");
	begun = now_us();
	rv = real->C_Sign(session, data, len, signature, signature_len); /* ends the operation */
	note_time(now_us() - begun);
	if (spoiled && rv == CKR_OK && signature != NULL)
		signature[*signature_len / 2] ^= 1;
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
	list->C_Initialize = initialize;
	list->C_Finalize = finalize;
	list->C_GetSlotList = get_slot_list;
	list->C_GetTokenInfo = get_token_info;
	list->C_OpenSession = open_session;
	list->C_Login = login;
	list->C_FindObjectsInit = find_objects_init;
	list->C_FindObjects = find_objects;
	list->C_GetAttributeValue = get_attribute_value;
	list->C_GenerateRandom = generate_random;
	list->C_SignInit = sign_init;
	list->C_Sign = sign;
	if (getenv("SHIM_PER_CALLER") != NULL)
		next = (next + 1) % 16;
	*ret = list;
	return CKR_OK;
}
