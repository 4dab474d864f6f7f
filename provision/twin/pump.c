#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"

void urb_free(struct urb *u)
{
	buf_free(&u->data);
	free(u);
}

static void append(struct urb_list *l, struct urb *u)
{
	if (l->last == NULL)
		l->last = &l->first;
	u->next = NULL;
	*l->last = u;
	l->last = &u->next;
}

/* Takes the one that *at points to out of its list. */
static struct urb *detach(struct urb_list *l, struct urb **at)
{
	struct urb *u = *at;

	*at = u->next;
	if (l->last == &u->next)
		l->last = at;
	u->next = NULL;
	return u;
}

/* Where a device keeps that its fault has struck: once is once in its life. */
static int struck_path(const struct pump *p, struct buf *path, const char **ret, struct err *e)
{
	if (buf_printf(path, e, "%s/usb-struck", p->plug->config->folder) != 0)
		return -1;
	*ret = buf_str(path, e);
	return *ret != NULL ? 0 : -1;
}

static int plan(struct pump *p, struct err *e)
{
	const struct twin_config *c = p->plug->config;
	AUTO_STRUCT(buf) path = { 0 };
	const char *text = NULL;

	if (p->plug->fault == NULL)
		return 0;
	if (struck_path(p, &path, &text, e) != 0)
		return -1;
	if (access(text, F_OK) == 0)
		return 0;
	return gadget_plan_parse(&p->gadget.plan, p->plug->fault, c->seed,
	    p->plug->family->usb->tells_step, e);
}

static int keep_struck(struct pump *p, struct err *e)
{
	const struct gadget_plan *plan = &p->gadget.plan;
	AUTO_STRUCT(buf) path = { 0 };
	const char *text = NULL;

	if (p->kept || !plan->struck || plan->fault == GADGET_FAULT_NO_ZLP)
		return 0;
	p->kept = true;
	if (struck_path(p, &path, &text, e) != 0)
		return -1;
	return file_write(text, "", 0, 0644, e);
}

int pump_open(struct pump *ret, const struct skin_plug *plug, enum gadget_speed speed, int fd,
    struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	ret->plug = plug;
	ret->fd = fd;
	gadget_init(&ret->gadget, plug->family->usb, speed, plug->config->model,
	    plug->config->serial);
	if (plan(ret, e) == 0)
		return 0;
	pump_close(ret);
	return -1;
}

static void free_list(struct urb_list *l)
{
	while (l->first != NULL)
		urb_free(detach(l, &l->first));
}

void pump_close(struct pump *p)
{
	free_list(&p->waiting);
	free_list(&p->done);
	gadget_free(&p->gadget);
	buf_free(&p->message);
	if (p->fd >= 0)
		(void)close(p->fd); /* only loses what nobody reads any more */
	p->fd = -1;
}

void pump_submit(struct pump *p, struct urb *u)
{
	append(&p->waiting, u);
}

bool pump_cancel(struct pump *p, uint64_t id)
{
	for (struct urb **at = &p->waiting.first; *at != NULL; at = &(*at)->next) {
		struct urb *u = *at;

		if (u->id != id)
			continue;
		(void)detach(&p->waiting, at);
		u->status = -ECONNRESET;
		u->actual = (u->endpoint & 0x80) != 0 ? u->data.len : 0;
		append(&p->done, u);
		return true;
	}
	return false;
}

struct urb *pump_reap(struct pump *p)
{
	return p->done.first != NULL ? detach(&p->done, &p->done.first) : NULL;
}

static void hang_up(struct pump *p)
{
	(void)close(p->fd); /* the twin has left it */
	p->fd = -1;
}

/* A message of the host to the twin; *moved: one went. */
static void forward(struct pump *p, bool *moved)
{
	if (!p->message_due)
		p->message_due = gadget_take(&p->gadget, &p->message);
	if (!p->message_due || p->fd < 0)
		return;
	if (send(p->fd, p->message.data, p->message.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		p->message_due = false;
		*moved = true;
	} else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
		p->message_due = false;
		hang_up(p);
	}
}

/* A message of the twin to the device; *moved: one came. */
static int fetch(struct pump *p, bool *moved, struct err *e)
{
	const struct twin_account *account = p->plug->config->account;
	AUTO_STRUCT(buf) message = { 0 };
	uint8_t *room = buf_room(&message, GADGET_MESSAGE_MAX, e);
	ssize_t n;

	if (room == NULL)
		return -1;
	n = recv(p->fd, room, GADGET_MESSAGE_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		hang_up(p);
		return 0;
	}
	*moved = true;
	if (gadget_put(&p->gadget, room, (size_t)n,
		account != NULL ? __atomic_load_n(&account->step, __ATOMIC_ACQUIRE) : -1, e) != 0)
		return -1;
	return keep_struck(p, e);
}

static int status_of(enum gadget_fate fate)
{
	switch (fate) {
	case GADGET_STALLED:
		return -EPIPE;
	case GADGET_BABBLED:
		return -EOVERFLOW;
	case GADGET_GONE:
		return -ENODEV;
	case GADGET_DONE:
	case GADGET_WAITS:
		break;
	}
	return 0;
}

static int transfer_control(struct pump *p, struct urb *u, enum gadget_fate *fate, struct err *e)
{
	size_t sent = u->data.len;

	if (gadget_control(&p->gadget, u->setup, &u->data, fate, e) != 0)
		return -1;
	u->actual = (u->setup[0] & 0x80) != 0 ? u->data.len : sent;
	if (*fate != GADGET_DONE)
		u->actual = 0;
	return 0;
}

static int transfer(struct pump *p, struct urb *u, enum gadget_fate *fate, struct err *e)
{
	*fate = GADGET_STALLED;
	if (u->endpoint == 0)
		return transfer_control(p, u, fate, e);
	if (u->endpoint == GADGET_OUT) {
		if (gadget_out(&p->gadget, u->data.data, u->data.len, u->zero, fate, e) != 0)
			return -1;
		u->actual = *fate == GADGET_DONE ? u->data.len : 0;
		return 0;
	}
	if (u->endpoint != GADGET_IN && u->endpoint != GADGET_NOTICE)
		return 0;
	if (gadget_in(&p->gadget, u->endpoint, u->room - u->data.len, &u->data, fate, e) != 0)
		return -1;
	u->actual = u->data.len;
	return 0;
}

/* In the order in which they came: who waits for something goes before who came later. */
static int transfer_all(struct pump *p, bool *moved, struct err *e)
{
	struct urb **at = &p->waiting.first;

	while (*at != NULL) {
		struct urb *u = *at;
		enum gadget_fate fate = GADGET_WAITS;

		if (transfer(p, u, &fate, e) != 0)
			return -1;
		if (fate == GADGET_WAITS) {
			at = &u->next;
			continue;
		}
		u->status = status_of(fate);
		if (u->status == 0 && u->whole && (u->endpoint & 0x80) != 0 && u->actual < u->room)
			u->status = -EREMOTEIO;
		append(&p->done, detach(&p->waiting, at));
		*moved = true;
	}
	return 0;
}

int pump_turn(struct pump *p, struct err *e)
{
	bool moved = true;

	while (moved) {
		moved = false;
		forward(p, &moved);
		if (!p->gadget.sending_busy && p->fd >= 0 && fetch(p, &moved, e) != 0)
			return -1;
		if (transfer_all(p, &moved, e) != 0)
			return -1;
	}
	return 0;
}

short pump_events(const struct pump *p)
{
	int events = 0;

	if (p->fd < 0)
		return 0;
	if (!p->gadget.sending_busy)
		events |= POLLIN;
	if (p->message_due)
		events |= POLLOUT;
	return (short)events;
}

bool pump_is_drained(const struct pump *p)
{
	return p->fd < 0 && !p->gadget.sending_busy;
}
