#include "linux-shell/login.h"

#include "shell_kit.h"

#define PASSWORD "twin" /* of the twin's variant that asks for one */

/* A link that remembers what went over it. */
struct tap {
	struct transport base;
	struct transport *link;
	struct buf in, out;
};

static int tap_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct tap *tap = (struct tap *)t;

	if (transport_read(tap->link, data, len, ret_got, deadline, e) != 0)
		return -1;
	return buf_add(&tap->in, data, *ret_got, e);
}

static int tap_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct tap *tap = (struct tap *)t;

	if (buf_add(&tap->out, data, len, e) != 0)
		return -1;
	return transport_write(tap->link, data, len, deadline, e);
}

static void tap_flush(struct transport *t)
{
	transport_flush(((struct tap *)t)->link);
}

static const struct transport_ops tap_ops = {
	.scheme = "tap",
	.read = tap_read,
	.write = tap_write,
	.flush = tap_flush,
};

struct world {
	struct kit kit;
	struct tap tap;
	struct console console;
	struct shell_options options;
	struct secret password;
	struct err e;
};

static struct world *make(const char *variant)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	kit_open(&w->kit, variant, NULL);
	w->tap = (struct tap){ .base = { &tap_ops }, .link = w->kit.link };
	w->console.link = &w->tap.base;
	w->options = (struct shell_options){
		.login_prompt = "login:",
		.password_prompt = "assword:",
		.work = ".kiln",
		.setup = { "cd \"$HOME\"", "export COLOUR=green" },
		.setup_count = 2,
	};
	return w;
}

static int make_open_shell(void **state)
{
	*state = make("openssl");
	return 0;
}

static int make_login(void **state)
{
	struct world *w = make("login");

	w->options.user = "root";
	assert_ok(secret_set(&w->password, PASSWORD, strlen(PASSWORD), &w->e), &w->e);
	*state = w;
	return 0;
}

static int unmake(void **state)
{
	struct world *w = *state;

	console_free(&w->console);
	buf_free(&w->tap.in);
	buf_free(&w->tap.out);
	secret_free(&w->password);
	kit_close(&w->kit);
	free(w);
	return 0;
}

static int enter(struct world *w)
{
	w->e = (struct err){ 0 };
	return login_enter(&w->console, &w->options, &w->password, kit_soon(), &w->e);
}

/* The shell is there, quiet, set up, and in the right place. */
static void assert_at_home(struct world *w)
{
	AUTO_STRUCT(console_result) r = { 0 };
	size_t before = w->tap.in.len;

	assert_ok(console_run(&w->console, "echo $COLOUR; ls -d .kiln; cat identity/serial", &r,
		      kit_soon(), &w->e),
	    &w->e);
	assert_string_equal(buf_str(&r.out, &w->e), "green\n.kiln\nIG20000001");
	assert_null(memmem(w->tap.in.data + before, w->tap.in.len - before, "COLOUR", 6));
	assert_null(memmem(w->tap.in.data + before, w->tap.in.len - before, "gateway", 7));
}

static size_t count(const struct buf *b, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i + strlen(text) <= b->len; i++)
		n += memcmp(b->data + i, text, strlen(text)) == 0;
	return n;
}

static void type(struct world *w, const char *text)
{
	assert_ok(transport_write(w->kit.link, text, strlen(text), kit_soon(), &w->e), &w->e);
}

/* What the device has to say before somebody else takes the console over. */
static void listen_for(struct world *w, const char *text)
{
	while (count(&w->console.in, text) == 0)
		assert_ok(console_hear(&w->console, kit_soon(), &w->e), &w->e);
}

static void test_an_open_shell(void **state)
{
	assert_ok(enter(*state), &((struct world *)*state)->e);
	assert_at_home(*state);
}

static void test_a_shell_that_was_entered_before(void **state)
{
	struct world *w = *state;

	assert_ok(enter(w), &w->e);
	assert_ok(enter(w), &w->e);
	assert_at_home(w);
}

/* However the last one left it. */
static void test_a_shell_in_use(void **state)
{
	static const char *const left[] = { "rm -rf ", "echo 'unfinished", "cat\n", "sleep 1000\n",
		"cat <<END\n", "yes\n", "x=$(cat\n", "stty -echo\n", "PS1='login: '\n" };
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(left); i++) {
		type(w, left[i]);
		if (enter(w) != 0)
			fail_msg("after \"%s\": %s", left[i], w->e.message);
		assert_at_home(w);
	}
}

static void test_a_login(void **state)
{
	struct world *w = *state;

	assert_ok(enter(w), &w->e);
	assert_at_home(w);
	assert_int_equal(count(&w->tap.out, PASSWORD), 1);
	assert_int_equal(count(&w->tap.in, PASSWORD), 0);
}

static void test_a_login_that_was_done(void **state)
{
	struct world *w = *state;

	assert_ok(enter(w), &w->e);
	assert_ok(enter(w), &w->e);
	assert_at_home(w);
	assert_int_equal(count(&w->tap.out, PASSWORD), 1);
}

static void test_a_login_that_was_begun(void **state)
{
	struct world *w = *state;

	listen_for(w, "login:");
	type(w, "somebody\n");
	listen_for(w, "assword:");
	assert_ok(enter(w), &w->e);
	assert_at_home(w);
	assert_int_equal(count(&w->tap.out, PASSWORD), 1);
}

static void test_a_wrong_password_is_tried_once(void **state)
{
	struct world *w = *state;

	assert_ok(secret_set(&w->password, "wrong-canary", 12, &w->e), &w->e);
	assert_err(enter(w), &w->e, "shell.login");
	assert_int_equal(count(&w->tap.out, "wrong-canary"), 1);
	assert_int_equal(count(&w->tap.in, "wrong-canary"), 0);
	assert_null(strstr(w->e.message, "canary"));
	assert_non_null(strstr(w->e.message, "root"));
	assert_int_equal(w->e.domain, ERR_DEVICE);
}

static void test_a_password_nobody_has(void **state)
{
	struct world *w = *state;

	secret_free(&w->password);
	assert_err(enter(w), &w->e, "shell.login");
	assert_non_null(strstr(w->e.message, "secret"));
}

static void test_a_login_nobody_expects(void **state)
{
	struct world *w = *state;

	w->options.user = NULL;
	assert_err(enter(w), &w->e, "shell.login");
	assert_non_null(strstr(w->e.message, "names no user"));
	assert_int_equal(count(&w->tap.out, PASSWORD), 0);
}

/* A shell that prints what looks like the prompt of a password does not get one without a login. */
static void test_no_password_for_a_shell(void **state)
{
	struct world *w = *state;

	w->options.user = "root";
	assert_ok(secret_set(&w->password, "canary", 6, &w->e), &w->e);
	type(w, "printf 'Password: '\n");
	assert_ok(enter(w), &w->e);
	assert_int_equal(count(&w->tap.out, "canary"), 0);
}

static void test_a_setup_that_fails(void **state)
{
	struct world *w = *state;

	w->options.setup[1] = "cd /nonexistent";
	assert_err(enter(w), &w->e, "shell.setup");
	assert_non_null(strstr(w->e.message, "cd /nonexistent"));
	assert_non_null(strstr(w->e.message, "No such file"));
}

static void test_a_work_folder_that_can_not_be(void **state)
{
	struct world *w = *state;

	w->options.work = "identity/model/x";
	assert_err(enter(w), &w->e, "shell.setup");
}

static void test_silence(void **state)
{
	struct world *w = *state;

	assert_int_equal(kill(w->kit.twin, SIGSTOP), 0);
	assert_err(login_enter(&w->console, &w->options, &w->password, clock_now_ms() + 300, &w->e),
	    &w->e, "shell.silent");
	assert_int_equal(w->e.domain, ERR_LINK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_open_shell, make_open_shell, unmake),
		cmocka_unit_test_setup_teardown(test_a_shell_that_was_entered_before,
		    make_open_shell, unmake),
		cmocka_unit_test_setup_teardown(test_a_shell_in_use, make_open_shell, unmake),
		cmocka_unit_test_setup_teardown(test_a_login, make_login, unmake),
		cmocka_unit_test_setup_teardown(test_a_login_that_was_done, make_login, unmake),
		cmocka_unit_test_setup_teardown(test_a_login_that_was_begun, make_login, unmake),
		cmocka_unit_test_setup_teardown(test_a_wrong_password_is_tried_once, make_login,
		    unmake),
		cmocka_unit_test_setup_teardown(test_a_password_nobody_has, make_login, unmake),
		cmocka_unit_test_setup_teardown(test_a_login_nobody_expects, make_login, unmake),
		cmocka_unit_test_setup_teardown(test_no_password_for_a_shell, make_open_shell,
		    unmake),
		cmocka_unit_test_setup_teardown(test_a_setup_that_fails, make_open_shell, unmake),
		cmocka_unit_test_setup_teardown(test_a_work_folder_that_can_not_be, make_open_shell,
		    unmake),
		cmocka_unit_test_setup_teardown(test_silence, make_open_shell, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
