/* The twin's DSP0283 against bytes that are put together by hand from the specification. */
#include <stdlib.h>
#include <string.h>

#include "spdm/twin_usb.h"
#include "testing.h"

/* All packets of a transfer, in hex, with '/' behind each. */
static void check(const char *transfer, const char *want)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	char text[2048] = "";
	const uint8_t *packet;
	size_t at = 0, len;

	testing_hex(transfer, &bytes);
	while (twin_usb_next(bytes.data, bytes.len, &at, &packet, &len)) {
		hex_encode(packet, len, text + strlen(text));
		strcat(text, "/");
	}
	assert_string_equal(text, want);
}

#define GET_VERSION "010908c90510840000"

static void test_takes_packets_out_of_a_transfer(void **state)
{
	(void)state;
	check("1ab4000d" GET_VERSION, GET_VERSION "/");
	check("1ab4000d" GET_VERSION "1ab40009"
	      "0109084905",
	    GET_VERSION "/0109084905/");
	check("", "");
}

static void test_stops_at_what_is_no_packet(void **state)
{
	(void)state;
	check("1ab4000d" GET_VERSION "1ab5000d" GET_VERSION, GET_VERSION "/");
	check("1ab4000d" GET_VERSION "1ab4000e" GET_VERSION, GET_VERSION "/"); /* cut */
	check("1ab4000d" GET_VERSION "1ab400", GET_VERSION "/");
	check("1ab40008"
	      "010908c9",
	    ""); /* no message type */
	check("1ab40000", "");
	check("b41a000d" GET_VERSION, "");
}

static void test_adds_packets(void **state)
{
	AUTO_STRUCT(buf) transfer = { 0 };
	AUTO_STRUCT(buf) packet = { 0 };
	struct err e = { 0 };
	char text[256];

	(void)state;
	testing_hex(GET_VERSION, &packet);
	assert_ok(twin_usb_add(packet.data, packet.len, &transfer, &e), &e);
	assert_ok(twin_usb_add(packet.data, packet.len, &transfer, &e), &e);
	hex_encode(transfer.data, transfer.len, text);
	assert_string_equal(text, "1ab4000d" GET_VERSION "1ab4000d" GET_VERSION);
}

static void test_a_transfer_has_512_bytes(void **state)
{
	const uint8_t packet[68] = { 1 };
	AUTO_STRUCT(buf) transfer = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 7; i++) {
		assert_true(twin_usb_has_room(&transfer, sizeof(packet)));
		assert_ok(twin_usb_add(packet, sizeof(packet), &transfer, &e), &e);
	}
	assert_int_equal(transfer.len, 504);
	assert_int_equal(transfer.data[3], 72); /* the length counts the header */
	assert_false(twin_usb_has_room(&transfer, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_packets_out_of_a_transfer),
		cmocka_unit_test(test_stops_at_what_is_no_packet),
		cmocka_unit_test(test_adds_packets),
		cmocka_unit_test(test_a_transfer_has_512_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
