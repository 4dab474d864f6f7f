#include "login.h"

#include <ctype.h>
#include <string.h>

#include "clock.h"

enum {
	ATTEMPTS_MAX = 6,
	ANSWER_MS = 1000,  /* until a waiting shell or getty says something */
	WELCOME_MS = 5000, /* until one does that has got a password */
	QUIET_MS = 150,    /* silence that ends what it says */
	PROBE_MS = 1000,   /* until a shell answers a command; doubles */
};

/* Ctrl-U takes back what was typed; Ctrl-C also ends what runs. A getty minds the second. */
static const char wake[] = "\025\n";
static const char interrupt[] = "\003\n";

static int64_t sooner(int64_t deadline, int64_t ms)
{
	int64_t then = clock_now_ms() + ms;

	return then < deadline ? then : deadline;
}

static bool says_something(const struct console *c)
{
	for (size_t i = 0; i < c->in.len; i++)
		if (isgraph(c->in.data[i]))
			return true;
	return false;
}

/* Hears what the device has to say: until it is quiet, or has said nothing for patience_ms. */
static int settle(struct console *c, int64_t patience_ms, int64_t deadline, struct err *e)
{
	int64_t end = sooner(deadline, patience_ms);

	while (clock_now_ms() < end) {
		struct err why = { 0 };

		if (console_hear(c, says_something(c) ? sooner(end, QUIET_MS) : end, &why) == 0)
			continue;
		if (err_is(&why, "link.timeout"))
			break;
		*e = why;
		return -1;
	}
	return 0;
}

static bool is_prompt(const struct console *c, const struct shell_options *o)
{
	return console_ends_with(c, o->login_prompt) || console_ends_with(c, o->password_prompt);
}

static int send_text(struct console *c, const char *text, int64_t deadline, struct err *e)
{
	return console_send(c, text, strlen(text), deadline, e);
}

static int send_password(struct console *c, const struct secret *password, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(buf) line = { 0 };

	if (buf_add(&line, secret_reveal(password), secret_len(password), e) != 0 ||
	    buf_add_u8(&line, '\n', e) != 0)
		return -1;
	return console_send(c, line.data, line.len, deadline, e);
}

/* From the login prompt to whatever follows. */
static int log_in(struct console *c, const struct shell_options *o, const struct secret *password,
    int64_t deadline, struct err *e)
{
	if (o->user == NULL)
		return err_set(e, ERR_DEVICE, "shell.login",
		    "the device asks for a login and the profile names no user");
	buf_clear(&c->in);
	if (send_text(c, o->user, deadline, e) != 0 || send_text(c, "\n", deadline, e) != 0 ||
	    settle(c, WELCOME_MS, deadline, e) != 0)
		return -1;
	if (!console_ends_with(c, o->password_prompt))
		return 0;
	if (secret_len(password) == 0)
		return err_set(e, ERR_DEVICE, "shell.login",
		    "the device asks for %s's password and the profile names no secret", o->user);
	buf_clear(&c->in);
	if (send_password(c, password, deadline, e) != 0)
		return -1;
	return settle(c, WELCOME_MS, deadline, e);
}

/* Where only a shell is expected, it is asked at once; a getty would take a command for a name. */
static int look(struct console *c, const struct shell_options *o, const struct secret *password,
    bool *tried, int64_t deadline, struct err *e)
{
	if (o->user != NULL && settle(c, ANSWER_MS, deadline, e) != 0)
		return -1;
	if (console_ends_with(c, o->password_prompt)) {
		buf_clear(&c->in); /* somebody else's attempt; an empty answer ends it */
		if (send_text(c, "\n", deadline, e) != 0 || settle(c, WELCOME_MS, deadline, e) != 0)
			return -1;
	}
	if (!console_ends_with(c, o->login_prompt))
		return 0;
	if (!*tried) {
		*tried = true;
		if (log_in(c, o, password, deadline, e) != 0)
			return -1;
	}
	if (is_prompt(c, o))
		return err_set(e, ERR_DEVICE, "shell.login",
		    "the device does not let %s in; check the user and the secret", o->user);
	return 0;
}

/* A console that is no terminal has no stty; then the echo stays, and the markers stand it. */
static const char quieten[] =
    "stty -echo <&1 2>/dev/null; PS1= PS2=; unset PROMPT_COMMAND HISTFILE; "
    "LC_ALL=C TERM=dumb; export LC_ALL TERM";

static int find_shell(struct console *c, const struct shell_options *o,
    const struct secret *password, int64_t deadline, struct err *e)
{
	bool tried = false;

	for (int i = 0; i < ATTEMPTS_MAX && clock_left_ms(deadline) > 0; i++) {
		AUTO_STRUCT(console_result) result = { 0 };
		struct err why = { 0 };

		console_drop(c);
		if (send_text(c, i == 0 ? wake : interrupt, deadline, e) != 0 ||
		    look(c, o, password, &tried, deadline, e) != 0)
			return -1;
		if (console_change(c, quieten, &result, sooner(deadline, (int64_t)PROBE_MS << i),
			&why) == 0)
			return 0;
		if (!err_is(&why, "link.timeout") && why.domain != ERR_DEVICE) {
			*e = why;
			return -1;
		}
		if (o->user == NULL && is_prompt(c, o))
			return log_in(c, o, password, deadline, e);
	}
	return err_set(e, ERR_LINK, "shell.silent",
	    "no shell answers on the console; is the device up and the baud rate right?");
}

static int set_up(struct console *c, const char *command, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(console_result) result = { 0 };

	if (console_change(c, command, &result, deadline, e) != 0)
		return err_while(e, "setup \"%.60s\"", command);
	if (result.status != 0)
		return err_set(e, ERR_DEVICE, "shell.setup",
		    "setup \"%.60s\" ended with status %d: %s", command, result.status,
		    result.complaint);
	return 0;
}

int login_enter(struct console *c, const struct shell_options *o, const struct secret *password,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) folder = { 0 };
	const char *command;

	if (find_shell(c, o, password, deadline, e) != 0)
		return -1;
	for (size_t i = 0; i < o->setup_count; i++)
		if (set_up(c, o->setup[i], deadline, e) != 0)
			return -1;
	if (buf_add_str(&folder, "mkdir -p ", e) != 0 || shell_quote(o->work, &folder, e) != 0)
		return -1;
	command = buf_str(&folder, e);
	return command != NULL ? set_up(c, command, deadline, e) : -1;
}
