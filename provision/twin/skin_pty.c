/* A device on a tty: its twin serves the pseudo terminal's other side. */
#include "clock.h"
#include "port.h"
#include "skin.h"

static int open_nothing(struct skin **ret, const struct options *o, struct err *e)
{
	(void)o;
	(void)e;
	*ret = NULL;
	return 0;
}

static void close_nothing(struct skin *s)
{
	(void)s;
}

static const char *no_place(const struct skin *s, size_t slot)
{
	(void)s;
	(void)slot;
	return NULL;
}

static void note_shown(struct twin_account *a)
{
	if (a != NULL && a->shown_us == 0)
		a->shown_us = clock_now_us();
}

/* One port after the other. */
static int serve_ports(struct skin *s, const struct skin_plug *p, int keep, int ready,
    struct err *e)
{
	(void)s;
	(void)keep;
	note_shown(p->config->account);
	for (;;) {
		struct port port;
		int rc;

		if (port_open(&port, p->port, e) != 0 || skin_ready(&ready, e) != 0)
			return -1;
		rc = p->family->serve(p->config, port.master, e);
		if (rc == 0)
			port_drain(&port);
		port_close(&port);
		if (rc != 0)
			return -1;
		skin_pause();
	}
}

const struct skin_ops pty_skin = {
	.name = "pty",
	.open = open_nothing,
	.close = close_nothing,
	.place = no_place,
	.prepare = skin_no_descriptor,
	.serve = serve_ports,
	.plugged = skin_not_told,
	.unplugged = skin_forgets,
	.watch = skin_not_watched,
	.turn = skin_idle,
};
