#include "linux-shell/csr_config.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "file.h"
#include "testing.h"
#include "x509.h"

/* The openssl command's reading of the configuration, with a key of its own. */
static X509_REQ *request_of(const struct buf *config)
{
	char *folder = testing_folder();
	AUTO_STRUCT(buf) path = { 0 }, command = { 0 }, der = { 0 };
	X509_REQ *req = NULL;
	struct err e = { 0 };
	int status;

	assert_ok(buf_printf(&path, &e, "%s/cnf", folder), &e);
	assert_ok(file_write(buf_str(&path, &e), config->data, config->len, 0600, &e), &e);
	assert_ok(
	    buf_printf(&command, &e,
		"cd %s && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		"-keyout key -config cnf -outform DER -out csr 2>log || { cat log; exit 1; }",
		folder),
	    &e);
	status = system(buf_str(&command, &e)); /* nothing in it comes from elsewhere */
	if (status != 0)
		fail_msg("openssl refuses: %.*s", (int)config->len, (const char *)config->data);
	path.len -= 3;
	assert_ok(buf_add_str(&path, "csr", &e), &e);
	assert_ok(file_read(buf_str(&path, &e), 1 << 16, &der, &e), &e);
	assert_ok(x509_parse_request(der.data, der.len, &req, ERR_DEVICE, &e), &e);
	testing_folder_remove(folder);
	return req;
}

/* Subject and alternative names of the request are those that subject_render made. */
static void assert_faithful(const struct profile *p, const char *mask)
{
	const struct identity identity = { .model = "M",
		.serial = "SN-0001",
		.firmware = "1",
		.uuid = "00000000-0000-4000-8000-000000000001" };
	AUTO_STRUCT(subject) s = { 0 };
	AUTO_STRUCT(buf) config = { 0 };
	struct err e = { 0 };
	AUTO(X509_REQ) *req = NULL;
	STACK_OF(X509_EXTENSION) * extensions;
	uint8_t *der = NULL;
	int len, at;

	assert_ok(subject_render(&s, p, &identity, &e), &e);
	assert_ok(csr_config_write(&s, mask, &config, &e), &e);
	req = request_of(&config);
	len = i2d_X509_NAME(X509_REQ_get_subject_name(req), &der);
	assert_int_equal(len, s.name.len);
	assert_memory_equal(der, s.name.data, s.name.len);
	OPENSSL_free(der);
	extensions = X509_REQ_get_extensions(req);
	at = X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1);
	assert_int_equal(at >= 0, s.san.len > 0);
	if (at >= 0) {
		X509_EXTENSION *san = sk_X509_EXTENSION_value(extensions, at);
		const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(san);

		assert_int_equal(ASN1_STRING_length(value), s.san.len);
		assert_memory_equal(ASN1_STRING_get0_data(value), s.san.data, s.san.len);
		assert_int_equal(X509_EXTENSION_get_critical(san), s.san_critical);
	}
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static void test_everything_at_once(void **state)
{
	const struct profile p = {
		.rdns = { { "C", STRING_PRINTABLE, "CH" }, { "O", STRING_UTF8, "Example Medical" },
		    { "OU", STRING_UTF8, "Line 1" }, { "OU", STRING_UTF8, "Line 2" },
		    { "CN", STRING_UTF8, "{model} {serial}" },
		    { "serialNumber", STRING_PRINTABLE, "{serial}" },
		    { "1.3.6.1.4.1.32473.7", STRING_UTF8, "of our own" } },
		.rdn_count = 7,
		.sans = { { SAN_HARDWARE_MODULE, "{serial}", "1.3.6.1.4.1.32473.1.4" },
		    { SAN_URI, "urn:dev:org:32473-{serial}", NULL }, { SAN_DNS, "a.example", NULL },
		    { SAN_HARDWARE_MODULE, "{model}", "1.3.6.1.4.1.32473.1.5" },
		    { SAN_DNS, "b.example", NULL } },
		.san_count = 5,
		.san_critical = true,
	};

	(void)state;
	assert_faithful(&p, "utf8only");
}

static void test_no_alternative_names(void **state)
{
	const struct profile p = { .rdns = { { "CN", STRING_UTF8, "{serial}" } }, .rdn_count = 1 };

	(void)state;
	assert_faithful(&p, "utf8only");
}

static void test_string_types(void **state)
{
	const struct profile printable = {
		.rdns = { { "O", STRING_PRINTABLE, "Example" },
		    { "CN", STRING_PRINTABLE, "{serial}" } },
		.rdn_count = 2,
	};
	const struct profile ia5 = {
		.rdns = { { "DC", STRING_IA5, "example" },
		    { "emailAddress", STRING_IA5, "a@b.example" } },
		.rdn_count = 2,
	};

	(void)state;
	assert_faithful(&printable, "MASK:0x2");
	assert_faithful(&ia5, "utf8only");
}

static void test_values_that_mean_something_to_openssl(void **state)
{
	static const char *const values[] = { "a,b+c=d/e", "it's", "\"quoted\"", "back\\slash",
		"#hash", "a # b", "$ENV::HOME", "${{x}}", "`id`", "semi;colon", "[section]", "@san",
		"a\\nb", "a  b", "\xc3\xa4 \xe6\x97\xa5", "critical,x", "end\\" };

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		const struct profile p = {
			.rdns = { { "CN", STRING_UTF8, values[i] },
			    { "O", STRING_UTF8, "{serial}" } },
			.rdn_count = 2,
		};

		assert_faithful(&p, "utf8only");
	}
}

static void test_uris_that_mean_something_to_openssl(void **state)
{
	const struct profile p = {
		.rdns = { { "CN", STRING_UTF8, "x" } },
		.rdn_count = 1,
		.sans = { { SAN_URI, "https://a.example/x?a=1,b=$2#frag;c='d'", NULL } },
		.san_count = 1,
	};

	(void)state;
	assert_faithful(&p, "utf8only");
}

static void test_values_no_file_can_hold(void **state)
{
	static const char *const values[] = { " x", "x ", "", "a\nb = c" };

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		char *value = strdup(values[i]);
		const struct subject s = { .rdns = { { "CN", STRING_UTF8, value } },
			.rdn_count = 1 };
		AUTO_STRUCT(buf) config = { 0 };
		struct err e = { 0 };

		assert_err(csr_config_write(&s, "utf8only", &config, &e), &e, "subject");
		free(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_no_alternative_names),
		cmocka_unit_test(test_string_types),
		cmocka_unit_test(test_values_that_mean_something_to_openssl),
		cmocka_unit_test(test_uris_that_mean_something_to_openssl),
		cmocka_unit_test(test_values_no_file_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
