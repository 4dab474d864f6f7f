/* Any bytes as a line channel: no line kills the reader, what it takes survives being written again. */
#include "line.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The canonical form is a fixed point of parsing and writing, and an error is one in any case. */
static void check(const json_t *object)
{
	AUTO_STRUCT(buf) once = { 0 };
	AUTO_STRUCT(buf) twice = { 0 };
	AUTO_STRUCT(buf) bytes = { 0 };
	AUTO(json_t) *again = NULL;
	struct err e = { 0 };

	if (json_canonical(object, &once, &e) != 0 ||
	    json_parse((char *)once.data, once.len, &again, ERR_CONFIG, &e) != 0 ||
	    json_canonical(again, &twice, &e) != 0 || !buf_equal(&once, &twice))
		abort();
	if (json_to_err(object, &e) != -1 || e.domain == ERR_NONE)
		abort();
	if (json_get_bytes(object, "bytes", &bytes, ERR_CONFIG, &e) != 0 && e.domain != ERR_CONFIG)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_STRUCT(line) in = { 0 };
	int ends[2];
	bool eof = false;

	if (len > 16384 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 0;
	if (write(ends[0], data, len) != (ssize_t)len)
		abort();
	(void)close(ends[0]); /* everything is on its way */
	in.fd = ends[1];
	while (!eof) {
		AUTO(json_t) *object = NULL;
		struct err e = { 0 };

		if (line_read(&in, &object, &eof, clock_now_ms() + 1000, ERR_CONFIG, &e) == 0 &&
		    !eof)
			check(object);
		else if (!eof && !err_is(&e, "json"))
			break;
	}
	(void)close(ends[1]); /* only read */
	return 0;
}
