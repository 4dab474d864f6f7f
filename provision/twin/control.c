#include "control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "line.h"
#include "serve.h"

static int greet(const struct fleet *f, int out, struct err *e)
{
	AUTO(json_t) *hello = json_pack("{s:s, s:s, s:o, s:o}", "hello", "kiln-twin", "build",
	    build_id(), "ports", fleet_ports(f), "serials", fleet_serials(f));

	if (hello == NULL)
		return err_nomem(e);
	if (f->options->skin->usb && json_set_new(hello, "places", fleet_places(f), e) != 0)
		return -1;
	return line_write(out, hello, INT64_MAX, ERR_CONFIG, e);
}

static int set_serial(json_t *ok, const char *serial, struct err *e)
{
	if (serial == NULL)
		return json_set_bool(ok, "empty", true, e);
	return json_set_str(ok, "serial", serial, e);
}

static int get_slot(const json_t *request, int64_t *ret, struct err *e)
{
	return json_get_int(request, "slot", ret, ERR_CONFIG, e);
}

static int do_swap(struct fleet *f, const json_t *request, json_t *ok, struct err *e)
{
	const char *serial;
	int64_t slot;

	if (get_slot(request, &slot, e) != 0 || fleet_unplug(f, slot, &serial, e) != 0 ||
	    fleet_plug_next(f, slot, &serial, e) != 0)
		return -1;
	return set_serial(ok, serial, e);
}

static int do_unplug(struct fleet *f, const json_t *request, json_t *ok, struct err *e)
{
	const char *serial;
	int64_t slot;

	if (get_slot(request, &slot, e) != 0 || fleet_unplug(f, slot, &serial, e) != 0)
		return -1;
	return set_serial(ok, serial, e);
}

static int do_plug(struct fleet *f, const json_t *request, json_t *ok, struct err *e)
{
	const char *serial;
	int64_t slot;

	if (get_slot(request, &slot, e) != 0 ||
	    json_get_str(request, "serial", &serial, ERR_CONFIG, e) != 0 ||
	    fleet_plug(f, slot, serial, e) != 0)
		return -1;
	return set_serial(ok, serial, e);
}

static int do_list(struct fleet *f, const json_t *request, json_t *ok, struct err *e)
{
	(void)request;
	return json_set_new(ok, "slots", fleet_list(f), e);
}

static const struct {
	const char *name;
	int (*run)(struct fleet *f, const json_t *request, json_t *ok, struct err *e);
} calls[] = {
	{ "swap", do_swap },
	{ "unplug", do_unplug },
	{ "plug", do_plug },
	{ "list", do_list },
};

static int dispatch(struct fleet *f, const json_t *request, json_t *ok, struct err *e)
{
	const char *name;

	if (json_get_str(request, "do", &name, ERR_CONFIG, e) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(calls); i++)
		if (strcmp(name, calls[i].name) == 0)
			return calls[i].run(f, request, ok, e);
	return err_set(e, ERR_CONFIG, "serve.unknown", "unknown request \"%s\"", name);
}

static int answer(struct fleet *f, const json_t *request, int out, struct err *e)
{
	AUTO(json_t) *reply = json_pack("{s:I}", "id", (json_int_t)json_opt_int(request, "id", -1));
	AUTO(json_t) *ok = json_object();
	struct err why = { 0 };
	int rc;

	if (reply == NULL || ok == NULL)
		return err_nomem(e);
	if (dispatch(f, request, ok, &why) == 0)
		rc = json_set_new(reply, "ok", steal(&ok), e);
	else
		rc = json_set_new(reply, "err", json_from_err(&why), e);
	if (rc != 0)
		return -1;
	return line_write(out, reply, INT64_MAX, ERR_CONFIG, e);
}

/* Answers the whole lines that are there. */
static int answer_lines(struct fleet *f, struct line *in, int out, bool *ret_eof, struct err *e)
{
	for (;;) {
		AUTO(json_t) *request = NULL;

		if (line_read(in, &request, ret_eof, clock_now_ms(), ERR_CONFIG, e) != 0)
			return err_is(e, "line.timeout") ? 0 : -1;
		if (*ret_eof)
			return 0;
		if (answer(f, request, out, e) != 0)
			return -1;
	}
}

/* *ret_stop: SIGTERM or SIGINT has come. */
static int take_signal(struct fleet *f, int signals, bool *ret_stop, struct err *e)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return errno == EINTR ? 0 : err_errno(e, ERR_CONFIG, "twin.signal", "reading");
	if (info.ssi_signo == SIGCHLD)
		fleet_reap(f);
	else
		*ret_stop = true;
	return 0;
}

static int loop(struct fleet *f, struct line *in, int out, int signals, struct err *e)
{
	bool stop = false;

	while (!stop) {
		struct pollfd p[] = { { .fd = in->fd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
			{ .fd = fleet_watch(f), .events = POLLIN } };

		if (poll(p, COUNT(p), -1) < 0 && errno != EINTR)
			return err_errno(e, ERR_CONFIG, "twin.channel", "waiting");
		if (p[1].revents != 0 && take_signal(f, signals, &stop, e) != 0)
			return -1;
		if (p[2].revents != 0 && fleet_turn(f, e) != 0)
			return -1;
		if (!stop && p[0].revents != 0 && answer_lines(f, in, out, &stop, e) != 0)
			return -1;
	}
	return 0;
}

int control_run(struct fleet *f, int in, int out, struct err *e)
{
	AUTO_STRUCT(line) lines = { .fd = in };
	sigset_t set;
	int signals, rc;

	(void)sigemptyset(&set); /* valid sets and signals */
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (greet(f, out, e) != 0)
		return -1;
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return err_errno(e, ERR_CONFIG, "twin.signal", "preparing");
	rc = loop(f, &lines, out, signals, e);
	(void)close(signals); /* only read */
	return rc;
}
