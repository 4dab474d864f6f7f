/* Inside of struct hsm_raw, for hsm_raw.c and hsm_object.c alone. */
#ifndef KILN_HSM_MODULE_H
#define KILN_HSM_MODULE_H

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "hsm_raw.h"

struct hsm_raw {
	void *library;
	struct ck_function_list *call;
	bool per_caller;
	ck_session_handle_t session; /* CK_INVALID_HANDLE: none */
};

/* PKCS#11 takes what it only reads as pointers to non-const. */
static inline void *hsm_input(const void *p)
{
	return (void *)(uintptr_t)p;
}

#endif
