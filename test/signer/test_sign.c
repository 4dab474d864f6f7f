/* The two forms, read by stock tools: openssl cms, jose. */
#include "signer/station.h"

#include <openssl/core_names.h>

#include "sign.h"

static bool has_tool(const char *name)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
	return system(command) == 0;
}

static void put(const char *folder, const char *name, const void *data, size_t len)
{
	char path[400];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_ok(file_write(path, data, len, 0600, &e), &e);
}

static void put_pem(const char *folder, const char *name, const X509 *cert)
{
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_pem(cert, &pem, &e), &e);
	put(folder, name, pem.data, pem.len);
}

/* {name: base64url of a number} */
static void add_number(json_t *jwk, const char *name, EVP_PKEY *key, const char *param, int width)
{
	AUTO_STRUCT(buf) text = { 0 };
	BIGNUM *number = NULL;
	uint8_t octets[512];
	struct err e = { 0 };

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
	if (width == 0)
		width = BN_num_bytes(number);
	assert_int_equal(BN_bn2binpad(number, octets, width), width);
	assert_ok(base64_encode(octets, (size_t)width, &text, &e), &e);
	for (size_t i = 0; i < text.len; i++)
		text.data[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
	while (text.data[text.len - 1] == '=')
		text.len--;
	assert_non_null(buf_str(&text, &e));
	assert_ok(json_set_str(jwk, name, (char *)text.data, &e), &e);
	BN_free(number);
}

static void put_jwk(const char *folder, EVP_PKEY *key, const char *curve)
{
	AUTO(json_t) *jwk = json_object();
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (curve != NULL) {
		int width = (EVP_PKEY_get_bits(key) + 7) / 8;

		assert_ok(json_set_str(jwk, "kty", "EC", &e), &e);
		assert_ok(json_set_str(jwk, "crv", curve, &e), &e);
		add_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, width);
		add_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, width);
	} else {
		assert_ok(json_set_str(jwk, "kty", "RSA", &e), &e);
		add_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
		add_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
	}
	assert_ok(json_canonical(jwk, &text, &e), &e);
	put(folder, "key.jwk", text.data, text.len);
}

static void sign_and_verify(const char *algorithm, const char *curve)
{
	struct station *s = station_make(algorithm);
	AUTO(json_t) *claims = pki_statement(1);
	AUTO_STRUCT(buf) statement = { 0 };
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) jws = { 0 };
	struct hsm *h = token_open(SOFTHSM, "station");
	EVP_PKEY *key = NULL;
	char command[2000];
	struct err e = { 0 };

	assert_ok(json_canonical(claims, &statement, &e), &e);
	assert_ok(hsm_key(h, ATTESTER, &key, &e), &e);
	assert_ok(sign_cms(key, s->pki.leaf, s->pki.chain, &statement, &cms, &e), &e);
	assert_ok(sign_jws(key, s->pki.leaf, &statement, &jws, &e), &e);
	EVP_PKEY_free(key);
	hsm_close(h);

	put(s->folder, "statement.json", statement.data, statement.len);
	put(s->folder, "cms.der", cms.data, cms.len);
	put(s->folder, "jws.txt", jws.data, jws.len);
	put_pem(s->folder, "root.pem", s->pki.root);
	put_jwk(s->folder, s->pki.key, curve);
	(void)snprintf(command, sizeof(command),
	    "cd %s && openssl cms -verify -cades -binary -inform DER -in cms.der -CAfile root.pem "
	    "-purpose any -attime %d -out cms.out 2>cms.log && grep -q 'CAdES Verification "
	    "successful' "
	    "cms.log && cmp cms.out statement.json",
	    s->folder, PKI_DURING);
	run_shell(command);
	(void)snprintf(command, sizeof(command),
	    "cd %s && jose jws ver -i jws.txt -k key.jwk -O jws.out && cmp jws.out statement.json",
	    s->folder);
	if (has_tool("jose"))
		run_shell(command);
	station_free(s);
}

static void p256_verifies_with_stock_tools(void **state)
{
	(void)state;
	sign_and_verify("EC:P-256", "P-256");
}

static void p384_verifies_with_stock_tools(void **state)
{
	(void)state;
	sign_and_verify("EC:P-384", "P-384");
}

static void rsa_verifies_with_stock_tools(void **state)
{
	(void)state;
	sign_and_verify("RSA:3072", NULL);
}

static void another_key_is_refused(void **state)
{
	struct pki p = pki_attester("P-256");
	struct pki other = pki_attester("P-256");
	const struct buf statement = { .data = (uint8_t[]){ '{', '}' }, .len = 2 };
	AUTO_STRUCT(buf) cms = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sign_cms(other.key, p.leaf, p.chain, &statement, &cms, &e), -1);
	assert_int_equal(cms.len, 0);
	pki_free(&p);
	pki_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p256_verifies_with_stock_tools),
		cmocka_unit_test(p384_verifies_with_stock_tools),
		cmocka_unit_test(rsa_verifies_with_stock_tools),
		cmocka_unit_test(another_key_is_refused),
	};

	if (!has_tool("jose"))
		print_message("SKIP: jose, the JWS is not read by a stock tool\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
