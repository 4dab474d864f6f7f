#include "signer.h"

#include <string.h>

#include "attestation.h"
#include "hsm.h"
#include "sign.h"
#include "statement.h"

static int text(const json_t *request, const char *key, const char **ret, struct err *e)
{
	return json_get_str(request, key, ret, ERR_CONFIG, e);
}

/* The token's key, once it is known to be worth a signature. */
static int open_key(struct signer *s, const json_t *request, struct err *e)
{
	AUTO_STRUCT(secret) pin = { 0 };
	const char *module, *token, *label;
	struct hsm_key_audit audit;
	const char *mechanism;

	/* Reading the PIN wipes it in the request, which is ours. */
	if (secret_from_json(&pin, (json_t *)(uintptr_t)request, "pin", e) != 0 ||
	    text(request, "module", &module, e) != 0 || text(request, "token", &token, e) != 0 ||
	    text(request, "key", &label, e) != 0)
		return -1;
	if (hsm_open(&s->hsm, module, token, e) != 0 ||
	    hsm_login(s->hsm, &pin, json_opt_str(request, "guard", NULL), e) != 0 ||
	    hsm_key_audit(s->hsm, label, &audit, e) != 0 ||
	    hsm_key_is_sound(label, &audit, e) != 0 ||
	    hsm_mechanism(s->hsm, &audit, &mechanism, e) != 0)
		return -1;
	return hsm_key(s->hsm, label, &s->key, e);
}

static int open_certificate(struct signer *s, const json_t *request, struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 };
	const char *certificate;

	if (text(request, "certificate", &certificate, e) != 0 ||
	    buf_add_str(&pem, certificate, e) != 0 ||
	    x509_parse_pem("the attestation certificate", &pem, &s->chain, ERR_CONFIG, e) != 0)
		return -1;
	s->leaf = sk_X509_shift(s->chain);
	return attestation_check_certificate(s->leaf, ERR_CONFIG, e);
}

/* Certificate, key and token belong together, are those the station began with, and the key really
 * signs. */
static int check_match(struct signer *s, const json_t *request, struct err *e)
{
	EVP_PKEY *certified = X509_get0_pubkey(s->leaf);
	uint8_t of_key[SHA256_LEN], of_certificate[SHA256_LEN];
	char spki[2 * SHA256_LEN + 1];

	if (x509_spki_digest(s->key, of_key, e) != 0 ||
	    x509_spki_digest(certified, of_certificate, e) != 0)
		return -1;
	if (memcmp(of_key, of_certificate, SHA256_LEN) != 0)
		return err_set(e, ERR_CONFIG, "signer.certificate",
		    "the attestation certificate is not for key \"%s\" of token \"%s\"",
		    json_opt_str(request, "key", "?"), json_opt_str(request, "token", "?"));
	hex_encode(of_key, SHA256_LEN, spki);
	if (strcmp(json_opt_str(request, "spki", spki), spki) != 0)
		return err_set(e, ERR_HSM, "hsm.operator.swapped",
		    "token \"%s\" holds another key \"%s\" than this station started with: put the "
		    "right token back, or start the station anew with this one",
		    json_opt_str(request, "token", "?"), json_opt_str(request, "key", "?"));
	return hsm_key_test(s->hsm, s->key, e);
}

static int open_all(struct signer *s, const json_t *request, struct err *e)
{
	const char *state, *station;

	if (text(request, "state", &state, e) != 0 || text(request, "station", &station, e) != 0 ||
	    position_open(&s->position, state, station, e) != 0 ||
	    open_certificate(s, request, e) != 0)
		return -1;
	if (open_key(s, request, e) != 0)
		return -1;
	return check_match(s, request, e);
}

static int run_open(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct signer *s = context;

	if (s->used)
		return err_set(e, ERR_CONFIG, "signer.open",
		    "this signer was opened before: start a new one");
	s->used = true;
	if (open_all(s, request, e) != 0) {
		EVP_PKEY_free(s->key);
		s->key = NULL;
		return -1;
	}
	if (json_set_str(ok, "token", json_opt_str(request, "token", NULL), e) != 0 ||
	    json_set_str(ok, "key", json_opt_str(request, "key", NULL), e) != 0)
		return -1;
	return json_set_int(ok, "position", s->position.seq, e);
}

/* The requested claims with an id of our own, in canonical form. */
static int complete(struct signer *s, const json_t *requested, struct buf *ret,
    char jti[static 2 * STATEMENT_ID_LEN + 1], struct err *e)
{
	AUTO(json_t) *statement =
	    json_copy((json_t *)(uintptr_t)requested); /* json_copy only reads */
	uint8_t id[STATEMENT_ID_LEN];

	if (statement == NULL)
		return err_nomem(e);
	if (hsm_random(s->hsm, id, sizeof(id), e) != 0)
		return -1;
	hex_encode(id, sizeof(id), jti);
	if (json_set_str(statement, "jti", jti, e) != 0 || json_canonical(statement, ret, e) != 0)
		return -1;
	if (ret->len > STATEMENT_MAX)
		return err_set(e, ERR_CONFIG, "statement", "a statement is longer than %d bytes",
		    STATEMENT_MAX);
	return 0;
}

static int check_request(struct signer *s, const json_t *statement, struct err *e)
{
	struct statement_chain chain;

	if (s->key == NULL)
		return err_set(e, ERR_CONFIG, "signer.closed", "this signer is not open");
	if (statement_check(statement, STATEMENT_REQUESTED, ERR_CONFIG, e) != 0)
		return -1;
	chain = statement_chain(statement);
	if (strcmp(chain.station, s->position.station) != 0)
		return err_set(e, ERR_CONFIG, "signer.station",
		    "a statement of station \"%s\" came to the signer of station \"%s\"",
		    chain.station, s->position.station);
	return position_check(&s->position, chain.seq, e);
}

static int run_attest(void *context, const json_t *request, json_t *ok, struct err *e)
{
	const json_t *requested = json_object_get(request, "statement");
	AUTO_STRUCT(buf) statement = { 0 };
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) jws = { 0 };
	char jti[2 * STATEMENT_ID_LEN + 1];
	struct statement_chain chain;
	struct signer *s = context;

	if (check_request(s, requested, e) != 0 ||
	    complete(s, requested, &statement, jti, e) != 0 ||
	    sign_cms(s->key, s->leaf, s->chain, &statement, &cms, e) != 0 ||
	    sign_jws(s->key, s->leaf, &statement, &jws, e) != 0)
		return -1;
	/* A signature that failed has used up no position; one that leaves has. */
	chain = statement_chain(requested);
	if (position_advance(&s->position, chain.seq, chain.head, e) != 0 ||
	    json_set_bytes(ok, "statement", statement.data, statement.len, e) != 0 ||
	    json_set_bytes(ok, "cms", cms.data, cms.len, e) != 0 ||
	    json_set_str(ok, "jws", (const char *)jws.data, e) != 0)
		return -1;
	return json_set_str(ok, "jti", jti, e);
}

static int run_status(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct signer *s = context;
	struct hsm_token token;

	(void)request;
	if (s->key == NULL)
		return err_set(e, ERR_CONFIG, "signer.closed", "this signer is not open");
	if (hsm_token(s->hsm, &token, e) != 0)
		return -1;
	return json_set_int(ok, "position", s->position.seq, e);
}

const struct serve_call signer_calls[] = {
	{ "open", run_open },
	{ "status", run_status },
	{ "attest", run_attest },
};
const size_t signer_call_count = COUNT(signer_calls);

void signer_free(struct signer *s)
{
	EVP_PKEY_free(s->key);
	X509_free(s->leaf);
	x509_stack_free(s->chain);
	if (s->hsm != NULL)
		hsm_close(s->hsm);
	position_free(&s->position);
	*s = (struct signer){ 0 };
}
