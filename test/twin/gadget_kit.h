/* What the tests of the emulated USB device share. */
#ifndef KILN_TEST_GADGET_KIT_H
#define KILN_TEST_GADGET_KIT_H

#include <string.h>

#include "gadget.h"
#include "testing.h"

static const uint8_t ccid_descriptor[] = { 0x36, 0x21, 0x10, 0x01 };
static const uint8_t notice[] = { 0x50, 0x03 };
static const struct twin_usb plain = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x14,
	.subclass = 0x00,
	.protocol = 0x01,
};
static const struct twin_usb reader = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x0b,
	.descriptor = ccid_descriptor,
	.descriptor_len = sizeof(ccid_descriptor),
	.notice = notice,
	.notice_len = sizeof(notice),
};

/* Hex with blanks between the fields of the specification's tables. */
static inline void check_hex(const struct buf *got, const char *want)
{
	char packed[1024], text[1024];
	size_t len = 0;

	for (; *want != '\0'; want++)
		if (*want != ' ')
			packed[len++] = *want;
	packed[len] = '\0';
	assert_true(got->len * 2 < sizeof(text));
	text[0] = '\0';
	if (got->len > 0)
		hex_encode(got->data, got->len, text);
	assert_string_equal(text, packed);
}

/* A control transfer: what comes back, or "stall". */
static inline void control(struct gadget *g, const char *setup, const char *want)
{
	AUTO_STRUCT(buf) packet = { 0 };
	AUTO_STRUCT(buf) data = { 0 };
	enum gadget_fate fate;
	struct err e = { 0 };

	testing_hex(setup, &packet);
	assert_int_equal(packet.len, GADGET_SETUP_LEN);
	assert_ok(gadget_control(g, packet.data, &data, &fate, &e), &e);
	if (strcmp(want, "stall") == 0) {
		assert_int_equal(fate, GADGET_STALLED);
		return;
	}
	assert_int_equal(fate, GADGET_DONE);
	check_hex(&data, want);
}

static inline void open_gadget(struct gadget *g, const struct twin_usb *usb,
    enum gadget_speed speed)
{
	gadget_init(g, usb, speed, "IP3-A", "S1");
}

static inline void open_configured(struct gadget *g, const struct twin_usb *usb,
    enum gadget_speed speed)
{
	open_gadget(g, usb, speed);
	control(g, "0009010000000000", "");
}

#endif
