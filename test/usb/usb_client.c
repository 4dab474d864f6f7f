/*
 * A small libusb program of our own, for test_usb_bed.py: what the bed does with it is what it is to do
 * with kiln. usb_client WORD...: each word does one thing with the device found last and prints a line.
 */
#include <libusb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT = 0x01, IN = 0x81, TIMEOUT_MS = 2000 };

struct client {
	libusb_context *context;
	libusb_device_handle *device;
	int timeout_ms;
};

static void say(const char *what, int rc)
{
	printf("%s %s\n", what, rc < 0 ? libusb_error_name(rc) : "ok");
	(void)fflush(stdout);
}

static void print_ports(libusb_device *device)
{
	uint8_t ports[8];
	int count = libusb_get_port_numbers(device, ports, sizeof(ports));

	for (int i = 0; i < count; i++)
		printf("%s%d", i == 0 ? "" : ".", ports[i]);
}

static void list(struct client *c)
{
	libusb_device **all;
	ssize_t count = libusb_get_device_list(c->context, &all);

	for (ssize_t i = 0; i < count; i++) {
		struct libusb_device_descriptor d;

		if (libusb_get_device_descriptor(all[i], &d) != 0 || d.idVendor != 0x1209)
			continue;
		printf("device %d.", libusb_get_bus_number(all[i]));
		print_ports(all[i]);
		printf(" speed %d\n", libusb_get_device_speed(all[i]));
	}
	libusb_free_device_list(all, 1);
	printf("listed\n");
	(void)fflush(stdout);
}

/* Opens the device with that dotted port path. */
static void open_at(struct client *c, const char *where)
{
	libusb_device **all;
	ssize_t count = libusb_get_device_list(c->context, &all);
	int rc = LIBUSB_ERROR_NOT_FOUND;

	for (ssize_t i = 0; i < count && c->device == NULL; i++) {
		uint8_t ports[8];
		int n = libusb_get_port_numbers(all[i], ports, sizeof(ports));
		char text[32] = "";

		for (int k = 0; k < n; k++)
			(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d",
			    k == 0 ? "" : ".", ports[k]);
		if (strcmp(text, where) == 0)
			rc = libusb_open(all[i], &c->device);
	}
	libusb_free_device_list(all, 1);
	if (c->device != NULL)
		(void)libusb_set_auto_detach_kernel_driver(c->device, 1);
	say("open", rc);
}

static void send_hex(struct client *c, const char *hex)
{
	unsigned char bytes[2048];
	int len = 0, done = 0, rc;

	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		char pair[3] = { hex[0], hex[1], '\0' };

		bytes[len++] = (unsigned char)strtoul(pair, NULL, 16);
	}
	rc = libusb_bulk_transfer(c->device, OUT, bytes, len, &done, (unsigned)c->timeout_ms);
	say("out", rc);
}

static void receive(struct client *c, int room)
{
	unsigned char bytes[16384];
	int done = 0;
	int rc = libusb_bulk_transfer(c->device, IN, bytes, room, &done, (unsigned)c->timeout_ms);

	printf("in %s%s", rc < 0 ? libusb_error_name(rc) : "ok", done > 0 ? " " : "");
	for (int i = 0; i < done; i++)
		printf("%02x", bytes[i]);
	printf("\n");
	(void)fflush(stdout);
}

static void print_serial(struct client *c)
{
	unsigned char text[128] = "";
	int rc = libusb_get_string_descriptor_ascii(c->device, 3, text, sizeof(text));

	printf("serial %s\n", rc < 0 ? libusb_error_name(rc) : (const char *)text);
	(void)fflush(stdout);
}

static void do_word(struct client *c, const char *word)
{
	const char *value = strchr(word, '=');

	value = value != NULL ? value + 1 : "";
	if (strcmp(word, "list") == 0)
		list(c);
	else if (strncmp(word, "open=", 5) == 0)
		open_at(c, value);
	else if (strcmp(word, "claim") == 0)
		say("claim", libusb_claim_interface(c->device, 0));
	else if (strcmp(word, "serial") == 0)
		print_serial(c);
	else if (strcmp(word, "clear") == 0)
		say("clear", libusb_clear_halt(c->device, IN));
	else if (strcmp(word, "reset") == 0)
		say("reset", libusb_reset_device(c->device));
	else if (strncmp(word, "out=", 4) == 0)
		send_hex(c, value);
	else if (strncmp(word, "in=", 3) == 0)
		receive(c, atoi(value));
	else if (strncmp(word, "timeout=", 8) == 0)
		c->timeout_ms = atoi(value);
	else if (strcmp(word, "wait") == 0)
		(void)getchar(); /* for the test to do something */
	else
		printf("what is %s?\n", word);
}

int main(int argc, char *argv[])
{
	struct client c = { .timeout_ms = TIMEOUT_MS };

	if (libusb_init(&c.context) != 0)
		return 1;
	for (int i = 1; i < argc; i++)
		do_word(&c, argv[i]);
	if (c.device != NULL)
		libusb_close(c.device);
	libusb_exit(c.context);
	return 0;
}
