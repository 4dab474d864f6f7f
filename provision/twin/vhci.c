#include "vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"

enum {
	STATUS_MAX = 65536,
	CONTROLLERS_MAX = 128,
	STATE_FREE = 4, /* VDEV_ST_NULL of enum usbip_device_status */
	BUSY_MS = 5000, /* how long a device that was unplugged may stay in its port */
	STEP_MS = 10,
};

static int explain(const char *path, struct err *e)
{
	if (errno == ENOENT)
		return err_set(e, ERR_CONFIG, "twin.vhci",
		    "there is no virtual USB host controller: `modprobe vhci-hcd` (%s)", path);
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		return err_set(e, ERR_CONFIG, "twin.vhci",
		    "only root may plug virtual USB devices: run kiln-twin as root (%s)", path);
	return err_errno(e, ERR_CONFIG, "twin.vhci", "using %s", path);
}

/* "status" of the first controller, "status.N" of the others; *ret is empty behind the last. */
static int read_status(const char *folder, unsigned controller, struct buf *ret, struct err *e)
{
	char path[256];

	if (controller == 0)
		(void)snprintf(path, sizeof(path), "%s/status", folder);
	else
		(void)snprintf(path, sizeof(path), "%s/status.%u", folder, controller);
	buf_clear(ret);
	if (access(path, R_OK) != 0)
		return controller > 0 && errno == ENOENT ? 0 : explain(path, e);
	return file_read(path, STATUS_MAX, ret, e);
}

/* The free high-speed ports of a controller: those lines are in the order of its root hub. */
static size_t take_ports(const char *text, unsigned controller, struct vhci_port *ret, size_t count)
{
	unsigned port, state, hub_port = 0;
	size_t found = 0;

	for (; text != NULL && *text != '\0' && found < count; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (sscanf(text, "hs %u %u", &port, &state) != 2)
			continue;
		hub_port++;
		if (state != STATE_FREE)
			continue;
		ret[found].number = port;
		(void)snprintf(ret[found].place, sizeof(ret[found].place),
		    "platform-vhci_hcd.%u/usb2/%u", controller, hub_port);
		found++;
	}
	return found;
}

int vhci_find(const char *folder, struct vhci_port *ret, size_t count, struct err *e)
{
	AUTO_STRUCT(buf) status = { 0 };
	char path[256];
	size_t found = 0;

	(void)snprintf(path, sizeof(path), "%s/attach", folder);
	if (access(path, W_OK) != 0)
		return explain(path, e);
	for (unsigned i = 0; i < CONTROLLERS_MAX && found < count; i++) {
		const char *text;

		if (read_status(folder, i, &status, e) != 0)
			return -1;
		if (status.len == 0)
			break;
		text = buf_str(&status, e);
		if (text == NULL)
			return -1;
		found += take_ports(text, i, ret + found, count - found);
	}
	if (found == count)
		return 0;
	return err_set(e, ERR_CONFIG, "twin.vhci",
	    "%zu slots are wanted and the virtual USB host controller has %zu free ports: take "
	    "fewer --slots, or unplug what `usbip port` lists",
	    count, found);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int why;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	why = errno;
	(void)close(fd); /* sysfs has had it */
	errno = why;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

int vhci_attach(const char *folder, unsigned port, int fd, unsigned devid, enum vhci_speed speed,
    struct err *e)
{
	const struct timespec step = { 0, STEP_MS * 1000000 };
	int64_t deadline = clock_now_ms() + BUSY_MS;
	char path[256], text[64];

	(void)snprintf(path, sizeof(path), "%s/attach", folder);
	(void)snprintf(text, sizeof(text), "%u %d %u %u", port, fd, devid, (unsigned)speed);
	while (put(path, text) != 0) {
		if (errno != EBUSY || clock_left_ms(deadline) == 0)
			return explain(path, e);
		(void)nanosleep(&step, NULL); /* a shorter step is as good */
	}
	return 0;
}

void vhci_detach(const char *folder, unsigned port)
{
	char path[256], text[16];

	(void)snprintf(path, sizeof(path), "%s/detach", folder);
	(void)snprintf(text, sizeof(text), "%u", port);
	(void)put(path, text); /* it refuses where nothing is plugged */
}
