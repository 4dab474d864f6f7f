#include "station.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advice.h"
#include "clock.h"
#include "file.h"
#include "job_scan.h"
#include "serve.h"
#include "slot.h"
#include "slot_address.h"
#include "station_children.h"
#include "station_open.h"
#include "stem.h"
#include "version.h"
#include "witness.h"

/* A signer that is gone is asked for, and not the HSM: often, because it costs nothing. */
enum { HSM_PAUSE_MS = 1000, HSM_PAUSE_MAX_MS = 10000 };

void station_tell(struct station *s, json_t *event)
{
	AUTO(json_t) *owned = event;
	char now[CLOCK_TEXT];

	if (owned == NULL)
		return;
	clock_wall_text(now);
	(void)json_object_set_new(owned, "time",
	    json_string(now)); /* a line without time still tells */
	s->hooks.event(s->hooks.context, owned);
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
	struct station *s = context;

	(void)fd;
	(void)what;
	if (s->jobs != NULL)
		return; /* one began meanwhile; its end asks again */
	s->hooks.idle(s->hooks.context, s->broken.domain != ERR_NONE ? &s->broken : NULL);
}

static void check_idle(struct station *s)
{
	if (s->jobs == NULL && (s->draining || s->broken.domain != ERR_NONE))
		event_active(s->idle, EV_TIMEOUT, 0);
}

void station_break(struct station *s, const struct err *why)
{
	if (s->broken.domain == ERR_NONE) {
		s->broken = *why;
		station_tell(s,
		    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event", "station", "what",
			"broken", "domain", err_domain_name(why->domain), "code", why->code,
			"message", why->message, "advice", advice_for(why)));
	}
	station_leave(s);
}

void station_job_begins(struct station *s, struct job *j)
{
	j->next = s->jobs;
	j->link = &s->jobs;
	if (j->next != NULL)
		j->next->link = &j->next;
	s->jobs = j;
}

void station_job_over(struct station *s, struct job *j)
{
	struct err e = { 0 };

	*j->link = j->next;
	if (j->next != NULL)
		j->next->link = j->link;
	if (refusals_note(&s->refusals, s->family, j->identity.serial, &j->verdict, &e) != 0)
		station_break(s, &e);
	check_idle(s);
}

static const struct job *other_job(const struct station *s, const struct job *asking,
    const char *serial)
{
	const struct job *j = s->jobs;

	while (j != NULL && (j == asking || strcmp(j->identity.serial, serial) != 0))
		j = j->next;
	return j;
}

bool station_is_leaving(const struct station *s, const struct job *asking, const char *serial)
{
	const struct job *j = other_job(s, asking, serial);

	return j != NULL && j->slot == NULL;
}

bool station_has_serial(const struct station *s, const struct job *asking, const char *serial)
{
	return other_job(s, asking, serial) != NULL;
}

static void on_noted(struct record *r)
{
	struct station *s = r->context;

	if (r->rc != 0 && r->err.domain == ERR_RECORDS)
		station_break(s, &r->err);
	record_free(r);
	free(r);
}

void station_note(struct station *s, json_t *body)
{
	struct record *r = calloc(1, sizeof(*r));
	struct err e = { 0 };

	/* Nothing is recorded any more; what is done with children now is of no interest. */
	if (s->closing) {
		free(r);
		json_decref(body);
		return;
	}
	if (r == NULL || body == NULL) {
		free(r);
		json_decref(body);
		(void)err_nomem(&e);
		station_break(s, &e);
		return;
	}
	r->body = body;
	station_record(s, r);
}

void station_record(struct station *s, struct record *r)
{
	r->done = on_noted;
	r->context = s;
	records_submit(s->records, r);
}

static void on_recorded(evutil_socket_t fd, short what, void *context)
{
	struct station *s = context;

	(void)fd;
	(void)what;
	(void)records_collect(s->records); /* how many does not matter */
}

/* Makes durable what every event refers to: the profile, the order, and that we started. */
static int record_start(struct station *s, struct err *e)
{
	const struct profile *p = s->profile;
	struct record r = { .body = json_pack("{s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
				s->profile_sha256, "product", p->product, "version", p->version) };
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(buf) anchors = { 0 };
	int rc = -1;

	if (buf_add(&text, p->text.data, p->text.len, e) == 0 &&
	    buf_add(&anchors, s->profile_anchors.data, s->profile_anchors.len, e) == 0 &&
	    record_add_blob(&r, "text", &text, e) == 0 &&
	    record_add_blob(&r, "anchors", &anchors, e) == 0)
		rc = records_append(s->records, &r, e);
	record_free(&r);
	if (rc != 0)
		return -1;
	if (s->config->order != NULL) {
		r = (struct record){ .body = json_pack("{s:s, s:s, s:I}", "event", "order", "id",
					 s->config->order, "quantity",
					 (json_int_t)s->config->quantity) };
		rc = records_append(s->records, &r, e);
		record_free(&r);
		if (rc != 0)
			return -1;
	}
	r = (struct record){ .body = json_pack("{s:s, s:s, s:s, s:{s:s}}", "event", "station",
				 "what", "start", "build", build_id(), "detail", "version",
				 kiln_version()) };
	rc = records_append(s->records, &r, e);
	record_free(&r);
	return rc;
}

static int load_secrets(struct station *s, struct err *e)
{
	const struct config *c = s->config;
	AUTO_STRUCT(buf) path = { 0 };

	if (config_pin(&c->attestation, &s->attestation_pin, e) != 0)
		return -1;
	if (c->credential_kind == NULL && config_pin(&c->tls, &s->tls_pin, e) != 0)
		return -1;
	if (c->credential_kind != NULL &&
	    secret_from_file(&s->credential, c->credential_file, e) != 0)
		return -1;
	if (s->profile->secret_file == NULL)
		return 0;
	if (file_beside(c->profile, s->profile->secret_file, &path, e) != 0)
		return -1;
	return secret_from_file(&s->device_secret, (const char *)path.data, e);
}

static int load_attestation_key(struct station *s, struct err *e)
{
	const char *path = s->config->attestation.certificate;
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(X509_STACK) *list = NULL;
	uint8_t spki[SHA256_LEN];

	if (file_read(path, 64 * 1024, &pem, e) != 0 ||
	    x509_parse_pem(path, &pem, &list, ERR_CONFIG, e) != 0 ||
	    x509_spki_digest(X509_get0_pubkey(sk_X509_value(list, 0)), spki, e) != 0)
		return -1;
	hex_encode(spki, SHA256_LEN, s->attestation_spki);
	return 0;
}

static int load(struct station *s, struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 };

	if (profile_load(&s->profile, s->config->profile, e) != 0 ||
	    profile_export_anchors(s->profile, &s->profile_anchors, e) != 0)
		return -1;
	hex_encode(s->profile->digest, SHA256_LEN, s->profile_sha256);
	s->family = family_find(s->profile->driver);
	for (size_t i = 0; i < s->config->slot_count; i++)
		if (slot_address_check(&s->config->slots[i], s->profile, e) != 0)
			return -1;
	if (file_read(s->config->attestation_anchors, 64 * 1024, &pem, e) != 0 ||
	    x509_parse_pem(s->config->attestation_anchors, &pem, &s->attestation_trust, ERR_CONFIG,
		e) != 0)
		return -1;
	if (load_attestation_key(s, e) != 0 || load_secrets(s, e) != 0)
		return -1;
	return file_mkdir(s->config->state, 0700, e);
}

/* One more inside than there are children: while it becomes durable that the next is asked, none of
 * them is idle. */
static int open_doors(struct station *s, struct err *e)
{
	const struct config *c = s->config;
	const struct gate_terms ca = { .first_ms = c->retry_default_s * 1000,
		.max_ms = c->retry_max_s * 1000,
		.patience_ms = c->retry_patience_s * 1000,
		.width = (size_t)c->ca_processes + 1 };
	const struct gate_terms hsm = { .first_ms = HSM_PAUSE_MS,
		.max_ms = HSM_PAUSE_MAX_MS,
		.patience_ms = c->retry_patience_s * 1000,
		.width = STATION_SIGNERS + 1 };

	if (door_open(&s->ca_door, s, "ca", "the CA", &ca, e) != 0)
		return -1;
	return door_open(&s->hsm_door, s, "hsm", "the HSM", &hsm, e);
}

static int start(struct station *s, struct err *e)
{
	int fd;

	s->idle = evtimer_new(s->loop, on_idle, s);
	s->slots = calloc(s->config->slot_count, sizeof(*s->slots));
	if (s->idle == NULL || s->slots == NULL)
		return err_nomem(e);
	if (open_doors(s, e) != 0)
		return -1;
	s->slot_count = s->config->slot_count;
	for (size_t i = 0; i < s->slot_count; i++)
		if (slot_init(&s->slots[i], s, &s->config->slots[i], e) != 0)
			return -1;
	if (witness_open(&s->records, s->config, true, e) != 0 ||
	    witness_note(s->records, e) != 0 ||
	    records_last_made(s->records, &s->ground.made_ms, e) != 0 || record_start(s, e) != 0 ||
	    records_start(s->records, &fd, e) != 0)
		return -1;
	s->recorded = event_new(s->loop, fd, EV_READ | EV_PERSIST, on_recorded, s);
	if (s->recorded == NULL || event_add(s->recorded, NULL) != 0)
		return err_nomem(e);
	return station_start_children(s, e);
}

int station_open(struct station **ret, struct event_base *loop, const struct config *config,
    const struct station_hooks *hooks, struct err *e)
{
	AUTO_PTR(station) *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->loop = loop;
	s->config = config;
	s->hooks = *hooks;
	if (load(s, e) != 0 || start(s, e) != 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

static void on_place(void *context, size_t index, const struct place_now *now)
{
	struct station *s = context;

	slot_place_changed(&s->slots[index], now);
}

int station_arm(struct station *s, struct err *e)
{
	const struct place_terms terms = { .root = "",
		.link = s->profile->link,
		.tty_interface = (int)s->profile->tty_interface,
		.settle_ms = PLACE_SETTLE_MS };

	return places_start(&s->places, s->loop, s->config->slots, s->slot_count, &terms, on_place,
	    s, e);
}

void station_hold(struct station *s, enum hold why, bool held)
{
	s->held = held ? s->held | why : s->held & ~(unsigned)why;
	for (size_t i = 0; !held && i < s->slot_count; i++)
		slot_begin(&s->slots[i]);
}

void station_drain(struct station *s)
{
	s->draining = true;
	for (struct job *j = s->jobs; j != NULL; j = j->next)
		if (job_waits_for_scan(j))
			job_leave(j); /* nothing of it was begun */
	check_idle(s);
}

void station_leave(struct station *s)
{
	s->leaving = true;
	door_dismiss(s->ca_door);
	door_dismiss(s->hsm_door);
	for (struct job *j = s->jobs; j != NULL; j = j->next)
		job_leave(j); /* which is still one of ours until its end is durable */
	station_drain(s);
}

static void close_records(struct station *s)
{
	struct err e = { 0 };
	struct record stop = { .body = json_pack("{s:s, s:s, s:s}", "event", "station", "what",
				   "stop", "build", build_id()) };

	if (s->recorded != NULL) {
		event_free(s->recorded);
		records_stop(s->records);
	}
	if (s->broken.domain == ERR_NONE && stop.body != NULL &&
	    records_append(s->records, &stop, &e) != 0)
		station_break(s, &e);
	record_free(&stop);
	records_close(s->records);
}

void station_close(struct station *s)
{
	s->closing = true;
	if (s->places != NULL)
		places_stop(s->places);
	if (s->records != NULL)
		close_records(s);
	for (size_t i = 0; s->slots != NULL && i < s->slot_count; i++)
		slot_free(&s->slots[i]);
	if (s->stem != NULL)
		stem_stop(s->stem);
	if (s->enrollers != NULL)
		pool_stop(s->enrollers);
	if (s->signer != NULL)
		pool_stop(s->signer);
	while (s->jobs != NULL) {
		struct job *j = s->jobs;

		s->jobs = j->next;
		job_abandon(j);
	}
	if (s->ca_door != NULL)
		door_close(s->ca_door);
	if (s->hsm_door != NULL)
		door_close(s->hsm_door);
	if (s->idle != NULL)
		event_free(s->idle);
	free(s->slots);
	if (s->profile != NULL)
		profile_free(s->profile);
	buf_free(&s->profile_anchors);
	x509_stack_free(s->attestation_trust);
	secret_free(&s->tls_pin);
	secret_free(&s->attestation_pin);
	secret_free(&s->credential);
	secret_free(&s->device_secret);
	free(s);
}
