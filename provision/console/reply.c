#include "reply.h"

#include <event2/buffer.h>

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void reply_header(struct evhttp_request *request, const char *name, const char *value)
{
	/* Only out of memory or a line end in our own text make this fail. */
	(void)evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

void reply_headers(struct evhttp_request *request, const char *type)
{
	static const struct {
		const char *name, *value;
	} always[] = {
		{ "Content-Security-Policy", policy },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cache-Control", "no-store" },
		{ "Connection", "close" },
	};

	for (size_t i = 0; i < COUNT(always); i++)
		reply_header(request, always[i].name, always[i].value);
	reply_header(request, "Content-Type", type);
}

void reply_bytes(struct evhttp_request *request, int status, const char *type, const void *data,
    size_t len)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL || evbuffer_add(body, data, len) != 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else {
		reply_headers(request, type);
		evhttp_send_reply(request, status, NULL, body);
	}
	if (body != NULL)
		evbuffer_free(body);
}

void reply_json(struct evhttp_request *request, int status, json_t *body)
{
	AUTO(json_t) *owned = body;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (owned == NULL || json_canonical(owned, &text, &e) != 0 ||
	    buf_add_u8(&text, '\n', &e) != 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		reply_bytes(request, status, "application/json", text.data, text.len);
}

void reply_ok(struct evhttp_request *request, const json_t *ok)
{
	reply_json(request, HTTP_OK, json_pack("{s:O}", "ok", ok));
}

void reply_err(struct evhttp_request *request, int status, const struct err *why)
{
	reply_json(request, status, json_pack("{s:o}", "err", json_from_err(why)));
}
