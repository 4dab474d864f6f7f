/*
 * The emulated card is asked what PivApplet was asked, in its order: status words and the form of the
 * answers agree, and what both must compute from the same input is equal.
 */
#include "piv_twin_kit.h"

/* Where that simulator is known to be wrong (README of the vectors), or we are another card. */
static const struct {
	const char *command;
	uint16_t theirs, ours;
} exceptions[] = {
	{ "00f99c0000", 0x0001, 0x9000 }, /* no legal status word */
	{ "00f99e0000", 0x6f00, 0x6a88 }, /* no key to attest */
};

struct exchange {
	struct buf command, answer; /* the answer with its last status word */
};

struct replay {
	struct kit kit;
	const json_t *list;
	size_t at;
	struct exchange theirs;
	struct buf ours; /* without the status word */
	size_t compared;
};

static void read_hex(const json_t *object, const char *key, struct buf *ret)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	testing_hex(text, ret);
}

static bool is_get_response(const struct buf *command)
{
	return command->data[1] == 0xc0;
}

/* The next command with all of its answer. False at the end. */
static bool next(struct replay *r)
{
	struct exchange part = { 0 };
	struct err e = { 0 };

	if (r->at == json_array_size(r->list))
		return false;
	read_hex(json_array_get(r->list, r->at), "c", &r->theirs.command);
	read_hex(json_array_get(r->list, r->at++), "r", &r->theirs.answer);
	while (r->at < json_array_size(r->list)) {
		read_hex(json_array_get(r->list, r->at), "c", &part.command);
		if (!is_get_response(&part.command))
			break;
		read_hex(json_array_get(r->list, r->at++), "r", &part.answer);
		r->theirs.answer.len -= 2;
		assert_ok(buf_add(&r->theirs.answer, part.answer.data, part.answer.len, &e), &e);
	}
	buf_free(&part.command);
	buf_free(&part.answer);
	return true;
}

/* Their answer to the management challenge is of their witness: ours is decrypted in its place. */
static void answer_witness(struct replay *r)
{
	const struct buf *given = &r->kit.answer;

	assert_memory_equal(given->data, "\x7c\x0a\x80\x08", 4);
	kit_cipher("DES-EDE3-ECB", false, given->data + 4, r->theirs.command.data + 9, 8);
}

static bool is_right_witness(const struct exchange *x)
{
	return x->command.len > 9 && x->command.data[1] == 0x87 && x->command.data[3] == 0x9b &&
	       x->command.data[7] == 0x80 && kit_status(&x->answer) == 0x9000 &&
	       x->answer.data[2] == 0x82;
}

static uint16_t ask(struct replay *r)
{
	char hex[2 * 300 + 1];

	assert_true(r->theirs.command.len <= 300);
	hex_encode(r->theirs.command.data, r->theirs.command.len, hex);
	return kit_ask_all(&r->kit, hex, &r->ours);
}

static uint16_t wanted(const struct replay *r)
{
	char hex[2 * 300 + 1];

	hex_encode(r->theirs.command.data, r->theirs.command.len, hex);
	for (size_t i = 0; i < COUNT(exceptions); i++)
		if (strcmp(hex, exceptions[i].command) == 0) {
			assert_int_equal(kit_status(&r->theirs.answer), exceptions[i].theirs);
			return exceptions[i].ours;
		}
	return kit_status(&r->theirs.answer);
}

/* What the answer is says how close it must be. */
static void compare(struct replay *r)
{
	const uint8_t *command = r->theirs.command.data;
	size_t len = r->theirs.answer.len - 2;

	switch (command[1]) {
	case 0x47: /* a key of the same kind: the same tags and lengths */
		assert_int_equal(r->ours.len, len);
		assert_memory_equal(r->ours.data, r->theirs.answer.data, 5);
		break;
	case 0x87: /* 7C { 82 }, lengths as the signature needs; the proof for the same challenge */
		if (len == 0)
			break;
		assert_int_equal(r->ours.data[0], 0x7c);
		if (is_right_witness(&r->theirs)) {
			assert_int_equal(r->ours.len, len);
			assert_memory_equal(r->ours.data, r->theirs.answer.data, len);
		}
		break;
	case 0xcb: /* what was written */
		if (command[7] == 0x5f && command[8] == 0xc1) {
			assert_int_equal(r->ours.len, len);
			assert_memory_equal(r->ours.data, r->theirs.answer.data, len);
		}
		break;
	case 0xf7: /* algorithm, key */
		assert_memory_equal(r->ours.data, r->theirs.answer.data, 3);
		assert_int_equal(r->ours.data[r->ours.len - 65], 0x04);
		break;
	default: /* 61 { 4F .. }, 30 { .. }, version, serial */
		assert_int_equal(r->ours.len == 0,
		    kit_status(&r->theirs.answer) == 0x9000 && len == 0);
	}
	r->compared++;
}

static void replay(const json_t *list, size_t commands)
{
	struct replay r = { .list = list };

	kit_open(&r.kit, "token", NULL);
	while (next(&r)) {
		uint16_t sw, want;

		if (is_right_witness(&r.theirs))
			answer_witness(&r);
		sw = ask(&r);
		want = wanted(&r);
		if (sw != want)
			print_error("command %zu: %04x, they say %04x\n", r.at, sw, want);
		assert_int_equal(sw, want);
		if (sw == 0x9000)
			compare(&r);
	}
	assert_int_equal(r.at, commands);
	assert_true(r.compared > 0);
	buf_free(&r.theirs.command);
	buf_free(&r.theirs.answer);
	buf_free(&r.ours);
	kit_shut(&r.kit);
}

static void test_transcript(void **state)
{
	const char *path = testing_vector("piv/apdus.json");
	json_t *list;

	(void)state;
	if (path == NULL)
		testing_skip("piv/apdus.json of the vectors");
	list = testing_json(path);
	replay(list, json_array_size(list));
	json_decref(list);
}

/* What yubico-piv-tool said: the same commands without Le. */
static void test_tool_transcript(void **state)
{
	const char *path = testing_vector("piv/tool-transcript.json");
	json_t *file, *flat = json_array();
	const json_t *steps;

	(void)state;
	if (path == NULL)
		testing_skip("piv/tool-transcript.json of the vectors");
	file = testing_json(path);
	steps = json_object_get(file, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		assert_int_equal(json_array_extend(flat,
				     json_object_get(json_array_get(steps, i), "apdus")),
		    0);
	replay(flat, json_array_size(flat));
	json_decref(flat);
	json_decref(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcript),
		cmocka_unit_test(test_tool_transcript),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
