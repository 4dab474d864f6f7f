#include "station_children.h"

#include <sys/statvfs.h>

#include "advice.h"
#include "clock.h"
#include "slot_process.h"
#include "station_open.h"
#include "stem.h"

enum { ENROLLER_OPEN_MS = 15000, SIGNER_OPEN_MS = 15000, CHECK_MS = 15000 };

/* The year 10000. What is said is hostile; no sum of such a date overflows. */
static const int64_t DATE_MAX_S = 253402300800;

static json_t *make_signer_open(void *context, struct err *e)
{
	const struct station *s = context;
	AUTO(json_t) *open = station_open_signer(s->config, &s->attestation_pin, e);

	/* Each signer of this run has the key of the first: token and file may be swapped meanwhile. */
	if (open == NULL || json_set_str(open, "spki", s->attestation_spki, e) != 0)
		return NULL;
	return steal(&open);
}

static json_t *make_enroller_open(void *context, struct err *e)
{
	const struct station *s = context;

	return station_open_enroller(s->config,
	    s->config->credential_kind == NULL ? &s->tls_pin : &s->credential, e);
}

static void on_child_ended(void *context, const char *program, const struct err *why)
{
	struct station *s = context;

	station_tell(s,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "station", "what", "child-died",
		"program", program, "code", why->code, "message", why->message));
	station_note(s,
	    json_pack("{s:s, s:s, s:{s:s, s:o}}", "event", "station", "what", "child-died",
		"detail", "program", program, "error", json_from_err(why)));
}

static void on_enroller_ready(void *context)
{
	const struct station *s = context;

	door_mended(s->ca_door);
}

static void on_signer_ready(void *context)
{
	const struct station *s = context;

	door_mended(s->hsm_door);
}

void station_note_time(struct station *s, const json_t *answer)
{
	int64_t date_s = json_opt_int(answer, "date_s", 0);

	if (date_s > 0 && date_s < DATE_MAX_S)
		ground_ca_said(&s->ground, date_s * 1000, clock_now_ms());
}

static void on_time(void *context, const json_t *answer, const struct err *e)
{
	struct station *s = context;

	(void)e; /* then the time is what the CA said before */
	s->asking_time = false;
	if (answer != NULL)
		station_note_time(s, answer);
}

/* While the clock is not believed no unit asks the CA: what it says now is asked for by itself. */
static void ask_time(struct station *s)
{
	struct err ignored = { 0 }; /* it is asked again at the next unit */

	if (s->asking_time || s->enrollers == NULL)
		return;
	s->asking_time = pool_ask(s->enrollers, json_pack("{s:s}", "do", "cacerts"), CHECK_MS,
			     on_time, s, &ignored) == 0;
}

int station_check_clock(struct station *s, struct err *e)
{
	if (ground_check_clock(&s->ground, clock_wall_ms(), clock_now_ms(), e) == 0)
		return 0;
	ask_time(s);
	return -1;
}

int station_free_space(const struct station *s, uint64_t *ret, struct err *e)
{
	const char *path = s->config->records;
	struct statvfs disk;

	if (statvfs(path, &disk) != 0)
		return err_errno(e, ERR_RECORDS, "records.space", "looking for room for %s", path);
	*ret = (uint64_t)disk.f_bavail * disk.f_frsize;
	return 0;
}

int station_check_space(const struct station *s, struct err *e)
{
	uint64_t free_bytes;

	if (station_free_space(s, &free_bytes, e) != 0)
		return -1;
	return ground_check_space(free_bytes, s->config->records, e);
}

/* A CA that is not believed for its dates is no CA's fault where it is our clock that is wrong. */
static void on_ca_checked(void *context, const json_t *answer, const struct err *e)
{
	struct station *s = context;
	struct err why = { 0 };
	bool sound;

	if (answer != NULL)
		station_note_time(s, answer);
	sound = ground_check_clock(&s->ground, clock_wall_ms(), clock_now_ms(), &why) == 0;
	if (!sound && answer != NULL) /* else the end of the start tells it */
		station_tell(s,
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "station", "what", "clock",
			"code", why.code, "message", why.message, "advice", advice_for(&why)));
	if (answer != NULL)
		s->hooks.ready(s->hooks.context, NULL);
	else
		s->hooks.ready(s->hooks.context, sound ? e : &why);
}

/* What can be done about a lost answer is the backend's to say; without rows for it nothing is sent. */
static int on_enroller_opened(void *context, const json_t *answer, struct err *e)
{
	const char *class = json_opt_str(answer, "class", "");
	struct station *s = context;

	if (enrol_class_parse(class, &s->enrol_class))
		return 0;
	return err_set(e, ERR_CONFIG, "ca.class",
	    "the enroller's backend \"%.40s\" is of class \"%.40s\", which this station does not "
	    "know: install all programs from one build",
	    json_opt_str(answer, "backend", ""), class);
}

static int start_enrollers(struct station *s, struct err *e)
{
	const struct pool_config enrollers = { .program = "kiln-enroller",
		.domain = ERR_CA,
		.children = (size_t)s->config->ca_processes,
		.open_ms = ENROLLER_OPEN_MS,
		.make_open = make_enroller_open,
		.opened = on_enroller_opened,
		.ended = on_child_ended,
		.ready = on_enroller_ready,
		.context = s };

	if (pool_start(&s->enrollers, s->loop, &enrollers, e) != 0)
		return -1;
	return pool_ask(s->enrollers, json_pack("{s:s}", "do", "cacerts"), CHECK_MS, on_ca_checked,
	    s, e);
}

/* The HSM answered; now the CA: before any key is made, all that a unit needs has answered. Not both at
 * once: SoftHSM can not read its tokens while another process's login writes them. */
static void on_signer_checked(void *context, const json_t *answer, const struct err *e)
{
	struct station *s = context;
	struct err why = { 0 };

	if (answer == NULL)
		s->hooks.ready(s->hooks.context, e);
	else if (start_enrollers(s, &why) != 0)
		s->hooks.ready(s->hooks.context, &why);
}

int station_start_children(struct station *s, struct err *e)
{
	const struct pool_config signer = { .program = "kiln-signer",
		.domain = ERR_HSM,
		.children = STATION_SIGNERS,
		.open_ms = SIGNER_OPEN_MS,
		.make_open = make_signer_open,
		.ended = on_child_ended,
		.ready = on_signer_ready,
		.context = s };

	if (stem_start(&s->stem, s->loop, s->profile, on_child_ended, s, e) != 0)
		return -1;
	slot_process_keep(s);
	if (pool_start(&s->signer, s->loop, &signer, e) != 0)
		return -1;
	return pool_ask(s->signer, json_pack("{s:s}", "do", "status"), CHECK_MS, on_signer_checked,
	    s, e);
}
