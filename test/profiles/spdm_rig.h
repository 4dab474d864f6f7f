/* What the tests of the spdm family share: profiles, and a scripted device behind a transport. */
#ifndef KILN_TEST_SPDM_RIG_H
#define KILN_TEST_SPDM_RIG_H

#include <string.h>

#include "clock.h"
#include "driver.h"
#include "mctp.h"
#include "spdm/check_options.h"
#include "spdm/connection.h"
#include "spdm/spdm.h"
#include "testing.h"

#define RIG_FN __attribute__((unused)) static

#define RIG_SECTION "{ identity: vendor, vendor_pen: 32473 }"

/* infusion-pump.yaml with another section `spdm`, algorithm and policy. */
RIG_FN struct profile *rig_try_profile(const char *section, const char *algorithm,
    const char *existing, struct err *e)
{
	const struct {
		const char *path, *value;
	} changes[] = {
		{ "/spdm", section },
		{ "/key/algorithm", algorithm },
		{ "/key/existing", existing },
	};
	struct profile *p = NULL;
	AUTO_STRUCT(buf) text = { 0 };

	testing_read(testing_source("profiles/spdm/infusion-pump.yaml"), &text);
	for (size_t i = 0; i < COUNT(changes); i++) {
		AUTO_STRUCT(buf) changed = { 0 };

		assert_ok(yaml_replace("test", (const char *)text.data, text.len, changes[i].path,
			      changes[i].value, &changed, e),
		    e);
		buf_free(&text);
		text = buf_steal(&changed);
	}
	return profile_parse(&p, "test", (const char *)text.data, text.len, e) == 0 ? p : NULL;
}

RIG_FN struct profile *rig_profile(const char *section, const char *algorithm, const char *existing)
{
	struct err e = { 0 };
	struct profile *p = rig_try_profile(section, algorithm, existing, &e);

	assert_ok(p != NULL ? 0 : -1, &e);
	return p;
}

/* What the device does on one request. */
struct rig_step {
	uint8_t code;       /* of the request that must come; 0: any */
	const char *answer; /* hex of the SPDM message; or one of the words below */
};
#define RIG_SILENT  "silent"  /* no answer */
#define RIG_GONE    "gone"    /* unplugged */
#define RIG_OLD_TAG "old tag" /* an answer that belongs to the request before */
#define RIG_BAD_FCS "bad fcs" /* a damaged frame */
#define RIG_GARBAGE "garbage" /* text of a boot console, then nothing */

/* A device that plays a script. Connecting is played for it, as often as the driver likes. */
struct rig {
	struct transport base;
	struct buf in; /* will be read by the driver */
	struct mctp_framer framer;
	struct buf request; /* the last one, without the MCTP type */
	uint8_t type, tag;
	bool gone;
	const struct rig_step *script;
	size_t script_len, at;
	bool endless;             /* the last step is played again and again */
	const char *capabilities; /* hex of the whole answer */
	bool scripted_setup;      /* the script plays connecting, too */
	struct buf log;           /* codes of the requests that the script has seen */
	struct buf requests;      /* those requests, one behind the other */
	int64_t waited_ms;        /* the time that reads were asked to wait in vain */
};

/* MCTP packets of an answer, of the request's type. */
RIG_FN void rig_send(struct rig *r, const struct buf *message, uint8_t tag, bool damage)
{
	size_t at = 0;
	size_t len = message->len + 1;
	uint8_t sequence = 0;
	struct err e = { 0 };

	while (at < len) {
		uint8_t packet[MCTP_PACKET_MAX] = { 1, 8, 9 };
		size_t n = len - at < MCTP_PAYLOAD_MAX ? len - at : MCTP_PAYLOAD_MAX;

		packet[3] = (uint8_t)((at == 0 ? 0x80 : 0) | (at + n == len ? 0x40 : 0) |
				      (sequence++ & 3) << 4 | tag);
		for (size_t i = 0; i < n; i++)
			packet[MCTP_HEADER_LEN + i] =
			    at + i == 0 ? r->type : message->data[at + i - 1];
		assert_ok(mctp_frame(packet, MCTP_HEADER_LEN + n, &r->in, &e), &e);
		if (damage)
			r->in.data[r->in.len - 2] ^= 1;
		at += n;
	}
}

RIG_FN void rig_play(struct rig *r, const struct rig_step *step)
{
	AUTO_STRUCT(buf) answer = { 0 };
	bool old = strcmp(step->answer, RIG_OLD_TAG) == 0;
	bool damaged = strcmp(step->answer, RIG_BAD_FCS) == 0;
	struct err e = { 0 };

	if (strcmp(step->answer, RIG_SILENT) == 0)
		return;
	if (strcmp(step->answer, RIG_GONE) == 0) {
		r->gone = true;
		return;
	}
	if (strcmp(step->answer, RIG_GARBAGE) == 0) {
		assert_ok(buf_add_str(&r->in, "U-Boot 2026.10~~~ login:", &e), &e);
		return;
	}
	testing_hex(old || damaged ? "137f0100" : step->answer, &answer);
	rig_send(r, &answer, old ? (r->tag - 1) & 7 : r->tag, damaged);
}

RIG_FN bool rig_plays_setup(struct rig *r)
{
	static const char version[] = "10040000000200120013";
	const struct {
		uint8_t code;
		const char *answer;
	} setup[] = {
		{ SPDM_GET_VERSION, version },
		{ SPDM_GET_CAPABILITIES, r->capabilities },
		{ SPDM_NEGOTIATE_ALGORITHMS, NULL },
	};
	AUTO_STRUCT(buf) answer = { 0 };
	uint8_t code = r->request.data[1];

	if (r->scripted_setup)
		return false;
	for (size_t i = 0; i < COUNT(setup); i++) {
		if (code != setup[i].code)
			continue;
		testing_hex(setup[i].answer != NULL ? setup[i].answer
						    : "1363000024000100020000001000000001000000"
						      "00000000000000000000000000000000",
		    &answer);
		if (code == SPDM_NEGOTIATE_ALGORITHMS) {
			memcpy(answer.data + 12, r->request.data + 8, 8);
			answer.data[6] = 1;
		}
		if (code != SPDM_GET_VERSION)
			answer.data[0] = r->request.data[0];
		rig_send(r, &answer, r->tag, false);
		return true;
	}
	return false;
}

RIG_FN void rig_answer(struct rig *r)
{
	const struct rig_step *step = r->at < r->script_len ? &r->script[r->at] : NULL;
	struct err e = { 0 };

	if (rig_plays_setup(r))
		return;
	if (step == NULL)
		fail_msg("request %02X behind the end of the script", r->request.data[1]);
	if (step->code != 0 && step->code != r->request.data[1])
		fail_msg("step %zu: request %02X instead of %02X", r->at, r->request.data[1],
		    step->code);
	if (!r->endless || r->at + 1 < r->script_len)
		r->at++;
	assert_ok(buf_add_u8(&r->log, r->request.data[1], &e), &e);
	assert_ok(buf_add(&r->requests, r->request.data, r->request.len, &e), &e);
	rig_play(r, step);
}

RIG_FN int rig_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct rig *r = (struct rig *)t;
	const uint8_t *p = data;

	(void)deadline; /* it never blocks */
	if (r->gone)
		return err_set(e, ERR_LINK, "link.gone", "gone");
	for (size_t i = 0; i < len; i++) {
		const uint8_t *packet = r->framer.packet;
		size_t head;

		if (!mctp_framer_push(&r->framer, p[i]))
			continue;
		if ((packet[3] & 0x80) != 0)
			buf_clear(&r->request);
		head = MCTP_HEADER_LEN + ((packet[3] & 0x80) != 0 ? 1 : 0);
		r->tag = packet[3] & 7;
		if ((packet[3] & 0x80) != 0)
			r->type = packet[MCTP_HEADER_LEN];
		if (buf_add(&r->request, packet + head, r->framer.len - head, e) != 0)
			return -1;
		if ((packet[3] & 0x40) != 0)
			rig_answer(r);
	}
	return 0;
}

RIG_FN int rig_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct rig *r = (struct rig *)t;

	if (r->in.len == 0 && r->gone)
		return err_set(e, ERR_LINK, "link.gone", "gone");
	if (r->in.len == 0) {
		r->waited_ms += clock_left_ms(deadline);
		return err_retry(err_set(e, ERR_LINK, "link.timeout", "no answer"), e);
	}
	*ret_got = r->in.len < len ? r->in.len : len;
	memcpy(data, r->in.data, *ret_got);
	buf_drop(&r->in, *ret_got);
	return 0;
}

RIG_FN void rig_flush(struct transport *t)
{
	buf_clear(&((struct rig *)t)->in);
}

static const struct transport_ops rig_ops = {
	.scheme = "rig",
	.read = rig_read,
	.write = rig_write,
	.flush = rig_flush,
};

/* CERT, CHAL, SET_CERT, CSR, GET and SET_KEY_PAIR_INFO; no chunks; 4608 bytes. */
#define RIG_CAPABILITIES "1361000000000000060018300012000000120000"
/* The same with CHUNK and 42 bytes of DataTransferSize. */
#define RIG_CAPABILITIES_SMALL                                                                     \
	"13610000000000000600"                                                                     \
	"1a302a00000000800000"
/* The same with CERT_INSTALL_RESET. */
#define RIG_CAPABILITIES_RESET "1361000000000000060038300012000000120000"

#define RIG(...)                                                                                   \
	{                                                                                          \
		.base = { &rig_ops }, .capabilities = RIG_CAPABILITIES,                            \
		.script = (const struct rig_step[]){ __VA_ARGS__ },                                \
		.script_len =                                                                      \
		    sizeof((const struct rig_step[]){ __VA_ARGS__ }) / sizeof(struct rig_step)     \
	}

/* The script was played to its end. */
RIG_FN void rig_done(struct rig *r)
{
	if (!r->endless)
		assert_int_equal(r->at, r->script_len);
	buf_free(&r->in);
	buf_free(&r->request);
	buf_free(&r->log);
	buf_free(&r->requests);
}

/* A device of the driver over the rig, with that many ms for the next step. */
RIG_FN struct device *rig_open(struct rig *r, const struct profile *p, int64_t ms)
{
	const struct driver *driver = driver_find("spdm");
	const struct device base = {
		.driver = driver,
		.link = &r->base,
		.profile = p,
		.deadline = clock_now_ms() + ms,
	};
	struct device *d = NULL;
	struct err e = { 0 };

	assert_ok(driver->open(&d, &base, &e), &e);
	return d;
}

/* A connection over the rig. */
struct rig_side {
	struct profile *profile;
	struct spdm_options options;
	struct spdm_connection c;
};

RIG_FN void rig_side_open(struct rig_side *s, struct rig *r, const char *section, int64_t ms)
{
	struct err e = { 0 };

	s->profile = rig_profile(section, "EC:P-256", "reuse");
	assert_ok(spdm_options_read(s->profile, &s->options, &e), &e);
	spdm_connection_init(&s->c, &s->options, &r->base, 115200);
	s->c.peer.deadline = clock_now_ms() + ms;
}

RIG_FN void rig_side_close(struct rig_side *s, struct rig *r)
{
	spdm_connection_free(&s->c);
	profile_free(s->profile);
	rig_done(r);
}

#endif
