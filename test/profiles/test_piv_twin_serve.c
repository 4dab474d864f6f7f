/* The whole device on its socket: each message is a transfer. */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "piv/twin_ccid.h"
#include "piv_twin_kit.h"
#include "twin.h"

extern const struct twin_family piv_twin;

struct device {
	struct twin_config config;
	int fd;
	int rc;
	struct err e;
	pthread_t thread;
};

static void *serve(void *context)
{
	struct device *d = context;

	d->rc = piv_twin.serve(&d->config, d->fd, &d->e);
	(void)close(d->fd);
	return NULL;
}

static int plug(struct device *d, const struct kit *k)
{
	int ends[2];

	memset(d, 0, sizeof(*d));
	d->config = k->config;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	d->fd = ends[1];
	assert_int_equal(pthread_create(&d->thread, NULL, serve, d), 0);
	return ends[0];
}

static void unplug(struct device *d, int fd)
{
	(void)close(fd);
	assert_int_equal(pthread_join(d->thread, NULL), 0);
}

static size_t receive(int fd, uint8_t *ret, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&p, 1, 30000), 1);
	n = recv(fd, ret, size, 0);
	assert_true(n >= 10);
	return (size_t)n;
}

static void put(int fd, uint8_t type, uint8_t sequence, const char *hex)
{
	uint8_t message[300];
	size_t len = kit_ccid(message, type, 0, sequence, hex);

	assert_int_equal(send(fd, message, len, 0), len);
}

static size_t await(int fd, uint8_t sequence, uint8_t *ret, size_t size)
{
	size_t extensions = 0;

	for (;;) {
		(void)receive(fd, ret, size);
		assert_int_equal(ret[6], sequence);
		if ((ret[7] & 0xc0) != 0x80)
			return extensions;
		assert_int_equal(ret[0], 0x80);
		assert_int_equal(ret[8], 1);
		extensions++;
	}
}

static void authenticate(int fd, uint8_t *answer, size_t size)
{
	char hex[80], clear[17];
	uint8_t witness[8];

	put(fd, 0x62, 1, "");
	assert_int_equal(await(fd, 1, answer, size), 0);
	put(fd, 0x6f, 2, KIT_SELECT);
	assert_int_equal(await(fd, 2, answer, size), 0);
	put(fd, 0x6f, 3, "0087039b047c028000");
	assert_int_equal(await(fd, 3, answer, size), 0);
	kit_cipher("DES-EDE3-ECB", false, answer + 14, witness, 8);
	hex_encode(witness, 8, clear);
	(void)snprintf(hex, sizeof(hex), "0087039b167c148008%s81080102030405060708", clear);
	put(fd, 0x6f, 4, hex);
	assert_int_equal(await(fd, 4, answer, size), 0);
	assert_int_equal(answer[10], 0x7c);
}

static void test_time_extensions(void **state)
{
	uint8_t answer[512];
	struct device d;
	struct kit k;
	int fd;

	(void)state;
	kit_open(&k, NULL, NULL);
	k.config.keygen_ms = 450;
	fd = plug(&d, &k);
	authenticate(fd, answer, sizeof(answer));
	put(fd, 0x6f, 5, KIT_P256);
	assert_true(await(fd, 5, answer, sizeof(answer)) >= 2);
	assert_memory_equal(answer + 10, "\x7f\x49\x43\x86\x41\x04", 6);
	unplug(&d, fd);
	assert_true(err_is(&d.e, "twin.usb"));
	kit_shut(&k);
}

static void test_busy_and_abort(void **state)
{
	uint8_t answer[512];
	struct device d;
	struct kit k;
	int fd;

	(void)state;
	kit_open(&k, NULL, "endless:keygen");
	fd = plug(&d, &k);
	authenticate(fd, answer, sizeof(answer));
	put(fd, 0x6f, 5, KIT_P256);
	(void)receive(fd, answer, sizeof(answer));
	assert_int_equal(answer[7], 0x80);
	put(fd, 0x65, 6, "");
	do
		(void)receive(fd, answer, sizeof(answer));
	while (answer[6] != 6);
	assert_int_equal(answer[7], 0x40);
	assert_int_equal(answer[8], 0xe0);
	put(fd, 0x72, 7, "");
	do
		(void)receive(fd, answer, sizeof(answer));
	while (answer[6] != 7);
	assert_int_equal(answer[0], 0x81);
	assert_int_equal(answer[7], 0x00);
	put(fd, 0x6f, 8, "00f8000000");
	assert_int_equal(await(fd, 8, answer, sizeof(answer)), 0);
	unplug(&d, fd);
	kit_shut(&k);
}

static void test_leaves_and_comes_back(void **state)
{
	uint8_t answer[512];
	struct device d;
	struct kit k;
	int fd;

	(void)state;
	kit_open(&k, NULL, "reset:identify");
	fd = plug(&d, &k);
	put(fd, 0x62, 1, "");
	(void)await(fd, 1, answer, sizeof(answer));
	put(fd, 0x6f, 2, KIT_SELECT);
	unplug(&d, fd);
	assert_int_equal(d.rc, 0); /* kiln-twin plugs it again */
	fd = plug(&d, &k);
	put(fd, 0x62, 1, "");
	(void)await(fd, 1, answer, sizeof(answer));
	put(fd, 0x6f, 2, KIT_SELECT);
	(void)await(fd, 2, answer, sizeof(answer));
	unplug(&d, fd);
	kit_shut(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_extensions),
		cmocka_unit_test(test_busy_and_abort),
		cmocka_unit_test(test_leaves_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
