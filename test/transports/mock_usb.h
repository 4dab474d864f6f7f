/*
 * One USB device behind a mocked usbfs (umockdev, in this process: its ioctls are answered by a thread of
 * umockdev's). High speed, one class interface with a bulk pair and an interrupt endpoint.
 *
 * What umockdev can not show: poll() always says that something is ready, so nothing about processor
 * time can be asserted, and an unplugged device is told by the transfers, never by POLLERR.
 */
#ifndef KILN_TEST_MOCK_USB_H
#define KILN_TEST_MOCK_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MOCK_PACKET = 512,
	MOCK_IN = 0x81,
	MOCK_OUT = 0x02,
	MOCK_INTERRUPT = 0x83,
};

#define MOCK_PLACE "pci-0000:00:14.0/usb2/"

struct mock_usb;

/* True where umockdev stands before libc; else the caller skips. */
bool mock_usb_possible(void);

/* At that port of the root hub, claimed by a kernel driver of that name (NULL: by none). The device
 * number grows with each plug. class: of the interface. */
struct mock_usb *mock_usb_plug(int port, uint8_t class, const char *driver);
/* Pending transfers end with "no device", as do all calls from now on; the node is gone. */
void mock_usb_unplug(struct mock_usb *m);
void mock_usb_free(struct mock_usb *m); /* unplugged or not */
/* After the last device: the folder of the whole bus. */
void mock_usb_end(void);

/* The mode of its node. */
void mock_usb_chmod(struct mock_usb *m, unsigned mode);
/* Somebody else's program holds the interface through usbfs. */
void mock_usb_held(struct mock_usb *m, bool held);

/* What the device has to say, as one transfer; zlp: where its length asks for it, an empty packet ends it.
 * endpoint: MOCK_IN or MOCK_INTERRUPT. */
void mock_usb_say(struct mock_usb *m, uint8_t endpoint, const void *data, size_t len, bool zlp);
/* What it gets on OUT, it says on IN. */
void mock_usb_echo(struct mock_usb *m, bool on);
/* The next transfer on that endpoint (0: the control one's) ends with this status (EPIPE, EPROTO, EOVERFLOW),
 * which is what the kernel calls it. After EPIPE a bulk endpoint is halted. */
void mock_usb_fail(struct mock_usb *m, uint8_t endpoint, int status);
/* OUT transfers stay pending. */
void mock_usb_deaf(struct mock_usb *m, bool on);
/* Unplugs itself as soon as a transfer is pending on that endpoint. */
void mock_usb_unplug_on(struct mock_usb *m, uint8_t endpoint);

/* What was done to it. */
struct mock_usb_seen {
	size_t writes,
	    zero_packets; /* OUT transfers, and those that ask for an empty packet at the end */
	size_t cleared;   /* halts */
	size_t cancelled; /* transfers */
	size_t pending;   /* now */
	size_t forbidden; /* resets, configurations set, settings chosen */
	size_t class_requests;
	size_t detached; /* kernel drivers */
	bool claimed;
	uint8_t setup[8];        /* of the last class request */
	size_t last_in_room;     /* of the last transfer on MOCK_IN */
	uint8_t last_write[256]; /* its beginning */
	size_t last_write_len;
};
struct mock_usb_seen mock_usb_seen(struct mock_usb *m);

#endif
