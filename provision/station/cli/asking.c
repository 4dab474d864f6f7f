#include "asking.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

enum { ANSWER_MS = 10000 };

static int connect_to(const char *path, int *ret, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_CONFIG, "control.socket",
		    "%s: the path of a socket has at most %zu characters", path,
		    sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "control.socket", "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)err_errno(e, ERR_OPERATOR, "station.absent",
		    "no station that may be asked runs with this configuration: %s", path);
		(void)close(fd); /* nothing was said */
		return -1;
	}
	*ret = fd;
	return 0;
}

/* One line; its end is an error. */
static int hear_line(struct asking *a, json_t **ret, int64_t deadline, struct err *e)
{
	bool eof = false;

	if (line_read(&a->line, ret, &eof, deadline, ERR_OPERATOR, e) != 0)
		return -1;
	if (eof)
		return err_set(e, ERR_OPERATOR, "station.absent", "the station has ended");
	return 0;
}

int asking_open(struct asking *a, const struct config *config, struct err *e)
{
	const json_t *refused;

	if (connect_to(config->control_socket, &a->line.fd, e) != 0)
		return -1;
	if (hear_line(a, &a->greeting, clock_now_ms() + ANSWER_MS, e) != 0)
		return -1;
	refused = json_object_get(a->greeting, "err");
	return refused == NULL ? 0 : json_to_err(refused, e);
}

void asking_close(struct asking *a)
{
	if (a->line.fd > 0)
		(void)close(a->line.fd); /* nothing is left to say */
	line_free(&a->line);
	json_decref(a->greeting);
	*a = (struct asking){ 0 };
}

int asking_ask(struct asking *a, json_t *request, json_t **ret, struct err *e)
{
	int64_t deadline = clock_now_ms() + ANSWER_MS;
	AUTO(json_t) *owned = request;

	if (owned == NULL)
		return err_nomem(e);
	if (json_set_int(owned, "id", ++a->id, e) != 0 ||
	    line_write(a->line.fd, owned, deadline, ERR_OPERATOR, e) != 0)
		return -1;
	for (;;) {
		AUTO(json_t) *line = NULL;

		if (hear_line(a, &line, deadline, e) != 0)
			return -1;
		if (json_opt_int(line, "id", 0) != a->id)
			continue;
		if (json_object_get(line, "err") != NULL)
			return json_to_err(json_object_get(line, "err"), e);
		*ret = json_incref(json_object_get(line, "ok"));
		return *ret != NULL ? 0
				    : err_set(e, ERR_OPERATOR, "json",
					  "the station's answer is neither ok nor an error");
	}
}

int asking_hear(struct asking *a, json_t **ret, struct err *e)
{
	bool eof = false;

	if (line_read(&a->line, ret, &eof, INT64_MAX, ERR_OPERATOR, e) != 0)
		return -1;
	if (eof)
		*ret = NULL;
	return 0;
}
