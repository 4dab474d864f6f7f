#include "job_tell.h"

#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "clock.h"
#include "step.h"

static const char *const who_names[] = {
	[WHO_DEVICE] = "device",
	[WHO_CA] = "ca",
	[WHO_HSM] = "hsm",
	[WHO_STATION] = "station",
};

enum { ADVICE_MAX = 512 };

const char *who_name(enum who who)
{
	return who_names[who];
}

void job_tell_step(struct job *j, const char *outcome, const struct err *why)
{
	json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "event", "step", "slot",
	    j->slot_name, "serial", j->identity.serial, "step", step_name(steps[j->row].id),
	    "outcome", outcome, "who", who_names[steps[j->row].who], "ms",
	    (json_int_t)((clock_now_us() - j->step_us) / 1000));

	if (event != NULL && why != NULL)
		(void)json_object_update_new(event,
		    json_pack("{s:s, s:s, s:s}", "domain", err_domain_name(why->domain), "code",
			why->code, "message", why->message));
	if (event != NULL && why != NULL &&
	    why->domain == ERR_OPERATOR) /* who reads this ends it */
		(void)json_object_set_new(event, "advice", json_string(advice_for(why)));
	station_tell(j->station, event);
}

/* A parked unit is not lost, and no other may be made of it: that is always said. */
static void write_advice(const struct job *j, char *ret, size_t size)
{
	if (strcmp(j->outcome, "parked") != 0)
		(void)snprintf(ret, size, "%s", advice_for(&j->verdict));
	else if (err_is(&j->verdict, "ca.pending"))
		(void)snprintf(ret, size, "nothing to do now: plug it in again later, it goes on");
	else
		(void)snprintf(ret, size, "%s; this unit goes on when it is plugged in again",
		    advice_for(&j->verdict));
}

void job_tell_unit(struct job *j)
{
	int64_t total = clock_now_us() - j->begun_us;
	int64_t others = j->spent_us[WHO_DEVICE] + j->spent_us[WHO_CA] + j->spent_us[WHO_HSM];
	json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "event", "unit",
	    "slot", j->slot_name, "serial", j->identity.serial, "outcome", j->outcome, "ms",
	    (json_int_t)(total / 1000), "device_ms", (json_int_t)(j->spent_us[WHO_DEVICE] / 1000),
	    "ca_ms", (json_int_t)(j->spent_us[WHO_CA] / 1000), "hsm_ms",
	    (json_int_t)(j->spent_us[WHO_HSM] / 1000), "station_ms",
	    (json_int_t)((total - others) / 1000));
	char advice[ADVICE_MAX];

	write_advice(j, advice, sizeof(advice));
	if (event != NULL && j->claimed)
		(void)json_object_update_new(event,
		    json_pack("{s:b, s:b}", "first", j->first, "waited", j->waited));
	if (event != NULL && j->verdict.domain != ERR_NONE)
		(void)json_object_update_new(event,
		    json_pack("{s:s, s:s, s:s, s:s}", "domain", err_domain_name(j->verdict.domain),
			"code", j->verdict.code, "message", j->verdict.message, "advice", advice));
	station_tell(j->station, event);
}
