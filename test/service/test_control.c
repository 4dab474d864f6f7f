#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "line.h"

enum { LOOPS = 64 };

struct world {
	char *folder;
	char path[512];
	struct event_base *loop;
	struct control *control;
	struct control_question *asked; /* the last one, not answered yet */
};

static json_t *snapshot(void *context)
{
	(void)context;
	return json_pack("{s:s}", "state", "running");
}

static void asked(void *context, struct control_question *q)
{
	struct world *w = context;

	assert_null(w->asked);
	w->asked = q;
}

static void open_control(struct world *w)
{
	const struct control_terms terms = { w->path, 0600, (gid_t)-1 };
	const struct control_hooks hooks = { snapshot, asked, w };
	struct err e = { 0 };

	assert_ok(control_open(&w->control, w->loop, &terms, &hooks, &e), &e);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->folder = testing_folder();
	(void)snprintf(w->path, sizeof(w->path), "%s/control.sock", w->folder);
	w->loop = event_base_new();
	open_control(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	control_close(w->control);
	event_base_free(w->loop);
	testing_folder_remove(w->folder);
	free(w);
	return 0;
}

static void turn(struct world *w)
{
	for (int i = 0; i < LOOPS; i++)
		(void)event_base_loop(w->loop, EVLOOP_NONBLOCK);
}

static int connect_to(struct world *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	turn(w);
	return fd;
}

/* The next line, which is there already; NULL at the end. */
static json_t *hear(struct world *w, struct line *l)
{
	struct err e = { 0 };
	json_t *line = NULL;
	bool eof = false;

	turn(w);
	assert_ok(line_read(l, &line, &eof, 0, ERR_OPERATOR, &e), &e);
	return eof ? NULL : line;
}

static bool is_silent(struct world *w, struct line *l)
{
	struct err e = { 0 };
	json_t *line = NULL;
	bool eof = false;

	turn(w);
	return line_read(l, &line, &eof, 0, ERR_OPERATOR, &e) != 0 && err_is(&e, "line.timeout");
}

static void say(const struct line *l, const char *text)
{
	assert_int_equal(write(l->fd, text, strlen(text)), strlen(text));
}

static struct line greeted(struct world *w, char run[static 32])
{
	struct line l = { .fd = connect_to(w) };
	AUTO(json_t) *hello = hear(w, &l);

	assert_string_equal(json_opt_str(hello, "hello", ""), "kiln-station");
	(void)snprintf(run, 32, "%s", json_opt_str(hello, "run", ""));
	return l;
}

static void leave(struct world *w, struct line *l)
{
	(void)close(l->fd);
	line_free(l);
	turn(w);
}

static void tell(struct world *w, const char *name)
{
	AUTO(json_t) *event = json_pack("{s:s}", "event", name);
	struct err e = { 0 };

	assert_ok(control_tell(w->control, event, &e), &e);
}

static void assert_hears(struct world *w, struct line *l, int64_t n, const char *name)
{
	AUTO(json_t) *event = hear(w, l);

	assert_int_equal(json_opt_int(event, "n", -1), n);
	assert_string_equal(json_opt_str(event, "event", ""), name);
}

static void assert_refused(struct world *w, struct line *l, const char *code)
{
	AUTO(json_t) *line = hear(w, l);

	assert_string_equal(json_opt_str(json_object_get(line, "err"), "code", ""), code);
}

static void test_status_is_a_snapshot(void **state)
{
	struct world *w = *state;
	char run[32];
	struct line l = greeted(w, run);
	AUTO(json_t) *line = NULL;
	const json_t *ok;

	say(&l, "{\"id\":7,\"do\":\"status\"}\n");
	line = hear(w, &l);
	ok = json_object_get(line, "ok");
	assert_int_equal(json_opt_int(line, "id", -1), 7);
	assert_string_equal(json_opt_str(json_object_get(ok, "snapshot"), "state", ""), "running");
	leave(w, &l);
}

static void test_who_comes_back_hears_every_event_once(void **state)
{
	struct world *w = *state;
	char run[32], again[128];
	struct line l = greeted(w, run);
	AUTO(json_t) *first = NULL;
	AUTO(json_t) *second = NULL;

	tell(w, "one");
	say(&l, "{\"id\":1,\"do\":\"subscribe\"}\n");
	first = hear(w, &l);
	assert_true(json_opt_bool(json_object_get(first, "ok"), "reset", false));
	assert_int_equal(json_opt_int(json_object_get(first, "ok"), "n", -1), 1);
	tell(w, "two");
	assert_hears(w, &l, 2, "two");
	leave(w, &l);
	tell(w, "three");
	tell(w, "four");
	l = greeted(w, run);
	(void)snprintf(again, sizeof(again),
	    "{\"id\":1,\"do\":\"subscribe\",\"from\":2,\"run\":\"%s\"}\n", run);
	say(&l, again);
	second = hear(w, &l);
	assert_false(json_opt_bool(json_object_get(second, "ok"), "reset", true));
	assert_null(json_object_get(json_object_get(second, "ok"), "snapshot"));
	assert_hears(w, &l, 3, "three");
	assert_hears(w, &l, 4, "four");
	assert_true(is_silent(w, &l));
	leave(w, &l);
}

static void test_another_run_or_a_number_of_the_future_begins_anew(void **state)
{
	static const char *const requests[] = {
		"{\"id\":1,\"do\":\"subscribe\",\"from\":0,\"run\":\"0000\"}\n",
		"{\"id\":1,\"do\":\"subscribe\",\"from\":99}\n",
		"{\"id\":1,\"do\":\"subscribe\",\"from\":-5}\n",
	};
	struct world *w = *state;

	tell(w, "one");
	for (size_t i = 0; i < COUNT(requests); i++) {
		char run[32];
		struct line l = greeted(w, run);
		AUTO(json_t) *line = NULL;

		say(&l, requests[i]);
		line = hear(w, &l);
		assert_true(json_opt_bool(json_object_get(line, "ok"), "reset", false));
		assert_true(is_silent(w, &l));
		leave(w, &l);
	}
}

static void test_who_reads_nothing_is_let_go(void **state)
{
	struct world *w = *state;
	char run[32];
	struct line l = greeted(w, run);
	struct line other = greeted(w, run);
	AUTO(json_t) *answer = NULL;
	char data[4096];
	size_t read_bytes = 0;
	ssize_t n;

	say(&l, "{\"id\":1,\"do\":\"subscribe\"}\n");
	turn(w);
	for (int i = 0; i < 3 * TOLD_KEPT; i++) {
		AUTO(json_t) *event = json_pack("{s:s, s:s}", "event", "long", "filler",
		    "................................................................");
		struct err e = { 0 };

		assert_ok(control_tell(w->control, event, &e), &e);
		(void)event_base_loop(w->loop, EVLOOP_NONBLOCK);
	}
	while ((n = read(l.fd, data, sizeof(data))) > 0)
		read_bytes += (size_t)n;
	assert_int_equal(n, 0);
	assert_true(read_bytes < 2 * 1024 * 1024); /* what the sockets hold, and our 256 KiB */
	say(&other, "{\"id\":1,\"do\":\"status\"}\n");
	answer = hear(w, &other);
	assert_non_null(json_object_get(answer, "ok"));
	leave(w, &l);
	leave(w, &other);
}

/* As an owner does who tells at once what comes of a question. */
static void tell_and_refuse(void *context, struct control_question *q)
{
	struct world *w = context;
	struct err why = { 0 };

	for (int i = 0; i < 2 * TOLD_KEPT; i++)
		tell(w, "................................................................");
	(void)err_set(&why, ERR_OPERATOR, "operator.none", "nobody is signed on");
	control_refuse(q, &why);
}

static void test_who_reads_nothing_may_be_who_asks(void **state)
{
	struct world *w = *state;
	const struct control_terms terms = { w->path, 0600, (gid_t)-1 };
	const struct control_hooks hooks = { snapshot, tell_and_refuse, w };
	char run[32], data[4096];
	struct line l;
	struct err e = { 0 };
	ssize_t n;

	control_close(w->control);
	assert_ok(control_open(&w->control, w->loop, &terms, &hooks, &e), &e);
	l = greeted(w, run);
	say(&l, "{\"id\":1,\"do\":\"subscribe\"}\n");
	turn(w);
	say(&l, "{\"id\":2,\"do\":\"scan\"}\n{\"id\":3,\"do\":\"scan\"}\n");
	turn(w);
	while ((n = read(l.fd, data, sizeof(data))) > 0)
		turn(w);
	assert_int_equal(n, 0);
	leave(w, &l);
}

static void test_other_questions_are_the_owners_and_may_be_answered_later(void **state)
{
	struct world *w = *state;
	char run[32];
	struct line l = greeted(w, run);
	AUTO(json_t) *line = NULL;
	struct err why = { 0 };

	say(&l, "{\"id\":3,\"do\":\"scan\",\"text\":\"IP3\"}\n");
	assert_true(is_silent(w, &l));
	assert_string_equal(json_opt_str(w->asked->request, "text", ""), "IP3");
	assert_int_equal(w->asked->uid, geteuid());
	control_answer(steal(&w->asked), NULL);
	line = hear(w, &l);
	assert_int_equal(json_opt_int(line, "id", -1), 3);
	assert_true(json_is_object(json_object_get(line, "ok")));
	say(&l, "{\"id\":4,\"do\":\"stop\"}\n");
	turn(w);
	(void)err_set(&why, ERR_OPERATOR, "operator.none", "nobody is signed on");
	control_refuse(steal(&w->asked), &why);
	assert_refused(w, &l, "operator.none");
	say(&l, "{\"id\":5,\"do\":\"stop\"}\n");
	turn(w);
	leave(w, &l);
	control_answer(steal(&w->asked), NULL); /* its client has gone */
}

static void test_nonsense_is_refused_and_the_client_stays(void **state)
{
	struct world *w = *state;
	char run[32];
	struct line l = greeted(w, run);

	say(&l, "nonsense\n");
	assert_refused(w, &l, "json");
	say(&l, "{\"id\":1}\n");
	assert_refused(w, &l, "json");
	say(&l, "{\"do\":\"status\"}\n");
	assert_refused(w, &l, "json");
	leave(w, &l);
}

static void test_an_endless_line_ends_the_client(void **state)
{
	struct world *w = *state;
	char run[32];
	struct line l = greeted(w, run);
	static char noise[16 * 1024];

	memset(noise, 'x', sizeof(noise));
	for (size_t sent = 0; sent < LINE_MAX_LEN; sent += sizeof(noise)) {
		assert_int_equal(send(l.fd, noise, sizeof(noise), MSG_NOSIGNAL), sizeof(noise));
		turn(w);
	}
	assert_refused(w, &l, "line.long");
	assert_null(hear(w, &l));
	leave(w, &l);
}

static void test_the_socket_is_for_its_owner(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Also where the mode was loosened later: who asks is looked at. */
static void test_another_user_is_refused(void **state)
{
	struct world *w = *state;
	struct line l = { 0 };

	if (geteuid() != 0)
		testing_skip("root, to be another user");
	assert_int_equal(chmod(w->path, 0666), 0);
	assert_int_equal(chmod(w->folder, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
		assert_int_equal(connect(l.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	}
	assert_int_equal(seteuid(0), 0);
	assert_refused(w, &l, "control.peer");
	assert_null(hear(w, &l));
	leave(w, &l);
}

static void test_a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct world *w = *state;
	const struct control_terms terms = { w->path, 0600, (gid_t)-1 };
	const struct control_hooks hooks = { snapshot, asked, w };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control *second = NULL;
	struct err e = { 0 };
	int fd;

	assert_err(control_open(&second, w->loop, &terms, &hooks, &e), &e, "control.used");
	control_close(steal(&w->control));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd); /* its name is left over */
	open_control(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_status_is_a_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_comes_back_hears_every_event_once, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_another_run_or_a_number_of_the_future_begins_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_reads_nothing_may_be_who_asks, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_who_reads_nothing_is_let_go, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_other_questions_are_the_owners_and_may_be_answered_later, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_nonsense_is_refused_and_the_client_stays,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_endless_line_ends_the_client, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_the_socket_is_for_its_owner, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_another_user_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_stale_socket_is_replaced_and_a_live_one_is_not, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
