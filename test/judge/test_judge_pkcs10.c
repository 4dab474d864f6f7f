/* Requests that pkcs10.c builds are good for the judge and for openssl. */
#include "judge_csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "judge_kit.h"
#include "key_algorithm.h"
#include "pkcs10.h"

static EVP_PKEY *key_of(const char *name)
{
	const struct key_algorithm *a = key_algorithm_find(name);
	EVP_PKEY *key;

	if (strcmp(a->type, "RSA") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)a->bits);
	else if (a->group != NULL)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", a->group);
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(key);
	return key;
}

static void spki_of(EVP_PKEY *key, struct buf *ret)
{
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	assert_true(len > 0);
	assert_ok(buf_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

static void sign(EVP_PKEY *key, const char *digest, const struct buf *data, struct buf *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1024];
	size_t len = sizeof(signature);
	struct err e = { 0 };

	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, data->data, data->len), 1);
	assert_ok(buf_set(ret, signature, len, &e), &e);
	EVP_MD_CTX_free(ctx);
}

static void request_of(const struct subject *subject, const char *algorithm, EVP_PKEY *key,
    struct buf *ret)
{
	AUTO_STRUCT(buf) spki = { 0 };
	AUTO_STRUCT(buf) info = { 0 };
	AUTO_STRUCT(buf) signature = { 0 };
	struct err e = { 0 };

	spki_of(key, &spki);
	assert_ok(pkcs10_info(subject, &spki, &info, &e), &e);
	sign(key, pkcs10_digest(algorithm), &info, &signature);
	assert_ok(pkcs10_assemble(&info, algorithm, &signature, ret, &e), &e);
}

static void openssl_takes(const struct buf *csr)
{
	char *folder = testing_folder();
	char path[512], command[1200];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/csr.der", folder);
	assert_ok(file_write(path, csr->data, csr->len, 0600, &e), &e);
	(void)snprintf(command, sizeof(command),
	    "openssl req -inform DER -in '%s' -verify -noout >'%s.out' 2>&1 && "
	    "grep -q 'verify OK' '%s.out'",
	    path, path, path);
	assert_int_equal(system(command), 0);
	testing_folder_remove(folder);
}

static void every_algorithm_makes_a_good_request(void **state)
{
	static const char *const names[] = { "EC:P-256", "EC:P-384", "EC:P-521", "RSA:2048",
		"RSA:3072", "ED25519" };
	struct kit k;

	(void)state;
	kit_open(&k);
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(EVP_PKEY) *key = key_of(names[i]);
		AUTO_STRUCT(buf) csr = { 0 };
		AUTO_STRUCT(csr_facts) facts = { 0 };
		struct err e = { 0 };

		request_of(&k.subject, names[i], key, &csr);
		k.profile->key_algorithm = names[i];
		if (judge_csr(k.profile, &k.unit, &csr, &facts, &e) != 0)
			fail_msg("%s: %s", names[i], e.message);
		openssl_takes(&csr);
		/* the judge sees another signature */
		csr.data[csr.len - 1] ^= 1;
		csr_facts_free(&facts);
		facts = (struct csr_facts){ 0 };
		assert_int_equal(judge_csr(k.profile, &k.unit, &csr, &facts, &e), -1);
	}
	kit_close(&k);
}

static size_t count_of(const struct buf *in, const struct buf *what)
{
	size_t found = 0;

	for (size_t i = 0; i + what->len <= in->len; i++)
		found += memcmp(in->data + i, what->data, what->len) == 0;
	return found;
}

static void names_are_the_profile_s_bytes(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) critical = { 0 };
	AUTO_STRUCT(buf) extension = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k);
	request_of(&k.subject, "EC:P-256", k.unit_key, &csr);
	assert_int_equal(count_of(&csr, &k.subject.name), 1);
	assert_int_equal(count_of(&csr, &k.subject.san), 1);
	testing_hex("0603551d110101ff04", &extension);
	assert_int_equal(count_of(&csr, &extension), 0);
	k.subject.san_critical = true;
	request_of(&k.subject, "EC:P-256", k.unit_key, &critical);
	assert_int_equal(count_of(&critical, &extension), 1);
	kit_close(&k);
}

static void without_names_there_is_no_extension(void **state)
{
	struct subject subject = { 0 };
	AUTO_STRUCT(buf) spki = { 0 };
	AUTO_STRUCT(buf) info = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k);
	testing_hex("3000", &subject.name);
	spki_of(k.unit_key, &spki);
	assert_ok(pkcs10_info(&subject, &spki, &info, &e), &e);
	assert_int_equal(info.len, 2 + 3 + 2 + spki.len + 2);
	assert_memory_equal(info.data + info.len - 2, "\xa0\x00", 2);
	request_of(&subject, "EC:P-256", k.unit_key, &csr);
	openssl_takes(&csr);
	subject_free(&subject);
	kit_close(&k);
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const keys[] = { "", "3000", "00",
		/* a byte behind it; a length in more bytes than it needs (an RSA key of 512 bits has a
		 * modulus; this one is Ed25519) */
		"302a300506032b65700321001ce3d5fd35b2ffd2eff1f6d0a4d2ae7e94bbe1d9b3ee3b9d0b1c1f2e3d"
		"4c5b6a"
		"00",
		"30812a300506032b65700321001ce3d5fd35b2ffd2eff1f6d0a4d2ae7e94bbe1d9b3ee3b9d0b1c1f2e"
		"3d4c5b"
		"6a" };
	struct subject subject = { 0 };

	(void)state;
	testing_hex("3000", &subject.name);
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO_STRUCT(buf) spki = { 0 };
		AUTO_STRUCT(buf) info = { 0 };
		struct err e = { 0 };

		testing_hex(keys[i], &spki);
		assert_err(pkcs10_info(&subject, &spki, &info, &e), &e, "csr.key");
		assert_int_equal(e.domain, ERR_DEVICE);
	}
	subject_free(&subject);
}

static void algorithms_have_their_digest(void **state)
{
	const struct buf empty = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_string_equal(pkcs10_digest("EC:P-256"), "SHA256");
	assert_string_equal(pkcs10_digest("EC:P-384"), "SHA384");
	assert_string_equal(pkcs10_digest("RSA:3072"), "SHA256");
	assert_null(pkcs10_digest("ED25519"));
	assert_null(pkcs10_digest("DSA"));
	assert_err(pkcs10_assemble(&empty, "DSA", &empty, &csr, &e), &e, "csr.algorithm");
	for (size_t i = 0; key_algorithm_names[i] != NULL; i++)
		assert_ok(pkcs10_assemble(&empty, key_algorithm_names[i], &empty, &csr, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_makes_a_good_request),
		cmocka_unit_test(names_are_the_profile_s_bytes),
		cmocka_unit_test(without_names_there_is_no_extension),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(algorithms_have_their_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
