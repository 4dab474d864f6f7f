#include "buf.h"

#include <string.h>

#include "bytes.h"
#include "testing.h"

static void test_grows(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_ok(buf_add_u8(&b, (uint8_t)i, &e), &e);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap >= b.len);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], (uint8_t)i);
}

static void test_nothing(void **state)
{
	AUTO_STRUCT(buf) a = { 0 };
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add(&a, NULL, 0, &e), &e);
	assert_ok(buf_set(&a, NULL, 0, &e), &e);
	assert_int_equal(a.len, 0);
	assert_true(buf_equal(&a, &b));
	buf_drop(&b, 0);
	buf_clear(&b);
	buf_free(&b);
	assert_string_equal(buf_str(&b, &e), "");
}

static void test_too_much(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&b, "abc", &e), &e);
	assert_null(buf_room(&b, SIZE_MAX, &e));
	assert_true(err_is(&e, "nomem"));
	assert_null(buf_room(&b, SIZE_MAX - 3, &e));
	assert_null(buf_room(&b, SIZE_MAX / 4, &e));
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "abc", 3);
}

static void test_little_endian(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };
	uint8_t put[6];

	(void)state;
	assert_ok(buf_add_u16le(&b, 0x1234, &e), &e);
	assert_ok(buf_add_u32le(&b, 0x89abcdef, &e), &e);
	assert_memory_equal(b.data, "\x34\x12\xef\xcd\xab\x89", 6);
	assert_int_equal(get_u16le(b.data), 0x1234);
	assert_int_equal(get_u24le(b.data + 2), 0xabcdef);
	assert_int_equal(get_u32le(b.data + 2), 0x89abcdef);
	put_u16le(put, 0x1234);
	put_u32le(put + 2, 0x89abcdef);
	assert_memory_equal(put, b.data, 6);
}

static void test_printf(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	AUTO_STRUCT(buf) expected = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 300; i++) {
		char text[40];

		(void)snprintf(text, sizeof(text), "<%d %s>", i, "x");
		assert_ok(buf_printf(&b, &e, "<%d %s>", i, "x"), &e);
		assert_ok(buf_add_str(&expected, text, &e), &e);
	}
	assert_true(buf_equal(&b, &expected));
}

static void test_str_does_not_count_its_end(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&b, "abc", &e), &e);
	assert_string_equal(buf_str(&b, &e), "abc");
	assert_int_equal(b.len, 3);
	assert_ok(buf_add_str(&b, "def", &e), &e);
	assert_string_equal(buf_str(&b, &e), "abcdef");
}

/* What is no longer content is gone from memory too. */
static void test_drop_and_clear_wipe(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };
	static const uint8_t zeros[6];

	(void)state;
	assert_ok(buf_add_str(&b, "firstsecret", &e), &e);
	buf_drop(&b, 5);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "secret", 6);
	assert_memory_equal(b.data + 6, zeros, 5);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_memory_equal(b.data, zeros, 6);
}

static void test_drop_all(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&b, "abc", &e), &e);
	buf_drop(&b, 3);
	assert_int_equal(b.len, 0);
}

static void test_equal(void **state)
{
	AUTO_STRUCT(buf) a = { 0 };
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&a, "abc", &e), &e);
	assert_ok(buf_add_str(&b, "ab", &e), &e);
	assert_false(buf_equal(&a, &b));
	assert_ok(buf_add_str(&b, "d", &e), &e);
	assert_false(buf_equal(&a, &b));
	assert_ok(buf_set(&b, "abc", 3, &e), &e);
	assert_true(buf_equal(&a, &b));
}

static void test_steal(void **state)
{
	AUTO_STRUCT(buf) a = { 0 };
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&a, "abc", &e), &e);
	b = buf_steal(&a);
	assert_null(a.data);
	assert_int_equal(a.len, 0);
	assert_string_equal(buf_str(&b, &e), "abc");
}

static void test_hex(void **state)
{
	uint8_t bytes[3] = { 9, 9, 9 };
	char text[7];

	(void)state;
	hex_encode((const uint8_t *)"\x00\x7f\xff", 3, text);
	assert_string_equal(text, "007fff");
	assert_true(hex_decode("007FfF", bytes, 3));
	assert_memory_equal(bytes, "\x00\x7f\xff", 3);
	assert_true(hex_decode("", bytes, 0));
}

static void test_not_hex(void **state)
{
	static const char *const wrong[] = { "", "00", "0000000", "00000g", "0x0000", " 00000",
		"00 000", "-00000", "00000/", "00000:", "00000@", "00000`" };
	uint8_t bytes[3];

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(hex_decode(wrong[i], bytes, 3));
}

/* RFC 4648 10 */
static const struct {
	const char *plain;
	const char *encoded;
} vectors[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" } };

static void test_base64(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		AUTO_STRUCT(buf) text = { 0 };
		AUTO_STRUCT(buf) back = { 0 };
		struct err e = { 0 };

		assert_ok(buf_add_str(&back, "!", &e), &e);
		assert_ok(base64_encode((const uint8_t *)vectors[i].plain, strlen(vectors[i].plain),
			      &text, &e),
		    &e);
		assert_string_equal(buf_str(&text, &e), vectors[i].encoded);
		assert_ok(base64_decode((const char *)text.data, text.len, &back, ERR_DEVICE, &e),
		    &e);
		assert_int_equal(back.len, strlen(vectors[i].plain) + 1);
		assert_memory_equal(back.data + 1, vectors[i].plain, back.len - 1);
	}
}

static void test_not_base64(void **state)
{
	static const char *const wrong[] = { "Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Z===", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9v ", "Zm 9v", "Zm9-", "Zm9_",
		"Zm9.", "Zm=v", "Zm9vZm9", "-----BEGIN" };
	AUTO_STRUCT(buf) got = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct err e = { 0 };

		assert_err(base64_decode(wrong[i], strlen(wrong[i]), &got, ERR_DEVICE, &e), &e,
		    "base64");
		assert_int_equal(e.domain, ERR_DEVICE);
		assert_int_equal(got.len, 0);
	}
}

static void test_base64_of_every_length(void **state)
{
	uint8_t bytes[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 200);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		AUTO_STRUCT(buf) text = { 0 };
		AUTO_STRUCT(buf) back = { 0 };
		struct err e = { 0 };

		assert_ok(base64_encode(bytes, len, &text, &e), &e);
		assert_int_equal(text.len, (len + 2) / 3 * 4);
		assert_ok(base64_decode((const char *)text.data, text.len, &back, ERR_DEVICE, &e),
		    &e);
		assert_int_equal(back.len, len);
		if (len > 0)
			assert_memory_equal(back.data, bytes, len);
	}
}

/* FIPS 180-4 examples */
static void test_sha256(void **state)
{
	char hex[2 * SHA256_LEN + 1];

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex(NULL, 0, hex);
	assert_string_equal(hex,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_little_endian),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_str_does_not_count_its_end),
		cmocka_unit_test(test_drop_and_clear_wipe),
		cmocka_unit_test(test_drop_all),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_steal),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_not_hex),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_not_base64),
		cmocka_unit_test(test_base64_of_every_length),
		cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
