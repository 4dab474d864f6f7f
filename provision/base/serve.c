#include "serve.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "build_id.h"

const char *build_id(void)
{
	return KILN_BUILD_ID;
}

int64_t serve_deadline(const json_t *request)
{
	return json_opt_int(request, "deadline", INT64_MAX);
}

int serve_tie(pid_t parent, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return err_errno(e, ERR_CONFIG, "serve.parent", "tying this process to its parent");
	if (getppid() != parent)
		return err_set(e, ERR_CONFIG, "serve.parent", "the parent is gone already");
	return 0;
}

int serve_harden(bool die_with_parent, struct err *e)
{
	const struct rlimit none = { 0, 0 };
	pid_t parent = getppid();

	(void)signal(SIGPIPE, SIG_IGN); /* SIG_IGN can not fail for a valid signal */
	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
		return err_errno(e, ERR_CONFIG, "serve.core", "turning core dumps off");
	return die_with_parent ? serve_tie(parent, e) : 0;
}

static int greet(const char *program, struct err *e)
{
	AUTO(json_t) *hello = json_pack("{s:s, s:s}", "hello", program, "build", build_id());

	if (hello == NULL)
		return err_nomem(e);
	return line_write(SERVE_FD, hello, INT64_MAX, ERR_CONFIG, e);
}

static int dispatch(const struct serve_call *calls, size_t count, void *context,
    const json_t *request, json_t *ok, struct err *e)
{
	const char *name;

	if (json_get_str(request, "do", &name, ERR_CONFIG, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, calls[i].name) == 0)
			return calls[i].run(context, request, ok, e);
	return err_set(e, ERR_CONFIG, "serve.unknown", "unknown request \"%s\"", name);
}

/* The station has ended: nobody is left to be told, and nothing is wrong with this program. */
static bool is_alone(const struct err *e)
{
	struct pollfd p = { .fd = SERVE_FD };

	return err_is(e, "line.closed") && poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

/* {"id": id, member: value}. Takes value over. */
static int reply(int64_t id, const char *member, json_t *value, struct err *e)
{
	AUTO(json_t) *line = json_pack("{s:I, s:o}", "id", (json_int_t)id, member, value);

	if (line == NULL)
		return err_nomem(e);
	return line_write(SERVE_FD, line, INT64_MAX, ERR_CONFIG, e);
}

int serve_answer(const json_t *request, json_t *ok, const struct err *why, struct err *e)
{
	int64_t id = json_opt_int(request, "id", -1);
	int rc = ok != NULL ? reply(id, "ok", ok, e) : reply(id, "err", json_from_err(why), e);

	return rc != 0 && is_alone(e) ? 0 : rc;
}

/* As serve_answer; *ret_left where the call leaves. */
static int answer(const struct serve_call *calls, size_t count, void *context,
    const json_t *request, bool *ret_left, struct err *e)
{
	AUTO(json_t) *ok = json_object();
	struct err why = { 0 };
	int rc;

	if (ok == NULL)
		return err_nomem(e);
	rc = dispatch(calls, count, context, request, ok, &why);
	*ret_left = rc == SERVE_LEAVE;
	if (rc < 0)
		return serve_answer(request, NULL, &why, e);
	rc = serve_answer(request, steal(&ok), NULL, e);
	if (rc == 0 || !err_is(e, "line.long"))
		return rc;
	why = *e; /* nothing was written yet */
	return serve_answer(request, NULL, &why, e);
}

int serve_on(const struct serve_call *calls, size_t count, void *context, struct err *e)
{
	AUTO_STRUCT(line) in = { .fd = SERVE_FD };

	for (;;) {
		AUTO(json_t) *request = NULL;
		bool eof, left;
		int rc;

		if (line_read(&in, &request, &eof, INT64_MAX, ERR_CONFIG, e) != 0)
			return -1;
		if (eof)
			return 0;
		rc = answer(calls, count, context, request, &left, e);
		if (rc != 0)
			return -1;
		if (left)
			return SERVE_LEAVE;
	}
}

int serve(const char *program, bool die_with_parent, const struct serve_call *calls, size_t count,
    void *context, struct err *e)
{
	if (serve_harden(die_with_parent, e) != 0)
		return -1;
	if (greet(program, e) != 0)
		return is_alone(e) ? 0 : -1;
	return serve_on(calls, count, context, e);
}
