/* What transport.h promises, of each transport: a serial port that is a pty, USB against a mocked usbfs. */
#include "transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "mock_usb.h"
#include "testing.h"

enum { CLASS_MCTP = 0x14, BLOCK = 4096 };

/* The device's end of a link. */
struct end {
	char address[96];
	int master;           /* of a pty; -1 */
	struct mock_usb *usb; /* or NULL */
};

/* How each kind is made and what its device does. */
struct kind {
	void (*plug)(struct end *d);
	void (*unplug)(struct end *d);
	void (*say)(struct end *d, const void *data, size_t len);
	void (*hear)(struct end *d, void *data, size_t len); /* that many bytes come */
	void (*stop_listening)(struct end *d);
};

static void pty_plug(struct end *d)
{
	char path[64];

	d->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(d->master >= 0);
	assert_int_equal(grantpt(d->master), 0);
	assert_int_equal(unlockpt(d->master), 0);
	assert_int_equal(ptsname_r(d->master, path, sizeof(path)), 0);
	(void)snprintf(d->address, sizeof(d->address), "serial:%s", path);
}

static void pty_unplug(struct end *d)
{
	if (d->master >= 0)
		assert_int_equal(close(d->master), 0);
	d->master = -1;
}

static void pty_say(struct end *d, const void *data, size_t len)
{
	assert_int_equal(write(d->master, data, len), len);
}

static void pty_hear(struct end *d, void *data, size_t len)
{
	uint8_t *to = data;

	while (len > 0) {
		ssize_t n = read(d->master, to, len);

		assert_true(n > 0);
		to += n;
		len -= (size_t)n;
	}
}

static void pty_stop_listening(struct end *d)
{
	(void)d; /* nobody reads it; the line holds some */
}

static void usb_plug(struct end *d)
{
	d->usb = mock_usb_plug(5, CLASS_MCTP, NULL);
	(void)snprintf(d->address, sizeof(d->address), "usb:" MOCK_PLACE "5?interface=mctp");
}

static void usb_unplug(struct end *d)
{
	mock_usb_unplug(d->usb);
}

static void usb_say(struct end *d, const void *data, size_t len)
{
	mock_usb_say(d->usb, MOCK_IN, data, len, true);
}

static void usb_hear(struct end *d, void *data, size_t len)
{
	struct mock_usb_seen seen = mock_usb_seen(d->usb);

	assert_int_equal(seen.last_write_len, len);
	assert_true(len <= sizeof(seen.last_write));
	memcpy(data, seen.last_write, len);
}

static void usb_stop_listening(struct end *d)
{
	mock_usb_deaf(d->usb, true);
}

static const struct kind serial = { pty_plug, pty_unplug, pty_say, pty_hear, pty_stop_listening },
			 usb = { usb_plug, usb_unplug, usb_say, usb_hear, usb_stop_listening };

struct rig {
	const struct kind *kind;
	struct end end;
	struct transport *link;
};

static int64_t soon(int64_t ms)
{
	return clock_now_ms() + ms;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct err e = { 0 };

	assert_non_null(r);
	r->kind = *state;
	r->end.master = -1;
	r->kind->plug(&r->end);
	assert_ok(transport_open(&r->link, r->end.address, &e), &e);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	transport_close(r->link);
	r->kind->unplug(&r->end);
	if (r->end.usb != NULL)
		mock_usb_free(r->end.usb);
	free(r);
	return 0;
}

static void say(struct rig *r, const char *text)
{
	r->kind->say(&r->end, text, strlen(text));
}

/* Reads until that many bytes came. */
static void expect(struct rig *r, const void *want, size_t len, size_t portion)
{
	uint8_t all[1024];
	struct err e = { 0 };

	assert_true(len <= sizeof(all));
	for (size_t have = 0; have < len;) {
		size_t room = len - have < portion ? len - have : portion, got = 0;

		assert_ok(transport_read(r->link, all + have, room, &got, soon(5000), &e), &e);
		assert_true(got > 0 && got <= room);
		have += got;
	}
	assert_memory_equal(all, want, len);
}

static void expect_timeout(struct rig *r, int64_t deadline)
{
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 77;

	assert_err(transport_read(r->link, &byte, 1, &got, deadline, &e), &e, "link.timeout");
	assert_int_equal(e.domain, ERR_LINK);
	assert_true(e.retry);
	assert_int_equal(got, 77);
	assert_true(clock_now_ms() >= deadline - 1);
}

static void bytes_are_untouched(void **state)
{
	struct rig *r = *state;
	struct err e = { 0 };
	uint8_t all[256], heard[256];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	assert_ok(transport_write(r->link, all, sizeof(all), soon(5000), &e), &e);
	r->kind->hear(&r->end, heard, sizeof(heard));
	assert_memory_equal(heard, all, sizeof(all));
	r->kind->say(&r->end, all, sizeof(all));
	expect(r, all, sizeof(all), sizeof(all));
}

static void a_read_gives_no_more_than_asked(void **state)
{
	struct rig *r = *state;

	say(r, "one at a time");
	expect(r, "one at a time", 13, 1);
	say(r, "in threes");
	expect(r, "in threes", 9, 3);
	expect_timeout(r, soon(20));
}

static void silence_is_a_timeout(void **state)
{
	struct rig *r = *state;

	expect_timeout(r, soon(30));
	expect_timeout(r, clock_now_ms() - 1000);
	say(r, "late");
	expect(r, "late", 4, 4);
}

static void what_was_read_ahead_needs_no_time(void **state)
{
	struct rig *r = *state;
	struct err e = { 0 };
	uint8_t byte = 0;
	size_t got = 0;

	say(r, "ab");
	expect(r, "a", 1, 1);
	assert_ok(transport_read(r->link, &byte, 1, &got, clock_now_ms() - 1000, &e), &e);
	assert_int_equal(byte, 'b');
}

static void a_device_that_does_not_listen_is_a_timeout(void **state)
{
	static const uint8_t block[BLOCK] = { 0 };
	struct rig *r = *state;
	struct err e = { 0 };
	int rc = 0;

	r->kind->stop_listening(&r->end);
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = transport_write(r->link, block, sizeof(block), soon(30), &e);
	assert_err(rc, &e, "link.timeout");
	assert_true(e.retry);
}

static void flushing_drops_what_came(void **state)
{
	struct rig *r = *state;

	say(r, "old");
	expect(r, "o", 1, 1);
	transport_flush(r->link);
	say(r, "new");
	expect(r, "new", 3, 3);
	transport_flush(r->link);
	transport_flush(r->link);
	expect_timeout(r, soon(20));
}

static void expect_gone(struct rig *r)
{
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0;

	assert_err(transport_read(r->link, &byte, 1, &got, soon(5000), &e), &e, "link.gone");
	assert_int_equal(e.domain, ERR_LINK);
	assert_false(e.retry);
	assert_err(transport_write(r->link, "x", 1, soon(5000), &e), &e, "link.gone");
}

static void unplugging_is_no_timeout(void **state)
{
	struct rig *r = *state;

	r->kind->unplug(&r->end);
	expect_gone(r);
	transport_flush(r->link);
	expect_gone(r);
}

static void a_device_is_for_one(void **state)
{
	struct rig *r = *state;
	struct transport *other = NULL;
	struct err e = { 0 };

	assert_err(transport_open(&other, r->end.address, &e), &e, "link.locked");
	assert_null(other);
	transport_close(r->link);
	r->link = NULL;
	assert_ok(transport_open(&r->link, r->end.address, &e), &e);
	say(r, "again");
	expect(r, "again", 5, 5);
}

static void what_left_is_absent(void **state)
{
	struct rig *r = *state;
	struct transport *other = NULL;
	struct err e = { 0 };

	r->kind->unplug(&r->end);
	transport_close(r->link);
	r->link = NULL;
	assert_err(transport_open(&other, r->end.address, &e), &e, "link.absent");
	assert_int_equal(e.domain, ERR_LINK);
}

/* Serial first: as soon as there is a mocked bus, umockdev answers for every node. */
int main(void)
{
#define ON(kind, f)                                                                                \
	{                                                                                          \
#f " on " #kind, f, setup, teardown, (void *)(uintptr_t) & (kind)                  \
	}
#define EACH_ON(kind)                                                                              \
	ON(kind, bytes_are_untouched), ON(kind, a_read_gives_no_more_than_asked),                  \
	    ON(kind, silence_is_a_timeout), ON(kind, what_was_read_ahead_needs_no_time),           \
	    ON(kind, a_device_that_does_not_listen_is_a_timeout),                                  \
	    ON(kind, flushing_drops_what_came), ON(kind, unplugging_is_no_timeout),                \
	    ON(kind, a_device_is_for_one), ON(kind, what_left_is_absent)
	const struct CMUnitTest on_serial[] = { EACH_ON(serial) };
	const struct CMUnitTest on_usb[] = { EACH_ON(usb) };
	int rc = cmocka_run_group_tests(on_serial, NULL, NULL);

	if (!mock_usb_possible()) {
		(void)puts("SKIP: umockdev-wrapper before this program");
		return rc != 0 ? rc : 77;
	}
	rc += cmocka_run_group_tests(on_usb, NULL, NULL);
	mock_usb_end();
	return rc;
}
