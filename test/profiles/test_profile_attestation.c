/* trust.attestation: whom evidence of a key's origin must end at. */
#include <stdio.h>

#include "file.h"
#include "origin_kit.h"
#include "testing.h"

#define ROOT   "52cdc7a1463fc0a645b3893c1d7fc443f7af7f142bdc776c3ff61e5a099a42d1"
#define ISSUER "{ file: root.pem, sha256: \"" ROOT "\" }"

static const char head[] = "product: test token\n"
			   "version: \"1\"\n"
			   "driver: fake\n"
			   "identity:\n"
			   "  model: { pattern: T, example: T }\n"
			   "  serial: { pattern: \"[0-9]+\", example: \"1\" }\n"
			   "key: { algorithm: EC:P-256 }\n"
			   "subject:\n"
			   "  - { type: CN, value: \"{serial}\" }\n"
			   "certificate:\n"
			   "  key_usage: [digitalSignature]\n"
			   "  extended_key_usage: [clientAuth]\n"
			   "  signatures: [ecdsa-with-SHA256]\n"
			   "  validity: { min_days: 1, max_days: 2 }\n"
			   "install: [leaf]\n"
			   "trust:\n"
			   "  issuer: " ISSUER "\n";

struct place {
	char *folder, path[300];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_non_null(p);
	p->folder = testing_folder();
	testing_read(testing_source("profiles/spdm/example-root.pem"), &pem);
	(void)snprintf(p->path, sizeof(p->path), "%s/root.pem", p->folder);
	assert_ok(file_write(p->path, pem.data, pem.len, 0644, &e), &e);
	(void)snprintf(p->path, sizeof(p->path), "%s/p.yaml", p->folder);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	testing_folder_remove(p->folder);
	free(p);
	return 0;
}

static int load(const struct place *p, const char *attestation, struct profile **ret, struct err *e)
{
	char text[sizeof(head) + 300];
	int len = snprintf(text, sizeof(text), "%s%s", head, attestation);

	assert_ok(file_write(p->path, text, (size_t)len, 0644, e), e);
	return profile_load(ret, p->path, e);
}

static void test_without_it_none_is_asked_for(void **state)
{
	AUTO_PTR(profile) *p = NULL;
	struct err e = { 0 };

	assert_ok(load(*state, "", &p, &e), &e);
	assert_null(p->attestation.file);
	assert_int_equal(p->attestation.ders.len, 0);
}

static void test_it_is_read_with_its_digest(void **state)
{
	AUTO_PTR(profile) *p = NULL;
	struct err e = { 0 };

	assert_ok(load(*state, "  attestation: " ISSUER "\n", &p, &e), &e);
	assert_string_equal(p->attestation.file, "root.pem");
	assert_true(buf_equal(&p->attestation.ders, &p->issuer.ders));
	assert_true(p->attestation.ders.len > 0);
}

static void test_another_file_is_told(void **state)
{
	struct profile *p = NULL;
	struct err e = { 0 };

	assert_err(load(*state,
		       "  attestation: { file: root.pem, sha256: "
		       "\"ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }\n",
		       &p, &e),
	    &e, "profile");
	assert_non_null(strstr(e.message, "p.yaml:18:42: "));
	assert_non_null(strstr(e.message, ROOT));
	assert_err(load(*state, "  attestation: { file: root.pem }\n", &p, &e), &e, "yaml");
	assert_err(load(*state, "  attestation: root.pem\n", &p, &e), &e, "yaml");
}

/* The records keep the roots, so that anyone can judge again. */
static void test_it_goes_into_the_records_and_comes_back(void **state)
{
	AUTO_PTR(profile) *p = NULL;
	AUTO_PTR(profile) *again = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *object = NULL;
	struct err e = { 0 };

	assert_ok(load(*state, "  attestation: " ISSUER "\n", &p, &e), &e);
	assert_ok(profile_export_anchors(p, &text, &e), &e);
	assert_ok(profile_parse(&again, "records", (char *)p->text.data, p->text.len, &e), &e);
	assert_ok(profile_import_anchors(again, (char *)text.data, text.len, &e), &e);
	assert_true(buf_equal(&again->attestation.ders, &p->attestation.ders));

	/* Roots that the profile names must be there. */
	assert_ok(json_parse((char *)text.data, text.len, &object, ERR_RECORDS, &e), &e);
	assert_int_equal(json_object_del(object, "attestation"), 0);
	buf_clear(&text);
	assert_ok(json_canonical(object, &text, &e), &e);
	assert_err(profile_import_anchors(again, (char *)text.data, text.len, &e), &e, "json");
}

/* What a kiln wrote that knew of none. */
static void test_an_old_export_is_read(void **state)
{
	AUTO_PTR(profile) *p = NULL;
	AUTO_PTR(profile) *again = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	assert_ok(load(*state, "", &p, &e), &e);
	assert_ok(profile_export_anchors(p, &text, &e), &e);
	assert_null(memmem(text.data, text.len, "attestation", strlen("attestation")));
	assert_ok(profile_parse(&again, "records", (char *)p->text.data, p->text.len, &e), &e);
	assert_ok(profile_import_anchors(again, (char *)text.data, text.len, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_it_none_is_asked_for, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_read_with_its_digest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_file_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_goes_into_the_records_and_comes_back,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_old_export_is_read, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
