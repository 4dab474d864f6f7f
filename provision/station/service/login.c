#include "login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"

struct attempt {
	struct credential shown;
	login_done *done;
	void *context;
};

struct login {
	const char *path;
	struct people *people;
	struct stat seen; /* the file that people are of */
	struct attempt waiting[LOGIN_QUEUE_MAX];
	size_t count;
	struct event *turn;
	unsigned failures;
	int64_t failed_ms;     /* the last one */
	int64_t not_before_ms; /* the next one is judged */
	int64_t rest_ms;       /* after the last one, of the loop from hashes */
};

void credential_free(struct credential *c)
{
	secret_free(&c->badge);
	secret_free(&c->pin);
}

/* One text of object into a secret; nothing where there is none. */
static int take_secret(struct secret *ret, json_t *object, const char *key, struct err *e)
{
	const json_t *value = json_object_get(object, key);
	size_t len = json_string_length(value);
	char *text = (char *)(uintptr_t)json_string_value(value);
	int rc;

	if (value == NULL)
		return 0;
	if (text == NULL || len == 0 || len > PERSON_SECRET_MAX)
		rc = err_set(e, ERR_OPERATOR, "operator.credential",
		    "a badge or a PIN is a text of 1 to %d characters", PERSON_SECRET_MAX);
	else
		rc = secret_set(ret, text, len, e);
	if (text != NULL)
		explicit_bzero(text, len);
	return rc;
}

int credential_read(struct credential *ret, json_t *object, struct err *e)
{
	const char *name = json_opt_str(object, "name", "");

	if (take_secret(&ret->badge, object, "badge", e) != 0 ||
	    take_secret(&ret->pin, object, "pin", e) != 0)
		return -1;
	if (strlen(name) > PERSON_NAME_MAX)
		return err_set(e, ERR_OPERATOR, "operator.credential",
		    "a name has at most %d bytes", PERSON_NAME_MAX);
	if (secret_len(&ret->badge) > 0 ? secret_len(&ret->pin) > 0 || name[0] != '\0'
					: secret_len(&ret->pin) == 0 || name[0] == '\0')
		return err_set(e, ERR_OPERATOR, "operator.credential",
		    "say who it is: a badge, or a name and its PIN");
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Before it is read: a change after that is seen the next time. */
static int reload(struct login *l, struct err *e)
{
	AUTO_PTR(people) *people = NULL;
	struct stat now = { 0 };

	(void)stat(l->path, &now); /* the read says what is wrong */
	if (l->people != NULL && is_same(&now, &l->seen))
		return 0;
	if (people_load(&people, l->path, e) != 0)
		return -1;
	if (l->people != NULL)
		people_free(l->people);
	l->people = steal(&people);
	l->seen = now;
	return 0;
}

static int64_t delay_after(unsigned failures)
{
	int64_t delay = LOGIN_DELAY_MS;

	if (failures == 0)
		return 0;
	while (--failures > 0 && delay < LOGIN_DELAY_MAX_MS)
		delay *= 2;
	return delay < LOGIN_DELAY_MAX_MS ? delay : LOGIN_DELAY_MAX_MS;
}

static int find(struct login *l, const struct credential *c, const struct person **ret,
    struct err *e)
{
	if (reload(l, e) != 0)
		return -1;
	if (secret_len(&c->badge) > 0)
		return people_by_badge(l->people, &c->badge, ret, e);
	return people_by_pin(l->people, c->name, &c->pin, ret, e);
}

static void fail(struct login *l, struct err *ret)
{
	l->failures++;
	l->failed_ms = clock_now_ms();
	l->not_before_ms = l->failed_ms + delay_after(l->failures);
	(void)err_set(ret, ERR_OPERATOR, "operator.unknown",
	    "nobody who may work here has this badge, or this name and PIN");
}

/* The loop stands while a hash is made: whoever shows what is right may not keep it from all else either. */
static void rest(struct login *l, int64_t took_us)
{
	int64_t now_ms = clock_now_ms();

	l->rest_ms = (LOGIN_REST * took_us + 999) / 1000;
	if (l->rest_ms > LOGIN_REST_MAX_MS)
		l->rest_ms = LOGIN_REST_MAX_MS;
	if (l->not_before_ms < now_ms + l->rest_ms)
		l->not_before_ms = now_ms + l->rest_ms;
}

/* A right one undoes no wrong ones: with a badge of one's own one could guess another's PIN without delay. */
static void judge(struct login *l, struct attempt *a)
{
	const struct person *who = NULL;
	int64_t begun_us = clock_now_us();
	struct err why = { 0 };

	if (find(l, &a->shown, &who, &why) == 0 && who == NULL)
		fail(l, &why);
	rest(l, clock_now_us() - begun_us);
	credential_free(&a->shown);
	a->done(a->context, who, who != NULL ? NULL : &why);
}

static void wait_for_turn(struct login *l)
{
	int ms = clock_left_ms(l->not_before_ms);
	const struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	if (l->count > 0)
		(void)evtimer_add(l->turn, &t); /* fails only without memory, then nothing works */
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct login *l = context;
	struct attempt first = l->waiting[0];

	(void)fd;
	(void)what;
	if (clock_left_ms(l->not_before_ms) > 0) { /* the loop's time stood while a hash was made */
		wait_for_turn(l);
		return;
	}
	memmove(&l->waiting[0], &l->waiting[1], --l->count * sizeof(l->waiting[0]));
	judge(l, &first);
	wait_for_turn(l);
}

/* How long whoever comes now waits, if all before it are wrong. */
static int64_t wait_ms(const struct login *l)
{
	int64_t wait = clock_left_ms(l->not_before_ms);

	for (unsigned i = 1; i <= l->count; i++)
		wait += delay_after(l->failures + i) + l->rest_ms;
	return wait;
}

int login_try(struct login *l, struct credential *c, login_done *done, void *context, struct err *e)
{
	if (l->failures > 0 && clock_now_ms() - l->failed_ms > LOGIN_FORGET_MS)
		l->failures = 0;
	if (l->count == LOGIN_QUEUE_MAX || wait_ms(l) > LOGIN_PATIENCE_MS)
		return err_set(e, ERR_OPERATOR, "operator.busy",
		    "others are being looked up, after wrong ones slowly");
	l->waiting[l->count++] = (struct attempt){ .shown = *c, .done = done, .context = context };
	*c = (struct credential){ 0 };
	if (l->count == 1)
		wait_for_turn(l);
	return 0;
}

unsigned login_failures(const struct login *l)
{
	return l->failures;
}

int login_new(struct login **ret, struct event_base *loop, const char *path, struct err *e)
{
	AUTO_PTR(login) *l = calloc(1, sizeof(*l));

	if (l == NULL || (l->turn = evtimer_new(loop, on_turn, l)) == NULL)
		return err_nomem(e);
	l->path = path;
	if (reload(l, e) != 0)
		return -1;
	*ret = steal(&l);
	return 0;
}

void login_free(struct login *l)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_OPERATOR, "station.ending", "the station is ending");
	for (size_t i = 0; i < l->count; i++) {
		credential_free(&l->waiting[i].shown);
		l->waiting[i].done(l->waiting[i].context, NULL, &why);
	}
	if (l->turn != NULL)
		event_free(l->turn);
	if (l->people != NULL)
		people_free(l->people);
	free(l);
}
