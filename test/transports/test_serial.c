/* On real pseudo terminals. */
#include "transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "testing.h"

struct line {
	int master;
	char path[64];
	char address[96];
};

static void line_open(struct line *l, const char *query)
{
	l->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(l->master >= 0);
	assert_int_equal(grantpt(l->master), 0);
	assert_int_equal(unlockpt(l->master), 0);
	assert_int_equal(ptsname_r(l->master, l->path, sizeof(l->path)), 0);
	(void)snprintf(l->address, sizeof(l->address), "serial:%s%s", l->path, query);
}

static int64_t soon(int64_t ms)
{
	return clock_now_ms() + ms;
}

static void bytes_go_both_ways_untouched(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	uint8_t all[256];
	uint8_t got[256];
	size_t have = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i; /* CR, LF, XON, XOFF, EOF, INTR among them */
	line_open(&l, "?baud=115200");
	assert_ok(transport_open(&t, l.address, &e), &e);
	assert_ok(transport_write(t, all, sizeof(all), soon(1000), &e), &e);
	while (have < sizeof(got)) {
		ssize_t n = read(l.master, got + have, sizeof(got) - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(got, all, sizeof(all));
	assert_int_equal(write(l.master, all, sizeof(all)), sizeof(all));
	for (have = 0; have < sizeof(got);) {
		size_t n = 0;

		assert_ok(transport_read(t, got + have, sizeof(got) - have, &n, soon(1000), &e),
		    &e);
		have += n;
	}
	assert_memory_equal(got, all, sizeof(all));
	(void)close(l.master);
}

static void the_line_is_set_up(void **state)
{
	static const struct {
		const char *query;
		speed_t speed;
	} cases[] = {
		{ "", B115200 },
		{ "?baud=9600", B9600 },
		{ "?baud=921600", B921600 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		struct line l;
		struct termios line;
		AUTO_PTR(transport) *t = NULL;

		line_open(&l, cases[i].query);
		assert_ok(transport_open(&t, l.address, &e), &e);
		assert_int_equal(tcgetattr(l.master, &line), 0);
		assert_int_equal(cfgetospeed(&line), cases[i].speed);
		assert_int_equal(line.c_lflag & (tcflag_t)(ECHO | ICANON | ISIG), 0);
		assert_int_equal(line.c_oflag & (tcflag_t)OPOST, 0);
		assert_int_equal(line.c_iflag & (tcflag_t)(IXON | IXOFF | ICRNL), 0);
		assert_int_equal(line.c_cflag & (tcflag_t)HUPCL, 0);
		(void)close(l.master);
	}
}

static void unusual_rates_are_possible(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;

	(void)state;
	line_open(&l, "?baud=250000");
	assert_ok(transport_open(&t, l.address, &e), &e);
	(void)close(l.master);
}

static void wrong_addresses_are_refused(void **state)
{
	static const char *const addresses[] = {
		"",
		"serial",
		"serial:",
		"serial:ttyUSB0",
		"serial:?baud=9600",
		"usb:/dev/ttyUSB0",
		"/dev/ttyUSB0",
		"serial:/dev/ttyUSB0?",
		"serial:/dev/ttyUSB0?parity=even",
		"serial:/dev/ttyUSB0?baud",
		"serial:/dev/ttyUSB0?baud=",
		"serial:/dev/ttyUSB0?baud=fast",
		"serial:/dev/ttyUSB0?baud=-9600",
		"serial:/dev/ttyUSB0?baud= 9600",
		"serial:/dev/ttyUSB0?baud=9600x",
		"serial:/dev/ttyUSB0?baud=9600&parity=even",
		"serial:/dev/ttyUSB0?baud=9600&baud=9600",
		"serial:/dev/ttyUSB0?baud=1",
		"serial:/dev/ttyUSB0?baud=99999999999999999999",
		"serial:/dev/null",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct err e = { 0 };
		AUTO_PTR(transport) *t = NULL;

		assert_err(transport_open(&t, addresses[i], &e), &e, "link.address");
		assert_int_equal(e.domain, ERR_LINK);
		assert_null(t);
	}
}

static void a_path_has_a_bound(void **state)
{
	struct err e = { 0 };
	AUTO_PTR(transport) *t = NULL;
	char address[512];

	(void)state;
	(void)snprintf(address, sizeof(address), "serial:/%0400d", 0);
	assert_err(transport_open(&t, address, &e), &e, "link.address");
}

static void an_absent_port_is_absent(void **state)
{
	struct err e = { 0 };
	AUTO_PTR(transport) *t = NULL;

	(void)state;
	assert_err(transport_open(&t, "serial:/dev/serial/by-path/no-such-port", &e), &e,
	    "link.absent");
}

static void a_forbidden_port_says_so(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	int rc;

	(void)state;
	line_open(&l, "");
	assert_int_equal(chmod(l.path, 0), 0);
	if (geteuid() == 0 && seteuid(65534) != 0)
		testing_skip("another user to be");
	rc = transport_open(&t, l.address, &e);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_err(rc, &e, "link.permission");
	(void)close(l.master);
}

static void a_port_is_for_one(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *first = NULL;
	AUTO_PTR(transport) *second = NULL;
	int other;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&first, l.address, &e), &e);
	assert_err(transport_open(&second, l.address, &e), &e, "link.locked");
	transport_close(steal(&first));
	assert_ok(transport_open(&second, l.address, &e), &e);
	transport_close(steal(&second));

	other = open(l.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_err(transport_open(&second, l.address, &e), &e, "link.locked");
	(void)close(other);
	(void)close(l.master);
}

static void a_silent_device_is_a_timeout(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	uint8_t byte;
	size_t got = 0;
	int64_t before;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&t, l.address, &e), &e);
	before = clock_now_ms();
	assert_err(transport_read(t, &byte, 1, &got, before + 30, &e), &e, "link.timeout");
	assert_true(e.retry);
	assert_true(clock_now_ms() >= before + 29);
	assert_err(transport_read(t, &byte, 1, &got, before, &e), &e, "link.timeout");
	(void)close(l.master);
}

static void a_device_that_does_not_read_is_a_timeout(void **state)
{
	static const uint8_t much[1 << 20] = { 0 };
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&t, l.address, &e), &e);
	assert_err(transport_write(t, much, sizeof(much), soon(30), &e), &e, "link.timeout");
	(void)close(l.master);
}

static void what_waits_is_read_after_the_deadline(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	uint8_t byte = 0;
	size_t got = 0;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&t, l.address, &e), &e);
	assert_int_equal(write(l.master, "x", 1), 1);
	assert_ok(transport_read(t, &byte, 1, &got, 0, &e), &e);
	assert_int_equal(byte, 'x');
	(void)close(l.master);
}

static void unplugging_is_seen(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	uint8_t byte;
	size_t got = 0;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&t, l.address, &e), &e);
	(void)close(l.master);
	assert_err(transport_read(t, &byte, 1, &got, soon(1000), &e), &e, "link.gone");
	assert_false(e.retry);
	assert_err(transport_write(t, "x", 1, soon(1000), &e), &e, "link.gone");
	transport_flush(t);
}

static void flushing_drops_what_came(void **state)
{
	struct err e = { 0 };
	struct line l;
	AUTO_PTR(transport) *t = NULL;
	uint8_t byte = 0;
	size_t got = 0;

	(void)state;
	line_open(&l, "");
	assert_ok(transport_open(&t, l.address, &e), &e);
	assert_int_equal(write(l.master, "old", 3), 3);
	assert_ok(transport_read(t, &byte, 1, &got, soon(1000), &e), &e);
	transport_flush(t);
	assert_int_equal(write(l.master, "new", 3), 3);
	assert_ok(transport_read(t, &byte, 1, &got, soon(1000), &e), &e);
	assert_int_equal(byte, 'n');
	(void)close(l.master);
}

static void closing_nothing_is_allowed(void **state)
{
	(void)state;
	transport_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways_untouched),
		cmocka_unit_test(the_line_is_set_up),
		cmocka_unit_test(unusual_rates_are_possible),
		cmocka_unit_test(wrong_addresses_are_refused),
		cmocka_unit_test(a_path_has_a_bound),
		cmocka_unit_test(an_absent_port_is_absent),
		cmocka_unit_test(a_forbidden_port_says_so),
		cmocka_unit_test(a_port_is_for_one),
		cmocka_unit_test(a_silent_device_is_a_timeout),
		cmocka_unit_test(a_device_that_does_not_read_is_a_timeout),
		cmocka_unit_test(what_waits_is_read_after_the_deadline),
		cmocka_unit_test(unplugging_is_seen),
		cmocka_unit_test(flushing_drops_what_came),
		cmocka_unit_test(closing_nothing_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
