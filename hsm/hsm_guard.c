#include "hsm_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "failpoint.h"
#include "file.h"
#include "json.h"

enum { GUARD_MAX = 4096, UNFINISHED_MAX = 2 };

/* A full disk, too many files: not a wrong configuration. It is tried again, without a login. */
static int unusable(const struct err *why, struct err *e)
{
	return err_set(e, ERR_HSM, "hsm.rebuild", "no login without its guard file: %s",
	    why->message);
}

static int put(const char *path, const struct hsm_token *token, const char *state,
    int64_t unfinished, struct err *e)
{
	AUTO(json_t) *guard = json_object();
	AUTO_STRUCT(buf) text = { 0 };
	struct err why = { 0 };
	char at[CLOCK_TEXT];

	clock_wall_text(at);
	if (guard == NULL)
		return err_nomem(e);
	if (json_set_str(guard, "token", token->label, e) != 0 ||
	    json_set_str(guard, "serial", token->serial, e) != 0 ||
	    json_set_str(guard, "state", state, e) != 0 ||
	    json_set_int(guard, "unfinished", unfinished, e) != 0 ||
	    json_set_str(guard, "at", at, e) != 0 || json_canonical(guard, &text, e) != 0 ||
	    buf_add_u8(&text, '\n', e) != 0)
		return -1;
	if (file_write(path, text.data, text.len, 0600, &why) != 0)
		return unusable(&why, e);
	return 0;
}

static int refuse(const char *path, const char *why, const json_t *guard, struct err *e)
{
	return err_set(e, ERR_HSM, "hsm.operator.guard",
	    "%s (token \"%s\", %s): correct the PIN, then kiln hsm unblock, which removes %s", why,
	    json_opt_str(guard, "token", "?"), json_opt_str(guard, "at", "at an unknown time"),
	    path);
}

/* How many logins in a row never ended; an error where one failed. */
static int check(const char *path, int64_t *ret_unfinished, struct err *e)
{
	AUTO(json_t) *guard = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err bad = { 0 };

	*ret_unfinished = 0;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0;
	if (file_read(path, GUARD_MAX, &text, &bad) != 0)
		return unusable(&bad, e);
	if (json_parse((const char *)text.data, text.len, &guard, ERR_HSM, &bad) != 0)
		return refuse(path, "the login guard is not readable", NULL, e);
	if (strcmp(json_opt_str(guard, "state", "failed"), "begun") != 0)
		return refuse(path, "a login failed before and is not tried again", guard, e);
	*ret_unfinished = json_opt_int(guard, "unfinished", UNFINISHED_MAX);
	if (*ret_unfinished < 0 || *ret_unfinished >= UNFINISHED_MAX)
		return refuse(path, "logins began and never ended", guard, e);
	return 0;
}

int hsm_guard_lock(const char *path, int *ret_lock, struct err *e)
{
	struct err why = { 0 };
	char name[4096];
	int fd;

	(void)snprintf(name, sizeof(name), "%s.lock", path); /* one too long does not open */
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		(void)err_errno(&why, ERR_HSM, "file", "opening %s", name);
		return unusable(&why, e);
	}
	if (flock(fd, LOCK_EX) != 0) {
		(void)err_errno(&why, ERR_HSM, "file", "locking %s", name);
		(void)close(fd); /* nothing was written */
		return unusable(&why, e);
	}
	*ret_lock = fd;
	return 0;
}

int hsm_guard_begin(const char *path, const struct hsm_token *token, struct err *e)
{
	int64_t unfinished;

	if (check(path, &unfinished, e) != 0)
		return -1;
	return put(path, token, "begun", unfinished + 1, e);
}

int hsm_guard_undo(const char *path, const struct hsm_token *token, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *guard = NULL;
	struct err why = { 0 };
	int64_t unfinished;

	if (file_read(path, GUARD_MAX, &text, &why) != 0)
		return unusable(&why, e);
	if (json_parse((const char *)text.data, text.len, &guard, ERR_HSM, e) != 0)
		return -1;
	unfinished = json_opt_int(guard, "unfinished", UNFINISHED_MAX);
	return unfinished > 1 ? put(path, token, "begun", unfinished - 1, e)
			      : hsm_guard_clear(path, e);
}

int hsm_guard_fail(const char *path, const struct hsm_token *token, struct err *e)
{
	return put(path, token, "failed", 0, e);
}

int hsm_guard_clear(const char *path, struct err *e)
{
	struct err why = { 0 };

	FAILPOINT("guard.clear");
	if (file_remove(path, &why) != 0)
		return unusable(&why, e);
	FAILPOINT("guard.cleared");
	return 0;
}
