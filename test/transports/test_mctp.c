#include "mctp.h"

#include <string.h>

#include "clock.h"
#include "testing.h"
#include "wire.h"

static const int64_t never = INT64_MAX;

static size_t feed(struct mctp_framer *f, const struct buf *bytes, struct buf *ret_packets)
{
	struct err e = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < bytes->len; i++) {
		if (!mctp_framer_push(f, bytes->data[i]))
			continue;
		count++;
		assert_ok(buf_add(ret_packets, f->packet, f->len, &e), &e);
	}
	return count;
}

static void expect_packets(const char *hex, size_t count)
{
	struct mctp_framer f = { 0 };
	AUTO_STRUCT(buf) bytes = { 0 };
	AUTO_STRUCT(buf) packets = { 0 };

	testing_hex(hex, &bytes);
	assert_int_equal(feed(&f, &bytes, &packets), count);
}

#define GOOD "7e0109010908c9051084000077de7e"

/* A frame and its packet as others captured them, both ways. */
static void check_captured(const json_t *item)
{
	struct err e = { 0 };
	struct mctp_framer f = { 0 };
	AUTO_STRUCT(buf) frame = { 0 };
	AUTO_STRUCT(buf) packet = { 0 };
	AUTO_STRUCT(buf) made = { 0 };
	AUTO_STRUCT(buf) found = { 0 };

	testing_hex(json_string_value(json_object_get(item, "frame")), &frame);
	testing_hex(json_string_value(json_object_get(item, "packet")), &packet);
	assert_ok(mctp_frame(packet.data, packet.len, &made, &e), &e);
	assert_true(buf_equal(&made, &frame));
	assert_int_equal(feed(&f, &frame, &found), 1);
	assert_true(buf_equal(&found, &packet));
}

static void frames_equal_captured_ones(void **state)
{
	static const struct {
		const char *file, *list;
		size_t least;
	} sources[] = {
		{ "spdm/serial_frames_12_p256.json", "frames", 60 },
		{ "spdm/serial_edge_cases.json", "fcs_with_flag_or_escape_byte", 10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(sources); i++) {
		const char *path = testing_vector(sources[i].file);
		AUTO(json_t) *file = NULL;
		const json_t *item;
		size_t at;

		if (path == NULL)
			testing_skip("the captured serial frames");
		file = testing_json(path);
		assert_true(
		    json_array_size(json_object_get(file, sources[i].list)) > sources[i].least);
		json_array_foreach(json_object_get(file, sources[i].list), at, item)
		    check_captured(item);
	}
}

static void a_frame_has_this_checksum(void **state)
{
	struct err e = { 0 };
	const uint8_t packet[] = { 1, 9, 8, 0xc9, 5, 0x10, 0x84, 0, 0 };
	AUTO_STRUCT(buf) frame = { 0 };
	AUTO_STRUCT(buf) want = { 0 };

	(void)state;
	testing_hex(GOOD, &want);
	assert_ok(mctp_frame(packet, sizeof(packet), &frame, &e), &e);
	assert_true(buf_equal(&frame, &want));
}

static void flags_and_escapes_are_escaped(void **state)
{
	struct err e = { 0 };
	const uint8_t packet[] = { 1, 9, 8, 0xc9, 0x7e, 0x7d, 0x20 };
	struct mctp_framer f = { 0 };
	AUTO_STRUCT(buf) frame = { 0 };
	AUTO_STRUCT(buf) found = { 0 };
	static const uint8_t escaped[] = { 0x7d, 0x5e, 0x7d, 0x5d, 0x20 };

	(void)state;
	assert_ok(mctp_frame(packet, sizeof(packet), &frame, &e), &e);
	assert_memory_equal(frame.data + 7, escaped, sizeof(escaped));
	assert_int_equal(feed(&f, &frame, &found), 1);
	assert_int_equal(found.len, sizeof(packet));
	assert_memory_equal(found.data, packet, sizeof(packet));
}

static void hunting_finds_the_next_frame(void **state)
{
	(void)state;
	expect_packets(GOOD, 1);
	expect_packets("68656c6c6f0d0a" GOOD, 1);
	expect_packets("7e" GOOD, 1);
	expect_packets("7e7e7e" GOOD, 1);
	expect_packets("7e0203" GOOD, 1);
	expect_packets("7e0100" GOOD, 1);
	expect_packets("7e0104" GOOD, 1);
	expect_packets("7e0145" GOOD, 1);
	expect_packets("7e01ff00" GOOD, 1);
	expect_packets("7e01" GOOD, 1);
	expect_packets("7e0109010908" GOOD, 1);     /* cut off: the flag starts the next */
	expect_packets("7e01090109087d" GOOD, 1);   /* cut off behind an escape */
	expect_packets("7e01090109087d20" GOOD, 1); /* no such escape */
	expect_packets("7e0109010908c9051084000077df7e" GOOD, 1); /* wrong checksum */
	expect_packets("7e0109010908c9051084000077de00" GOOD, 1); /* no end flag */
	expect_packets(GOOD GOOD, 2);
	expect_packets("7e0109010908c9051084000077de" GOOD, 2); /* a shared flag */
}

/* What both bindings must do is tested on both. */
static const struct binding {
	const struct transport_ops *ops;
	int (*frame)(const uint8_t *packet, size_t len, struct buf *ret, struct err *e);
	size_t head; /* bytes before a packet, where none of it is escaped */
} serial = { &wire_ops, mctp_frame, 3 }, usb = { &wire_usb_ops, mctp_usb_frame, 4 };

static const struct binding *binding_of(void **state)
{
	return *state;
}

static struct wire wire_new(const struct binding *b)
{
	return (struct wire){ .base = { b->ops } };
}

static void put_packet(const struct binding *b, struct wire *w, const char *hex)
{
	struct err e = { 0 };
	AUTO_STRUCT(buf) packet = { 0 };

	testing_hex(hex, &packet);
	assert_ok(b->frame(packet.data, packet.len, &w->in, &e), &e);
}

/* Whether these packets (NULL at the end) become one message of that body. */
static void expect_message(const struct binding *b, const char *const packets[], const char *body)
{
	struct err e = { 0 };
	struct wire w = wire_new(b);
	struct mctp m;
	AUTO_STRUCT(mctp_message) got = { 0 };
	AUTO_STRUCT(buf) want = { 0 };

	mctp_init(&m, &w.base);
	for (size_t i = 0; packets[i] != NULL; i++)
		put_packet(b, &w, packets[i]);
	if (body == NULL) {
		assert_err(mctp_receive(&m, &got, never, &e), &e, "link.timeout");
	} else {
		testing_hex(body, &want);
		assert_ok(mctp_receive(&m, &got, never, &e), &e);
		assert_true(buf_equal(&got.body, &want));
	}
	mctp_free(&m);
	wire_close(&w.base);
}

#define PACKETS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void messages_are_put_together(void **state)
{
	const struct binding *b = binding_of(state);
	expect_message(b, PACKETS("010908c90510840000"), "10840000");
	expect_message(b, PACKETS("01090889051084", "010908590000"), "10840000");
	expect_message(b, PACKETS("010908b9051084", "010908490000"),
	    "10840000"); /* sequence 3, 0 */
	expect_message(b, PACKETS("01090889051084", "010908ca0511840000"),
	    "11840000"); /* new one */
	expect_message(b, PACKETS("01090889051084", "0109081b0511", "010908590000"),
	    "10840000"); /* not part of it */
	expect_message(b, PACKETS("01090889051084", "010908190102", "010908690304"), NULL);
	expect_message(b, PACKETS("0109088905", "01090859aa"), "aa");
}

static void broken_messages_are_dropped(void **state)
{
	const struct binding *b = binding_of(state);
	expect_message(b, PACKETS("01090889051084", "010908690000"), NULL); /* sequence gap */
	expect_message(b, PACKETS("010908490510840000"), NULL);             /* no start */
	expect_message(b, PACKETS("020908c90510840000"), NULL);             /* header version */
	expect_message(b, PACKETS("010908c98510840000"), NULL); /* integrity check bit */
	expect_message(b, PACKETS("01090889051084", "01090859000000aa"),
	    NULL); /* larger than the first */
	expect_message(b, PACKETS("01090889051084", "01090819aa", "01090869bb"),
	    NULL);                                                          /* short middle */
	expect_message(b, PACKETS("01090889051084", "010a08590000"), NULL); /* for somebody else */
}

static void the_end_flag_is_the_end(void **state)
{
	const struct binding *b = binding_of(state);
	expect_message(b, PACKETS("01090889051084", "010908190102aa"), NULL);
}

/* The other side of a line: what one end sent is what the other end reads. */
static void long_messages_arrive(void **state)
{
	const struct binding *b = binding_of(state);
	static const size_t sizes[] = { 0, 1, 62, 63, 64, 126, 127, 128, 1032, MCTP_BODY_MAX };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct err e = { 0 };
		struct wire w = wire_new(b);
		struct mctp from;
		struct mctp to;
		AUTO_STRUCT(mctp_message) got = { 0 };
		AUTO_STRUCT(mctp_message)
		sent = { .destination = 9, .source = 8, .tag = 5, .owner = true, .type = 5 };

		for (size_t n = 0; n < sizes[i]; n++)
			assert_ok(buf_add_u8(&sent.body, (uint8_t)(n * 7), &e), &e);
		mctp_init(&from, &w.base);
		mctp_init(&to, &w.base);
		from.sequence = (uint8_t)(i & 3);
		assert_ok(mctp_send(&from, &sent, never, &e), &e);
		w.in = buf_steal(&w.out);
		w.portion = b == &serial ? 100 : 0;
		assert_ok(mctp_receive(&to, &got, never, &e), &e);
		assert_true(buf_equal(&got.body, &sent.body));
		assert_int_equal(got.tag, 5);
		assert_int_equal(got.source, 8);
		assert_true(got.owner);
		mctp_free(&from);
		mctp_free(&to);
		wire_close(&w.base);
	}
}

static void too_long_messages_are_not_sent(void **state)
{
	const struct binding *b = binding_of(state);
	struct err e = { 0 };
	struct wire w = wire_new(b);
	struct mctp m;
	AUTO_STRUCT(mctp_message) message = { .type = 5 };

	mctp_init(&m, &w.base);
	assert_non_null(buf_room(&message.body, MCTP_BODY_MAX + 1, &e));
	memset(message.body.data, 0, MCTP_BODY_MAX + 1);
	message.body.len = MCTP_BODY_MAX + 1;
	assert_err(mctp_send(&m, &message, never, &e), &e, "link.size");
	assert_int_equal(w.out.len, 0);
	mctp_free(&m);
	wire_close(&w.base);
}

/* A message that never ends is dropped at the bound, and the line still works. */
static void endless_messages_are_dropped(void **state)
{
	const struct binding *b = binding_of(state);
	struct err e = { 0 };
	struct wire w = wire_new(b);
	struct mctp m;
	AUTO_STRUCT(mctp_message) got = { 0 };
	uint8_t packet[MCTP_PACKET_MAX] = { 1, 8, 9, 0x80, 5 };

	mctp_init(&m, &w.base);
	for (size_t i = 0; i < MCTP_BODY_MAX / MCTP_PAYLOAD_MAX + 4; i++) {
		packet[3] = (uint8_t)((i == 0 ? 0x80 : 0) | (i & 3) << 4);
		assert_ok(b->frame(packet, sizeof(packet), &w.in, &e), &e);
	}
	put_packet(b, &w, "010809c10510040000");
	assert_ok(mctp_receive(&m, &got, never, &e), &e);
	assert_int_equal(got.body.len, 4);
	assert_true(m.partial.body.cap <= 4 * MCTP_BODY_MAX);
	mctp_free(&m);
	wire_close(&w.base);
}

struct question {
	const struct binding *binding;
	const char *how;
};

/* Answers GET_VERSION the way context says, to the tag of the request. */
static int answer_request(struct wire *w, struct err *e)
{
	const struct question *q = w->context;
	const char *how = q->how;
	uint8_t tag = w->out.data[q->binding->head + 3] & 7;
	uint8_t packet[] = { 1, 8, 9, (uint8_t)(0xc0 | tag), 5, 0x10, 4 };
	uint8_t other[] = { 1, 8, 9, (uint8_t)(0xc0 | ((tag - 1) & 7)), 5, 0x10, 0x7f };

	buf_clear(&w->out);
	if (strcmp(how, "owner") == 0)
		other[3] = packet[3] | 8; /* a request of its own, with our tag */
	else if (strcmp(how, "late") != 0)
		other[3] = packet[3];
	if (strcmp(how, "type") == 0)
		other[4] = 0; /* another type */
	if (strcmp(how, "other") == 0 || strcmp(how, "never") == 0)
		other[1] = 10; /* for another endpoint */
	if (strcmp(how, "straight") != 0 && q->binding->frame(other, sizeof(other), &w->in, e) != 0)
		return -1;
	if (strcmp(how, "never") == 0)
		return 0;
	return q->binding->frame(packet, sizeof(packet), &w->in, e);
}

static void only_the_answer_counts(void **state)
{
	const struct binding *b = binding_of(state);
	static const char *const ways[] = { "straight", "late", "owner", "type", "other", "never" };

	for (size_t i = 0; i < COUNT(ways); i++) {
		struct question q = { b, ways[i] };
		struct err e = { 0 };
		struct wire w = { .base = { b->ops }, .answer = answer_request, .context = &q };
		struct mctp m;
		AUTO_STRUCT(buf) request = { 0 };
		AUTO_STRUCT(buf) got = { 0 };
		int rc;

		mctp_init(&m, &w.base);
		testing_hex("10840000", &request);
		rc = mctp_request(&m, MCTP_TYPE_SPDM, &request, &got, never, &e);
		if (strcmp(ways[i], "never") == 0) {
			assert_err(rc, &e, "link.timeout");
			assert_true(e.retry);
		} else {
			assert_ok(rc, &e);
			assert_int_equal(got.len, 2);
			assert_int_equal(got.data[1], 4);
		}
		mctp_free(&m);
		wire_close(&w.base);
	}
}

static void each_request_has_a_new_tag(void **state)
{
	const struct binding *b = binding_of(state);
	struct err e = { 0 };
	struct wire w = wire_new(b);
	struct mctp m;
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) got = { 0 };
	uint8_t last = 0xff;

	mctp_init(&m, &w.base);
	testing_hex("10840000", &request);
	for (int i = 0; i < 9; i++) {
		buf_clear(&w.out);
		assert_err(mctp_request(&m, MCTP_TYPE_SPDM, &request, &got, never, &e), &e,
		    "link.timeout");
		const uint8_t *packet = w.out.data + b->head;

		assert_int_equal(packet[1], MCTP_EID_NULL);
		assert_int_equal(packet[2], MCTP_EID_STATION);
		assert_int_not_equal(packet[3] & 7, last);
		assert_int_equal(packet[3] & 0xc8, 0xc8);
		last = packet[3] & 7;
	}
	mctp_free(&m);
	wire_close(&w.base);
}

/* A device that never stops talking. */
static int refill(struct wire *w, struct err *e)
{
	static const uint8_t noise[4096] = { 0 };

	return buf_add(&w->in, noise, sizeof(noise), e);
}

static int noisy_read(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	struct wire *w = (struct wire *)t;

	if (w->in.len < len && refill(w, e) != 0)
		return -1;
	return wire_read(t, data, len, ret_got, deadline, e);
}

static void noise_does_not_outlive_the_deadline(void **state)
{
	struct transport_ops ops = *binding_of(state)->ops;
	struct err e = { 0 };
	struct wire w = { .base = { &ops } };
	struct mctp m;
	AUTO_STRUCT(mctp_message) got = { 0 };

	ops.read = noisy_read;
	mctp_init(&m, &w.base);
	assert_err(mctp_receive(&m, &got, clock_now_ms() + 20, &e), &e, "link.timeout");
	assert_ok(mctp_idle(&m, clock_now_ms() + 20, &e), &e);
	mctp_free(&m);
	wire_close(&w.base);
}

static void idling_notices_an_unplugged_device(void **state)
{
	const struct binding *b = binding_of(state);
	struct err e = { 0 };
	struct wire w = wire_new(b);
	struct mctp m;

	mctp_init(&m, &w.base);
	put_packet(b, &w, "010809c10510040000");
	assert_ok(mctp_idle(&m, never, &e), &e);
	assert_int_equal(w.in.len, 0);
	w.unplugged = true;
	assert_err(mctp_idle(&m, never, &e), &e, "link.gone");
	mctp_free(&m);
	wire_close(&w.base);
}

int main(void)
{
#define ON(binding, f)                                                                             \
	{                                                                                          \
#f " on " #binding, f, NULL, NULL, (void *)(uintptr_t) & (binding)                 \
	}
#define BOTH(f) ON(serial, f), ON(usb, f)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_has_this_checksum),
		cmocka_unit_test(flags_and_escapes_are_escaped),
		cmocka_unit_test(hunting_finds_the_next_frame),
		cmocka_unit_test(frames_equal_captured_ones),
		BOTH(messages_are_put_together),
		BOTH(broken_messages_are_dropped),
		BOTH(the_end_flag_is_the_end),
		BOTH(long_messages_arrive),
		BOTH(too_long_messages_are_not_sent),
		BOTH(endless_messages_are_dropped),
		BOTH(only_the_answer_counts),
		BOTH(each_request_has_a_new_tag),
		BOTH(noise_does_not_outlive_the_deadline),
		BOTH(idling_notices_an_unplugged_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
