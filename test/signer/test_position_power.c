/* The signer's position after a power cut: what it attested it never attests again. */
#include "position.h"
#include "power_file.h"

#define HEAD "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void opens(const char *path)
{
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	assert_ok(position_open(&p, path, "line-7", &e), &e);
	assert_ok(position_advance(&p, p.seq + 1, HEAD, &e), &e);
}

static void test_the_position_is_old_or_new(void **state)
{
	AUTO_STRUCT(position) p = { 0 };
	struct power_file f;
	struct err e = { 0 };

	(void)state;
	power_file_open(&f, "position");
	f.accept = opens;
	assert_ok(position_open(&p, f.path, "line-7", &e), &e);
	for (int64_t seq = 1; seq < 2000000; seq = seq * 10 + 7) {
		assert_ok(position_advance(&p, seq, HEAD, &e), &e);
		power_file_note(&f);
	}
	power_file_close(&f, "position");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_position_is_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
