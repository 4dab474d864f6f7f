#include "look.h"

#include <stdio.h>

#include "look_text.h"
#include "reply.h"

enum { PATIENCE_S = 25, NAME_MAX_LEN = 100 }; /* a little longer than the station's own */

static void reply_file(struct evhttp_request *request, const json_t *ok)
{
	char name[NAME_MAX_LEN], header[NAME_MAX_LEN + 40];
	AUTO_STRUCT(buf) tar = { 0 };
	struct err e = { 0 };

	if (json_get_bytes(ok, "tar", &tar, ERR_RECORDS, &e) != 0) {
		reply_err(request, HTTP_INTERNAL, &e);
		return;
	}
	look_file_name(json_opt_str(ok, "name", "evidence.tar"), name, sizeof(name));
	(void)snprintf(header, sizeof(header), "attachment; filename=\"%s\"", name);
	reply_header(request, "Content-Disposition", header);
	reply_bytes(request, HTTP_OK, "application/x-tar", tar.data, tar.len);
}

const struct deed_manner look_json = { PATIENCE_S, reply_ok };
const struct deed_manner look_file = { PATIENCE_S, reply_file };
