/* Tokens for tests: SoftHSM in a folder of its own, and raw calls for what kiln never makes. */
#ifndef KILN_TEST_TOKEN_H
#define KILN_TEST_TOKEN_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "file.h"
#include "hsm.h"
#include "testing.h"

#define SOFTHSM   "/usr/lib/softhsm/libsofthsm2.so"
#define SO_PIN    "so-canary-5150"
#define PIN       "pin-canary-2112"
#define ATTESTER  "attest"
#define UNUSED_FN __attribute__((unused)) static

/* Modules leak a little and have no frame pointers: only the slow unwinder finds their names, by which
 * test/lsan.supp knows them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

UNUSED_FN void run_shell(const char *command)
{
	int rc = system(command); /* test input only */

	if (rc != 0)
		fail_msg("%d from: %s", rc, command);
}

/* Points SoftHSM at a fresh folder. The caller removes it. */
UNUSED_FN char *token_folder(void)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };
	char path[300];
	char *folder;

	if (access(SOFTHSM, R_OK) != 0)
		testing_skip("softhsm2");
	folder = testing_folder();
	(void)snprintf(path, sizeof(path), "%s/tokens", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_ok(buf_printf(&text, &e, "directories.tokendir = %s\nlog.level = ERROR\n", path),
	    &e);
	(void)snprintf(path, sizeof(path), "%s/softhsm2.conf", folder);
	assert_ok(file_write(path, text.data, text.len, 0600, &e), &e);
	assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
	return folder;
}

UNUSED_FN struct secret secret_of(const char *text)
{
	struct secret s = { 0 };
	struct err e = { 0 };

	assert_ok(secret_set(&s, text, strlen(text), &e), &e);
	return s;
}

UNUSED_FN void token_make(const char *label)
{
	AUTO_STRUCT(secret) so_pin = secret_of(SO_PIN);
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	struct err e = { 0 };

	assert_ok(hsm_init_token(SOFTHSM, label, &so_pin, &pin, &e), &e);
}

/* Opens and logs in. */
UNUSED_FN struct hsm *token_open(const char *module, const char *label)
{
	AUTO_STRUCT(secret) pin = secret_of(PIN);
	struct hsm *h = NULL;
	struct err e = { 0 };

	assert_ok(hsm_open(&h, module, label, &e), &e);
	assert_ok(hsm_login(h, &pin, NULL, &e), &e);
	return h;
}

UNUSED_FN void token_keygen(const char *label, const char *key, const char *algorithm)
{
	AUTO_PTR(hsm) *h = token_open(SOFTHSM, label);
	struct err e = { 0 };

	assert_ok(hsm_keygen(h, key, algorithm, &e), &e);
}

/* The shim (shim.c) compiled into the folder; its path. */
UNUSED_FN char *token_shim(const char *folder)
{
	char command[2000];
	char *path = NULL;

	if (system("cc --version >/dev/null 2>&1") != 0)
		testing_skip("a C compiler at run time");
	assert_true(asprintf(&path, "%s/shim.so", folder) > 0);
	(void)snprintf(command, sizeof(command),
	    "cc -shared -fPIC -o %s %s $(pkg-config --cflags p11-kit-1)", path,
	    testing_source("test/hsm/shim.c"));
	run_shell(command);
	return path;
}

/* A logged-in raw session on the only token. */
struct raw_session {
	struct ck_function_list *call;
	ck_session_handle_t handle;
};

UNUSED_FN struct raw_session raw_open(const char *pin)
{
	struct ck_c_initialize_args args = { .flags = CKF_OS_LOCKING_OK };
	ck_rv_t (*get)(struct ck_function_list **) = NULL;
	struct raw_session s = { 0 };
	ck_slot_id_t slots[8];
	unsigned long count = COUNT(slots);

	*(void **)(uintptr_t)&get =
	    dlsym(dlopen(SOFTHSM, RTLD_NOW | RTLD_NODELETE), "C_GetFunctionList");
	assert_int_equal(get(&s.call), CKR_OK);
	assert_int_equal(s.call->C_Initialize(&args), CKR_OK);
	assert_int_equal(s.call->C_GetSlotList(1, slots, &count), CKR_OK);
	assert_int_equal(s.call->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
			     NULL, &s.handle),
	    CKR_OK);
	assert_int_equal(s.call->C_Login(s.handle, CKU_USER, (unsigned char *)(uintptr_t)pin,
			     strlen(pin)),
	    CKR_OK);
	return s;
}

UNUSED_FN void raw_close(struct raw_session *s)
{
	assert_int_equal(s->call->C_Finalize(NULL), CKR_OK);
}

/* A key pair that kiln would not make: Edwards, or extractable; without id. */
UNUSED_FN void raw_keygen(const char *label, bool edwards, bool extractable)
{
	static const unsigned char p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	static const unsigned char ed25519[] = "\x13\x0c"
					       "edwards25519";
	struct ck_mechanism mechanism = {
		.mechanism = edwards ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN,
	};
	unsigned char yes = 1, sensitive = extractable ? 0 : 1, leaves = extractable ? 1 : 0;
	const void *curve = edwards ? ed25519 : p256;
	struct ck_attribute public_template[] = {
		{ CKA_TOKEN, &yes, 1 },
		{ CKA_LABEL, (char *)(uintptr_t)label, strlen(label) },
		{ CKA_EC_PARAMS, (void *)(uintptr_t)curve, edwards ? 14 : sizeof(p256) },
	};
	struct ck_attribute private_template[] = {
		{ CKA_TOKEN, &yes, 1 },
		{ CKA_PRIVATE, &yes, 1 },
		{ CKA_SENSITIVE, &sensitive, 1 },
		{ CKA_EXTRACTABLE, &leaves, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, (char *)(uintptr_t)label, strlen(label) },
	};
	struct raw_session s = raw_open(PIN);
	ck_object_handle_t handles[2];

	assert_int_equal(s.call->C_GenerateKeyPair(s.handle, &mechanism, public_template,
			     COUNT(public_template), private_template, COUNT(private_template),
			     &handles[0], &handles[1]),
	    CKR_OK);
	raw_close(&s);
}

/* How often a file holds that text; 0 where there is no file. */
UNUSED_FN size_t count_in(const char *path, const char *text)
{
	AUTO_STRUCT(buf) content = { 0 };
	struct err e = { 0 };
	size_t n = 0;

	if (access(path, F_OK) != 0)
		return 0;
	testing_read(path, &content);
	assert_non_null(buf_str(&content, &e));
	for (const char *p = (const char *)content.data; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

#endif
