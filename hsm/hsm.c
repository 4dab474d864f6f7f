#include "hsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "hsm_ckr.h"
#include "hsm_guard.h"
#include "hsm_p11.h"
#include "hsm_raw.h"
#include "x509.h"

struct hsm {
	struct hsm_raw *raw;
	struct hsm_p11 *p11; /* NULL before the login */
	char *module;
	unsigned long slot;
	bool has_token;
};

const char *pin_state_name(enum pin_state state)
{
	static const char *const names[] = {
		[PIN_OK] = "ok",
		[PIN_COUNT_LOW] = "count-low",
		[PIN_FINAL_TRY] = "final-try",
		[PIN_LOCKED] = "locked",
		[PIN_NOT_SET] = "not-set",
	};

	return names[state];
}

/* The labels of tokens as a list for people. */
static int list_labels(const struct hsm_token *tokens, size_t count, struct buf *ret, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (tokens[i].initialised &&
		    buf_printf(ret, e, "%s\"%s\"", ret->len > 0 ? ", " : "", tokens[i].label) != 0)
			return -1;
	if (ret->len == 0 && buf_add_str(ret, "none", e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

static int no_such_token(const char *label, const struct hsm_token *tokens, size_t count,
    struct err *e)
{
	AUTO_STRUCT(buf) labels = { 0 };

	if (list_labels(tokens, count, &labels, e) != 0)
		return -1;
	return err_set(e, ERR_HSM, "hsm.operator.token",
	    "there is no token \"%s\" (there are: %s): plug it in or correct the label", label,
	    (const char *)labels.data);
}

int hsm_choose(struct hsm *h, const char *label, struct err *e)
{
	struct hsm_token tokens[HSM_TOKENS_MAX];
	size_t count, matches = 0;

	if (hsm_raw_tokens(h->raw, tokens, COUNT(tokens), &count, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!tokens[i].initialised || strcmp(tokens[i].label, label) != 0)
			continue;
		h->slot = tokens[i].slot;
		matches++;
	}
	if (matches == 0)
		return no_such_token(label, tokens, count, e);
	if (matches > 1)
		return err_set(e, ERR_HSM, "hsm.operator.token",
		    "%zu tokens are labelled \"%s\": remove all but one", matches, label);
	h->has_token = true;
	return 0;
}

int hsm_open(struct hsm **ret, const char *module, const char *label, struct err *e)
{
	AUTO_PTR(hsm) *h = calloc(1, sizeof(*h));

	if (h == NULL || (h->module = strdup(module)) == NULL)
		return err_nomem(e);
	if (hsm_raw_open(&h->raw, module, e) != 0)
		return -1;
	if (label != NULL && hsm_choose(h, label, e) != 0)
		return -1;
	*ret = steal(&h);
	return 0;
}

/* libp11's release closes all sessions of the slot, so that ours goes first. */
void hsm_close(struct hsm *h)
{
	if (h->raw != NULL)
		hsm_raw_session_end(h->raw);
	if (h->p11 != NULL)
		hsm_p11_close(h->p11);
	if (h->raw != NULL)
		hsm_raw_close(h->raw);
	free(h->module);
	free(h);
}

static int need_token(const struct hsm *h, struct err *e)
{
	if (h->has_token)
		return 0;
	return err_set(e, ERR_CONFIG, "hsm.label", "no token was named");
}

static int need_login(const struct hsm *h, struct err *e)
{
	if (h->p11 != NULL)
		return 0;
	return err_set(e, ERR_CONFIG, "hsm.login", "the token is used before a login");
}

int hsm_token(struct hsm *h, struct hsm_token *ret, struct err *e)
{
	if (need_token(h, e) != 0)
		return -1;
	return hsm_raw_token(h->raw, h->slot, ret, e);
}

int hsm_tokens(struct hsm *h, struct hsm_token *ret, size_t max, size_t *ret_count, struct err *e)
{
	return hsm_raw_tokens(h->raw, ret, max, ret_count, e);
}

static int may_log_in(const struct hsm_token *t, struct err *e)
{
	if (t->user_pin == PIN_NOT_SET)
		return err_set(e, ERR_HSM, "hsm.operator.no-pin",
		    "token \"%s\" has no user PIN: run kiln hsm init", t->label);
	if (t->user_pin == PIN_LOCKED)
		return err_set(e, ERR_HSM, "hsm.operator.pin.locked",
		    "the PIN of token \"%s\" is locked: unlock it with the security officer's PIN",
		    t->label);
	if (t->user_pin == PIN_FINAL_TRY)
		return err_set(e, ERR_HSM, "hsm.operator.final-try",
		    "one more wrong PIN locks token \"%s\": log in once by hand with the token's "
		    "own tool",
		    t->label);
	return 0;
}

static int login_and_note(struct hsm *h, const struct hsm_token *t, const struct secret *pin,
    const char *guard_file, struct err *e)
{
	struct err late = { 0 };
	bool absent = false;
	int rc = 0;

	if (hsm_guard_begin(guard_file, t, e) != 0)
		return -1;
	if (hsm_raw_login(h->raw, pin, &absent, e) == 0)
		return hsm_guard_clear(guard_file, e);
	if (hsm_ckr_is_pin(e))
		rc = hsm_guard_fail(guard_file, t, &late);
	else if (absent)
		rc = hsm_guard_undo(guard_file, t, &late);
	return rc == 0 ? -1 : err_while(e, "%s, and", late.message);
}

static int guarded_login(struct hsm *h, const struct hsm_token *t, const struct secret *pin,
    const char *guard_file, struct err *e)
{
	bool absent;
	int lock, rc;

	if (guard_file == NULL)
		return hsm_raw_login(h->raw, pin, &absent, e);
	if (hsm_guard_lock(guard_file, &lock, e) != 0)
		return -1;
	rc = login_and_note(h, t, pin, guard_file, e);
	(void)close(lock); /* ends the lock; nothing was written */
	return rc;
}

int hsm_login(struct hsm *h, const struct secret *pin, const char *guard_file, struct err *e)
{
	AUTO_PTR(hsm_p11) *p11 = NULL;
	struct hsm_token t;

	if (h->p11 != NULL)
		return err_set(e, ERR_CONFIG, "hsm.login", "the token is logged in already");
	if (hsm_token(h, &t, e) != 0)
		return -1;
	if (t.login_required && may_log_in(&t, e) != 0)
		return -1;
	if (hsm_raw_session(h->raw, h->slot, e) != 0)
		return err_while(e, "token \"%s\"", t.label);
	if (t.login_required && guarded_login(h, &t, pin, guard_file, e) != 0)
		return err_while(e, "token \"%s\"", t.label);
	if (hsm_p11_open(&p11, h->module, h->slot, e) != 0)
		return err_while(e, "token \"%s\"", t.label);
	if (t.login_required && hsm_raw_is_per_caller(h->raw) && hsm_p11_login(p11, pin, e) != 0)
		return err_while(e, "token \"%s\"", t.label);
	h->p11 = steal(&p11);
	return 0;
}

int hsm_key_audit(struct hsm *h, const char *label, struct hsm_key_audit *ret, struct err *e)
{
	if (need_login(h, e) != 0)
		return -1;
	return hsm_raw_audit(h->raw, label, ret, e);
}

int hsm_key_is_sound(const char *label, const struct hsm_key_audit *a, struct err *e)
{
	const struct {
		bool wrong;
		const char *text;
	} rules[] = {
		{ !a->is_private, " PRIVATE=false" },
		{ !a->sensitive, " SENSITIVE=false" },
		{ !a->always_sensitive, " ALWAYS_SENSITIVE=false" },
		{ a->extractable, " EXTRACTABLE=true" },
		{ !a->never_extractable, " NEVER_EXTRACTABLE=false" },
		{ !a->local, " LOCAL=false" },
		{ !a->sign, " SIGN=false" },
	};
	AUTO_STRUCT(buf) wrong = { 0 };

	if (!a->present)
		return err_set(e, ERR_HSM, "hsm.operator.key",
		    "the token has no private key \"%s\": run kiln hsm keygen", label);
	for (size_t i = 0; i < COUNT(rules); i++)
		if (rules[i].wrong && buf_add_str(&wrong, rules[i].text, e) != 0)
			return -1;
	if (wrong.len == 0)
		return 0;
	return err_set(e, ERR_HSM, "hsm.fatal.key",
	    "key \"%s\" may have left the token or may not sign:%.*s; make a new one with kiln hsm "
	    "keygen",
	    label, (int)wrong.len, (const char *)wrong.data);
}

int hsm_mechanism(struct hsm *h, const struct hsm_key_audit *a, const char **ret_name,
    struct err *e)
{
	const bool ec = strncmp(a->type, "EC:", 3) == 0;
	const char *const needed = ec ? "CKM_ECDSA" : "CKM_RSA_PKCS";
	bool offered, raw_rsa = true;

	if (!ec && strncmp(a->type, "RSA:", 4) != 0)
		return err_set(e, ERR_HSM, "hsm.fatal.key",
		    "a key of type %s can not sign for kiln; use EC:P-256 or EC:P-384", a->type);
	if (need_token(h, e) != 0 ||
	    hsm_raw_has_mechanism(h->raw, h->slot, needed, &offered, e) != 0)
		return -1;
	if (!ec && hsm_raw_has_mechanism(h->raw, h->slot, "CKM_RSA_X_509", &raw_rsa, e) != 0)
		return -1;
	if (!offered)
		return err_set(e, ERR_HSM, "hsm.fatal.mechanism", "the token does not sign with %s",
		    needed);
	*ret_name = raw_rsa ? needed : "CKM_RSA_PKCS (not CKM_RSA_X_509: no TLS 1.3 with this key)";
	return 0;
}

/* The public half as a key of OpenSSL's own, so that the token does not judge itself. */
static int public_half(EVP_PKEY *key, EVP_PKEY **ret, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	int len = i2d_PUBKEY(key, NULL);
	uint8_t *room = len > 0 ? buf_room(&der, (size_t)len, e) : NULL;
	const uint8_t *p = room;

	if (room == NULL || i2d_PUBKEY(key, &room) != len)
		return hsm_openssl_error(e, "encoding a public key");
	*ret = d2i_PUBKEY(NULL, &p, len);
	if (*ret == NULL)
		return hsm_openssl_error(e, "decoding a public key");
	return 0;
}

int hsm_key(struct hsm *h, const char *label, EVP_PKEY **ret, struct err *e)
{
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(EVP_PKEY) *half = NULL;
	struct hsm_key_audit a;

	if (need_login(h, e) != 0 || hsm_raw_no_foreign_key(h->raw, e) != 0 ||
	    hsm_raw_audit(h->raw, label, &a, e) != 0)
		return -1;
	if (!a.present)
		return hsm_key_is_sound(label, &a, e);
	if (hsm_p11_key(h->p11, label, a.id, a.id_len, &key, e) != 0)
		return -1;
	/* libp11 hands out an EC key without a public half where the token holds none. */
	if (public_half(key, &half, e) != 0)
		return err_set(e, ERR_HSM, "hsm.fatal.key",
		    "the token has no public key object or certificate with the id of key \"%s\"",
		    label);
	*ret = steal(&key);
	return 0;
}

const char *hsm_key_digest(const EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256 ? "SHA384" : "SHA256";
}

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

int hsm_key_test(struct hsm *h, EVP_PKEY *key, struct err *e)
{
	const EVP_MD *md = EVP_get_digestbyname(hsm_key_digest(key));
	AUTO(EVP_MD_CTX) *sign = EVP_MD_CTX_new();
	AUTO(EVP_MD_CTX) *verify = EVP_MD_CTX_new();
	AUTO(EVP_PKEY) *own = NULL;
	uint8_t message[32], signature[1024];
	size_t len = sizeof(signature);

	if (sign == NULL || verify == NULL)
		return err_nomem(e);
	if (hsm_random(h, message, sizeof(message), e) != 0 || public_half(key, &own, e) != 0)
		return -1;
	if (EVP_DigestSignInit(sign, NULL, md, NULL, key) != 1 ||
	    EVP_DigestSign(sign, signature, &len, message, sizeof(message)) != 1)
		return hsm_openssl_error(e, "making a test signature");
	if (EVP_DigestVerifyInit(verify, NULL, md, NULL, own) != 1 ||
	    EVP_DigestVerify(verify, signature, len, message, sizeof(message)) != 1)
		return err_openssl(e, ERR_HSM, "hsm.fatal.key",
		    "the token's signature does not verify");
	return 0;
}

int hsm_random(struct hsm *h, uint8_t *ret, size_t len, struct err *e)
{
	if (need_login(h, e) != 0)
		return -1;
	return hsm_raw_random(h->raw, ret, len, e);
}

static int check_pin(const char *which, const struct secret *pin, const struct hsm_token *t,
    struct err *e)
{
	size_t len = secret_len(pin);

	if (len > 0 && len >= t->pin_min && (t->pin_max == 0 || len <= t->pin_max))
		return 0;
	return err_set(e, ERR_CONFIG, "hsm.pin",
	    "%s must have %lu to %lu characters for this token", which,
	    t->pin_min > 0 ? t->pin_min : 1, t->pin_max);
}

static const struct hsm_token *find_free(const struct hsm_token *tokens, size_t count,
    const char *label, struct err *e)
{
	const struct hsm_token *is_free = NULL;

	for (size_t i = 0; i < count; i++) {
		if (tokens[i].initialised && strcmp(tokens[i].label, label) == 0) {
			(void)err_set(e, ERR_HSM, "hsm.operator.token",
			    "there is a token \"%s\" already; it is not initialised again", label);
			return NULL;
		}
		if (!tokens[i].initialised && is_free == NULL)
			is_free = &tokens[i];
	}
	if (is_free == NULL)
		(void)err_set(e, ERR_HSM, "hsm.operator.token",
		    "every token of the module is initialised: plug in a fresh one");
	return is_free;
}

int hsm_init_token(const char *module, const char *label, const struct secret *so_pin,
    const struct secret *pin, struct err *e)
{
	struct hsm_token tokens[HSM_TOKENS_MAX];
	const struct hsm_token *is_free;
	AUTO_PTR(hsm_raw) *raw = NULL;
	size_t count;

	if (label[0] == '\0' || strlen(label) >= sizeof(tokens[0].label))
		return err_set(e, ERR_CONFIG, "hsm.label",
		    "a token's label has 1 to 32 characters");
	if (hsm_raw_open(&raw, module, e) != 0 ||
	    hsm_raw_tokens(raw, tokens, COUNT(tokens), &count, e) != 0)
		return -1;
	is_free = find_free(tokens, count, label, e);
	if (is_free == NULL || check_pin("the security officer's PIN", so_pin, is_free, e) != 0 ||
	    check_pin("the user PIN", pin, is_free, e) != 0)
		return -1;
	return hsm_raw_init_token(raw, is_free->slot, label, so_pin, pin, e);
}

int hsm_keygen(struct hsm *h, const char *label, const char *algorithm, struct err *e)
{
	struct hsm_key_audit a;

	if (label[0] == '\0')
		return err_set(e, ERR_CONFIG, "hsm.label", "a key needs a label");
	if (hsm_key_audit(h, label, &a, e) != 0)
		return -1;
	if (a.present)
		return err_set(e, ERR_HSM, "hsm.operator.key",
		    "there is a key \"%s\" (%s) already; it is not made again", label, a.type);
	if (hsm_raw_keygen(h->raw, h->slot, label, algorithm, e) != 0 ||
	    hsm_raw_audit(h->raw, label, &a, e) != 0)
		return -1;
	return hsm_key_is_sound(label, &a, e);
}
