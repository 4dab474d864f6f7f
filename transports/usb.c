/*
 * Through libusb, without its discovery of devices: that is a thread, and a thread that meets a plug
 * event in the sandbox ends the process. One transfer at a time, and none outlives the call that began
 * it; libusb's own time-outs are not used, they know no absolute deadline.
 */
#include "usb.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libusb.h>

#include "address.h"
#include "clock.h"
#include "settle.h"
#include "usb_node.h"

enum {
	DRAIN_MS = 10,     /* for one transfer that a killed predecessor left in the device */
	DRAIN_MAX = 16,    /* transfers */
	LEAVING_MS = 500,  /* a hub tells of an unplugged device later than its transfers fail */
	PACKET_MAX = 1024, /* wMaxPacketSize of the fastest bulk and interrupt endpoints */
	CLASS_REQUEST = LIBUSB_REQUEST_TYPE_CLASS | LIBUSB_RECIPIENT_INTERFACE,
};

struct endpoint {
	uint8_t address; /* 0: there is none (that is the control endpoint's) */
	uint16_t packet; /* wMaxPacketSize */
};

struct usb {
	struct transport base;
	int fd;
	libusb_context *context;
	libusb_device_handle *handle;
	struct libusb_transfer *transfer;
	struct libusb_config_descriptor *config;
	const struct libusb_interface_descriptor *interface; /* in config */
	bool claimed;
	bool broken; /* libusb can not be asked any more */
	struct endpoint in, out, interrupt;
	int done;              /* the transfer is over; libusb looks at it, too */
	size_t in_pos, in_len; /* read and not yet asked for: buffer[in_pos .. in_len) */
	uint8_t buffer[USB_TRANSFER_MAX];
};

static int gone(struct err *e)
{
	return err_set(e, ERR_LINK, "link.gone", "the device has left its port");
}

static int timed_out(struct err *e)
{
	return err_retry(err_set(e, ERR_LINK, "link.timeout", "no answer from the device in time"),
	    e);
}

/* libusb_free_transfer and what the kernel does at the close come behind the last use of the buffers. */
static void usb_free(struct usb *u)
{
	if (u->claimed && !u->broken)
		(void)libusb_release_interface(u->handle,
		    u->interface->bInterfaceNumber); /* fails where the device is gone */
	libusb_free_config_descriptor(u->config);
	libusb_close(u->handle);
	if (u->fd >= 0)
		(void)close(u->fd); /* gives up the lock, too */
	libusb_free_transfer(u->transfer);
	if (u->context != NULL)
		libusb_exit(u->context);
	free(u);
}
OWNED_PTR(usb, usb_free)

static void LIBUSB_CALL on_done(struct libusb_transfer *transfer)
{
	struct usb *u = transfer->user_data;

	u->done = 1;
}

/* Until the transfer is over or the deadline passes; what is over already is seen in any case. */
static int await(struct usb *u, int64_t deadline, struct err *e)
{
	int left;

	do {
		struct timeval tv;
		int rc;

		left = clock_left_ms(deadline);
		tv = (struct timeval){ left / 1000, left % 1000 * 1000 };
		rc = libusb_handle_events_timeout_completed(u->context, &tv, &u->done);
		if (rc != 0 && rc != LIBUSB_ERROR_INTERRUPTED) {
			u->broken = true;
			return err_set(e, ERR_LINK, "link.gone", "waiting for the device: %s",
			    libusb_error_name(rc));
		}
	} while (u->done == 0 && left > 0);
	return 0;
}

static int submit(struct usb *u, struct err *e)
{
	int rc;

	if (u->broken)
		return gone(e);
	u->done = 0;
	rc = libusb_submit_transfer(u->transfer);
	switch (rc) {
	case 0:
		return 0;
	case LIBUSB_ERROR_NO_DEVICE:
		return gone(e);
	case LIBUSB_ERROR_NO_MEM:
		return err_set(e, ERR_LINK, "link.memory",
		    "the kernel has no memory for a transfer of %d bytes; raise "
		    "/sys/module/usbcore/parameters/usbfs_memory_mb",
		    u->transfer->length);
	default:
		return err_set(e, ERR_LINK, "link.error", "the kernel refuses a transfer: %s",
		    libusb_error_name(rc));
	}
}

/* usbfs says so by itself, without a transfer. */
static bool leaves_within(const struct usb *u, int ms)
{
	struct pollfd p = { .fd = u->fd };

	return poll(&p, 1, ms) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

static int bus_error(const struct usb *u, struct err *e)
{
	if (leaves_within(u, LEAVING_MS))
		return gone(e);
	return err_retry(err_set(e, ERR_LINK, "link.error",
			     "a transfer failed on the bus; look at the cable and the hub"),
	    e);
}

/* The halt is taken back, so that the next transfer works: whether it is made is the caller's choice. */
static int stalled(const struct usb *u, struct err *e)
{
	uint8_t address = u->transfer->endpoint;
	int rc = u->transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL
		     ? 0 /* ends by itself */
		     : libusb_clear_halt(u->handle, address);

	if (rc == LIBUSB_ERROR_NO_DEVICE)
		return gone(e);
	(void)err_set(e, ERR_LINK, "link.stall",
	    "the device refused a transfer (stall on endpoint %02xh)%s%s", address,
	    rc != 0 ? " and stays halted: " : "", rc != 0 ? libusb_error_name(rc) : "");
	return rc == 0 ? err_retry(-1, e) : -1;
}

static int verdict(const struct usb *u, struct err *e)
{
	switch (u->transfer->status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return 0;
	case LIBUSB_TRANSFER_CANCELLED:
	case LIBUSB_TRANSFER_TIMED_OUT:
		return timed_out(e);
	case LIBUSB_TRANSFER_STALL:
		return stalled(u, e);
	case LIBUSB_TRANSFER_NO_DEVICE:
		return gone(e);
	case LIBUSB_TRANSFER_OVERFLOW:
		return err_set(e, ERR_LINK, "link.babble",
		    "the device sent more than its endpoint %02xh may (babble)",
		    u->transfer->endpoint);
	case LIBUSB_TRANSFER_ERROR:
		break;
	}
	return bus_error(u, e);
}

/* Ends before it returns, whatever happens: the kernel writes into buffers until then. */
static int run(struct usb *u, int64_t deadline, struct err *e)
{
	if (submit(u, e) != 0 || await(u, deadline, e) != 0)
		return -1;
	if (u->done == 0) {
		(void)libusb_cancel_transfer(u->transfer); /* fails where it has just ended */
		if (await(u, INT64_MAX, e) != 0)
			return -1;
	}
	return verdict(u, e);
}

/* As many whole packets as len asks for: a device may fill its last one. */
static size_t packets_for(size_t len, uint16_t packet)
{
	size_t whole = (size_t)USB_TRANSFER_MAX / packet * packet;

	return len > whole - packet ? whole : (len + packet - 1) / packet * packet;
}

/* One IN transfer. What came before the deadline counts, whole or not. */
static int receive(struct usb *u, size_t len, int64_t deadline, struct err *e)
{
	int rc;

	libusb_fill_bulk_transfer(u->transfer, u->handle, u->in.address, u->buffer,
	    (int)packets_for(len, u->in.packet), on_done, u, 0);
	u->transfer->flags = 0;
	u->in_pos = u->in_len = 0;
	rc = run(u, deadline, e);
	if (u->transfer->actual_length > 0 && (rc == 0 || err_is(e, "link.timeout"))) {
		u->in_len = (size_t)u->transfer->actual_length;
		return 0;
	}
	return rc;
}

static int usb_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct usb *u = (struct usb *)t;
	size_t got;

	while (u->in_pos == u->in_len) {
		if (receive(u, len, deadline, e) != 0)
			return -1;
		/* A device that sends empty packets only must not outlive the deadline. */
		if (u->in_len == 0 && clock_left_ms(deadline) == 0)
			return timed_out(e);
	}
	got = u->in_len - u->in_pos < len ? u->in_len - u->in_pos : len;
	memcpy(data, u->buffer + u->in_pos, got);
	u->in_pos += got;
	*ret_got = got;
	return 0;
}

static int usb_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct usb *u = (struct usb *)t;

	if (len > USB_TRANSFER_MAX)
		return err_set(e, ERR_LINK, "link.size",
		    "a transfer of %zu bytes is longer than %d", len, USB_TRANSFER_MAX);
	/* libusb does not write to what it sends. */
	libusb_fill_bulk_transfer(u->transfer, u->handle, u->out.address,
	    (unsigned char *)(uintptr_t)data, (int)len, on_done, u, 0);
	/* A CCID message tells its own length; QEMU's reader stalls on an empty packet behind it. */
	u->transfer->flags =
	    u->interface->bInterfaceClass == USB_CLASS_CCID ? 0 : LIBUSB_TRANSFER_ADD_ZERO_PACKET;
	if (run(u, deadline, e) != 0)
		return -1;
	if ((size_t)u->transfer->actual_length != len)
		return err_set(e, ERR_LINK, "link.error", "the device took %d bytes of %zu",
		    u->transfer->actual_length, len);
	return 0;
}

/* What is still in the device has not arrived. */
static void usb_flush(struct transport *t)
{
	struct usb *u = (struct usb *)t;

	u->in_pos = u->in_len = 0;
}

static void usb_close(struct transport *t)
{
	usb_free((struct usb *)t);
}

int usb_interrupt(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct usb *u = (struct usb *)t;
	uint8_t packet[PACKET_MAX];
	size_t got;

	if (!usb_has_interrupt(t))
		return err_set(e, ERR_LINK, "link.address",
		    "the interface has no interrupt endpoint");
	libusb_fill_interrupt_transfer(u->transfer, u->handle, u->interrupt.address, packet,
	    u->interrupt.packet, on_done, u, 0);
	u->transfer->flags = 0;
	if (run(u, deadline, e) != 0)
		return -1;
	got = (size_t)u->transfer->actual_length;
	*ret_got = got < len ? got : len;
	memcpy(data, packet, *ret_got);
	return 0;
}

int usb_class_request(struct transport *t, uint8_t request, uint16_t value, int64_t deadline,
    struct err *e)
{
	struct usb *u = (struct usb *)t;
	uint8_t setup[LIBUSB_CONTROL_SETUP_SIZE];

	libusb_fill_control_setup(setup, CLASS_REQUEST, request, value,
	    u->interface->bInterfaceNumber, 0);
	libusb_fill_control_transfer(u->transfer, u->handle, setup, on_done, u, 0);
	u->transfer->flags = 0;
	return run(u, deadline, e);
}

const uint8_t *usb_class_descriptor(const struct transport *t, uint8_t type, size_t *ret_len)
{
	const struct libusb_interface_descriptor *i =
	    ((const struct usb *)(const void *)t)->interface;
	const uint8_t *at = i->extra;
	size_t left = i->extra_length > 0 ? (size_t)i->extra_length : 0;

	while (left >= 2 && at[0] >= 2 && at[0] <= left) {
		if (at[1] == type) {
			*ret_len = at[0];
			return at;
		}
		left -= at[0];
		at += at[0];
	}
	return NULL;
}

bool usb_has_interrupt(const struct transport *t)
{
	return ((const struct usb *)(const void *)t)->interrupt.address != 0;
}

static int open_handle(struct usb *u, const struct usb_device *d, struct err *e)
{
	int rc = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);

	if (rc == 0)
		rc = libusb_init(&u->context);
	if (rc == 0)
		rc = libusb_wrap_sys_device(u->context, u->fd, &u->handle);
	if (rc == 0)
		rc = libusb_get_active_config_descriptor(libusb_get_device(u->handle), &u->config);
	if (rc == LIBUSB_ERROR_NO_DEVICE)
		return gone(e);
	if (rc != 0)
		return err_set(e, ERR_LINK, "link.absent",
		    "%s at %s: the device can not be opened: %s", d->node, d->place,
		    libusb_error_name(rc));
	u->transfer = libusb_alloc_transfer(0);
	return u->transfer != NULL ? 0 : err_nomem(e);
}

static void take_endpoint(struct endpoint *to, const struct libusb_endpoint_descriptor *from)
{
	uint16_t packet = from->wMaxPacketSize & 0x7ff;

	if (to->address == 0 && packet > 0 && packet <= PACKET_MAX)
		*to = (struct endpoint){ from->bEndpointAddress, packet };
}

static void take_endpoints(struct usb *u, const struct libusb_interface_descriptor *i)
{
	u->in = u->out = u->interrupt = (struct endpoint){ 0 };
	for (uint8_t n = 0; n < i->bNumEndpoints; n++) {
		const struct libusb_endpoint_descriptor *at = &i->endpoint[n];
		bool in = (at->bEndpointAddress & LIBUSB_ENDPOINT_DIR_MASK) == LIBUSB_ENDPOINT_IN;
		int type = at->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK;

		if (type == LIBUSB_TRANSFER_TYPE_BULK)
			take_endpoint(in ? &u->in : &u->out, at);
		else if (type == LIBUSB_TRANSFER_TYPE_INTERRUPT && in)
			take_endpoint(&u->interrupt, at);
	}
}

static const struct kind {
	const char *name; /* in an address */
	uint8_t class;
} kinds[] = {
	{ "mctp", USB_CLASS_MCTP },
	{ "ccid", USB_CLASS_CCID },
};

/* The first setting only: choosing another one is a request that some firmware resets itself on. */
static int find_interface(struct usb *u, const struct usb_device *d, const struct kind *kind,
    struct err *e)
{
	for (uint8_t n = 0; n < u->config->bNumInterfaces; n++) {
		const struct libusb_interface *at = &u->config->interface[n];

		if (at->num_altsetting < 1 || at->altsetting[0].bInterfaceClass != kind->class)
			continue;
		take_endpoints(u, &at->altsetting[0]);
		u->interface = &at->altsetting[0];
		if (u->in.address != 0 && u->out.address != 0)
			return 0;
	}
	return err_set(e, ERR_LINK, "link.interface",
	    "the device at %s (%04x:%04x %s) has no %s interface (class %02xh with a bulk pair); "
	    "is it "
	    "the right device?",
	    d->place, d->vendor, d->product, d->product_name, kind->name, kind->class);
}

/* A kernel driver is sent away and not called back: the next slot process wants the interface, too. */
static int claim(struct usb *u, const struct usb_device *d, struct err *e)
{
	uint8_t number = u->interface->bInterfaceNumber;
	const char *driver = usb_node_holder(d, number);
	int rc = libusb_set_auto_detach_kernel_driver(u->handle, 1);

	if (rc == 0)
		rc = libusb_claim_interface(u->handle, number);
	u->claimed = rc == 0;
	(void)libusb_set_auto_detach_kernel_driver(u->handle, 0); /* as the first time */
	if (rc == 0)
		return 0;
	if (rc == LIBUSB_ERROR_NO_DEVICE)
		return gone(e);
	return err_set(e, ERR_LINK, "link.locked", "%s at %s: interface %u is held by %s%s (%s)",
	    d->node, d->place, number,
	    driver != NULL ? "the kernel driver " : "another program (pcscd?)",
	    driver != NULL ? driver : "", libusb_error_name(rc));
}

/* What the device still has for one who was here before us. Only a device that left is an error. */
static int drain(struct usb *u, struct err *e)
{
	struct err quiet = { 0 };
	int rc = 0;

	for (int i = 0; i < DRAIN_MAX && rc == 0; i++)
		rc = receive(u, USB_TRANSFER_MAX, clock_now_ms() + DRAIN_MS, &quiet);
	usb_flush(&u->base);
	if (rc == 0 || !err_is(&quiet, "link.gone"))
		return 0;
	*e = quiet;
	return -1;
}

static int find_kind(const char *address, const char *name, const struct kind **ret, struct err *e)
{
	*ret = NULL;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			*ret = &kinds[i];
	if (*ret != NULL)
		return 0;
	return err_set(e, ERR_LINK, "link.address", "'%s': interface is mctp or ccid", address);
}

static int open_at(struct transport **ret, const char *place, const struct kind *kind,
    struct err *e)
{
	AUTO_PTR(usb) *u = NULL;
	struct usb_device d;
	int fd = -1;

	if (usb_node_open(place, &d, &fd, e) != 0)
		return -1;
	u = calloc(1, sizeof(*u));
	if (u == NULL) {
		(void)close(fd); /* nothing was written */
		return err_nomem(e);
	}
	u->base.ops = &usb_transport;
	u->fd = fd;
	if (open_handle(u, &d, e) != 0 || find_interface(u, &d, kind, e) != 0 ||
	    claim(u, &d, e) != 0 || drain(u, e) != 0)
		return -1;
	*ret = &u->base;
	u = NULL;
	return 0;
}

static int usb_open(struct transport **ret, const char *address, struct err *e)
{
	static const char *const keys[ADDRESS_KEYS_MAX] = { "interface" };
	int64_t until = clock_now_ms() + SETTLE_MS;
	struct address a;
	const struct kind *kind = NULL;
	int rc;

	if (address_parse(address, keys, &a, e) != 0 ||
	    find_kind(address, a.values[0], &kind, e) != 0)
		return -1;
	do
		rc = open_at(ret, a.where, kind, e);
	while (rc != 0 && settle_more(e, until));
	return rc;
}

const struct transport_ops usb_transport = {
	.scheme = "usb",
	.medium = MEDIUM_USB,
	.open = usb_open,
	.read = usb_read,
	.write = usb_write,
	.flush = usb_flush,
	.close = usb_close,
};
