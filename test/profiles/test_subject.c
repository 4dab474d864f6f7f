#include "subject.h"

#include <string.h>

#include "testing.h"

static const struct identity unit = { .model = "IP3-A",
	.serial = "SN0001",
	.firmware = "3.1",
	.uuid = "6f0e5c0a-7b1d-4f4e-9f0a-0d6c3c1b2a11" };

static void assert_hex(const struct buf *have, const char *hex)
{
	AUTO_STRUCT(buf) want = { 0 };

	testing_hex(hex, &want);
	assert_int_equal(have->len, want.len);
	assert_memory_equal(have->data, want.data, want.len);
}

static void test_names(void **state)
{
	struct profile p = {
		.rdns = { { "CN", STRING_UTF8, "{serial}" },
		    { "serialNumber", STRING_PRINTABLE, "{serial}" },
		    { "DC", STRING_IA5, "a{{b}}" },
		    { "2.5.4.10", STRING_UTF8, "\xc3\xbc {model}" } },
		.rdn_count = 4,
		.sans = { { SAN_HARDWARE_MODULE, "{serial}", "1.3.6.1.4.1.32473.1" },
		    { SAN_URI, "urn:uuid:{uuid}", NULL }, { SAN_DNS, "a.{model}", NULL } },
		.san_count = 3,
		.san_critical = true,
	};
	AUTO_STRUCT(subject) s = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(subject_render(&s, &p, &unit, &e), &e);
	assert_string_equal(s.rdns[2].value, "a{b}");
	assert_true(s.san_critical);
	assert_hex(&s.name,
	    "304b310f300d06035504030c06534e30303031310f300d06035504051306534e303030313114"
	    "3012060a0992268993f22c6401191604617b627d3111300f060355040a0c08c3bc204950332d"
	    "41");
	assert_hex(&s.san,
	    "305ba02106082b06010505070804a015301306092b0601040181fd59010406534e3030303186"
	    "2d75726e3a757569643a36663065356330612d376231642d346634652d396630612d30643663"
	    "33633162326131318207612e4950332d41");
	assert_ok(subject_text(&s, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e),
	    "/CN=SN0001/serialNumber=SN0001/DC=a{b}/2.5.4.10=\xc3\xbc IP3-A");
}

static void test_empty(void **state)
{
	struct profile p = { 0 };
	AUTO_STRUCT(subject) s = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(subject_render(&s, &p, &unit, &e), &e);
	assert_hex(&s.name, "3000");
	assert_int_equal(s.san.len, 0);
	assert_ok(subject_text(&s, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "/");
}

static void test_escapes(void **state)
{
	struct profile p = { .rdns = { { "CN", STRING_UTF8, "a/b+c\\d=e" } }, .rdn_count = 1 };
	AUTO_STRUCT(subject) s = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(subject_render(&s, &p, &unit, &e), &e);
	assert_ok(subject_text(&s, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "/CN=a\\/b\\+c\\\\d=e");
}

static void refuse_rdn(const char *type, enum string_type string, const char *value)
{
	struct profile p = { .rdns = { { type, string, value } }, .rdn_count = 1 };
	struct identity i = unit;
	struct subject s = { 0 };
	struct err e = { 0 };

	i.uuid[0] = '\0';
	assert_err(subject_render(&s, &p, &i, &e), &e, "subject");
	assert_int_equal(e.domain, ERR_CONFIG);
	assert_null(s.name.data);
}

static void test_refused_values(void **state)
{
	static const char long65[] =
	    "12345678901234567890123456789012345678901234567890123456789012345";

	(void)state;
	refuse_rdn("CN", STRING_UTF8, "");
	refuse_rdn("CN", STRING_UTF8, "{uuid}");
	refuse_rdn("CN", STRING_UTF8, "{Serial}");
	refuse_rdn("CN", STRING_UTF8, "{serial");
	refuse_rdn("CN", STRING_UTF8, "serial}");
	refuse_rdn("CN", STRING_UTF8, "{}");
	refuse_rdn("CN", STRING_UTF8, "a\nb");
	refuse_rdn("CN", STRING_PRINTABLE, "a*b");
	refuse_rdn("CN", STRING_PRINTABLE, "a@b");
	refuse_rdn("CN", STRING_IA5, "\xc3\xbc");
	refuse_rdn("CN", STRING_UTF8, long65);
	refuse_rdn("serialNumber", STRING_PRINTABLE, long65);
	refuse_rdn("C", STRING_PRINTABLE, "DEU");
	refuse_rdn("noSuchType", STRING_UTF8, "x");
}

static void refuse_san(enum san_kind kind, const char *value, const char *hw_type)
{
	struct profile p = { .sans = { { kind, value, hw_type } }, .san_count = 1 };
	struct subject s = { 0 };
	struct err e = { 0 };

	assert_err(subject_render(&s, &p, &unit, &e), &e, "subject");
}

static void test_refused_sans(void **state)
{
	(void)state;
	refuse_san(SAN_URI, "no scheme", NULL);
	refuse_san(SAN_URI, "urn:a b", NULL);
	refuse_san(SAN_URI, "urn:", NULL);
	refuse_san(SAN_URI, "urn:\xc3\xbc", NULL);
	refuse_san(SAN_DNS, "a..b", NULL);
	refuse_san(SAN_DNS, "a.", NULL);
	refuse_san(SAN_DNS, ".a", NULL);
	refuse_san(SAN_DNS, "a_b", NULL);
	refuse_san(SAN_DNS, "a123456789012345678901234567890123456789012345678901234567890123.b",
	    NULL);
	refuse_san(SAN_HARDWARE_MODULE, "{serial}", "not-an-oid");
	refuse_san(SAN_HARDWARE_MODULE, "\xc3\xbc", "1.2.3");
}

static void test_hardware_module(void **state)
{
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(subject_hardware_module("1.2.3", "SN0001", &der, &e), &e);
	assert_hex(&der, "300c06022a030406534e30303031");
	assert_err(subject_hardware_module("x", "SN0001", &der, &e), &e, "subject");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_refused_sans),
		cmocka_unit_test(test_hardware_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
