#include "twin.h"

#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "twin_device.h"
#include "twin_line.h"
#include "twin_mctp.h"
#include "twin_serial.h"
#include "twin_usb.h"

/* A device on its line. */
struct station_side {
	struct twin_device device;
	struct twin_line line;
	struct twin_serial serial;
	struct twin_mctp mctp;
	struct buf transfer; /* the packets that leave together, framed */
	struct buf message;  /* the request that is being answered, MCTP type first */
	size_t corrupt;      /* the frame that is to be damaged counts down to 1; 0: none */
};

static void side_free(struct station_side *s)
{
	twin_device_free(&s->device);
	twin_mctp_free(&s->mctp);
	buf_free(&s->transfer);
	buf_free(&s->message);
}
OWNED_STRUCT(station_side, side_free)

static bool strikes(const struct station_side *s, enum twin_fault fault, enum step_id step)
{
	return twin_device_strikes(&s->device, fault, step);
}

/* Damage under which no receiver finds the packet again. */
static bool is_to_be_damaged(struct station_side *s)
{
	return s->corrupt > 0 && --s->corrupt == 0;
}

static int send_transfer(struct station_side *s, struct err *e)
{
	int rc = 0;

	if (s->transfer.len > 0)
		rc = twin_line_write(&s->line, s->transfer.data, s->transfer.len, e);
	buf_clear(&s->transfer);
	return rc;
}

static int send_on_usb(struct station_side *s, const uint8_t *packet, size_t len, struct err *e)
{
	if (!twin_usb_has_room(&s->transfer, len) && send_transfer(s, e) != 0)
		return -1;
	if (twin_usb_add(packet, len, &s->transfer, e) != 0)
		return -1;
	if (is_to_be_damaged(s))
		s->transfer.data[0] ^= 0x40; /* the DMTF's id, of all that leaves together */
	return 0;
}

static int send_packet(void *context, const uint8_t *packet, size_t len, struct err *e)
{
	struct station_side *s = context;
	size_t at = s->transfer.len;

	if (s->line.whole)
		return send_on_usb(s, packet, len, e);
	if (twin_serial_frame(packet, len, &s->transfer, e) != 0)
		return -1;
	/* behind flag, revision and count comes the header version: never an escape */
	if (is_to_be_damaged(s))
		s->transfer.data[at + 3] ^= 0x40;
	return 0;
}

static int send_message(struct station_side *s, const struct twin_origin *to, uint8_t type,
    const struct buf *body, struct err *e)
{
	AUTO_STRUCT(buf) message = { 0 };

	if (buf_add_u8(&message, type, e) != 0 || buf_add(&message, body->data, body->len, e) != 0)
		return -1;
	if (twin_mctp_split(&s->mctp, to, &message, send_packet, s, e) != 0)
		return -1;
	return send_transfer(s, e);
}

/* Noise that strikes this answer, once. */
static int damage(struct station_side *s, enum step_id step, struct buf *answer, struct err *e)
{
	if (strikes(s, TWIN_FAULT_CORRUPT_MESSAGE, step)) {
		size_t at = twin_plan_random(&s->device.plan) % (uint32_t)answer->len;

		answer->data[at] ^= 0x10;
		return twin_device_struck(&s->device, e);
	}
	s->corrupt = 0;
	if (!strikes(s, TWIN_FAULT_CORRUPT, step))
		return 0;
	s->corrupt = 1;
	return twin_device_struck(&s->device, e);
}

enum fate { FATE_ANSWER, FATE_SILENCE, FATE_RESET };

/* What the plan has for an answer that is ready; a fault that comes once is counted. */
static int decide(struct station_side *s, enum step_id step, enum fate *ret, struct err *e)
{
	*ret = FATE_ANSWER;
	if (strikes(s, TWIN_FAULT_RESET, step))
		*ret = FATE_RESET;
	else if (strikes(s, TWIN_FAULT_DROP, step))
		*ret = FATE_SILENCE;
	else
		return 0;
	return twin_device_struck(&s->device, e);
}

/* The plan takes the request before the device sees it: then nothing of it is done. */
static int intercept(struct station_side *s, enum step_id step, enum fate *ret, struct err *e)
{
	*ret = FATE_ANSWER;
	if (strikes(s, TWIN_FAULT_STALL, step))
		*ret = FATE_SILENCE;
	else if (s->device.plan.before)
		return decide(s, step, ret, e);
	return 0;
}

static int answer_spdm(struct station_side *s, const struct twin_origin *from, enum fate *ret,
    struct err *e)
{
	AUTO_STRUCT(twin_answer) a = { 0 };
	AUTO_STRUCT(buf) request = { 0 };
	enum step_id step;

	if (buf_set(&request, s->message.data + 1, s->message.len - 1, e) != 0)
		return -1;
	step = twin_device_step(&s->device, &request);
	if (s->device.config->account != NULL)
		__atomic_store_n(&s->device.config->account->step, (int)step, __ATOMIC_RELEASE);
	if (intercept(s, step, ret, e) != 0)
		return -1;
	if (*ret != FATE_ANSWER)
		return 0;
	if (twin_device_answer(&s->device, &request, clock_now_ms(), &a, e) != 0)
		return -1;
	twin_line_wait_ms(&s->line, a.after_ms);
	if (decide(s, step, ret, e) != 0)
		return -1;
	if (*ret != FATE_ANSWER)
		return 0;
	if (damage(s, step, &a.message, e) != 0 ||
	    send_message(s, from, TWIN_MCTP_SPDM, &a.message, e) != 0)
		return -1;
	if (s->device.reset)
		*ret = FATE_RESET;
	return 0;
}

static int answer_control(struct station_side *s, const struct twin_origin *from, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };

	twin_device_uuid(&s->device, s->mctp.uuid);
	if (twin_mctp_control(&s->mctp, s->message.data, s->message.len, &answer, e) != 0)
		return -1;
	if (answer.len == 0)
		return 0;
	if (twin_mctp_split(&s->mctp, from, &answer, send_packet, s, e) != 0)
		return -1;
	return send_transfer(s, e);
}

/* One packet, and whatever it completes. */
static int take(struct station_side *s, const uint8_t *packet, size_t len, enum fate *ret,
    struct err *e)
{
	struct twin_origin from;
	bool whole;

	if (twin_mctp_take(&s->mctp, packet, len, &from, &s->message, &whole, e) != 0)
		return -1;
	if (!whole)
		return 0;
	if (s->message.data[0] == TWIN_MCTP_CONTROL)
		return answer_control(s, &from, e);
	if (s->message.data[0] == TWIN_MCTP_SPDM)
		return answer_spdm(s, &from, ret, e);
	return 0;
}

static int say_hello(struct station_side *s, struct err *e)
{
	static const char noise[] = "\r\n\r\nboot: image 1 ok\r\nboot: ~}~ starting\r\n";

	if (!strikes(s, TWIN_FAULT_GARBAGE, STEP_IDENTIFY))
		return 0;
	return twin_line_write(&s->line, noise, sizeof(noise) - 1, e);
}

static int take_bytes(struct station_side *s, const uint8_t *bytes, size_t len, enum fate *fate,
    struct err *e)
{
	for (size_t i = 0; i < len && *fate != FATE_RESET; i++)
		if (twin_serial_take(&s->serial, bytes[i]) &&
		    take(s, s->serial.packet, s->serial.want, fate, e) != 0)
			return -1;
	return 0;
}

static int take_transfer(struct station_side *s, const uint8_t *bytes, size_t len, enum fate *fate,
    struct err *e)
{
	const uint8_t *packet;
	size_t at = 0, packet_len;

	while (*fate != FATE_RESET && twin_usb_next(bytes, len, &at, &packet, &packet_len))
		if (take(s, packet, packet_len, fate, e) != 0)
			return -1;
	return 0;
}

static int run(struct station_side *s, struct err *e)
{
	for (;;) {
		enum fate fate = FATE_ANSWER;
		uint8_t bytes[4096]; /* more than a transfer has */
		size_t got;
		int rc;

		if (twin_line_read(&s->line, bytes, sizeof(bytes), &got, e) != 0)
			return -1;
		rc = s->line.whole ? take_transfer(s, bytes, got, &fate, e)
				   : take_bytes(s, bytes, got, &fate, e);
		if (rc != 0)
			return -1;
		if (fate == FATE_RESET)
			return twin_line_settle(&s->line, e);
	}
}

static int serve_device(const struct twin_config *config, int fd, struct err *e)
{
	AUTO_STRUCT(station_side)
	s = { .line = { .fd = fd,
		  .baud = config->usb ? 0 : config->baud,
		  .whole = config->usb,
		  .account = config->account,
		  .unplugged = config->unplugged } };
	uint8_t uuid[VENDOR_UUID_LEN];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_errno(e, ERR_LINK, "twin.line", "preparing the line");
	if (twin_device_boot(&s.device, config, e) != 0)
		return -1;
	twin_device_uuid(&s.device, uuid);
	twin_mctp_init(&s.mctp, uuid);
	if (say_hello(&s, e) != 0)
		return -1;
	return run(&s, e);
}

static const struct twin_usb usb = {
	.vendor = 0x1209, /* of pid.codes, where 0001 is for tests */
	.product = 0x0001,
	.class = TWIN_USB_CLASS,
	.subclass = TWIN_USB_SUBCLASS,
	.protocol = TWIN_USB_PROTOCOL,
	.transfer_max = TWIN_USB_TRANSFER_MAX,
	.tells_step = true,
};

const struct twin_family spdm_twin = {
	.name = "spdm",
	.faults = twin_plan_faults,
	.variants = twin_variants,
	.serial = true,
	.usb = &usb,
	.leaves = true,
	.check = twin_device_check,
	.serve = serve_device,
};
