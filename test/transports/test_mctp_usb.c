/* MCTP over USB (DSP0283), against bytes that were written down by hand. What it shares with the serial
 * binding is in test_mctp.c. */
#include "mctp.h"

#include <string.h>

#include "testing.h"
#include "wire.h"

static const int64_t never = INT64_MAX;

/* A message as DSP0283 writes it: an identifier, a length that counts itself, and no checksum. */
static void a_transfer_has_these_bytes(void **state)
{
	struct err e = { 0 };
	struct wire w = { .base = { &wire_usb_ops } };
	struct mctp m;
	AUTO_STRUCT(buf) want = { 0 };
	AUTO_STRUCT(mctp_message) sent = { .source = 8, .tag = 2, .owner = true, .type = 5 };

	(void)state;
	mctp_init(&m, &w.base);
	testing_hex("10840000", &sent.body);
	testing_hex("1ab4000d010008ca0510840000", &want);
	assert_ok(mctp_send(&m, &sent, never, &e), &e);
	assert_true(buf_equal(&w.out, &want));
	mctp_free(&m);
	wire_close(&w.base);
}

/* Each transfer begins with a frame and ends with one: 72 bytes each but the last, seven at most. */
static int check_transfer(struct wire *w, struct err *e)
{
	size_t *transfers = w->context, at = 0;

	(void)e;
	assert_true(w->out.len <= 512);
	while (at < w->out.len) {
		assert_memory_equal(w->out.data + at, "\x1a\xb4\x00", 3);
		assert_in_range(w->out.data[at + 3], 9, 72);
		at += w->out.data[at + 3];
	}
	assert_int_equal(at, w->out.len);
	(*transfers)++;
	buf_clear(&w->out);
	return 0;
}

static void transfers_hold_whole_frames(void **state)
{
	static const struct {
		size_t body, transfers;
	} rows[] = { { 0, 1 }, { 62, 1 }, { 7 * 64 - 1, 1 }, { 7 * 64, 2 }, { 14 * 64 - 1, 2 },
		{ 14 * 64, 3 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err e = { 0 };
		size_t transfers = 0;
		struct wire w = { .base = { &wire_usb_ops },
			.answer = check_transfer,
			.context = &transfers };
		struct mctp m;
		AUTO_STRUCT(mctp_message) sent = { .type = 5 };

		mctp_init(&m, &w.base);
		for (size_t n = 0; n < rows[i].body; n++)
			assert_ok(buf_add_u8(&sent.body, (uint8_t)n, &e), &e);
		assert_ok(mctp_send(&m, &sent, never, &e), &e);
		assert_int_equal(transfers, rows[i].transfers);
		mctp_free(&m);
		wire_close(&w.base);
	}
}

#define USB_GOOD "1ab4000d010908c90510840000"

/* One transfer, and another one behind it: how many messages of four bytes come out of both. */
static void expect_transfers(const char *first, size_t count)
{
	struct err e = { 0 };
	struct transport_ops ops = wire_usb_ops;
	struct wire w = { .base = { &ops } };
	struct mctp m;
	AUTO_STRUCT(buf) bytes = { 0 };
	AUTO_STRUCT(mctp_message) got = { 0 };
	size_t found = 0;

	ops.read = wire_read; /* all at once: a transfer is not cut where its frames end */
	mctp_init(&m, &w.base);
	testing_hex(first, &w.in);
	while (mctp_receive(&m, &got, never, &e) == 0)
		found++;
	assert_true(err_is(&e, "link.timeout"));
	testing_hex(USB_GOOD, &bytes);
	assert_ok(buf_set(&w.in, bytes.data, bytes.len, &e), &e);
	assert_ok(mctp_receive(&m, &got, never, &e), &e);
	assert_int_equal(got.body.len, 4);
	if (found != count)
		fail_msg("%s: %zu messages, %zu expected", first, found, count);
	mctp_free(&m);
	wire_close(&w.base);
}

static void the_rest_of_a_broken_transfer_is_dropped(void **state)
{
	(void)state;
	expect_transfers(USB_GOOD, 1);
	expect_transfers(USB_GOOD USB_GOOD USB_GOOD, 3);
	expect_transfers("1ab4ff0d010908c90510840000", 1); /* reserved: not looked at */
	expect_transfers("00" USB_GOOD, 0);
	expect_transfers("1ab5000d010908c90510840000" USB_GOOD, 0);
	expect_transfers("b41a000d010908c90510840000" USB_GOOD, 0);
	expect_transfers(USB_GOOD "ffffffff" USB_GOOD, 1);
	expect_transfers("1ab40008010908c9" USB_GOOD, 0);         /* no message type */
	expect_transfers("1ab40000" USB_GOOD, 0);                 /* a length that leads nowhere */
	expect_transfers("1ab4000e010908c90510840000", 0);        /* longer than what came */
	expect_transfers(USB_GOOD "1ab4000d010908c905108400", 1); /* cut off */
	expect_transfers("1a", 0);
	expect_transfers("1ab400", 0);
	expect_transfers("7e0109010908c9051084000077de7e", 0); /* another binding's */
}

/* A device may use packets of any size that the length can say. */
/* The numbers of its packets fit together again after four of them; here, after none. */
static void a_message_that_lost_packets_is_dropped(void **state)
{
	static const char *const transfers[] = { "1ab4000b01090889051084"
						 "ffffffff",
		"1ab4000a010908590000" };
	struct transport_ops ops = wire_usb_ops;
	struct wire w = { .base = { &ops } };
	struct mctp m;
	AUTO_STRUCT(mctp_message) got = { 0 };

	(void)state;
	ops.read = wire_read;
	mctp_init(&m, &w.base);
	for (size_t i = 0; i < COUNT(transfers); i++) {
		struct err e = { 0 };

		testing_hex(transfers[i], &w.in);
		assert_err(mctp_receive(&m, &got, never, &e), &e, "link.timeout");
	}
	mctp_free(&m);
	wire_close(&w.base);
}

static void large_packets_are_taken(void **state)
{
	static const size_t payloads[] = { 64, 65, 128, 246, 247 };

	(void)state;
	for (size_t i = 0; i < COUNT(payloads); i++) {
		struct err e = { 0 };
		struct wire w = { .base = { &wire_usb_ops } };
		struct mctp m;
		uint8_t packet[251] = { 1, 8, 9, 0xc1, 5 };
		AUTO_STRUCT(mctp_message) got = { 0 };

		mctp_init(&m, &w.base);
		assert_ok(mctp_usb_frame(packet, 4 + payloads[i], &w.in, &e), &e);
		assert_int_equal(w.in.data[3], 8 + payloads[i]);
		assert_ok(mctp_receive(&m, &got, never, &e), &e);
		assert_int_equal(got.body.len, payloads[i] - 1);
		mctp_free(&m);
		wire_close(&w.base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_has_these_bytes),
		cmocka_unit_test(transfers_hold_whole_frames),
		cmocka_unit_test(the_rest_of_a_broken_transfer_is_dropped),
		cmocka_unit_test(a_message_that_lost_packets_is_dropped),
		cmocka_unit_test(large_packets_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
