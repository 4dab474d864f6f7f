#include "linux-shell/console.h"

#include "shell_kit.h"
#include "transports/wire.h"

/* A device in a buffer: it sees the line with its number, and answers what the test's format makes
 * of it; N stands for the number. */
struct scripted {
	struct wire wire;
	struct console console;
	const char *answer;
};

static int play(struct wire *w, struct err *e)
{
	struct scripted *s = w->context;
	char number[17] = { 0 };

	assert_true(w->out.len > 18);
	assert_memory_equal(w->out.data, "K=", 2);
	memcpy(number, w->out.data + 2, 16);
	buf_clear(&w->out);
	for (const char *at = s->answer; *at != '\0'; at++)
		if ((*at == 'N' ? buf_add_str(&w->in, number, e) : buf_add(&w->in, at, 1, e)) != 0)
			return -1;
	return 0;
}

static void script(struct scripted *s, const char *answer)
{
	*s = (struct scripted){ .wire = { .base = { &wire_ops }, .answer = play },
		.answer = answer };
	s->wire.context = s;
	s->console.link = &s->wire.base;
}

static void end(struct scripted *s)
{
	console_free(&s->console);
	transport_close(&s->wire.base);
}

static void assert_text(struct buf *b, const char *text)
{
	struct err e = { 0 };

	assert_string_equal(buf_str(b, &e), text);
}

static void test_the_frame_is_found(void **state)
{
	static const struct {
		const char *answer;
		int status;
		const char *out, *complaint;
	} rows[] = {
		{ "\n@bN\nhello\n\n@eN 0 0\n\n@qN\n", 0, "hello", "hello" },
		{ "\n@bN\n\n@eN 1 1\nno such file\n@qN\n", 1, "", "no such file" },
		{ "\r\n@bN\r\nhello\r\n\r\n@eN 0 0\r\nwarning: x\r\n@qN\r\n", 0, "hello",
		    "warning: x" },
		{ "\n@bN\na\nb\n\n@eN 255 255\none\ntwo\n@qN\n", 255, "a\nb", "one two" },
		/* an echo, a prompt, a kernel that talks in between */
		{ "K=N; printf '\\n@b%s\\n' $K\r\ngateway# \033[?2004l\r\n@bN\r\nhello\r\n\r\n@eN "
		  "0 0\r\n\r\n@qN\r\n# ",
		    0, "hello", "hello" },
		{ "@bN\nhel[   12.345678] usb 1-1: new device\r\nlo\n[  12.345679] x\n\n@eN 0 "
		  "0\n\n@qN",
		    0, "hello", "hello" },
		/* lookalikes: another number, half a marker */
		{ "@b0123456789abcdef\n@e0123456789abcdef 1 1\n@bN\n@q0123456789abcdef @e@e\n@eN 0 "
		  "0\n\n@qN",
		    0, "@q0123456789abcdef @e@e", "@q0123456789abcdef @e@e" },
		/* the end of an earlier command */
		{ "@eN 7 7\n@bN\nhello\n\n@eN 0 0\n\n@qN", 0, "hello", "hello" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t portion = 0; portion < 3; portion++) {
			AUTO_STRUCT(console_result) r = { 0 };
			struct scripted s;
			struct err e = { 0 };

			script(&s, rows[i].answer);
			s.wire.portion = portion;
			assert_ok(console_run(&s.console, "x", &r, kit_soon(), &e), &e);
			assert_int_equal(r.status, rows[i].status);
			assert_text(&r.out, rows[i].out);
			assert_string_equal(r.complaint, rows[i].complaint);
			end(&s);
		}
	}
}

static void test_broken_frames(void **state)
{
	static const struct {
		const char *answer, *code;
	} rows[] = {
		{ "", "link.timeout" },
		{ "@bN\nhello", "link.timeout" },
		{ "@bN\nhello\n@eN 0 0\n", "link.timeout" },
		{ "@b0123456789abcdef hello", "link.timeout" },
		{ "@cN\nhello\n@eN 0 0\n\n@qN\n", "shell.corrupt" },
		{ "@bN\nhello\n@fN 0 0\n\n@qN\n", "shell.corrupt" },
		{ "@bN\nhello\n@eN 0 0\n\n@rN\n", "link.timeout" },
		{ "@bN\n@eN\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 0\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 0 1\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 1 0\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 0 00\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 256 256\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN 1000 1000\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN -1 -1\n@qN\n", "shell.corrupt" },
		{ "@bN\n@eN x x\n@qN\n", "shell.corrupt" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(console_result) r = { 0 };
		struct scripted s;
		struct err e = { 0 };

		script(&s, rows[i].answer);
		assert_err(console_run(&s.console, "x", &r, kit_soon(), &e), &e, rows[i].code);
		assert_int_equal(e.domain, ERR_LINK);
		assert_true(e.retry);
		end(&s);
	}
}

static void test_a_complaint_is_bounded(void **state)
{
	AUTO_STRUCT(console_result) r = { 0 };
	char answer[1024];
	struct scripted s;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(answer, sizeof(answer), "@bN\n@eN 1 1\n%0600d\n@qN", 0);
	script(&s, answer);
	assert_ok(console_run(&s.console, "x", &r, kit_soon(), &e), &e);
	assert_int_equal(strlen(r.complaint), SHELL_COMPLAINT_MAX);
	end(&s);
}

static void test_a_long_line_is_refused_before_it_is_sent(void **state)
{
	AUTO_STRUCT(console_result) r = { 0 };
	char command[SHELL_LINE_MAX + 1] = { 0 };
	struct scripted s;
	struct err e = { 0 };

	(void)state;
	script(&s, "");
	memset(command, 'x', SHELL_LINE_MAX);
	assert_err(console_run(&s.console, command, &r, kit_soon(), &e), &e, "shell.line");
	assert_int_equal(e.domain, ERR_CONFIG);
	assert_int_equal(s.wire.out.len, 0);
	command[SHELL_COMMAND_MAX] = '\0'; /* what a profile may have fits, quotes and all */
	memset(command, '\'', 60);
	assert_err(console_run(&s.console, command, &r, kit_soon(), &e), &e, "link.timeout");
	end(&s);
}

static void test_ends_with(void **state)
{
	struct console c = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_false(console_ends_with(&c, "login:"));
	assert_ok(buf_add_str(&c.in, "\r\nDebian\r\ngateway login: \r\n", &e), &e);
	assert_true(console_ends_with(&c, "login:"));
	assert_false(console_ends_with(&c, "Password:"));
	assert_ok(buf_add_u8(&c.in, '\0', &e), &e);
	assert_false(console_ends_with(&c, "login:"));
	console_free(&c);
}

static void test_clean(void **state)
{
	static const struct {
		const char *text, *clean;
	} rows[] = {
		{ "", "" },
		{ " \r\n\t", "" },
		{ "\r\nabc\r\ndef\r\n", "abc\ndef" },
		{ "\033[1;31mred\033[0m", "red" },
		{ "\033]0;title\007text", "text" },
		{ "\033]0;title\033\\text", "text" },
		{ "\033(Btext\033=", "text" },
		{ "text\033", "text" },
		{ "text\033[", "text" },
		{ "text\033[12;3", "text" },
		{ "text\033]endless", "text" },
		{ "te\bxt\007\177\001", "text" },
		{ "[    0.000000] Linux\nabc", "abc" },
		{ "ab[ 1234.567890] eth0: up\nc", "abc" },
		{ "abc\n[ 1234.567890] eth0: up", "abc" },
		{ "[12.3] abc", "[12.3] abc" },
		{ "[abc]", "[abc]" },
		{ "[", "[" },
		{ "[ 1.12345678] abc", "[ 1.12345678] abc" },
		{ "[ 1.123456", "[ 1.123456" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(buf) b = { 0 };
		struct err e = { 0 };

		assert_ok(buf_add_str(&b, rows[i].text, &e), &e);
		console_clean(&b);
		if (b.len != strlen(rows[i].clean) ||
		    memcmp(buf_str(&b, &e), rows[i].clean, b.len) != 0)
			fail_msg("row %zu: \"%s\"", i, buf_str(&b, &e));
	}
}

/* A bash on a tty; without a login the console is ready as it is, echo and prompts included. */
struct real {
	struct kit kit;
	struct console console;
};

static int real_open(void **state)
{
	struct real *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	kit_open(&r->kit, "openssl", NULL);
	r->console.link = r->kit.link;
	*state = r;
	return 0;
}

static int real_close(void **state)
{
	struct real *r = *state;

	console_free(&r->console);
	kit_close(&r->kit);
	free(r);
	return 0;
}

static void assert_runs(struct real *r, const char *command, int status, const char *out,
    const char *complaint)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct err e = { 0 };

	assert_ok(console_run(&r->console, command, &result, kit_soon(), &e), &e);
	assert_text(&result.out, out);
	assert_int_equal(result.status, status);
	assert_string_equal(result.complaint, complaint);
}

static void test_a_real_shell(void **state)
{
	struct real *r = *state;

	assert_runs(r, "echo hello", 0, "hello", "hello");
	assert_runs(r, "printf hello", 0, "hello", "hello");
	assert_runs(r, "echo hello; echo oops >&2; exit 3", 3, "hello", "oops");
	assert_runs(r, "true", 0, "", "");
	assert_runs(r, "false", 1, "", "");
	assert_runs(r, "exit 255", 255, "", "");
	assert_runs(r, "kill -9 $$", 137, "", "");
	assert_runs(r, "printf '%s.' \"it's\" \"$((6 * 7))\" '\\n'", 0, "it's.42.\\n.",
	    "it's.42.\\n.");
	assert_runs(r, "read x; echo \"got <$x>\"", 0, "got <>", "got <>");
	assert_runs(r, "printf 'a\\nb\\n\\nc'", 0, "a\nb\n\nc", "a b  c");
}

static void test_a_real_shell_that_is_hostile(void **state)
{
	struct real *r = *state;

	assert_runs(r, "printf '\\033[2J\\033[1;1Hx\\033]0;t\\007y'", 0, "xy", "xy");
	assert_runs(r, "printf '@b%s @e%s 0 0 @q%s' $K $K $K", 0, "@b @e 0 0 @q", "@b @e 0 0 @q");
	assert_runs(r, "echo '[    1.000001] usb: x'; echo y", 0, "y", "y");
	assert_runs(r, "head -c 3000 /dev/zero | tr '\\0' x | wc -c", 0, "3000", "3000");
	assert_runs(r, "yes oops | head -c 100000 >&2; exit 1", 1, "",
	    "oops oops oops oops oops oops oops oops oops oops oops oops oops oops oops oops "
	    "oops oops oops oops oops oops oops oops oops oops oops oops oops oops oops oops");
}

static void test_a_syntax_error_is_the_commands(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_ok(console_run(&r->console, "if then (", &result, kit_soon(), &e), &e);
	assert_int_equal(result.status, 2);
	assert_non_null(strstr(result.complaint, "yntax"));
	assert_runs(r, "echo on", 0, "on", "on");
}

static void test_only_change_stays(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_runs(r, "export A=1; cd /", 0, "", "");
	assert_runs(r, "echo \"$A\" \"$(basename \"$PWD\")\"", 0, strrchr(r->kit.folder, '/') + 1,
	    strrchr(r->kit.folder, '/') + 1);
	assert_ok(console_change(&r->console, "export A=1; cd /", &result, kit_soon(), &e), &e);
	assert_int_equal(result.status, 0);
	assert_runs(r, "echo $A$PWD", 0, "1/", "1/");
}

static void test_endless_output_is_cut(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_err(console_run(&r->console, "cat /dev/zero | tr '\\0' x", &result, kit_soon(), &e),
	    &e, "shell.output");
	assert_int_equal(e.domain, ERR_DEVICE);
}

static void test_endless_lines_are_cut(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_err(console_run(&r->console, "yes", &result, kit_soon(), &e), &e, "shell.output");
}

static void test_a_command_without_end_meets_its_deadline(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_err(console_run(&r->console, "cat <&1", &result, clock_now_ms() + 300, &e), &e,
	    "link.timeout");
}

static void test_a_shell_that_ends_is_gone(void **state)
{
	AUTO_STRUCT(console_result) result = { 0 };
	struct real *r = *state;
	struct err e = { 0 };

	assert_err(console_change(&r->console, "exit", &result, kit_soon(), &e), &e, "link.gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_frame_is_found),
		cmocka_unit_test(test_broken_frames),
		cmocka_unit_test(test_a_complaint_is_bounded),
		cmocka_unit_test(test_a_long_line_is_refused_before_it_is_sent),
		cmocka_unit_test(test_ends_with),
		cmocka_unit_test(test_clean),
		cmocka_unit_test_setup_teardown(test_a_real_shell, real_open, real_close),
		cmocka_unit_test_setup_teardown(test_a_real_shell_that_is_hostile, real_open,
		    real_close),
		cmocka_unit_test_setup_teardown(test_a_syntax_error_is_the_commands, real_open,
		    real_close),
		cmocka_unit_test_setup_teardown(test_only_change_stays, real_open, real_close),
		cmocka_unit_test_setup_teardown(test_endless_output_is_cut, real_open, real_close),
		cmocka_unit_test_setup_teardown(test_endless_lines_are_cut, real_open, real_close),
		cmocka_unit_test_setup_teardown(test_a_command_without_end_meets_its_deadline,
		    real_open, real_close),
		cmocka_unit_test_setup_teardown(test_a_shell_that_ends_is_gone, real_open,
		    real_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
