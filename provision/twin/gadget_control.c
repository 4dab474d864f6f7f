/* Endpoint 0: the standard requests (USB 2.0, 9.4), and the class's that has no message. */
#include <string.h>

#include "bytes.h"
#include "gadget.h"

enum {
	TO_DEVICE = 0x00, /* bmRequestType: direction, kind and recipient */
	TO_INTERFACE = 0x01,
	TO_ENDPOINT = 0x02,
	CLASS_TO_INTERFACE = 0x21,
	FROM_DEVICE = 0x80,
	FROM_INTERFACE = 0x81,
	FROM_ENDPOINT = 0x82,

	GET_STATUS = 0,
	CLEAR_FEATURE = 1,
	SET_FEATURE = 3,
	SET_ADDRESS = 5,
	GET_DESCRIPTOR = 6,
	GET_CONFIGURATION = 8,
	SET_CONFIGURATION = 9,
	GET_INTERFACE = 10,
	SET_INTERFACE = 11,
	CCID_ABORT = 1,

	ENDPOINT_HALT = 0,
	CLASS_CCID = 0x0b,
};

/* value, index: the request's wValue and wIndex. *ret is GADGET_STALLED until a handler says else. */
struct request {
	uint16_t value, index;
	struct buf *data;
	enum gadget_fate fate;
};

static int answer(struct request *r, const void *data, size_t len, struct err *e)
{
	r->fate = GADGET_DONE;
	return buf_set(r->data, data, len, e);
}

static int accept(struct request *r)
{
	r->fate = GADGET_DONE;
	buf_clear(r->data);
	return 0;
}

static int get_descriptor(struct gadget *g, struct request *r, struct err *e)
{
	AUTO_STRUCT(buf) found = { 0 };

	if (gadget_descriptor(g, (uint8_t)(r->value >> 8), (uint8_t)r->value, &found, e) != 0)
		return -1;
	return found.len > 0 ? answer(r, found.data, found.len, e) : 0;
}

static int set_address(struct gadget *g, struct request *r, struct err *e)
{
	(void)g; /* the host controller keeps it */
	(void)e;
	return r->value <= 127 ? accept(r) : 0;
}

static int get_configuration(struct gadget *g, struct request *r, struct err *e)
{
	return answer(r, &g->configuration, 1, e);
}

static int set_configuration(struct gadget *g, struct request *r, struct err *e)
{
	(void)e;
	if (r->value > 1)
		return 0;
	g->configuration = (uint8_t)r->value;
	g->halted_out = g->halted_in = g->halted_notice = false;
	g->notice_due = g->configuration != 0 && g->usb->notice != NULL;
	return accept(r);
}

static bool is_our_interface(const struct gadget *g, const struct request *r)
{
	return g->configuration != 0 && r->index == 0;
}

static int get_interface(struct gadget *g, struct request *r, struct err *e)
{
	return is_our_interface(g, r) ? answer(r, "", 1, e) : 0; /* its one setting: 0 */
}

static int set_interface(struct gadget *g, struct request *r, struct err *e)
{
	(void)e;
	if (!is_our_interface(g, r) || r->value != 0)
		return 0;
	g->halted_out = g->halted_in = g->halted_notice = false;
	return accept(r);
}

/* The endpoint's halt; NULL where there is no such endpoint. */
static bool *halt_of(struct gadget *g, uint16_t index)
{
	if (g->configuration == 0)
		return NULL;
	switch (index) {
	case GADGET_OUT:
		return &g->halted_out;
	case GADGET_IN:
		return &g->halted_in;
	case GADGET_NOTICE:
		return g->usb->notice != NULL ? &g->halted_notice : NULL;
	default:
		return NULL;
	}
}

/* Powered by the bus, no remote wake-up, and an interface has no status. */
static int get_status(struct gadget *g, struct request *r, struct err *e)
{
	(void)g;
	return answer(r, "\0", 2, e);
}

static int get_interface_status(struct gadget *g, struct request *r, struct err *e)
{
	return is_our_interface(g, r) ? get_status(g, r, e) : 0;
}

static int get_endpoint_status(struct gadget *g, struct request *r, struct err *e)
{
	const bool *halt = halt_of(g, r->index);

	if ((r->index & 0x7f) == 0)
		return get_status(g, r, e);
	return halt != NULL ? answer(r, *halt ? "\1" : "\0", 2, e) : 0;
}

static int change_halt(struct gadget *g, struct request *r, bool halted)
{
	bool *halt = halt_of(g, r->index);

	if (r->value != ENDPOINT_HALT || halt == NULL)
		return 0;
	*halt = halted;
	return accept(r);
}

static int clear_halt(struct gadget *g, struct request *r, struct err *e)
{
	(void)e;
	return change_halt(g, r, false);
}

static int set_halt(struct gadget *g, struct request *r, struct err *e)
{
	(void)e;
	return change_halt(g, r, true);
}

/* The bulk message of the same name follows: the twin sees that one. */
static int ccid_abort(struct gadget *g, struct request *r, struct err *e)
{
	(void)e;
	return g->usb->class == CLASS_CCID && is_our_interface(g, r) ? accept(r) : 0;
}

static const struct {
	uint8_t type, request;
	int (*handle)(struct gadget *g, struct request *r, struct err *e);
} handlers[] = {
	{ FROM_DEVICE, GET_DESCRIPTOR, get_descriptor },
	{ FROM_DEVICE, GET_CONFIGURATION, get_configuration },
	{ FROM_DEVICE, GET_STATUS, get_status },
	{ FROM_INTERFACE, GET_STATUS, get_interface_status },
	{ FROM_INTERFACE, GET_INTERFACE, get_interface },
	{ FROM_ENDPOINT, GET_STATUS, get_endpoint_status },
	{ TO_DEVICE, SET_ADDRESS, set_address },
	{ TO_DEVICE, SET_CONFIGURATION, set_configuration },
	{ TO_INTERFACE, SET_INTERFACE, set_interface },
	{ TO_ENDPOINT, CLEAR_FEATURE, clear_halt },
	{ TO_ENDPOINT, SET_FEATURE, set_halt },
	{ CLASS_TO_INTERFACE, CCID_ABORT, ccid_abort },
};

int gadget_control(struct gadget *g, const uint8_t setup[static GADGET_SETUP_LEN], struct buf *data,
    enum gadget_fate *ret, struct err *e)
{
	struct request r = { .value = get_u16le(setup + 2),
		.index = get_u16le(setup + 4),
		.data = data,
		.fate = GADGET_STALLED };
	size_t length = get_u16le(setup + 6);

	if (g->gone) {
		*ret = GADGET_GONE;
		return 0;
	}
	for (size_t i = 0; i < COUNT(handlers); i++)
		if (handlers[i].type == setup[0] && handlers[i].request == setup[1] &&
		    handlers[i].handle(g, &r, e) != 0)
			return -1;
	if ((setup[0] & FROM_DEVICE) != 0 && data->len > length)
		data->len = length;
	*ret = r.fate;
	return 0;
}
