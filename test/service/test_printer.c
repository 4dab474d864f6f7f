#include "testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "printer.h"

static void test_addresses(void **state)
{
	static const char *const good[] = { "tcp:192.0.2.7:9100", "tcp:[2001:db8::7]:9100",
		"file:/l/%s.zpl", "file:%s", "file:/l/x-%s" };
	static const char *const bad[] = { "", "192.0.2.7:9100", "tcp:", "tcp:192.0.2.7",
		"tcp:192.0.2.7:", "tcp:192.0.2.7:0", "tcp:192.0.2.7:99999", "tcp:printer:9100",
		"tcp:[2001:db8::7]", "file:", "file:/l/x.zpl", "file:/%s/x.zpl", "file:/l/%s%s.zpl",
		"file:/l/%d.zpl", "file:/l/%", "file:/l/%s%n", "lpt:1" };
	char longer[PRINTER_ADDRESS_MAX + 2] = "file:/%s";
	struct printer_address a;
	struct err e = { 0 };

	(void)state;
	memset(longer + 8, 'x', sizeof(longer) - 9);
	longer[sizeof(longer) - 1] = '\0';
	assert_err(printer_address_parse(longer, &a, &e), &e, "printer.address");
	for (size_t i = 0; i < COUNT(good); i++)
		assert_ok(printer_address_parse(good[i], &a, &e), &e);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_err(printer_address_parse(bad[i], &a, &e), &e, "printer.address");
		assert_int_equal(e.domain, ERR_CONFIG);
	}
}

static void test_each_serial_has_a_file_of_its_own(void **state)
{
	static const struct {
		const char *serial, *path;
	} rows[] = {
		{ "IP30000001", "/l/IP30000001.zpl" },
		{ "a.b-c_d", "/l/a.b-c_d.zpl" },
		{ "..", "/l/%2E..zpl" },
		{ "../../etc/passwd", "/l/%2E.%2F..%2Fetc%2Fpasswd.zpl" },
		{ "a/b", "/l/a%2Fb.zpl" },
		{ "a%2Fb", "/l/a%252Fb.zpl" },
		{ " \x7f\xff", "/l/%20%7F%FF.zpl" },
	};
	struct printer_address a;
	struct err e = { 0 };

	(void)state;
	assert_ok(printer_address_parse("file:/l/%s.zpl", &a, &e), &e);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(buf) path = { 0 };

		assert_ok(printer_address_file(&a, rows[i].serial, &path, &e), &e);
		assert_string_equal((const char *)path.data, rows[i].path);
	}
}

/* A station's end of the printer: what it was told. */
struct desk {
	struct event_base *loop;
	struct printer *printer;
	size_t taken, lost, wanted; /* the loop ends when so many were taken */
	char last[IDENTITY_MAX + 1], first_lost[IDENTITY_MAX + 1];
	char state[40];
	bool ends_when_down;
};

static void job_free(struct printer_job *job)
{
	buf_free(&job->zpl);
	free(job);
}

static void on_taken(void *context, struct printer_job *job)
{
	struct desk *d = context;

	(void)snprintf(d->last, sizeof(d->last), "%s", job->serial);
	job_free(job);
	if (++d->taken == d->wanted)
		(void)event_base_loopbreak(d->loop);
}

static void on_lost(void *context, struct printer_job *job)
{
	struct desk *d = context;

	if (d->lost++ == 0)
		(void)snprintf(d->first_lost, sizeof(d->first_lost), "%s", job->serial);
	job_free(job);
}

static void on_state(void *context, const struct err *why)
{
	struct desk *d = context;

	(void)snprintf(d->state, sizeof(d->state), "%s", why != NULL ? why->code : "up");
	if (why != NULL && d->ends_when_down)
		(void)event_base_loopbreak(d->loop);
}

static void desk_open(struct desk *d, const char *address)
{
	const struct printer_hooks hooks = { on_taken, on_lost, on_state, d };
	struct err e = { 0 };

	*d = (struct desk){ .loop = event_base_new() };
	assert_non_null(d->loop);
	assert_ok(printer_open(&d->printer, d->loop, address, &hooks, &e), &e);
}

static void desk_close(struct desk *d)
{
	struct printer_job *job;

	while ((job = printer_drop(d->printer)) != NULL)
		job_free(job);
	printer_close(d->printer);
	event_base_free(d->loop);
}

static void print(struct desk *d, const char *serial)
{
	struct printer_job *job = calloc(1, sizeof(*job));
	struct err e = { 0 };

	assert_non_null(job);
	(void)snprintf(job->serial, sizeof(job->serial), "%s", serial);
	assert_ok(buf_printf(&job->zpl, &e, "^XA%s^XZ", serial), &e);
	printer_print(d->printer, job);
}

static void run_until(struct desk *d, size_t taken)
{
	d->wanted = taken;
	assert_int_not_equal(event_base_dispatch(d->loop), -1);
}

static void test_files(void **state)
{
	char *folder = testing_folder();
	char address[600], path[600];
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };
	struct desk d;

	(void)state;
	(void)snprintf(address, sizeof(address), "file:%s/%%s.zpl", folder);
	desk_open(&d, address);
	print(&d, "A");
	assert_int_equal(d.taken, 0); /* never before printer_print returns */
	print(&d, "B");
	assert_int_equal(printer_waiting(d.printer), 2);
	run_until(&d, 2);
	assert_int_equal(printer_waiting(d.printer), 0);
	(void)snprintf(path, sizeof(path), "%s/B.zpl", folder);
	testing_read(path, &text);
	assert_string_equal(buf_str(&text, &e), "^XAB^XZ");
	testing_folder_remove(folder);
	d.ends_when_down = true;
	print(&d, "C");
	run_until(&d, 9);
	assert_true(printer_is_down(d.printer));
	assert_string_equal(d.state, "file");
	assert_int_equal(printer_waiting(d.printer), 1);
	desk_close(&d);
}

static int listen_on(char *ret_address, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	assert_true(listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	(void)snprintf(ret_address, size, "tcp:127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

/* A printer that hangs up on its first labels, then reads them; its socket is on the same loop. */
struct peer {
	struct event *comes, *reads;
	struct desk *desk;
	int hangs_up, fd;
	char heard[100];
	size_t len;
};

static void on_heard(evutil_socket_t fd, short what, void *context)
{
	struct peer *p = context;
	ssize_t n = read((int)fd, p->heard + p->len, sizeof(p->heard) - 1 - p->len);

	(void)what;
	if (n > 0) {
		p->len += (size_t)n;
		return;
	}
	(void)event_del(p->reads);
	(void)close((int)fd);
}

static void on_comes(evutil_socket_t fd, short what, void *context)
{
	struct peer *p = context;

	(void)what;
	p->fd = accept((int)fd, NULL, NULL);
	assert_true(p->fd >= 0);
	if (p->hangs_up-- > 0) {
		(void)close(p->fd);
		return;
	}
	(void)event_assign(p->reads, p->desk->loop, p->fd, EV_READ | EV_PERSIST, on_heard, p);
	(void)event_add(p->reads, NULL);
}

static void test_a_label_that_was_not_taken_is_sent_again(void **state)
{
	char address[64];
	int listener = listen_on(address, sizeof(address));
	struct desk d;
	struct peer p = { .desk = &d, .hangs_up = 1 };

	(void)state;
	desk_open(&d, address);
	p.comes = event_new(d.loop, listener, EV_READ | EV_PERSIST, on_comes, &p);
	p.reads = event_new(d.loop, -1, 0, on_heard, &p);
	assert_true(p.comes != NULL && p.reads != NULL && event_add(p.comes, NULL) == 0);
	print(&d, "A");
	print(&d, "B");
	run_until(&d, 2);
	assert_string_equal(d.state, "up"); /* and was down before */
	assert_string_equal(d.last, "B");
	assert_string_equal(p.heard, "^XAA^XZ^XAB^XZ");
	event_free(p.comes);
	event_free(p.reads);
	desk_close(&d);
	(void)close(listener);
}

static void test_the_oldest_are_lost(void **state)
{
	char address[64], serial[16];
	int listener = listen_on(address, sizeof(address));
	struct desk d;

	(void)state;
	desk_open(&d, address);
	d.ends_when_down = true;
	(void)close(listener);
	for (int i = 0; i < PRINTER_QUEUE_MAX + 2; i++) {
		(void)snprintf(serial, sizeof(serial), "S%d", i);
		print(&d, serial);
	}
	assert_int_equal(d.lost, 2);
	assert_string_equal(d.first_lost, "S0");
	assert_int_equal(printer_waiting(d.printer), PRINTER_QUEUE_MAX);
	run_until(&d, 9);
	assert_string_equal(d.state, "printer.gone");
	print(&d, "last");
	assert_int_equal(d.lost, 3);
	desk_close(&d);
}

static void test_trying_sends_nothing(void **state)
{
	char address[64], text[64];
	int listener = listen_on(address, sizeof(address)), fd;
	struct printer_address a;
	struct err e = { 0 };

	(void)state;
	assert_ok(printer_address_parse(address, &a, &e), &e);
	assert_ok(printer_address_try(&a, 60000, &e), &e);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	(void)close(fd);
	(void)close(listener);
	assert_err(printer_address_try(&a, 60000, &e), &e, "printer.gone");
	assert_ok(printer_address_parse("file:/absent/%s", &a, &e), &e);
	assert_err(printer_address_try(&a, 0, &e), &e, "printer.folder");
	assert_ok(printer_address_parse("file:/tmp/%s", &a, &e), &e);
	assert_ok(printer_address_try(&a, 0, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_each_serial_has_a_file_of_its_own),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_a_label_that_was_not_taken_is_sent_again),
		cmocka_unit_test(test_the_oldest_are_lost),
		cmocka_unit_test(test_trying_sends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
