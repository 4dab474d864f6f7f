/* What the card has after its power went, at each write of a job; and one root for cards that start at once. */
#include <sys/wait.h>
#include <unistd.h>

#include "piv_twin_kit.h"

static uint16_t try(struct kit *k, const char *hex, struct err *e)
{
	struct buf apdu = { 0 };
	int rc;

	testing_hex(hex, &apdu);
	rc = twin_card_transmit(&k->card, apdu.data, apdu.len, &k->answer, e);
	buf_free(&apdu);
	if (rc != 0)
		assert_string_equal(e->code, "twin.power");
	return rc != 0 ? 0 : kit_status(&k->answer);
}

/* The writes of a job, one behind the other. Returns how many commands were answered. */
static size_t job(struct kit *k)
{
	static const char *const commands[] = {
		KIT_P256,                                     /* one write */
		"0020008008393939393939ffff",                 /* one: the counter */
		KIT_PIN,                                      /* two: the counter, and back */
		"00db3fff095c035fc1055302aabb",               /* one */
		"0024008010313233343536ffff363534333231ffff", /* three */
	};
	struct err e = { 0 };
	size_t i = 0;

	kit_expect(k, KIT_SELECT, 0x9000);
	kit_authenticate(k);
	while (i < COUNT(commands) && try(k, commands[i], &e) != 0)
		i++;
	return i;
}

/* The state is the one before the command that the cut struck, or the one after it, never a third. */
static void check_after(struct kit *k, size_t done)
{
	struct err e = { 0 };
	uint16_t key, certificate, pin;

	kit_expect(k, KIT_SELECT, 0x9000);
	key = try(k, "00f7009a00", &e);
	certificate = try(k, "00cb3fff055c035fc10500", &e);
	pin = try(k, "00200080", &e);
	assert_true(key == 0x9000 || (key == 0x6a88 && done == 0));
	assert_true(certificate == (done > 3 ? 0x9000 : 0x6a82) || done == 3);
	assert_true(pin >= 0x63c3 && pin <= 0x63c5);
	if (done == 5)
		kit_expect(k, "0020008008363534333231ffff", 0x9000);
	else if (done < 4)
		kit_expect(k, KIT_PIN, 0x9000);
}

static void cut_at(int write, uint64_t seed, size_t *ret_done)
{
	char fault[32];
	struct kit k;

	kit_open(&k, NULL, NULL);
	(void)snprintf(fault, sizeof(fault), "power-cut:%d", write);
	k.config.fault = fault;
	k.config.seed = seed;
	kit_reboot(&k);
	*ret_done = job(&k);
	kit_reboot(&k); /* the same fault: it has struck */
	check_after(&k, *ret_done);
	kit_shut(&k);
}

static void test_power_cuts(void **state)
{
	/* the factory wrote once */
	static const size_t done_at[] = { 5, 0, 1, 2, 2, 3, 4, 4, 4 };

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		for (int write = 1; write <= (int)COUNT(done_at); write++) {
			size_t done;

			cut_at(write, seed, &done);
			assert_int_equal(done, done_at[write - 1]);
		}
}

/* The seed chooses whether the write that is cut was done: the key of write 2 is there, or not. */
static void test_both_ends_of_a_cut(void **state)
{
	size_t kept = 0, lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 16; seed++) {
		struct kit k;

		kit_open(&k, NULL, NULL);
		k.config.fault = "power-cut:2";
		k.config.seed = seed;
		kit_reboot(&k);
		(void)job(&k);
		kit_reboot(&k);
		kit_expect(&k, KIT_SELECT, 0x9000);
		if (kit_ask(&k, "00f7009a00") == 0x9000)
			kept++;
		else
			lost++;
		kit_shut(&k);
	}
	assert_true(kept > 0 && lost > 0);
}

static void test_spoilt_flash(void **state)
{
	struct twin_card card = { 0 };
	struct err e = { 0 };
	char path[4096];
	struct kit k;
	FILE *file;

	(void)state;
	kit_open(&k, NULL, NULL);
	(void)snprintf(path, sizeof(path), "%s/flash", k.folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("{\"keys\":[]}", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(twin_card_open(&card, &k.config, &e), -1);
	kit_shut(&k);
}

/* Several processes, as kiln-twin has them. */
static void start_card(const struct kit *k, int i)
{
	char folder[4096], serial[16];
	struct twin_config config = k->config;
	struct twin_card card = { 0 };
	struct err e = { 0 };

	(void)snprintf(serial, sizeof(serial), "N%d", i);
	(void)snprintf(folder, sizeof(folder), "%s/%s", k->fleet, serial);
	config.serial = serial;
	config.folder = folder;
	if (mkdir(folder, 0755) != 0 || twin_card_open(&card, &config, &e) != 0)
		_exit(1);
	twin_card_free(&card);
	_exit(0);
}

static bool is_of_root(struct kit *k, int i, EVP_PKEY *root)
{
	char folder[4096];
	struct buf object = { 0 };
	X509 *cert;
	bool good;

	(void)snprintf(folder, sizeof(folder), "%s/N%d", k->fleet, i);
	k->config.folder = folder;
	kit_reboot(k);
	kit_expect(k, KIT_SELECT, 0x9000);
	assert_int_equal(kit_ask_all(k, "00cb3fff055c035fff0100", &object), 0x9000);
	cert = kit_certificate(&object);
	good = X509_verify(cert, root) == 1;
	X509_free(cert);
	buf_free(&object);
	return good;
}

static void test_one_root_for_all(void **state)
{
	enum { CARDS = 12 };
	X509_STACK *list = NULL;
	struct buf pem = { 0 };
	struct err e = { 0 };
	char path[4096];
	struct kit k;

	(void)state;
	kit_open(&k, "plain", NULL); /* makes no root */
	k.config.variant = NULL;
	for (int i = 0; i < CARDS; i++)
		if (fork() == 0)
			start_card(&k, i);
	for (int i = 0; i < CARDS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	(void)snprintf(path, sizeof(path), "%s/attestation-root.pem", k.fleet);
	testing_read(path, &pem);
	assert_ok(x509_parse_pem(path, &pem, &list, ERR_CONFIG, &e), &e);
	for (int i = 0; i < CARDS; i++)
		assert_true(is_of_root(&k, i, X509_get0_pubkey(sk_X509_value(list, 0))));
	x509_stack_free(list);
	buf_free(&pem);
	kit_shut(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cuts),
		cmocka_unit_test(test_both_ends_of_a_cut),
		cmocka_unit_test(test_spoilt_flash),
		cmocka_unit_test(test_one_root_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
