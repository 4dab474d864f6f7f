/* The device's side of USB/IP against a host that is written by hand here, with the frames of the
 * kernel's Documentation/usb/usbip_protocol.rst, section EXAMPLE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing.h"
#include "usbip.h"

static const uint8_t notice[] = { 0x50, 0x03 };
static const struct twin_usb usb = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x14,
	.protocol = 0x01,
	.notice = notice,
	.notice_len = sizeof(notice),
};
static const struct twin_family family = { .name = "test", .usb = &usb };

struct rig {
	struct twin_config config;
	struct skin_plug plug;
	struct pump pump;
	struct usbip usbip;
	int host, twin; /* the other ends */
	char *folder;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int stream[2], messages[2];
	struct err e = { 0 };

	assert_non_null(r);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, messages), 0);
	r->folder = testing_folder();
	r->config = (struct twin_config){ .serial = "S1", .model = "M", .folder = r->folder };
	r->plug = (struct skin_plug){ .family = &family, .config = &r->config };
	assert_ok(pump_open(&r->pump, &r->plug, GADGET_HIGH, messages[0], &e), &e);
	r->usbip = (struct usbip){ .fd = stream[0], .pump = &r->pump };
	r->host = stream[1];
	r->twin = messages[1];
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	pump_close(&r->pump);
	usbip_free(&r->usbip);
	(void)close(r->usbip.fd);
	if (r->host >= 0)
		(void)close(r->host);
	if (r->twin >= 0)
		(void)close(r->twin);
	testing_folder_remove(r->folder);
	free(r);
	return 0;
}

static void turn(struct rig *r)
{
	struct err e = { 0 };
	bool end = false;

	assert_ok(usbip_read(&r->usbip, &end, &e), &e);
	assert_false(end);
	assert_ok(usbip_answer(&r->usbip, &e), &e);
}

static void host_sends(struct rig *r, const char *hex)
{
	AUTO_STRUCT(buf) bytes = { 0 };

	testing_hex(hex, &bytes);
	assert_int_equal(write(r->host, bytes.data, bytes.len), bytes.len);
}

/* All that the host has got since, in hex; "" where it is nothing. */
static void host_gets(struct rig *r, const char *want)
{
	uint8_t bytes[4096];
	char text[2 * sizeof(bytes) + 1] = "";
	ssize_t n = recv(r->host, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		hex_encode(bytes, (size_t)n, text);
	assert_string_equal(text, want);
}

static void twin_sends(struct rig *r, const char *hex)
{
	host_sends(&(struct rig){ .host = r->twin }, hex);
}

static void twin_gets(struct rig *r, const char *want)
{
	host_gets(&(struct rig){ .host = r->twin }, want);
}

/* Fields of a header as the documentation prints them: words of four bytes. */
#define SUBMIT(seq, direction, endpoint, flags, length, setup)                                     \
	"00000001" seq "0001000f" direction endpoint flags length "00000000"                       \
	"00000000"                                                                                 \
	"00000000" setup
#define NO_SETUP "0000000000000000"
#define SUBMITTED(seq, status, actual)                                                             \
	"00000003" seq "00000000"                                                                  \
	"00000000"                                                                                 \
	"00000000" status actual "00000000"                                                        \
	"00000000"                                                                                 \
	"00000000"                                                                                 \
	"0000000000000000"
#define UNLINK(seq, which)                                                                         \
	"00000002" seq "0001000f"                                                                  \
	"00000000"                                                                                 \
	"00000000" which "000000000000000000000000000000000000000000000000"
#define UNLINKED(seq, status)                                                                      \
	"00000004" seq "00000000"                                                                  \
	"00000000"                                                                                 \
	"00000000" status "000000000000000000000000000000000000000000000000"
#define CONFIGURE                                                                                  \
	SUBMIT("00000001", "00000000", "00000000", "00000000", "00000000", "0009010000000000")

static void configure(struct rig *r)
{
	host_sends(r, CONFIGURE);
	turn(r);
	host_gets(r, SUBMITTED("00000001", "00000000", "00000000"));
}

/* CmdIntrIN and CmdIntrOUT as they were captured: on our endpoint 1, which is a bulk endpoint. */
#define CMD_IN                                                                                     \
	"00000001"                                                                                 \
	"00000d05"                                                                                 \
	"0001000f"                                                                                 \
	"00000001"                                                                                 \
	"00000001"                                                                                 \
	"00000200"                                                                                 \
	"00000040"                                                                                 \
	"ffffffff"                                                                                 \
	"00000000"                                                                                 \
	"00000004"                                                                                 \
	"00000000"                                                                                 \
	"00000000"
#define CMD_OUT                                                                                    \
	"00000001"                                                                                 \
	"00000d06"                                                                                 \
	"0001000f"                                                                                 \
	"00000000"                                                                                 \
	"00000001"                                                                                 \
	"00000000"                                                                                 \
	"00000040"                                                                                 \
	"ffffffff"                                                                                 \
	"00000000"                                                                                 \
	"00000004"                                                                                 \
	"00000000"                                                                                 \
	"00000000"
#define DATA_OUT                                                                                   \
	"ffffffff860008a784ce5ae21237630000000000000000000000000000000000"                         \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define DATA_IN                                                                                    \
	"ffffffff860011a784ce5ae2123763612891b102010000040000000000000000"                         \
	"0000000000000000000000000000000000000000000000000000000000000000"

/* The documentation's answers repeat the command's start_frame, which means something for isochronous
 * transfers only; ours is 0. */
static void test_the_documented_exchange(void **state)
{
	struct rig *r = *state;

	configure(r);
	host_sends(r, CMD_IN);
	turn(r);
	host_gets(r, ""); /* it waits for the device */
	host_sends(r, CMD_OUT DATA_OUT);
	turn(r);
	twin_gets(r, DATA_OUT);
	host_gets(r, SUBMITTED("00000d06", "00000000", "00000040"));
	twin_sends(r, DATA_IN);
	turn(r);
	host_gets(r, SUBMITTED("00000d05", "00000000", "00000040") DATA_IN);
}

static void test_control(void **state)
{
	struct rig *r = *state;

	host_sends(r,
	    SUBMIT("00000007", "00000001", "00000000", "00000200", "00000008", "8006000100000800"));
	turn(r);
	host_gets(r, SUBMITTED("00000007", "00000000", "00000008") "1201000200000040");
	host_sends(r,
	    SUBMIT("00000008", "00000001", "00000000", "00000200", "000000ff", "80060009ffff0100"));
	turn(r);
	host_gets(r, SUBMITTED("00000008", "ffffffe0", "00000000")); /* -EPIPE */
}

static void test_a_command_in_pieces(void **state)
{
	struct rig *r = *state;
	AUTO_STRUCT(buf) bytes = { 0 };

	configure(r);
	testing_hex(CMD_OUT DATA_OUT, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		host_gets(r, "");
		assert_int_equal(write(r->host, bytes.data + i, 1), 1);
		turn(r);
	}
	twin_gets(r, DATA_OUT);
	host_gets(r, SUBMITTED("00000d06", "00000000", "00000040"));
}

static void test_unlink(void **state)
{
	struct rig *r = *state;

	configure(r);
	host_sends(r, CMD_IN);
	turn(r);
	host_sends(r, UNLINK("00000d07", "00000d05"));
	turn(r);
	host_gets(r, UNLINKED("00000d07", "ffffff98")); /* -ECONNRESET */
	host_sends(r, UNLINK("00000d08", "00000d05"));
	turn(r);
	host_gets(r, UNLINKED("00000d08", "00000000")); /* none waits */
	twin_sends(r, "aabb");
	turn(r);
	host_gets(r, ""); /* it is for the next who asks */
	host_sends(r, SUBMIT("00000d09", "00000001", "00000001", "00000200", "00000200", NO_SETUP));
	turn(r);
	host_gets(r, SUBMITTED("00000d09", "00000000", "00000002") "aabb");
}

/* A transfer that has bytes and is unlinked brings them: the missing zero-length packet. */
static void test_unlink_with_bytes(void **state)
{
	struct rig *r = *state;
	AUTO_STRUCT(buf) message = { 0 };
	struct err e = { 0 };
	uint8_t bytes[2048];

	configure(r);
	assert_ok(gadget_plan_parse(&r->pump.gadget.plan, "usb-no-zlp:1", 0, false, &e), &e);
	host_sends(r, SUBMIT("00000011", "00000001", "00000001", "00000200", "00000400", NO_SETUP));
	assert_non_null(buf_room(&message, 512, &e));
	memset(message.data, 0x5a, 512);
	assert_int_equal(write(r->twin, message.data, 512), 512);
	turn(r);
	host_gets(r, "");
	host_sends(r, UNLINK("00000012", "00000011"));
	turn(r);
	assert_int_equal(recv(r->host, bytes, sizeof(bytes), MSG_DONTWAIT), 48 + 512 + 48);
	assert_memory_equal(bytes + 20, "\xff\xff\xff\x98\x00\x00\x02\x00", 8);
	assert_memory_equal(bytes + 48, message.data, 512);
	assert_memory_equal(bytes + 48 + 512, "\x00\x00\x00\x04\x00\x00\x00\x12", 8);
	assert_memory_equal(bytes + 48 + 512 + 20, "\x00\x00\x00\x00", 4);
}

static void test_flags(void **state)
{
	struct rig *r = *state;
	uint8_t data[512] = { 0 };
	uint8_t got[600];

	configure(r);
	twin_sends(r, "aabb");
	host_sends(r, SUBMIT("00000021", "00000001", "00000001", "00000201", "00000008", NO_SETUP));
	turn(r);
	host_gets(r, SUBMITTED("00000021", "ffffff87", "00000002") "aabb"); /* -EREMOTEIO */
	host_sends(r, SUBMIT("00000022", "00000000", "00000001", "00000040", "00000200", NO_SETUP));
	assert_int_equal(write(r->host, data, sizeof(data)), sizeof(data));
	turn(r);
	host_gets(r, SUBMITTED("00000022", "00000000", "00000200"));
	assert_int_equal(recv(r->twin, got, sizeof(got), MSG_DONTWAIT), 512);
}

static void test_interrupt(void **state)
{
	struct rig *r = *state;

	configure(r);
	host_sends(r, SUBMIT("00000031", "00000001", "00000002", "00000200", "00000008", NO_SETUP));
	turn(r);
	host_gets(r, SUBMITTED("00000031", "00000000", "00000002") "5003");
	host_sends(r, SUBMIT("00000032", "00000001", "00000002", "00000200", "00000008", NO_SETUP));
	turn(r);
	host_gets(r, "");
}

static void test_two_transfers_keep_their_order(void **state)
{
	struct rig *r = *state;

	configure(r);
	host_sends(r, SUBMIT("00000041", "00000001", "00000001", "00000200", "00000008", NO_SETUP));
	host_sends(r, SUBMIT("00000042", "00000001", "00000001", "00000200", "00000008", NO_SETUP));
	turn(r);
	twin_sends(r, "01");
	twin_sends(r, "02");
	turn(r);
	host_gets(r, SUBMITTED("00000041", "00000000", "00000001") "01" SUBMITTED("00000042",
			 "00000000", "00000001") "02");
}

static void test_ends(void **state)
{
	struct rig *r = *state;
	struct err e = { 0 };
	bool end = false;

	configure(r);
	assert_false(pump_is_drained(&r->pump));
	twin_sends(r, "01");
	(void)close(r->twin);
	r->twin = -1;
	turn(r);
	assert_false(pump_is_drained(&r->pump)); /* its last word is not with the host */
	host_sends(r, SUBMIT("00000051", "00000001", "00000001", "00000200", "00000008", NO_SETUP));
	turn(r);
	host_gets(r, SUBMITTED("00000051", "00000000", "00000001") "01");
	assert_true(pump_is_drained(&r->pump));
	(void)close(r->host);
	r->host = -1;
	assert_ok(usbip_read(&r->usbip, &end, &e), &e);
	assert_true(end);
}

static void refused(struct rig *r, const char *hex)
{
	struct err e = { 0 };
	bool end;

	host_sends(r, hex);
	assert_err(usbip_read(&r->usbip, &end, &e), &e, "twin.usbip");
	buf_clear(&r->usbip.in);
}

static void test_what_is_no_usbip(void **state)
{
	struct rig *r = *state;

	refused(r, SUBMITTED("00000001", "00000000", "00000000"));
	refused(r, SUBMIT("00000001", "00000001", "00000001", "00000200", "00100001", NO_SETUP));
	refused(r, SUBMIT("00000001", "00000001", "00000010", "00000200", "00000008", NO_SETUP));
	refused(r, "00000001"
		   "00000001"
		   "0001000f"
		   "00000001"
		   "00000001"
		   "00000200"
		   "00000008"
		   "00000000"
		   "00000008" /* packets: isochronous */
		   "00000000" NO_SETUP);
}

/* A fault that comes once strikes once in the device's life, whatever process serves it. */
static void test_a_fault_strikes_once(void **state)
{
	struct rig *r = *state;
	struct pump again;
	struct err e = { 0 };

	r->plug.fault = "usb-stall:1";
	for (int i = 0; i < 2; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
		assert_ok(pump_open(&again, &r->plug, GADGET_HIGH, ends[0], &e), &e);
		assert_int_equal(write(ends[1], "x", 1), 1);
		assert_ok(pump_turn(&again, &e), &e);
		assert_int_equal(again.gadget.halted_in, i == 0);
		pump_close(&again);
		(void)close(ends[1]);
	}
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_the_documented_exchange),
		ROW(test_control),
		ROW(test_a_command_in_pieces),
		ROW(test_unlink),
		ROW(test_unlink_with_bytes),
		ROW(test_flags),
		ROW(test_interrupt),
		ROW(test_two_transfers_keep_their_order),
		ROW(test_ends),
		ROW(test_what_is_no_usbip),
		ROW(test_a_fault_strikes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
