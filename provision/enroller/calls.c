#include "calls.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"

enum { DAY_S = 24 * 60 * 60, LOGIN_S = 20 };

void enroller_close(struct enroller *s)
{
	est_close(s->est); /* libcurl's use of the key ends before the token's */
	EVP_PKEY_free(s->key);
	X509_free(s->certificate);
	if (s->hsm != NULL)
		hsm_close(s->hsm);
	*s = (struct enroller){ 0 };
}

/* The certificate is for this key, and the key never left the token. */
static int check_client(const struct enroller *s, const char *label, struct err *e)
{
	struct hsm_key_audit audit = { 0 };

	if (EVP_PKEY_eq(X509_get0_pubkey(s->certificate), s->key) != 1)
		return err_openssl(e, ERR_CONFIG, "est.client",
		    "the client certificate is not for the key \"%s\" of the token", label);
	if (hsm_key_audit(s->hsm, label, &audit, e) != 0)
		return -1;
	return hsm_key_is_sound(label, &audit, e);
}

/*
 * A token notes every login, and SoftHSM writes all that it is anew for that: whoever is killed there
 * leaves a token that nobody can use. A station's death waits for the end of the login; a module that
 * hangs in it is ended all the same.
 */
static int log_in(struct enroller *s, const struct secret *pin, const char *guard, struct err *e)
{
	pid_t parent = getppid();
	int leash = 0, rc;

	if (prctl(PR_GET_PDEATHSIG, &leash) != 0 || prctl(PR_SET_PDEATHSIG, 0) != 0)
		return err_errno(e, ERR_CONFIG, "serve.parent", "untying this process");
	(void)alarm(LOGIN_S); /* these return what was left of another */
	rc = hsm_login(s->hsm, pin, guard, e);
	(void)alarm(0);
	if (prctl(PR_SET_PDEATHSIG, leash) != 0)
		return err_errno(e, ERR_CONFIG, "serve.parent", "tying this process to its parent");
	if (getppid() != parent)
		return err_set(e, ERR_CONFIG, "serve.parent", "the station is gone");
	return rc;
}

static int open_token(struct enroller *s, json_t *client, const char *label, struct err *e)
{
	AUTO_STRUCT(secret) pin = { 0 };
	const char *module, *token;

	if (json_get_str(client, "module", &module, ERR_CONFIG, e) != 0 ||
	    json_get_str(client, "token", &token, ERR_CONFIG, e) != 0 ||
	    secret_from_json(&pin, client, "pin", e) != 0 ||
	    hsm_open(&s->hsm, module, token, e) != 0 ||
	    log_in(s, &pin, json_opt_str(client, "guard", NULL), e) != 0)
		return -1;
	return hsm_key(s->hsm, label, &s->key, e);
}

/* *ret_chain gets what follows the leaf. */
static int open_client(struct enroller *s, json_t *client, X509_STACK **ret_chain, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	const char *label, *pem;
	struct buf text;

	if (json_get_str(client, "certificate", &pem, ERR_CONFIG, e) != 0 ||
	    json_get_str(client, "key", &label, ERR_CONFIG, e) != 0)
		return -1;
	text =
	    (struct buf){ .data = (uint8_t *)(uintptr_t)pem, .len = strlen(pem) }; /* only read */
	if (x509_parse_pem("the client certificate", &text, &certs, ERR_CONFIG, e) != 0)
		return -1;
	s->certificate = sk_X509_shift(certs);
	if (open_token(s, client, label, e) != 0)
		return -1;
	*ret_chain = steal(&certs);
	return check_client(s, label, e);
}

static int basic_value(const struct secret *credential, struct secret *ret, struct err *e)
{
	AUTO_STRUCT(buf) value = { 0 };
	const char *text = secret_reveal(credential);

	if (strchr(text, ':') == NULL)
		return err_set(e, ERR_CONFIG, "est.credential",
		    "a basic credential is user:password");
	if (buf_add_str(&value, "Basic ", e) != 0 ||
	    base64_encode((const uint8_t *)text, strlen(text), &value, e) != 0)
		return -1;
	return secret_set(ret, value.data, value.len, e);
}

static int read_credential(json_t *request, struct secret *ret, struct err *e)
{
	AUTO_STRUCT(secret) credential = { 0 };
	const char *kind;

	if (json_get_str(request, "credential_kind", &kind, ERR_CONFIG, e) != 0 ||
	    secret_from_json(&credential, request, "credential", e) != 0)
		return -1;
	if (strcmp(kind, "basic") == 0)
		return basic_value(&credential, ret, e);
	if (strcmp(kind, "header") != 0)
		return err_set(e, ERR_CONFIG, "est.credential",
		    "credential kind \"%s\" is neither basic nor header", kind);
	return secret_set(ret, secret_reveal(&credential), secret_len(&credential), e);
}

static int open_est(struct enroller *s, const json_t *request, const X509_STACK *chain,
    const struct secret *authorization, struct err *e)
{
	struct retry_limits limits = {
		.min = json_opt_int(request, "retry_min_s", 5),
		.max = json_opt_int(request, "retry_max_s", DAY_S),
		.fallback = json_opt_int(request, "retry_default_s", 60),
	};
	struct http_config config = {
		.certificate = s->certificate,
		.chain = chain,
		.key = s->key,
		.authorization = authorization,
	};
	struct buf anchors;
	const char *pem;

	if (json_get_str(request, "url", &config.url, ERR_CONFIG, e) != 0 ||
	    json_get_str(request, "anchors", &pem, ERR_CONFIG, e) != 0)
		return -1;
	anchors =
	    (struct buf){ .data = (uint8_t *)(uintptr_t)pem, .len = strlen(pem) }; /* only read */
	config.anchors = &anchors;
	return est_open(&s->est, &config, &limits, e);
}

static int run_open(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(enroller) fresh = { 0 };
	AUTO(X509_STACK) *chain = NULL;
	AUTO_STRUCT(secret) authorization = { 0 };
	struct enroller *s = context;
	json_t *client = json_object_get(request, "client");
	bool has_credential = json_object_get(request, "credential") != NULL;

	if (s->est != NULL)
		return err_set(e, ERR_CONFIG, "est.open", "the CA link is open already");
	if ((client != NULL) == has_credential)
		return err_set(e, ERR_CONFIG, "est.credential",
		    "the CA needs either a client certificate or an HTTP credential, and never "
		    "both");
	if (client != NULL && open_client(&fresh, client, &chain, e) != 0)
		return -1;
	if (has_credential && /* wipes the request's own copy of the secret, and only that */
	    read_credential((json_t *)(uintptr_t)request, &authorization, e) != 0)
		return -1;
	if (open_est(&fresh, request, chain, has_credential ? &authorization : NULL, e) != 0 ||
	    json_set_str(ok, "backend", est_backend.name, e) != 0 ||
	    json_set_str(ok, "class", est_backend.class, e) != 0)
		return -1;
	*s = fresh;
	fresh = (struct enroller){ 0 };
	return 0;
}

static int need_open(const struct enroller *s, struct err *e)
{
	if (s->est == NULL)
		return err_set(e, ERR_CONFIG, "est.open", "the CA link is not open");
	return 0;
}

static int read_issuers(const json_t *list, X509_STACK **ret, struct err *e)
{
	AUTO_STRUCT(buf) all = { 0 };
	const json_t *value;
	size_t i;

	if (json_array_size(list) == 0)
		return 0;
	json_array_foreach(list, i, value)
	{
		if (!json_is_string(value))
			return err_set(e, ERR_CONFIG, "json",
			    "member \"issuers\" is not a list of base64");
		if (base64_decode(json_string_value(value), json_string_length(value), &all,
			ERR_CONFIG, e) != 0)
			return err_while(e, "member \"issuers\"");
	}
	return x509_parse_list(all.data, all.len, ret, ERR_CONFIG, e);
}

/* No TLS because our own key does not sign: only a new process helps (hsm.h), and the code says
 * so. */
static void blame_token(const struct enroller *s, struct enrol_answer *answer)
{
	struct err why = { 0 };

	if (answer->outcome != ENROL_NOT_SENT || !err_is(&answer->why, "est.tls") || s->hsm == NULL)
		return;
	if (hsm_key_test(s->hsm, s->key, &why) != 0)
		answer->why = why;
}

static int run_enrol(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(enrol_answer) answer = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO(X509_STACK) *issuers = NULL;
	struct enroller *s = context;
	struct enrol_request ask = { .csr = &csr, .deadline = serve_deadline(request) };

	if (need_open(s, e) != 0 || json_get_bytes(request, "csr", &csr, ERR_CONFIG, e) != 0 ||
	    read_issuers(json_object_get(request, "issuers"), &issuers, e) != 0)
		return -1;
	ask.issuers = issuers;
	if (est_issue(s->est, &ask, &answer, e) != 0)
		return -1;
	blame_token(s, &answer);
	return enrol_answer_to_json(&answer, ok, e);
}

static int run_cacerts(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	const struct enroller *s = context;
	json_t *list = json_array();
	int64_t date_s;

	if (json_set_new(ok, "certificates", list, e) != 0 || need_open(s, e) != 0 ||
	    est_cacerts(s->est, serve_deadline(request), &certs, &date_s, e) != 0 ||
	    json_set_int(ok, "date_s", date_s, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (enrol_append_der(sk_X509_value(certs, i), list, e) != 0)
			return -1;
	return 0;
}

static int set_expiry(json_t *ok, const char *key, const X509 *cert, struct err *e)
{
	int days = 0, seconds = 0;

	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
		return err_openssl(e, ERR_CA, "est.check", "a certificate's end can not be read");
	return json_set_int(ok, key, (int64_t)days * DAY_S + seconds, e);
}

/* The value, or "key_error" and why there is none. */
static int set_part(json_t *ok, const char *key, int64_t value, const struct err *why,
    struct err *e)
{
	AUTO_STRUCT(buf) name = { 0 };
	const char *text;

	if (why->code[0] == '\0')
		return json_set_int(ok, key, value, e);
	if (buf_printf(&name, e, "%s_error", key) != 0)
		return -1;
	text = buf_str(&name, e);
	return text != NULL ? json_set_str(ok, text, why->message, e) : -1;
}

static int set_peer(json_t *ok, const struct est_health *health, struct err *e)
{
	AUTO_STRUCT(buf) subject = { 0 };
	const char *text;

	if (json_set_bool(ok, "chain_ok", health->peer != NULL, e) != 0)
		return -1;
	if (health->peer == NULL)
		return json_set_str(ok, "tls_error", health->tls_why.message, e);
	if (x509_add_subject(health->peer, &subject, e) != 0)
		return -1;
	text = buf_str(&subject, e);
	if (text == NULL || json_set_str(ok, "peer", text, e) != 0 ||
	    json_set_str(ok, "tls", health->tls, e) != 0)
		return -1;
	return set_expiry(ok, "peer_expires_s", health->peer, e);
}

static int run_check(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(est_health) health = { 0 };
	const struct enroller *s = context;

	if (need_open(s, e) != 0 || est_check(s->est, serve_deadline(request), &health, e) != 0)
		return -1;
	if (s->certificate != NULL && set_expiry(ok, "client_expires_s", s->certificate, e) != 0)
		return -1;
	if (set_peer(ok, &health, e) != 0 ||
	    set_part(ok, "date_offset_s", health.date_offset_s, &health.date_why, e) != 0 ||
	    set_part(ok, "cacerts", (int64_t)health.cacerts, &health.cacerts_why, e) != 0)
		return -1;
	return set_part(ok, "csrattrs", (int64_t)health.csrattrs, &health.csrattrs_why, e);
}

const struct serve_call enroller_calls[] = {
	{ "open", run_open },
	{ "enrol", run_enrol },
	{ "cacerts", run_cacerts },
	{ "check", run_check },
};
const size_t enroller_call_count = COUNT(enroller_calls);
