/* Any bytes on the line of the emulated device: frames, packets and messages. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spdm/twin_device.h"
#include "spdm/twin_mctp.h"
#include "spdm/twin_serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SETUP_LEN = 2 };

/* Messages are: length, bytes. The first byte chooses the variant, the second whether there was VCA. */
static void talk(struct twin_device *d, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size; at += 1U + data[at]) {
		AUTO_STRUCT(twin_answer) a = { 0 };
		AUTO_STRUCT(buf) request = { 0 };
		size_t len = data[at] < size - at - 1 ? data[at] : size - at - 1;
		struct err e = { 0 };

		if (buf_set(&request, data + at + 1, len, &e) != 0 ||
		    twin_device_answer(d, &request, (int64_t)at, &a, &e) != 0)
			abort();
	}
}

static void negotiate(struct twin_device *d)
{
	static const uint8_t setup[] = { 4, 0x10, 0x84, 0, 0, 20, 0x13, 0xe1, 0, 0, 0, 0, 0, 0, 0,
		0, 2, 0, 0x80, 0, 0, 0, 0, 0, 0x20, 0, 32, 0x13, 0xe3, 0, 0, 0x20, 0, 1, 0x12, 0x10,
		0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0x13, 0xfd,
		2, 0, 1, 0, 6, 0, 8, 0, 0, 0, 1 };

	talk(d, setup, sizeof(setup));
}

static void frame(const uint8_t *data, size_t size)
{
	static const uint8_t uuid[16];
	AUTO_STRUCT(twin_mctp) mctp;
	AUTO_STRUCT(buf) message = { 0 };
	struct twin_serial serial = { 0 };

	twin_mctp_init(&mctp, uuid);
	for (size_t i = 0; i < size; i++) {
		AUTO_STRUCT(buf) answer = { 0 };
		struct twin_origin from;
		struct err e = { 0 };
		bool whole;

		if (!twin_serial_take(&serial, data[i]))
			continue;
		if (twin_mctp_take(&mctp, serial.packet, serial.want, &from, &message, &whole,
			&e) != 0)
			abort();
		if (whole && twin_mctp_control(&mctp, message.data, message.len, &answer, &e) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_STRUCT(twin_device) d = { 0 };
	char folder[] = "/tmp/kiln-fuzz-XXXXXX", file[64];
	struct twin_config config = { .serial = "IP30000001", .model = "IP3-A" };
	struct err e = { 0 };

	if (size < SETUP_LEN)
		return 0;
	frame(data + SETUP_LEN, size - SETUP_LEN);
	config.folder = mkdtemp(folder);
	config.variant = twin_variants[data[0] % 5];
	if (config.folder == NULL || twin_device_boot(&d, &config, &e) != 0)
		abort();
	if ((data[1] & 1) != 0)
		negotiate(&d);
	talk(&d, data + SETUP_LEN, size - SETUP_LEN);
	(void)snprintf(file, sizeof(file), "%s/flash", folder);
	(void)unlink(file); /* these may not be there */
	(void)snprintf(file, sizeof(file), "%s/flash.log", folder);
	(void)unlink(file);
	(void)rmdir(folder);
	return 0;
}
