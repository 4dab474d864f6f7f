/* What the device says it is (USB 2.0, 9.6). */
#include <string.h>

#include "gadget.h"

enum {
	DEVICE = 1,
	CONFIGURATION = 2,
	STRING = 3,
	INTERFACE = 4,
	ENDPOINT = 5,
	DEVICE_QUALIFIER = 6,
	OTHER_SPEED = 7,

	BULK = 2,
	INTERRUPT = 3,
	POWERED_BY_BUS = 0x80,
	POWER_2MA = 50,
	LANGUAGE_EN_US = 0x0409,
	TEXT_MAX = 126, /* characters: bLength is one byte */
};

static int add_device(const struct gadget *g, struct buf *ret, struct err *e)
{
	const uint16_t vendor = g->usb->vendor, product = g->usb->product;
	const uint8_t device[] = { 18, DEVICE, 0x00, 0x02, /* bcdUSB */
		0, 0, 0,                                   /* the interface says its class */
		64,                                        /* bMaxPacketSize0 */
		(uint8_t)vendor, (uint8_t)(vendor >> 8), (uint8_t)product, (uint8_t)(product >> 8),
		0x00, 0x01, /* bcdDevice */
		1, 2, 3,    /* strings */
		1 };        /* bNumConfigurations */

	return buf_add(ret, device, sizeof(device), e);
}

/* What it would be at the other speed: the same. */
static int add_qualifier(const struct gadget *g, struct buf *ret, struct err *e)
{
	static const uint8_t qualifier[] = { 10, DEVICE_QUALIFIER, 0x00, 0x02, 0, 0, 0, 64, 1, 0 };

	if (g->speed != GADGET_HIGH)
		return 0;
	return buf_add(ret, qualifier, sizeof(qualifier), e);
}

static int add_endpoint(struct buf *ret, uint8_t address, uint8_t kind, size_t packet,
    uint8_t interval, struct err *e)
{
	const uint8_t endpoint[] = { 7, ENDPOINT, address, kind, (uint8_t)packet,
		(uint8_t)(packet >> 8), interval };

	return buf_add(ret, endpoint, sizeof(endpoint), e);
}

/* bInterval is 16 ms: frames at full speed, 2^(n-1) microframes at high speed. */
static int add_endpoints(const struct gadget *g, enum gadget_speed speed, struct buf *ret,
    struct err *e)
{
	size_t packet = speed == GADGET_HIGH ? 512 : 64;

	if (add_endpoint(ret, GADGET_OUT, BULK, packet, 0, e) != 0 ||
	    add_endpoint(ret, GADGET_IN, BULK, packet, 0, e) != 0)
		return -1;
	if (g->usb->notice == NULL)
		return 0;
	return add_endpoint(ret, GADGET_NOTICE, INTERRUPT, GADGET_NOTICE_MAX,
	    speed == GADGET_HIGH ? 8 : 16, e);
}

static int add_configuration(const struct gadget *g, uint8_t type, enum gadget_speed speed,
    struct buf *ret, struct err *e)
{
	const uint8_t endpoints = g->usb->notice != NULL ? 3 : 2;
	const size_t total = 9 + 9 + g->usb->descriptor_len + 7U * endpoints;
	const uint8_t head[] = { 9, type, (uint8_t)total, (uint8_t)(total >> 8), 1, 1, 0,
		POWERED_BY_BUS, POWER_2MA, 9, INTERFACE, 0, 0, endpoints, g->usb->class,
		g->usb->subclass, g->usb->protocol, 0 };

	if (buf_add(ret, head, sizeof(head), e) != 0 ||
	    buf_add(ret, g->usb->descriptor, g->usb->descriptor_len, e) != 0)
		return -1;
	return add_endpoints(g, speed, ret, e);
}

static int add_text(const char *text, struct buf *ret, struct err *e)
{
	size_t len = strlen(text);

	if (len > TEXT_MAX)
		len = TEXT_MAX;
	if (buf_add_u8(ret, (uint8_t)(2 + 2 * len), e) != 0 || buf_add_u8(ret, STRING, e) != 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (buf_add_u16le(ret, (uint8_t)text[i], e) != 0)
			return -1;
	return 0;
}

static int add_string(const struct gadget *g, uint8_t index, struct buf *ret, struct err *e)
{
	static const uint8_t languages[] = { 4, STRING, LANGUAGE_EN_US & 0xff,
		LANGUAGE_EN_US >> 8 };

	switch (index) {
	case 0:
		return buf_add(ret, languages, sizeof(languages), e);
	case 1:
		return add_text("kiln-twin", ret, e);
	case 2:
		return add_text(g->model, ret, e);
	case 3:
		return add_text(g->serial, ret, e);
	default:
		return 0;
	}
}

int gadget_descriptor(const struct gadget *g, uint8_t type, uint8_t index, struct buf *ret,
    struct err *e)
{
	bool high = g->speed == GADGET_HIGH;

	if (type == STRING)
		return add_string(g, index, ret, e);
	if (index != 0)
		return 0;
	switch (type) {
	case DEVICE:
		return add_device(g, ret, e);
	case CONFIGURATION:
		return add_configuration(g, CONFIGURATION, g->speed, ret, e);
	case DEVICE_QUALIFIER:
		return add_qualifier(g, ret, e);
	case OTHER_SPEED:
		return high ? add_configuration(g, OTHER_SPEED, GADGET_FULL, ret, e) : 0;
	default:
		return 0;
	}
}
