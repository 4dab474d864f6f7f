/* Any bytes as what a browser sends: its place, its headers, its body. */
#include <stdlib.h>
#include <string.h>

#include "deed_text.h"
#include "guard.h"
#include "look_text.h"
#include "sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_place(const char *text)
{
	struct sse_place place, again;
	AUTO_STRUCT(buf) frame = { 0 };
	struct err e = { 0 };
	const char *id;
	char *end;

	if (!sse_place_parse(text, &place))
		return;
	if (sse_add(&frame, "told", &place, text, strlen(text), &e) != 0 ||
	    (id = buf_str(&frame, &e)) == NULL || strncmp(id, "id: ", 4) != 0)
		abort();
	end = strchr(id, '\n');
	*end = '\0';
	if (!sse_place_parse(id + 4, &again) || again.n != place.n ||
	    strcmp(again.run, place.run) != 0)
		abort();
}

/* No headers that it chose by itself make a browser the page. */
static void check_guard(const char *text)
{
	const struct guard_head head = { text, text, text, text, text, text };
	char token[GUARD_TOKEN], cookie[GUARD_COOKIE];
	struct guard guard;
	struct err e = { 0 };

	if (guard_init(&guard, 1, &e) != 0 || guard_check_deed(&guard, &head, &e) == 0 ||
	    guard_check_page(&guard, &head, &e) == 0)
		abort();
	if (guard_session(&guard, text, token, cookie, &e) != 0 ||
	    strlen(token) != GUARD_TOKEN - 1 || strpbrk(cookie, "\r\n") != NULL)
		abort();
}

/* What is passed on is a serial, and what is named a plain name. */
static void check_look(const char *text)
{
	AUTO(json_t) *asked = NULL;
	struct err e = { 0 };
	char name[100];

	if (look_parse("unit", text, &asked, &e) == 0 &&
	    json_string_length(json_object_get(asked, "serial")) - 1 >= LOOK_SERIAL_MAX)
		abort();
	look_file_name(text, name, sizeof(name));
	if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\\"\r\n;%") != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json_t) *asked = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (len > 8192 || buf_set(&text, data, len, &e) != 0 || buf_str(&text, &e) == NULL)
		return 0;
	check_place((const char *)text.data);
	check_guard((const char *)text.data);
	check_look((const char *)text.data);
	if (deed_parse((const char *)text.data, len, &asked, &e) == 0 &&
	    json_object_get(asked, "do") == NULL)
		abort();
	return 0;
}
