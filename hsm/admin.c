#include "admin.h"

#include <string.h>

#include "hsm.h"
#include "hsm_csr.h"
#include "hsm_raw.h"
#include "x509.h"

/* Freed in this order: keys before their token (struct hsm). */
struct session {
	struct hsm *hsm;
	EVP_PKEY *key;
};

static void session_free(struct session *s)
{
	EVP_PKEY_free(s->key);
	if (s->hsm != NULL)
		hsm_close(s->hsm);
}
OWNED_STRUCT(session, session_free)

static int text(const json_t *request, const char *key, const char **ret, struct err *e)
{
	return json_get_str(request, key, ret, ERR_CONFIG, e);
}

/* Reading wipes the request's own copy, which is the one place that writes into a request. */
static int secret(const json_t *request, const char *key, struct secret *ret, struct err *e)
{
	return secret_from_json(ret, (json_t *)(uintptr_t)request, key, e);
}

static int open_token(const json_t *request, struct session *s, struct err *e)
{
	const char *module, *token;

	if (text(request, "module", &module, e) != 0 || text(request, "token", &token, e) != 0)
		return -1;
	return hsm_open(&s->hsm, module, token, e);
}

static int log_in(const json_t *request, struct session *s, struct err *e)
{
	AUTO_STRUCT(secret) pin = { 0 };

	if (secret(request, "pin", &pin, e) != 0)
		return -1;
	return hsm_login(s->hsm, &pin, json_opt_str(request, "guard", NULL), e);
}

static json_t *token_json(const struct hsm_token *t)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I}", "label", t->label, "serial",
	    t->serial, "manufacturer", t->manufacturer, "model", t->model, "initialised",
	    t->initialised, "user_pin", pin_state_name(t->user_pin), "slot", (json_int_t)t->slot);
}

static int run_status(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct hsm_token tokens[HSM_TOKENS_MAX];
	const char *only = json_opt_str(request, "token", NULL);
	AUTO(json_t) *list = json_array();
	AUTO_STRUCT(session) s = { 0 };
	const char *module;
	size_t count;

	(void)context;
	if (list == NULL)
		return err_nomem(e);
	if (text(request, "module", &module, e) != 0 || hsm_open(&s.hsm, module, only, e) != 0 ||
	    hsm_tokens(s.hsm, tokens, COUNT(tokens), &count, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (only != NULL && strcmp(only, tokens[i].label) != 0)
			continue;
		if (json_array_append_new(list, token_json(&tokens[i])) != 0)
			return err_nomem(e);
	}
	return json_set_new(ok, "tokens", steal(&list), e);
}

static int run_init(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(secret) so_pin = { 0 };
	AUTO_STRUCT(secret) pin = { 0 };
	const char *module, *token;

	(void)context;
	(void)ok;
	if (text(request, "module", &module, e) != 0 || text(request, "token", &token, e) != 0 ||
	    secret(request, "so_pin", &so_pin, e) != 0 || secret(request, "pin", &pin, e) != 0)
		return -1;
	return hsm_init_token(module, token, &so_pin, &pin, e);
}

static json_t *audit_json(const struct hsm_key_audit *a)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "type", a->type, "private",
	    a->is_private, "sensitive", a->sensitive, "always_sensitive", a->always_sensitive,
	    "extractable", a->extractable, "never_extractable", a->never_extractable, "local",
	    a->local, "sign", a->sign);
}

static int run_keygen(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(session) s = { 0 };
	const char *key, *algorithm;
	struct hsm_key_audit a;

	(void)context;
	if (text(request, "key", &key, e) != 0 || text(request, "algorithm", &algorithm, e) != 0 ||
	    open_token(request, &s, e) != 0 || log_in(request, &s, e) != 0 ||
	    hsm_keygen(s.hsm, key, algorithm, e) != 0 || hsm_key_audit(s.hsm, key, &a, e) != 0)
		return -1;
	if (hsm_key(s.hsm, key, &s.key, e) != 0 || hsm_key_test(s.hsm, s.key, e) != 0)
		return err_while(e, "key \"%s\" was made, but this token does not sign with it",
		    key);
	return json_set_new(ok, "key", audit_json(&a), e);
}

static int purpose_of(const json_t *request, enum hsm_purpose *ret, struct err *e)
{
	bool ra = json_opt_bool(request, "ra", false);
	bool attestation = json_opt_bool(request, "attestation", false);

	if (ra && attestation)
		return err_set(e, ERR_CONFIG, "hsm.purpose",
		    "one key is not for TLS and attestation both: make two, in two tokens");
	*ret = ra ? HSM_PURPOSE_RA : attestation ? HSM_PURPOSE_ATTESTATION : HSM_PURPOSE_PLAIN;
	return 0;
}

static int run_csr(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(session) s = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	const char *key, *subject;
	enum hsm_purpose purpose = HSM_PURPOSE_PLAIN;

	(void)context;
	if (text(request, "key", &key, e) != 0 || text(request, "subject", &subject, e) != 0 ||
	    purpose_of(request, &purpose, e) != 0 || open_token(request, &s, e) != 0 ||
	    log_in(request, &s, e) != 0 || hsm_key(s.hsm, key, &s.key, e) != 0 ||
	    hsm_csr(s.key, subject, purpose, &csr, e) != 0)
		return -1;
	return json_set_bytes(ok, "csr", csr.data, csr.len, e);
}

/* What the rows of an audit hand on to each other. */
struct audit {
	const json_t *request;
	struct session session;
	const char *key;
	struct hsm_key_audit attributes;
	struct buf text; /* what the row found */
};

static void audit_free(struct audit *a)
{
	session_free(&a->session);
	buf_free(&a->text);
}
OWNED_STRUCT(audit, audit_free)

static int check_module(struct audit *a, struct err *e)
{
	const char *module;

	if (text(a->request, "module", &module, e) != 0 ||
	    hsm_open(&a->session.hsm, module, NULL, e) != 0)
		return -1;
	return buf_printf(&a->text, e, "%s loads", module);
}

static int check_token(struct audit *a, struct err *e)
{
	struct hsm_token t;
	const char *token;

	if (text(a->request, "token", &token, e) != 0 ||
	    hsm_choose(a->session.hsm, token, e) != 0 || hsm_token(a->session.hsm, &t, e) != 0)
		return -1;
	return buf_printf(&a->text, e, "token \"%s\", %s %s, serial %s", t.label, t.manufacturer,
	    t.model, t.serial);
}

static int check_pin(struct audit *a, struct err *e)
{
	struct hsm_token t;

	if (hsm_token(a->session.hsm, &t, e) != 0)
		return -1;
	if (t.user_pin == PIN_OK || t.user_pin == PIN_COUNT_LOW)
		return buf_printf(&a->text, e, "the PIN counter is %s", pin_state_name(t.user_pin));
	return err_set(e, ERR_HSM, "hsm.operator.pin.state",
	    "the PIN of token \"%s\" is %s: no login is tried", t.label,
	    pin_state_name(t.user_pin));
}

static int check_login(struct audit *a, struct err *e)
{
	if (log_in(a->request, &a->session, e) != 0)
		return -1;
	return buf_add_str(&a->text, "one login worked", e);
}

static int check_key(struct audit *a, struct err *e)
{
	if (hsm_key_audit(a->session.hsm, a->key, &a->attributes, e) != 0)
		return -1;
	if (!a->attributes.present)
		return hsm_key_is_sound(a->key, &a->attributes, e);
	return buf_printf(&a->text, e, "key \"%s\" is %s", a->key, a->attributes.type);
}

static int check_attributes(struct audit *a, struct err *e)
{
	if (hsm_key_is_sound(a->key, &a->attributes, e) != 0)
		return -1;
	return buf_add_str(&a->text,
	    "made in the token; SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL; not "
	    "EXTRACTABLE",
	    e);
}

static int check_mechanism(struct audit *a, struct err *e)
{
	const char *name;

	if (hsm_mechanism(a->session.hsm, &a->attributes, &name, e) != 0)
		return -1;
	return buf_printf(&a->text, e, "the token signs with %s", name);
}

static int check_signature(struct audit *a, struct err *e)
{
	if (hsm_key(a->session.hsm, a->key, &a->session.key, e) != 0 ||
	    hsm_key_test(a->session.hsm, a->session.key, e) != 0)
		return -1;
	return buf_add_str(&a->text, "one signature made and verified", e);
}

static const struct check {
	const char *name;
	bool logs_in;
	int (*run)(struct audit *a, struct err *e);
} checks[] = {
	{ "module", false, check_module },
	{ "token", false, check_token },
	{ "pin", false, check_pin },
	{ "login", true, check_login },
	{ "key", true, check_key },
	{ "attributes", true, check_attributes },
	{ "mechanism", true, check_mechanism },
	{ "signature", true, check_signature },
};

/* *ret_passed: whether the next row makes sense. */
static int run_check(const struct check *c, struct audit *a, json_t *list, bool *ret_passed,
    struct err *e)
{
	AUTO(json_t) *row = json_pack("{s:s}", "check", c->name);
	struct err why = { 0 };

	if (row == NULL)
		return err_nomem(e);
	buf_clear(&a->text);
	*ret_passed = c->run(a, &why) == 0;
	if (json_set_new(row, *ret_passed ? "ok" : "err",
		*ret_passed ? json_stringn((const char *)a->text.data, a->text.len)
			    : json_from_err(&why),
		e) != 0)
		return -1;
	if (json_array_append_new(list, steal(&row)) != 0)
		return err_nomem(e);
	return 0;
}

static int run_audit(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(audit) a = { .request = request };
	const bool has_pin = json_object_get(request, "pin") != NULL;
	AUTO(json_t) *list = json_array();
	bool passed = true;

	(void)context;
	if (list == NULL)
		return err_nomem(e);
	if (text(request, "key", &a.key, e) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(checks) && passed; i++)
		if ((has_pin || !checks[i].logs_in) &&
		    run_check(&checks[i], &a, list, &passed, e) != 0)
			return -1;
	return json_set_new(ok, "checks", steal(&list), e);
}

static int run_guard_clear(void *context, const json_t *request, json_t *ok, struct err *e)
{
	const char *guard;

	(void)context;
	(void)ok;
	if (text(request, "guard", &guard, e) != 0)
		return -1;
	return hsm_guard_clear(guard, e);
}

const struct serve_call hsm_admin_calls[] = {
	{ "status", run_status },
	{ "init", run_init },
	{ "keygen", run_keygen },
	{ "csr", run_csr },
	{ "audit", run_audit },
	{ "guard_clear", run_guard_clear },
};
const size_t hsm_admin_call_count = COUNT(hsm_admin_calls);
