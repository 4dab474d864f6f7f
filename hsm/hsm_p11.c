#include "hsm_p11.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libp11.h>
#include <openssl/err.h>

#include "hsm_ckr.h"

struct hsm_p11 {
	PKCS11_CTX *context;
	bool loaded;
	PKCS11_SLOT *slots;
	unsigned int slot_count;
	PKCS11_SLOT *slot; /* one of them */
};

int hsm_openssl_error(struct err *e, const char *fmt, ...)
{
	unsigned long code, ckr = 0, last = 0;
	const char *reason;
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap); /* texts for people are cut */
	va_end(ap);
	while ((code = ERR_get_error()) != 0) {
		/* libp11 puts the CKR under a library number that it gets at run time. */
		if (ERR_GET_LIB(code) == ERR_get_CKR_code())
			ckr = (unsigned long)ERR_GET_REASON(code);
		last = code;
	}
	if (ckr != 0)
		return hsm_ckr_error(e, ckr, "%s", what);
	reason = ERR_reason_error_string(last);
	return err_set(e, ERR_HSM, "hsm.rebuild", "%s: %s", what,
	    reason != NULL ? reason : "no reason given");
}

static int find_slot(struct hsm_p11 *p, unsigned long slot, struct err *e)
{
	for (unsigned int i = 0; i < p->slot_count; i++) {
		if (PKCS11_get_slotid_from_slot(&p->slots[i]) != slot)
			continue;
		p->slot = &p->slots[i];
		if (p->slot->token != NULL && p->slot->token->initialized)
			return 0;
	}
	return err_set(e, ERR_HSM, "hsm.rebuild", "the token in slot %lu is gone", slot);
}

int hsm_p11_open(struct hsm_p11 **ret, const char *module, unsigned long slot, struct err *e)
{
	AUTO_PTR(hsm_p11) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->context = PKCS11_CTX_new();
	if (p->context == NULL)
		return err_nomem(e);
	if (PKCS11_CTX_load(p->context, module) != 0)
		return hsm_openssl_error(e, "loading %s", module);
	p->loaded = true;
	if (PKCS11_enumerate_slots(p->context, &p->slots, &p->slot_count) != 0)
		return hsm_openssl_error(e, "listing slots");
	if (find_slot(p, slot, e) != 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

void hsm_p11_close(struct hsm_p11 *p)
{
	if (p->slots != NULL)
		PKCS11_release_all_slots(p->context, p->slots, p->slot_count);
	if (p->loaded)
		PKCS11_CTX_unload(p->context);
	if (p->context != NULL)
		PKCS11_CTX_free(p->context);
	free(p);
}

int hsm_p11_login(struct hsm_p11 *p, const struct secret *pin, struct err *e)
{
	if (PKCS11_login(p->slot, 0, secret_reveal(pin)) != 0)
		return hsm_openssl_error(e, "logging in");
	return 0;
}

static PKCS11_KEY *find_key(PKCS11_KEY *keys, unsigned int count, const char *label,
    const uint8_t *id, size_t id_len)
{
	for (unsigned int i = 0; i < count; i++)
		if (keys[i].label != NULL && strcmp(keys[i].label, label) == 0 &&
		    keys[i].id_len == id_len &&
		    (id_len == 0 || memcmp(keys[i].id, id, id_len) == 0))
			return &keys[i];
	return NULL;
}

int hsm_p11_key(struct hsm_p11 *p, const char *label, const uint8_t *id, size_t id_len,
    EVP_PKEY **ret, struct err *e)
{
	PKCS11_KEY *keys = NULL, *key;
	unsigned int count = 0;
	EVP_PKEY *pkey;

	if (PKCS11_enumerate_keys(p->slot->token, &keys, &count) != 0)
		return hsm_openssl_error(e, "listing the token's keys");
	key = find_key(keys, count, label, id, id_len);
	if (key == NULL)
		return err_set(e, ERR_HSM, "hsm.fatal.key",
		    "libp11 does not see key \"%s\" of the token", label);
	/* keys dangle after the next enumeration; the EVP_PKEY does not. */
	pkey = PKCS11_get_private_key(key);
	if (pkey == NULL)
		return hsm_openssl_error(e, "reading the public half of key \"%s\"", label);
	*ret = pkey;
	return 0;
}
