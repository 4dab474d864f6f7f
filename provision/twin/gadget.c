#include "gadget.h"

#include <string.h>

void gadget_init(struct gadget *g, const struct twin_usb *usb, enum gadget_speed speed,
    const char *model, const char *serial)
{
	memset(g, 0, sizeof(*g));
	g->usb = usb;
	g->model = model;
	g->serial = serial;
	g->speed = speed;
	g->plan.step = -1;
}

void gadget_free(struct gadget *g)
{
	buf_free(&g->received);
	buf_free(&g->sending);
}

size_t gadget_packet(const struct gadget *g)
{
	return g->speed == GADGET_HIGH ? 512 : 64;
}

/* The message ends with what came last: by a packet that is not full, or a full receive buffer. */
static bool is_whole(const struct gadget *g, size_t len, bool zero)
{
	if (len % gadget_packet(g) != 0 || len == 0 || zero)
		return true;
	return g->usb->transfer_max > 0 && g->received.len >= g->usb->transfer_max;
}

int gadget_out(struct gadget *g, const void *data, size_t len, bool zero, enum gadget_fate *ret,
    struct err *e)
{
	if (g->gone || g->halted_out || g->configuration == 0) {
		*ret = g->gone ? GADGET_GONE : GADGET_STALLED;
		return 0;
	}
	if (g->received_whole) {
		*ret = GADGET_WAITS;
		return 0;
	}
	if (g->received.len + len > GADGET_MESSAGE_MAX) {
		buf_clear(&g->received);
		g->halted_out = true;
		*ret = GADGET_STALLED;
		return 0;
	}
	if (buf_add(&g->received, data, len, e) != 0)
		return -1;
	/* a zero-length packet alone says nothing */
	g->received_whole = g->received.len > 0 && is_whole(g, len, zero);
	*ret = GADGET_DONE;
	return 0;
}

bool gadget_take(struct gadget *g, struct buf *ret)
{
	if (!g->received_whole)
		return false;
	g->received_whole = false;
	buf_free(ret);
	*ret = buf_steal(&g->received);
	return true;
}

/* In the middle, and never behind a full packet. */
static size_t cut_of(const struct gadget *g, size_t len)
{
	size_t cut = len / 2;

	return cut % gadget_packet(g) == 0 && cut > 0 ? cut - 1 : cut;
}

int gadget_put(struct gadget *g, const void *data, size_t len, int step, struct err *e)
{
	if (buf_set(&g->sending, data, len, e) != 0)
		return -1;
	g->sending_busy = true;
	g->sending_cut = 0;
	g->transferred = 0;
	if (!gadget_plan_strikes(&g->plan, step))
		return 0;
	if (g->plan.fault == GADGET_FAULT_STALL)
		g->halted_in = true;
	else if (g->plan.fault == GADGET_FAULT_SHORT)
		g->sending_cut = cut_of(g, len);
	return 0;
}

/* The end of a transfer is told by a packet that is not full, which may have no byte. */
static bool needs_zlp(const struct gadget *g)
{
	if (g->transferred % gadget_packet(g) != 0)
		return false;
	if (g->usb->transfer_max > 0 && g->transferred % g->usb->transfer_max == 0 &&
	    g->transferred > 0)
		return false;
	return true;
}

static bool is_without_zlp(const struct gadget *g)
{
	return g->plan.fault == GADGET_FAULT_NO_ZLP && g->plan.struck;
}

static void end_transfer(struct gadget *g)
{
	g->transferred = 0;
	g->sending_cut = 0;
	g->sending_busy = g->sending.len > 0; /* behind a cut */
}

/* Moves n bytes; end: they are the transfer's last. room: that of the host before them. */
static int move(struct gadget *g, size_t n, size_t room, bool end, struct buf *data,
    enum gadget_fate *ret, struct err *e)
{
	if (buf_add(data, g->sending.data, n, e) != 0)
		return -1;
	buf_drop(&g->sending, n);
	g->transferred += n;
	if (g->sending_cut > 0)
		g->sending_cut -= n;
	*ret = GADGET_DONE;
	if (!end)
		return 0;
	if (!needs_zlp(g)) {
		end_transfer(g);
	} else if (is_without_zlp(g)) {
		end_transfer(g);
		*ret = n < room ? GADGET_WAITS : GADGET_DONE;
	} else if (n < room) {
		end_transfer(g);
	}
	return 0;
}

/* What strikes in a transfer; false where nothing does. */
static bool struck(struct gadget *g, size_t room, struct buf *data, enum gadget_fate *ret, int *rc,
    struct err *e)
{
	size_t half = g->sending.len / 2;

	if (!g->plan.struck || !g->sending_busy)
		return false;
	if (g->plan.fault == GADGET_FAULT_BABBLE && !g->plan.spent) {
		g->plan.spent = true;
		buf_clear(&g->sending);
		end_transfer(g);
		*ret = GADGET_BABBLED;
		return true;
	}
	if (g->plan.fault != GADGET_FAULT_UNPLUG)
		return false;
	half -= half % gadget_packet(g);
	*rc = buf_add(data, g->sending.data, half < room ? half : room, e);
	g->gone = true;
	*ret = GADGET_GONE;
	return true;
}

static int send(struct gadget *g, size_t room, struct buf *data, enum gadget_fate *ret,
    struct err *e)
{
	size_t left = g->sending_cut > 0 ? g->sending_cut : g->sending.len;
	size_t n = left < room ? left : room;
	int rc = 0;

	*ret = GADGET_WAITS;
	if (!g->sending_busy)
		return 0;
	if (struck(g, room, data, ret, &rc, e))
		return rc;
	if (n == left)
		return move(g, n, room, true, data, ret, e);
	/* the next packet is longer than the rest of the host's buffer */
	if (n % gadget_packet(g) != 0) {
		buf_clear(&g->sending);
		end_transfer(g);
		*ret = GADGET_BABBLED;
		return 0;
	}
	return move(g, n, room, false, data, ret, e);
}

static int send_notice(struct gadget *g, size_t room, struct buf *data, enum gadget_fate *ret,
    struct err *e)
{
	*ret = GADGET_WAITS;
	if (!g->notice_due)
		return 0;
	g->notice_due = false;
	*ret = room < g->usb->notice_len ? GADGET_BABBLED : GADGET_DONE;
	if (*ret != GADGET_DONE)
		return 0;
	return buf_add(data, g->usb->notice, g->usb->notice_len, e);
}

int gadget_in(struct gadget *g, uint8_t endpoint, size_t room, struct buf *data,
    enum gadget_fate *ret, struct err *e)
{
	bool notice = endpoint == GADGET_NOTICE;
	bool halted = notice ? g->halted_notice : g->halted_in;

	if (g->gone || halted || g->configuration == 0) {
		*ret = g->gone ? GADGET_GONE : GADGET_STALLED;
		return 0;
	}
	return notice ? send_notice(g, room, data, ret, e) : send(g, room, data, ret, e);
}
