#include "records_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

enum { GROUP_MAX = 256 };

struct queue {
	struct record *first, *last;
};

struct records_thread {
	pthread_t id;
	int event_fd;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct queue todo, finished;
	bool stop;
};

static void queue_add(struct queue *q, struct record *first, struct record *last)
{
	if (q->last != NULL)
		q->last->next = first;
	else
		q->first = first;
	q->last = last;
}

static struct record *queue_take(struct queue *q)
{
	struct record *first = q->first;

	*q = (struct queue){ 0 };
	return first;
}

/* False once that moment (monotonic ms; -1: never) is over. */
static bool wait_until(struct records_thread *t, int64_t due_ms)
{
	const struct timespec due = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };

	if (due_ms < 0)
		return pthread_cond_wait(&t->wake, &t->lock) == 0;
	return pthread_cond_timedwait(&t->wake, &t->lock, &due) != ETIMEDOUT;
}

/* Waits for work, or until due_ms; false once there is none and none will come. */
static bool take_work(struct records_thread *t, int64_t due_ms, struct record **ret)
{
	bool go_on;

	(void)pthread_mutex_lock(&t->lock); /* an ordinary mutex: these can not fail */
	while (t->todo.first == NULL && !t->stop)
		if (!wait_until(t, due_ms))
			break;
	*ret = queue_take(&t->todo);
	go_on = *ret != NULL || !t->stop;
	(void)pthread_mutex_unlock(&t->lock);
	return go_on;
}

static void finish(struct records_thread *t, struct record *first, struct record *last)
{
	const uint64_t one = 1;

	(void)pthread_mutex_lock(&t->lock);
	last->next = NULL;
	queue_add(&t->finished, first, last);
	(void)pthread_mutex_unlock(&t->lock);
	if (write(t->event_fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* a counter that full would mean that nobody collects */
}

static void *run(void *context)
{
	struct records *r = context;
	struct record *work;

	while (take_work(r->thread, checkpoint_due_ms(r), &work)) {
		while (work != NULL) {
			struct record *first = work, *last = work;

			work = records_append_group(r, first, GROUP_MAX);
			while (last->next != work)
				last = last->next;
			finish(r->thread, first, last);
		}
		checkpoint_write_due(r);
	}
	return NULL;
}

/* Signals are the loop's. */
static int start_without_signals(struct records *r)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails only on a bad argument */
	rc = pthread_create(&r->thread->id, NULL, run, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void free_thread(struct records *r)
{
	if (r->thread->event_fd >= 0)
		(void)close(r->thread->event_fd); /* holds no data */
	(void)pthread_mutex_destroy(&r->thread->lock);
	(void)pthread_cond_destroy(&r->thread->wake);
	free(r->thread);
	r->thread = NULL;
}

/* Waits end by the clock that deadlines are of: the wall clock may jump. */
static void init_wake(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes); /* these can not fail for a clock that exists */
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(wake, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

int records_start(struct records *r, int *ret_fd, struct err *e)
{
	if (r->station == NULL || r->thread != NULL)
		return err_set(e, ERR_RECORDS, "records.io",
		    "the records are open for reading, or have their thread already");
	r->thread = calloc(1, sizeof(*r->thread));
	if (r->thread == NULL)
		return err_nomem(e);
	(void)pthread_mutex_init(&r->thread->lock, NULL); /* can not fail with default attributes */
	init_wake(&r->thread->wake);
	r->thread->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	errno = r->thread->event_fd < 0 ? errno : start_without_signals(r);
	if (r->thread->event_fd < 0 || errno != 0) {
		(void)err_errno(e, ERR_RECORDS, "records.io", "starting the thread of the records");
		free_thread(r);
		return -1;
	}
	*ret_fd = r->thread->event_fd;
	return 0;
}

void records_submit(struct records *r, struct record *record)
{
	struct records_thread *t = r->thread;

	record->next = NULL;
	(void)pthread_mutex_lock(&t->lock);
	queue_add(&t->todo, record, record);
	(void)pthread_cond_signal(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
}

size_t records_collect(struct records *r)
{
	struct records_thread *t = r->thread;
	struct record *record, *next;
	uint64_t ignored;
	size_t count = 0;

	/* Empty where it was collected before: then there is nothing to do. */
	if (read(t->event_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
		return 0;
	(void)pthread_mutex_lock(&t->lock);
	record = queue_take(&t->finished);
	(void)pthread_mutex_unlock(&t->lock);
	for (; record != NULL; record = next, count++) {
		next = record->next;
		record->next = NULL;
		record->done(record);
	}
	return count;
}

void records_stop(struct records *r)
{
	(void)pthread_mutex_lock(&r->thread->lock);
	r->thread->stop = true;
	(void)pthread_cond_signal(&r->thread->wake);
	(void)pthread_mutex_unlock(&r->thread->lock);
	(void)pthread_join(r->thread->id, NULL); /* fails only for a thread that is not ours */
	(void)records_collect(r);
	free_thread(r);
}
