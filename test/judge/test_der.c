#include "der.h"

#include <string.h>

#include "own.h"
#include "san.h"
#include "testing.h"

static bool is_strict(const char *hex)
{
	AUTO_STRUCT(buf) der = { 0 };

	testing_hex(hex, &der);
	return der_is_strict(der.data, der.len);
}

static void test_strict(void **state)
{
	(void)state;
	assert_true(is_strict("0500"));
	assert_true(is_strict("30060201010101ff"));
	assert_true(is_strict("3000"));
	assert_true(is_strict("0303010102"));
	assert_true(is_strict("030100"));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",             /* nothing */
		"30",           /* no length */
		"05000500",     /* two elements */
		"050000",       /* bytes behind the end */
		"3003020101ff", /* the same, behind a constructed one */
		"0501",         /* longer than the bytes */
		"30800500",     /* indefinite length */
		"3080020101"
		"0000",
		"02810101",   /* long form where the short one does */
		"0282000101", /* leading zero in the length */
		"02850000000001"
		"01",       /* five length octets */
		"02020001", /* integer with a needless zero */
		"0202ffff", /* and with needless ones */
		"0200",     /* empty integer */
		"010101",   /* true is ff */
		"01020000", /* boolean of two octets */
		"0300",     /* bit string without its count */
		"03020801", /* eight unused bits */
		"03020101", /* an unused bit that is set */
		"030101",   /* unused bits of nothing */
		"1f8101"
		"00", /* tag of more than one octet */
		"3003"
		"300203"
		"01", /* an inner element that runs over its frame */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (is_strict(bad[i]))
			fail_msg("%s passed", bad[i]);
}

static void test_depth(void **state)
{
	uint8_t nested[128];
	size_t deep = sizeof(nested) / 2;

	(void)state;
	for (size_t i = 0; i < deep; i++) {
		nested[2 * i] = 0x30;
		nested[2 * i + 1] = (uint8_t)(2 * (deep - 1 - i));
	}
	assert_false(der_is_strict(nested, sizeof(nested)));
	assert_true(der_is_strict(nested + 2 * (deep - 20), 40));
}

static void test_take(void **state)
{
	const uint8_t bytes[] = { 0x02, 0x01, 0x05, 0x04, 0x02, 'a', 'b' };
	struct der in = { bytes, sizeof(bytes) }, value;

	(void)state;
	assert_false(der_take(&in, DER_OCTET_STRING, &value));
	assert_int_equal(in.len, sizeof(bytes));
	assert_true(der_take(&in, DER_INTEGER, &value));
	assert_int_equal(value.len, 1);
	assert_true(der_take(&in, DER_OCTET_STRING, &value));
	assert_memory_equal(value.p, "ab", 2);
	assert_int_equal(in.len, 0);
	assert_false(der_take(&in, DER_OCTET_STRING, &value));
}

static void text_of(const char *hex, char ret[static SAN_TEXT_MAX])
{
	AUTO_STRUCT(buf) der = { 0 };
	struct san_names names;

	testing_hex(hex, &der);
	assert_true(san_parse(der.data, der.len, &names));
	assert_int_equal(names.count, 1);
	san_text(&names.names[0], ret);
}

static void test_san_text(void **state)
{
	char text[SAN_TEXT_MAX];

	(void)state;
	text_of("30058203"
		"612e62",
	    text);
	assert_string_equal(text, "dns a.b");
	text_of("30088606"
		"75726e3a7879",
	    text);
	assert_string_equal(text, "uri urn:xy");
	text_of("3006"
		"8704"
		"7f000001",
	    text);
	assert_string_equal(text, "ip");
	text_of("301b"
		"a019"
		"06082b06010505070804"
		"a00d300b06012a0406"
		"534e30303031",
	    text);
	assert_string_equal(text, "hardwareModuleName serial SN0001");
	text_of("300b"
		"a009"
		"06032a0304"
		"a0020500",
	    text);
	assert_string_equal(text, "otherName");
}

static void test_san_hostile(void **state)
{
	static const char *const bad[] = { "", "3000", "0500", "30028201", "300382016100",
		"30028205", "300400" };
	struct san_names names;
	struct der type, serial;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO_STRUCT(buf) der = { 0 };

		testing_hex(bad[i], &der);
		if (san_parse(der.data, der.len, &names))
			fail_msg("%s passed", bad[i]);
	}
	/* hwSerialNum is a UTF8String; something lies behind it; the whole is not explicit. */
	static const char *const modules[] = {
		"a01906082b06010505070804a00d300b06012a0c06534e30303031",
		"a01b06082b06010505070804a00f300d06012a0406534e303030310500",
		"a01706082b06010505070804300b06012a0406534e30303031",
	};
	for (size_t i = 0; i < COUNT(modules); i++) {
		AUTO_STRUCT(buf) der = { 0 };

		testing_hex(modules[i], &der);
		assert_false(
		    san_hardware_module(&(struct der){ der.data, der.len }, &type, &serial));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_san_text),
		cmocka_unit_test(test_san_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
