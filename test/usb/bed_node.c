#include "bed_node.h"

#include <errno.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bed_tree.h"
#include "bytes.h"

enum { DRAIN_STEPS = 100, DRAIN_STEP_MS = 5, SETUP = GADGET_SETUP_LEN };

/* A transfer of a client, while it is on its way. */
struct flight {
	struct flight *next;
	uint64_t id;
	UMockdevIoctlClient *client; /* whose it is; compared only */
	UMockdevIoctlData *urb, *buffer;
};

struct bed_node {
	size_t slot;
	unsigned address;
	char path[BED_NAME_MAX];
	UMockdevIoctlBase *base;
	UMockdevIoctlClient *claimed; /* who has the interface; compared only */
	struct pump pump;
	bool gone, told_gone;
	struct flight *flights;
	uint64_t last_id;
	bed_node_told *told;
	void *context;
};

static GMutex lock;

const struct gadget *bed_node_gadget(const struct bed_node *n)
{
	return &n->pump.gadget;
}

static void end_flight(struct flight *f)
{
	g_object_unref(f->urb);
	g_object_unref(f->buffer);
	g_free(f);
}

/* The flight with that id, taken out; NULL where it is not known any more. */
static struct flight *land(struct bed_node *n, uint64_t id)
{
	for (struct flight **at = &n->flights; *at != NULL; at = &(*at)->next) {
		struct flight *f = *at;

		if (f->id != id)
			continue;
		*at = f->next;
		return f;
	}
	return NULL;
}

static void turn(struct bed_node *n)
{
	struct err e = { 0 };

	if (!n->gone && pump_turn(&n->pump, &e) != 0)
		g_printerr("kiln-usb-bed: slot %zu: %s\n", n->slot + 1, e.message);
	if (n->pump.gadget.gone && !n->told_gone) {
		n->told_gone = true;
		n->told(n->context, n->slot, "leaves");
	}
}

static struct usbdevfs_urb *urb_of(const UMockdevIoctlData *data)
{
	return (struct usbdevfs_urb *)(void *)data->data;
}

/* What the host gets when a transfer of it has ended. */
static void write_back(const struct flight *f, const struct urb *u)
{
	struct usbdevfs_urb *urb = urb_of(f->urb);
	bool control = urb->type == USBDEVFS_URB_TYPE_CONTROL;
	bool in = ((control ? u->setup[0] : urb->endpoint) & 0x80) != 0;

	if (in && u->actual > 0)
		memcpy(f->buffer->data + (control ? SETUP : 0), u->data.data, u->actual);
	urb->actual_length = (int)u->actual;
	urb->status = u->status == -ECONNRESET ? -ENOENT : u->status;
}

static struct urb *describe(const struct usbdevfs_urb *urb, const UMockdevIoctlData *buffer)
{
	struct urb *u = calloc(1, sizeof(*u));
	size_t len = (size_t)urb->buffer_length;
	const uint8_t *data = buffer->data;
	struct err e = { 0 };

	if (u == NULL)
		return NULL;
	u->endpoint = urb->endpoint;
	u->zero = (urb->flags & USBDEVFS_URB_ZERO_PACKET) != 0;
	u->whole = (urb->flags & USBDEVFS_URB_SHORT_NOT_OK) != 0;
	if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
		u->endpoint = 0;
		memcpy(u->setup, data, SETUP);
		data += SETUP;
		len -= SETUP;
	}
	u->room = len;
	if (((u->endpoint == 0 ? u->setup[0] : u->endpoint) & 0x80) == 0 &&
	    buf_add(&u->data, data, len, &e) != 0) {
		urb_free(u);
		return NULL;
	}
	return u;
}

static int submit(struct bed_node *n, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
	UMockdevIoctlData *urb =
	    umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), NULL);
	UMockdevIoctlData *buffer;
	struct flight *f;
	struct urb *u;

	if (urb == NULL)
		return EFAULT;
	if (n->flights != NULL && n->flights->client != client)
		return EBUSY; /* the kernel would let both: nobody needs it here */
	buffer = umockdev_ioctl_data_resolve(urb, offsetof(struct usbdevfs_urb, buffer),
	    (size_t)urb_of(urb)->buffer_length, NULL);
	if (urb_of(urb)->type == USBDEVFS_URB_TYPE_CONTROL && urb_of(urb)->buffer_length < SETUP)
		return EINVAL;
	u = buffer != NULL ? describe(urb_of(urb), buffer) : NULL;
	if (u == NULL)
		return ENOMEM;
	u->id = ++n->last_id;
	f = g_new0(struct flight, 1);
	*f = (struct flight){ .next = n->flights, .id = u->id, .client = client, urb, buffer };
	n->flights = f;
	pump_submit(&n->pump, u);
	turn(n);
	return 0;
}

/* The next transfer that has ended; those of a client that vanished are dropped. */
static int reap(struct bed_node *n, UMockdevIoctlData *arg)
{
	UMockdevIoctlData *pointer;

	turn(n);
	for (;;) {
		AUTO_PTR(urb) *u = pump_reap(&n->pump);
		struct flight *f = u != NULL ? land(n, u->id) : NULL;

		if (u == NULL)
			return n->gone ? ENODEV : EAGAIN;
		if (f == NULL)
			continue;
		write_back(f, u);
		pointer = umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
		umockdev_ioctl_data_set_ptr(pointer, 0, f->urb);
		g_object_unref(pointer);
		end_flight(f);
		return 0;
	}
}

static int discard(struct bed_node *n, UMockdevIoctlClient *client, const UMockdevIoctlData *arg)
{
	gulong address;

	memcpy(&address, arg->data, sizeof(address));
	for (const struct flight *f = n->flights; f != NULL; f = f->next)
		if (f->client == client && f->urb->client_addr == address)
			return pump_cancel(&n->pump, f->id) ? 0 : EINVAL;
	return EINVAL;
}

static int claim(struct bed_node *n, UMockdevIoctlClient *client, unsigned interface)
{
	if (interface != 0)
		return EINVAL;
	if (n->claimed != NULL && n->claimed != client)
		return EBUSY;
	n->claimed = client;
	return 0;
}

static int release(struct bed_node *n, UMockdevIoctlClient *client, unsigned interface)
{
	if (interface != 0 || n->claimed != client)
		return EINVAL;
	n->claimed = NULL;
	return 0;
}

static int request(struct bed_node *n, uint8_t type, uint8_t code, uint16_t value, uint16_t index)
{
	uint8_t setup[GADGET_SETUP_LEN] = { type, code };
	AUTO_STRUCT(buf) none = { 0 };
	enum gadget_fate fate;
	struct err e = { 0 };

	put_u16le(setup + 2, value);
	put_u16le(setup + 4, index);
	if (gadget_control(&n->pump.gadget, setup, &none, &fate, &e) != 0)
		return ENOMEM;
	return fate == GADGET_DONE ? 0 : EPIPE;
}

/* The number that the client's argument points to; ~0 where it can not be read. */
static unsigned uint_of(UMockdevIoctlData *arg)
{
	UMockdevIoctlData *data = umockdev_ioctl_data_resolve(arg, 0, sizeof(unsigned), NULL);
	unsigned value = ~0U;

	if (data == NULL)
		return value;
	memcpy(&value, data->data, sizeof(value));
	g_object_unref(data);
	return value;
}

/* Fills what the client's argument points to. */
static int say(UMockdevIoctlData *arg, const void *what, size_t len)
{
	UMockdevIoctlData *data = umockdev_ioctl_data_resolve(arg, 0, len, NULL);

	if (data == NULL)
		return EFAULT;
	memcpy(data->data, what, len);
	g_object_unref(data); /* its argument has it too, until it is answered */
	return 0;
}

static int say_capabilities(UMockdevIoctlData *arg)
{
	const uint32_t able = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_BULK_CONTINUATION |
			      USBDEVFS_CAP_NO_PACKET_SIZE_LIM | USBDEVFS_CAP_REAP_AFTER_DISCONNECT;

	return say(arg, &able, sizeof(able));
}

static int say_connection(const struct bed_node *n, UMockdevIoctlData *arg)
{
	const struct usbdevfs_connectinfo info = { .devnum = n->address };

	return say(arg, &info, sizeof(info));
}

/* What kiln must not do of its own accord. */
static int noticed(struct bed_node *n, const char *what)
{
	n->told(n->context, n->slot, what);
	return request(n, 0x00, USB_REQ_SET_CONFIGURATION, 1, 0);
}

/* 0 or an errno; *ret_result where that is not all. */
static int dispatch(struct bed_node *n, UMockdevIoctlClient *client, gulong code,
    UMockdevIoctlData *arg, glong *ret_result)
{
	switch (code) {
	case USBDEVFS_GET_CAPABILITIES:
		return say_capabilities(arg);
	case USBDEVFS_CONNECTINFO:
		return say_connection(n, arg);
	case USBDEVFS_GET_SPEED:
		*ret_result = n->pump.gadget.speed == GADGET_HIGH ? USB_SPEED_HIGH : USB_SPEED_FULL;
		return 0;
	case USBDEVFS_CLAIMINTERFACE:
	case USBDEVFS_DISCONNECT_CLAIM: /* it begins with the interface */
		return claim(n, client, uint_of(arg));
	case USBDEVFS_RELEASEINTERFACE:
		return release(n, client, uint_of(arg));
	case USBDEVFS_SETINTERFACE:
		n->told(n->context, n->slot, "set-interface");
		return 0;
	case USBDEVFS_SETCONFIGURATION:
		return noticed(n, "set-configuration");
	case USBDEVFS_RESET:
		return noticed(n, "reset");
	case USBDEVFS_CLEAR_HALT:
		return request(n, USB_RECIP_ENDPOINT, USB_REQ_CLEAR_FEATURE, USB_ENDPOINT_HALT,
		    (uint16_t)uint_of(arg));
	case USBDEVFS_RESETEP:
		return 0;
	case USBDEVFS_GETDRIVER: /* no kernel driver has it */
	case USBDEVFS_IOCTL:
		return ENODATA;
	case USBDEVFS_SUBMITURB:
		return submit(n, client, arg);
	case USBDEVFS_DISCARDURB:
		return discard(n, client, arg);
	default:
		return ENOTTY;
	}
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer context)
{
	struct bed_node *n = context;
	gulong code = umockdev_ioctl_client_get_request(client);
	UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
	glong result = 0;
	int why;

	(void)base;
	g_mutex_lock(&lock);
	if (code == USBDEVFS_REAPURBNDELAY)
		why = reap(n, arg);
	else if (n->gone)
		why = ENODEV;
	else
		why = dispatch(n, client, code, arg, &result);
	umockdev_ioctl_client_complete(client, why == 0 ? result : -1, why);
	g_mutex_unlock(&lock);
	return TRUE;
}

/* A client that is killed leaves its transfers; the device keeps what it had to say. */
static void on_vanished(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer context)
{
	struct bed_node *n = context;

	(void)base;
	g_mutex_lock(&lock);
	if (n->claimed == client)
		n->claimed = NULL;
	for (struct flight **at = &n->flights; *at != NULL;) {
		struct flight *f = *at;

		if (f->client != client) {
			at = &f->next;
			continue;
		}
		(void)pump_cancel(&n->pump, f->id); /* reaped by the next client and dropped */
		*at = f->next;
		end_flight(f);
	}
	g_mutex_unlock(&lock);
}

static int attach(struct bed_node *n, UMockdevTestbed *testbed, struct err *e)
{
	GError *why = NULL;
	int rc;

	n->base = umockdev_ioctl_base_new();
	g_signal_connect(n->base, "handle-ioctl", G_CALLBACK(on_ioctl), n);
	g_signal_connect(n->base, "client-vanished", G_CALLBACK(on_vanished), n);
	if (umockdev_testbed_attach_ioctl(testbed, n->path, n->base, &why))
		return 0;
	rc = err_set(e, ERR_CONFIG, "bed", "serving %s: %s", n->path,
	    why != NULL ? why->message : "");
	g_clear_error(&why);
	return rc;
}

int bed_node_open(struct bed_node **ret, UMockdevTestbed *testbed, const struct skin_plug *plug,
    enum gadget_speed speed, unsigned address, int fd, bed_node_told *told, void *context,
    struct err *e)
{
	struct bed_node *n = g_new0(struct bed_node, 1);

	n->slot = plug->slot;
	n->address = address;
	n->told = told;
	n->context = context;
	bed_tree_node(address, n->path);
	if (pump_open(&n->pump, plug, speed, fd, e) != 0) {
		g_free(n);
		return -1;
	}
	/* the kernel has set it before anybody can open the device */
	if (request(n, 0x00, USB_REQ_SET_CONFIGURATION, 1, 0) != 0 || attach(n, testbed, e) != 0) {
		pump_close(&n->pump);
		g_clear_object(&n->base);
		g_free(n);
		return -1;
	}
	*ret = n;
	return 0;
}

static bool is_drained(struct bed_node *n)
{
	bool drained;

	g_mutex_lock(&lock);
	turn(n);
	drained = pump_is_drained(&n->pump);
	g_mutex_unlock(&lock);
	return drained;
}

void bed_node_drain(struct bed_node *n)
{
	for (int i = 0; i < DRAIN_STEPS && !is_drained(n); i++)
		g_usleep(DRAIN_STEP_MS * 1000);
}

void bed_node_unplug(struct bed_node *n)
{
	g_mutex_lock(&lock);
	n->pump.gadget.gone = true;
	n->told_gone = true;
	turn(n); /* ends what waits */
	n->gone = true;
	if (n->pump.fd >= 0)
		(void)close(n->pump.fd); /* a twin that still lives ends */
	n->pump.fd = -1;
	g_mutex_unlock(&lock);
}

void bed_node_close(struct bed_node *n, UMockdevTestbed *testbed)
{
	/* the thread of the handlers is waited for inside: not under the lock */
	(void)umockdev_testbed_detach_ioctl(testbed, n->path, NULL); /* it may be closed already */
	g_clear_object(&n->base);
	while (n->flights != NULL)
		end_flight(land(n, n->flights->id));
	pump_close(&n->pump);
	g_free(n);
}
