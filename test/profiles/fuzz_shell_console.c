/* What a device sends on its console, as console_run reads it. */
#include "linux-shell/console.h"

#include <stdlib.h>
#include <string.h>

#include "../transports/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input with the number of the command, which the device knows, for every '#'. */
static int answer(struct wire *w, struct err *e)
{
	const struct buf *input = w->context;
	uint8_t number[16];

	if (w->out.len < 18)
		abort();
	memcpy(number, w->out.data + 2, sizeof(number));
	for (size_t i = 0; i < input->len; i++)
		if ((input->data[i] == '#' ? buf_add(&w->in, number, sizeof(number), e)
					   : buf_add(&w->in, &input->data[i], 1, e)) != 0)
			return -1;
	return 0;
}

static void check(const struct console_result *r)
{
	if (r->status < 0 || r->status > 255 ||
	    strnlen(r->complaint, sizeof(r->complaint)) >= sizeof(r->complaint))
		abort();
	for (size_t i = 0; i < r->out.len; i++)
		if (r->out.data[i] < 0x20 && r->out.data[i] != '\n' && r->out.data[i] != '\t')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf input = { .data = (uint8_t *)(uintptr_t)data, .len = size };
	struct wire w = { .base = { &wire_ops }, .answer = answer, .context = &input };
	struct console c = { .link = &w.base };
	AUTO_STRUCT(console_result) r = { 0 };
	struct err e = { 0 };

	if (console_run(&c, "x", &r, 0, &e) == 0)
		check(&r);
	else if (e.domain == ERR_NONE)
		abort();
	console_free(&c);
	wire_close(&w.base);
	return 0;
}
