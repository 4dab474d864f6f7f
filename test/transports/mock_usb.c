#include "mock_usb.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/usbdevice_fs.h>

#include "mock_bed.h"

enum { MOCK_INTERFACE = 1, DRIVER_MAX = 32, SAYINGS_MAX = 64, PENDING_MAX = 8, TEXT_MAX = 2048 };

struct saying {
	uint8_t endpoint;
	uint8_t *data;
	size_t len, pos;
	bool zlp;
};

struct mock_usb {
	UMockdevIoctlBase *handler;
	pthread_mutex_t lock;              /* the test's thread and umockdev's */
	char sys[128], interface_sys[160]; /* from /sys */
	const char *path, *interface_path; /* from /devices, in them */
	char node[32];
	int number;
	bool plugged, gone, echo, deaf, held, halted_in, halted_out;
	char driver[DRIVER_MAX];
	uint8_t fail_endpoint, unplug_endpoint;
	int fail_status;
	bool fails, unplugs;
	struct saying sayings[SAYINGS_MAX];
	size_t saying_count;
	UMockdevIoctlData *pending[PENDING_MAX]; /* URBs, oldest first */
	size_t pending_count;
	UMockdevIoctlData *finished[PENDING_MAX];
	size_t finished_count;
	struct mock_usb_seen seen;
};

static int last_number = 1;

static void mock_lock(struct mock_usb *m)
{
	g_assert(pthread_mutex_lock(&m->lock) == 0);
}

static void mock_unlock(struct mock_usb *m)
{
	g_assert(pthread_mutex_unlock(&m->lock) == 0);
}

static struct usbdevfs_urb *urb_of(UMockdevIoctlData *data)
{
	return (struct usbdevfs_urb *)(void *)data->data;
}

static uint8_t *resolve(UMockdevIoctlData *data, size_t offset, size_t len)
{
	UMockdevIoctlData *found = umockdev_ioctl_data_resolve(data, offset, len, NULL);

	return found != NULL ? found->data : NULL; /* its parent keeps it */
}

static uint8_t *urb_bytes(UMockdevIoctlData *data)
{
	const struct usbdevfs_urb *urb = urb_of(data);
	int len = urb->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : urb->buffer_length;

	return len == 0 ? NULL
			: resolve(data, G_STRUCT_OFFSET(struct usbdevfs_urb, buffer), (size_t)len);
}

static void finish(struct mock_usb *m, size_t i, int status)
{
	UMockdevIoctlData *data = m->pending[i];

	g_assert(m->finished_count < PENDING_MAX);
	urb_of(data)->status = -status;
	memmove(m->pending + i, m->pending + i + 1,
	    (m->pending_count - i - 1) * sizeof(m->pending[0]));
	m->pending_count--;
	m->finished[m->finished_count++] = data;
}

static void drop_saying(struct mock_usb *m, size_t i)
{
	free(m->sayings[i].data);
	memmove(m->sayings + i, m->sayings + i + 1,
	    (m->saying_count - i - 1) * sizeof(m->sayings[0]));
	m->saying_count--;
}

/* As the controller does it: a transfer is over when it is full or a packet was short. */
static void feed(struct mock_usb *m, size_t i)
{
	struct usbdevfs_urb *urb = urb_of(m->pending[i]);
	uint8_t *to = urb_bytes(m->pending[i]);

	for (size_t n = 0; n < m->saying_count;) {
		struct saying *s = &m->sayings[n];
		size_t room = (size_t)(urb->buffer_length - urb->actual_length);
		size_t len = s->len - s->pos < room ? s->len - s->pos : room;
		bool is_short;

		if (s->endpoint != urb->endpoint) {
			n++;
			continue;
		}
		if (len > 0)
			memcpy(to + urb->actual_length, s->data + s->pos, len);
		urb->actual_length += (int)len;
		s->pos += len;
		is_short = s->pos == s->len && (s->len % MOCK_PACKET != 0 || s->zlp || s->len == 0);
		if (s->pos == s->len)
			drop_saying(m, n);
		if (is_short || urb->actual_length == urb->buffer_length) {
			finish(m, i, 0);
			return;
		}
	}
}

static void say(struct mock_usb *m, uint8_t endpoint, const void *data, size_t len, bool zlp)
{
	g_assert(m->saying_count < SAYINGS_MAX);
	m->sayings[m->saying_count++] =
	    (struct saying){ endpoint, g_memdup2(data, len), len, 0, zlp };
}

static void hear(struct mock_usb *m, size_t i)
{
	struct usbdevfs_urb *urb = urb_of(m->pending[i]);
	const uint8_t *data = urb_bytes(m->pending[i]);
	size_t len = (size_t)urb->buffer_length;

	m->seen.writes++;
	m->seen.zero_packets += (urb->flags & USBDEVFS_URB_ZERO_PACKET) != 0;
	m->seen.last_write_len = len;
	if (len > 0)
		memcpy(m->seen.last_write, data,
		    len < sizeof(m->seen.last_write) ? len : sizeof(m->seen.last_write));
	if (m->echo)
		say(m, MOCK_IN, data, len, true);
	urb->actual_length = (int)len;
	finish(m, i, 0);
}

static void obey(struct mock_usb *m, size_t i)
{
	m->seen.class_requests++;
	memcpy(m->seen.setup, urb_bytes(m->pending[i]), sizeof(m->seen.setup));
	finish(m, i, 0);
}

static bool *halt_of(struct mock_usb *m, uint8_t endpoint)
{
	return endpoint == MOCK_IN ? &m->halted_in : &m->halted_out;
}

static void leave(struct mock_usb *m)
{
	m->gone = true;
	while (m->pending_count > 0)
		finish(m, 0, ESHUTDOWN);
}

/* Whatever can happen now, happens. */
static void step(struct mock_usb *m)
{
	for (size_t i = 0; i < m->pending_count;) {
		const struct usbdevfs_urb *urb = urb_of(m->pending[i]);
		size_t before = m->pending_count;
		uint8_t endpoint = urb->type == USBDEVFS_URB_TYPE_CONTROL ? 0 : urb->endpoint;

		if (m->unplugs && endpoint == m->unplug_endpoint) {
			leave(m);
			return;
		}
		if (m->fails && endpoint == m->fail_endpoint) {
			m->fails = false;
			if (m->fail_status == EPIPE && endpoint != 0)
				*halt_of(m, endpoint) = true;
			finish(m, i, m->fail_status);
		} else if (endpoint != 0 && *halt_of(m, endpoint) && endpoint != MOCK_INTERRUPT) {
			finish(m, i, EPIPE);
		} else if (endpoint == 0) {
			obey(m, i);
		} else if ((endpoint & 0x80) != 0) {
			feed(m, i);
		} else if (!m->deaf) {
			hear(m, i);
		}
		i += m->pending_count == before;
	}
}

static int submit(struct mock_usb *m, UMockdevIoctlData *arg)
{
	UMockdevIoctlData *data =
	    umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), NULL);

	if (urb_of(data)->endpoint == MOCK_IN)
		m->seen.last_in_room = (size_t)urb_of(data)->buffer_length;
	g_assert(m->pending_count < PENDING_MAX);
	(void)urb_bytes(data);
	m->pending[m->pending_count++] = data;
	step(m);
	return 0;
}

static int reap(struct mock_usb *m, UMockdevIoctlData *arg)
{
	UMockdevIoctlData *pointer;

	if (m->finished_count == 0)
		return m->gone ? ENODEV : EAGAIN;
	pointer = umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
	(void)umockdev_ioctl_data_set_ptr(pointer, 0, m->finished[0]);
	m->finished_count--;
	memmove(m->finished, m->finished + 1, m->finished_count * sizeof(m->finished[0]));
	return 0;
}

static int discard(struct mock_usb *m, UMockdevIoctlData *arg)
{
	unsigned long address;

	memcpy(&address, arg->data, sizeof(address));
	for (size_t i = 0; i < m->pending_count; i++)
		if (m->pending[i]->client_addr == address) {
			m->seen.cancelled++;
			finish(m, i, ENOENT);
			return 0;
		}
	return EINVAL;
}

static int claim(struct mock_usb *m, UMockdevIoctlData *arg)
{
	const struct usbdevfs_disconnect_claim *c =
	    (const void *)resolve(arg, 0, sizeof(struct usbdevfs_disconnect_claim));

	if (c->interface != MOCK_INTERFACE)
		return ENOENT;
	if (m->held || m->seen.claimed)
		return EBUSY;
	m->seen.detached += m->driver[0] != '\0';
	m->driver[0] = '\0';
	m->seen.claimed = true;
	return 0;
}

static int describe(UMockdevIoctlData *arg, unsigned long request, int number)
{
	static const uint32_t capabilities =
	    USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_BULK_CONTINUATION |
	    USBDEVFS_CAP_NO_PACKET_SIZE_LIM | USBDEVFS_CAP_BULK_SCATTER_GATHER |
	    USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
	const struct usbdevfs_connectinfo info = { .devnum = (unsigned)number };

	if (request == USBDEVFS_GET_CAPABILITIES)
		memcpy(resolve(arg, 0, sizeof(capabilities)), &capabilities, sizeof(capabilities));
	else
		memcpy(resolve(arg, 0, sizeof(info)), &info, sizeof(info));
	return 0;
}

/* The one standard request that libusb makes itself: which configuration is active. */
static int control(UMockdevIoctlData *arg, int *ret)
{
	UMockdevIoctlData *transfer =
	    umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_ctrltransfer), NULL);

	*resolve(transfer, G_STRUCT_OFFSET(struct usbdevfs_ctrltransfer, data), 1) = 1;
	*ret = 1;
	return 0;
}

static int answer(struct mock_usb *m, unsigned long request, UMockdevIoctlData *arg, int *ret)
{
	if (m->gone && request != USBDEVFS_REAPURBNDELAY)
		return ENODEV;
	switch (request) {
	case USBDEVFS_GET_CAPABILITIES:
	case USBDEVFS_CONNECTINFO:
		return describe(arg, request, m->number);
	case USBDEVFS_GET_SPEED:
		*ret = 3; /* high */
		return 0;
	case USBDEVFS_CONTROL:
		return control(arg, ret);
	case USBDEVFS_DISCONNECT_CLAIM:
		return claim(m, arg);
	case USBDEVFS_RELEASEINTERFACE:
		m->seen.claimed = false;
		return 0;
	case USBDEVFS_CLEAR_HALT:
		m->seen.cleared++;
		*halt_of(m, (uint8_t)*resolve(arg, 0, sizeof(unsigned))) = false;
		return 0;
	case USBDEVFS_SUBMITURB:
		return submit(m, arg);
	case USBDEVFS_REAPURBNDELAY:
		return reap(m, arg);
	case USBDEVFS_DISCARDURB:
		return discard(m, arg);
	default:
		m->seen.forbidden++;
		return ENOTTY;
	}
}

static gboolean on_ioctl(UMockdevIoctlBase *handler, UMockdevIoctlClient *client,
    struct mock_usb *m)
{
	int ret = 0;
	int error;

	(void)handler;
	mock_lock(m);
	error = answer(m, umockdev_ioctl_client_get_request(client),
	    umockdev_ioctl_client_get_arg(client), &ret);
	mock_unlock(m);
	umockdev_ioctl_client_complete(client, error != 0 ? -1 : ret, error);
	return TRUE;
}

/* The class interface is the second of two: a number 0 that is taken for granted would meet the other.
 * umockdev wants capital hex here. */
static void add_device(const struct mock_usb *m, uint8_t class)
{
	static const char format[] =
	    "P: %s\nN: bus/usb/001/%03d="
	    "120100020000004009040100000100010201"   /* device */
	    "0902330002010080FA0904000000FF000000"   /* configuration, interface 0 */
	    "0904010003%02X0001000321AA"             /* interface 1, its class's own descriptor */
	    "07058102000200070502020002000705830310" /* endpoints */
	    "0004\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nE: DEVNAME=/dev/bus/usb/001/%03d\n"
	    "A: dev=189:%d\nA: busnum=1\\n\nA: devnum=%d\\n\nA: idVendor=0409\nA: idProduct=0001\n"
	    "A: bDeviceClass=00\nA: speed=480\nA: product=Pump\n\n";
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), format, m->path, m->number, class, m->number,
	    m->number - 1, m->number);
	mock_bed_add(text);
	(void)snprintf(text, sizeof(text),
	    "P: %s\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n%s%s%s"
	    "A: bInterfaceNumber=01\nA: bInterfaceClass=%02x\nA: bInterfaceSubClass=00\n"
	    "A: bInterfaceProtocol=01\n\n",
	    m->interface_path, m->driver[0] != '\0' ? "L: driver=../../../bus/usb/drivers/" : "",
	    m->driver, m->driver[0] != '\0' ? "\n" : "", class);
	mock_bed_add(text);
}

struct mock_usb *mock_usb_plug(int port, uint8_t class, const char *driver)
{
	struct mock_usb *m = g_new0(struct mock_usb, 1);
	GError *error = NULL;

	g_assert(pthread_mutex_init(&m->lock, NULL) == 0);
	m->number = ++last_number;
	(void)snprintf(m->sys, sizeof(m->sys), "/sys" MOCK_ROOT_HUB "/1-%d", port);
	(void)snprintf(m->interface_sys, sizeof(m->interface_sys), "%s/1-%d:1.1", m->sys, port);
	m->path = m->sys + strlen("/sys");
	m->interface_path = m->interface_sys + strlen("/sys");
	m->plugged = true;
	(void)snprintf(m->node, sizeof(m->node), "/dev/bus/usb/001/%03d", m->number);
	(void)snprintf(m->driver, sizeof(m->driver), "%s", driver != NULL ? driver : "");
	m->handler = umockdev_ioctl_base_new();
	(void)g_signal_connect(m->handler, "handle-ioctl", G_CALLBACK(on_ioctl), m);
	if (!umockdev_testbed_attach_ioctl(mock_bed(), m->node, m->handler, &error))
		g_error("%s", error->message);
	add_device(m, class);
	return m;
}

void mock_usb_unplug(struct mock_usb *m)
{
	mock_lock(m);
	if (m->plugged)
		leave(m);
	mock_unlock(m);
	if (!m->plugged)
		return;
	m->plugged = false;
	umockdev_testbed_remove_device(mock_bed(), m->interface_sys);
	umockdev_testbed_remove_device(mock_bed(), m->sys);
}

void mock_usb_free(struct mock_usb *m)
{
	GError *error = NULL;

	mock_usb_unplug(m);
	if (!umockdev_testbed_detach_ioctl(mock_bed(), m->node, &error))
		g_error("%s", error->message);
	g_object_unref(m->handler);
	while (m->saying_count > 0)
		drop_saying(m, 0);
	for (size_t i = 0; i < m->finished_count; i++)
		g_object_unref(m->finished[i]);
	g_assert(pthread_mutex_destroy(&m->lock) == 0);
	g_free(m);
}

void mock_usb_chmod(struct mock_usb *m, unsigned mode)
{
	char *root = umockdev_testbed_get_root_dir(mock_bed());
	char *path = g_strconcat(root, m->node, NULL);
	char *socket = g_strconcat(root, "/ioctl", m->node, NULL);

	g_assert(chmod(path, mode) == 0);
	g_assert(chmod(socket, 0666) == 0); /* umockdev connects even where open(2) fails */
	g_free(socket);
	g_free(path);
	g_free(root);
}

void mock_usb_held(struct mock_usb *m, bool held)
{
	mock_lock(m);
	m->held = held;
	mock_unlock(m);
}

void mock_usb_say(struct mock_usb *m, uint8_t endpoint, const void *data, size_t len, bool zlp)
{
	mock_lock(m);
	say(m, endpoint, data, len, zlp);
	step(m);
	mock_unlock(m);
}

void mock_usb_echo(struct mock_usb *m, bool on)
{
	mock_lock(m);
	m->echo = on;
	mock_unlock(m);
}

void mock_usb_fail(struct mock_usb *m, uint8_t endpoint, int status)
{
	mock_lock(m);
	m->fails = true;
	m->fail_endpoint = endpoint;
	m->fail_status = status;
	mock_unlock(m);
}

void mock_usb_deaf(struct mock_usb *m, bool on)
{
	mock_lock(m);
	m->deaf = on;
	mock_unlock(m);
}

void mock_usb_unplug_on(struct mock_usb *m, uint8_t endpoint)
{
	mock_lock(m);
	m->unplugs = true;
	m->unplug_endpoint = endpoint;
	mock_unlock(m);
}

struct mock_usb_seen mock_usb_seen(struct mock_usb *m)
{
	struct mock_usb_seen seen;

	mock_lock(m);
	m->seen.pending = m->pending_count;
	seen = m->seen;
	mock_unlock(m);
	return seen;
}
