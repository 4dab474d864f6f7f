/* The twin's framing and MCTP, pinned to frames captured on a line. */
#include <stdlib.h>
#include <string.h>

#include "spdm/twin_mctp.h"
#include "spdm/twin_serial.h"
#include "testing.h"

static json_t *load(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "spdm/%s.json", name);
	if (testing_vector(path) == NULL)
		testing_skip("the SPDM vectors");
	return testing_json(testing_vector(path));
}

static const char *text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Feeds bytes; the number of good packets, the last of them in t. */
static int feed(struct twin_serial *t, const uint8_t *bytes, size_t len)
{
	int packets = 0;

	for (size_t i = 0; i < len; i++)
		packets += twin_serial_take(t, bytes[i]) ? 1 : 0;
	return packets;
}

static int feed_hex(struct twin_serial *t, const char *hex)
{
	struct buf bytes = { 0 };
	int packets;

	testing_hex(hex, &bytes);
	packets = feed(t, bytes.data, bytes.len);
	buf_free(&bytes);
	return packets;
}

static void check_frame(const json_t *item)
{
	struct buf frame = { 0 }, packet = { 0 }, made = { 0 };
	struct twin_serial t = { 0 };
	struct err e = { 0 };

	testing_hex(text(item, "frame"), &frame);
	testing_hex(text(item, "packet"), &packet);
	assert_int_equal(feed(&t, frame.data, frame.len), 1);
	assert_int_equal(t.want, packet.len);
	assert_memory_equal(t.packet, packet.data, packet.len);
	assert_ok(twin_serial_frame(packet.data, packet.len, &made, &e), &e);
	assert_true(buf_equal(&made, &frame));
	buf_free(&frame);
	buf_free(&packet);
	buf_free(&made);
}

static void test_captured_frames(void **state)
{
	json_t *flow = load("serial_frames_12_p256");
	json_t *edges = load("serial_edge_cases");
	const json_t *item;
	size_t i;

	(void)state;
	assert_true(json_array_size(json_object_get(flow, "frames")) > 50);
	json_array_foreach(json_object_get(flow, "frames"), i, item) check_frame(item);
	json_array_foreach(json_object_get(edges, "fcs_with_flag_or_escape_byte"), i, item)
	    check_frame(item);
	json_decref(flow);
	json_decref(edges);
}

/* Better than the captured endpoint: a frame that was cut does not take the next one with it. */
static void test_resynchronises(void **state)
{
	json_t *edges = load("serial_edge_cases");
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(edges, "resync"), i, item)
	{
		struct twin_serial t = { 0 };

		assert_int_equal(feed_hex(&t, text(item, "before")), 0);
		assert_int_equal(feed_hex(&t, "7e0109010908c9051084000077de7e"), 1);
	}
	json_decref(edges);
}

static void test_shared_flag(void **state)
{
	struct twin_serial t = { 0 };

	(void)state;
	assert_int_equal(feed_hex(&t, "7e0109010908c9051084000077de7e0109010908c9051084000077de7e"),
	    2);
}

static void test_refuses_frames(void **state)
{
	static const char *const bad[] = {
		"7e0109010908c9051084000077df7e",     /* FCS */
		"7e0209010908c9051084000077de7e",     /* revision */
		"7e0104010908c90000000000000000007e", /* too short */
		"7e0145010908c9051084000077de7e",     /* too long */
		"7e01090109087d0005108400007777de7e", /* an escape of nothing */
		"7e0109010908c9051084000077de00",     /* no end */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct twin_serial t = { 0 };

		assert_int_equal(feed_hex(&t, bad[i]), 0);
	}
}

/* --- MCTP --- */

struct wire {
	struct twin_mctp mctp;
	struct buf message;
	char answer[512]; /* the last packet, in hex */
	size_t packets;
};

static int put(void *context, const uint8_t *packet, size_t len, struct err *e)
{
	struct wire *w = context;

	(void)e;
	w->packets++;
	hex_encode(packet, len, w->answer);
	return 0;
}

static void wire_open(struct wire *w)
{
	static const uint8_t uuid[16] = { 1, 2, 3 };

	memset(w, 0, sizeof(*w));
	twin_mctp_init(&w->mctp, uuid);
}

static void wire_close(struct wire *w)
{
	twin_mctp_free(&w->mctp);
	buf_free(&w->message);
}

/* VERSION of the captured endpoint for anything of SPDM. */
static void answer_whole(struct wire *w, const struct twin_origin *from)
{
	struct buf answer = { 0 };
	struct err e = { 0 };

	if (w->message.data[0] == TWIN_MCTP_SPDM)
		testing_hex("0510040000000500100011001200130014", &answer);
	else
		assert_ok(twin_mctp_control(&w->mctp, w->message.data, w->message.len, &answer, &e),
		    &e);
	if (answer.len > 0)
		assert_ok(twin_mctp_split(&w->mctp, from, &answer, put, w, &e), &e);
	buf_free(&answer);
}

static void say(struct wire *w, const char *hex)
{
	struct buf packet = { 0 };
	struct twin_origin from;
	struct err e = { 0 };
	bool whole;

	testing_hex(hex, &packet);
	assert_ok(twin_mctp_take(&w->mctp, packet.data, packet.len, &from, &w->message, &whole, &e),
	    &e);
	if (whole)
		answer_whole(w, &from);
	buf_free(&packet);
}

/* The sequence number counts on across messages and is of no meaning for a single packet. */
static void forget_sequence(char *packet)
{
	if (strlen(packet) >= 8 && packet[6] >= 'c')
		packet[6] =
		    packet[6] == 'd' || packet[6] == 'e' || packet[6] == 'f' ? 'c' : packet[6];
}

/* Cases in which the twin is another endpoint than the captured one. */
static const char *our_answer(const char *name)
{
	if (strcmp(name, "header version 2") == 0)
		return "";
	if (strcmp(name, "control Get Endpoint UUID") == 0)
		return "010809c10002030001020300000000000000000000000000";
	if (strcmp(name, "control Get Message Type Support") == 0)
		return "010809c1000405000105";
	return NULL;
}

static void test_captured_packets(void **state)
{
	json_t *edges = load("serial_edge_cases");
	const json_t *item, *packet;
	struct wire w;
	size_t i, n;

	(void)state;
	wire_open(&w);
	json_array_foreach(json_object_get(edges, "mctp"), i, item)
	{
		const char *ours = our_answer(text(item, "case"));
		const char *want = text(item, "answer_packet");
		char copy[512];

		w.answer[0] = '\0';
		json_array_foreach(json_object_get(item, "packets"), n, packet)
		    say(&w, json_string_value(packet));
		if (ours != NULL)
			want = ours;
		(void)snprintf(copy, sizeof(copy), "%s", want != NULL ? want : "");
		forget_sequence(copy);
		forget_sequence(w.answer);
		if (strcmp(w.answer, copy) != 0)
			fail_msg("%s: %s and not %s", text(item, "case"), w.answer, copy);
	}
	wire_close(&w);
	json_decref(edges);
}

/* All packets but the last are equally long, and the last is not longer. */
static void test_uneven_fragments(void **state)
{
	struct wire w;

	(void)state;
	wire_open(&w);
	say(&w, "01090889051084");
	say(&w, "0109085900000000");
	assert_int_equal(w.packets, 0);
	say(&w, "01090889051084");
	say(&w, "0109081900");
	say(&w, "010908690000");
	assert_int_equal(w.packets, 0);
	say(&w, "0109088905108400");
	say(&w, "0109085900");
	assert_int_equal(w.packets, 1);
	wire_close(&w);
}

static void test_answers_are_no_requests(void **state)
{
	struct wire w;

	(void)state;
	wire_open(&w);
	say(&w, "010908c10510840000");
	say(&w, "0109ffc90510840000"); /* nobody is the broadcast */
	say(&w, "010908c9000002");     /* a control response */
	assert_int_equal(w.packets, 0);
	wire_close(&w);
}

static void test_control_refusals(void **state)
{
	struct wire w;

	(void)state;
	wire_open(&w);
	say(&w, "010908c9008107");
	assert_string_equal(w.answer, "010809c100010705"); /* unknown */
	say(&w, "010908c90082010007");
	assert_string_equal(w.answer, "010809d100020102"); /* a reserved EID */
	say(&w, "010908c900830100");
	assert_string_equal(w.answer, "010809e100030103"); /* too short */
	say(&w, "010908c900840405");
	assert_string_equal(w.answer, "010809f10004040001f1f0f000");
	say(&w, "010908c900840401");
	assert_string_equal(w.answer, "010809c100040480"); /* no PLDM here */
	wire_close(&w);
}

static void test_long_messages_are_split(void **state)
{
	const struct twin_origin to = { .source = 8, .tag = 3 };
	struct buf message = { 0 };
	struct err e = { 0 };
	struct wire w;

	(void)state;
	wire_open(&w);
	for (int i = 0; i < 130; i++)
		assert_ok(buf_add_u8(&message, 5, &e), &e);
	assert_ok(twin_mctp_split(&w.mctp, &to, &message, put, &w, &e), &e);
	assert_int_equal(w.packets, 3);
	assert_string_equal(w.answer, "010809630505");
	buf_free(&message);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captured_frames),
		cmocka_unit_test(test_resynchronises),
		cmocka_unit_test(test_shared_flag),
		cmocka_unit_test(test_refuses_frames),
		cmocka_unit_test(test_captured_packets),
		cmocka_unit_test(test_uneven_fragments),
		cmocka_unit_test(test_answers_are_no_requests),
		cmocka_unit_test(test_control_refusals),
		cmocka_unit_test(test_long_messages_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
