#include "job_owed.h"

#include <stdlib.h>

#include "clock.h"
#include "job_wait.h"
#include "step.h"

static struct record **end_of(struct record **list)
{
	while (*list != NULL)
		list = &(*list)->next;
	return list;
}

/* It happened now, whenever it becomes durable. */
static int date(json_t *body, struct err *e)
{
	char now[CLOCK_TEXT];

	clock_wall_text(now);
	return json_set_str(body, "at", now, e);
}

int job_owe(struct job *j, struct err *e)
{
	struct record *owed;

	if (date(j->record.body, e) != 0)
		return -1;
	owed = malloc(sizeof(*owed));
	if (owed == NULL)
		return err_nomem(e);
	*owed = j->record;
	j->record = (struct record){ 0 };
	*end_of(&j->owed) = owed;
	return 0;
}

void job_pay(struct job *j)
{
	j->record.owed = steal(&j->owed);
}

bool job_must_pay(const struct job *j)
{
	const struct door *d = job_door(j);

	return j->owed != NULL && d != NULL && !door_is_free(d);
}

void job_pay_alone(struct job *j)
{
	struct record **last = &j->owed;
	struct record *newest;

	while ((*last)->next != NULL)
		last = &(*last)->next;
	newest = steal(last);
	record_free(&j->record);
	j->record = *newest;
	free(newest);
}

static const struct record *refused(const struct job *j)
{
	const struct record *owed = j->record.owed;

	while (owed != NULL && owed->rc == 0)
		owed = owed->next;
	return owed;
}

bool job_owed_refused(const struct job *j)
{
	return refused(j) != NULL;
}

void job_owed_blame(struct job *j)
{
	const struct record *owed = refused(j);
	const json_t *body = owed != NULL ? owed->body : j->record.body;
	enum step_id step = STEP_IDENTIFY;

	if (j->record.rc == 0 || !step_parse(json_opt_str(body, "step", ""), &step))
		return;
	while (j->row > 0 && steps[j->row].id != step)
		j->row--;
}

void job_owed_free(struct job *j)
{
	struct record list = { .owed = steal(&j->owed) };

	record_free(&list);
}
