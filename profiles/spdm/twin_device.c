#include "twin_device.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"

enum {
	NOT_READY_EXPONENT = 16, /* 65 ms */
	NOT_READY_TIMES_MAX = 200,
};

#define FLAGS_12                                                                                   \
	(SPDM_CAP_CERT | SPDM_CAP_CHAL | SPDM_CAP_MEAS_SIGNED | SPDM_CAP_SET_CERT | SPDM_CAP_CSR)
#define FLAGS_13                                                                                   \
	(FLAGS_12 | SPDM_CAP_MULTI_KEY_NEG | SPDM_CAP_GET_KEY_PAIR_INFO |                          \
	    SPDM_CAP_SET_KEY_PAIR_INFO)
#define FLAGS_12_MASK 0x003fffffU

#define ASYM_ALL (SPDM_ASYM_ECDSA_P256 | SPDM_ASYM_ECDSA_P384)
#define HASH_ALL (SPDM_HASH_SHA256 | SPDM_HASH_SHA384)

enum { TRANSFER = 0x1200, TRANSFER_SMALL = 256, UUID_TEXT_LEN = 36 };

static const struct twin_traits traits[] = {
	{ "1.3", "3.4.2", { 0x12, 0x13 }, FLAGS_13, ASYM_ALL, HASH_ALL, 0, TRANSFER, TRANSFER },
	{ "1.2", "2.9.1", { 0x12 }, FLAGS_12, SPDM_ASYM_ECDSA_P256, HASH_ALL, SPDM_KEY_ECDSA_P256,
	    TRANSFER, TRANSFER },
	{ "1.3-reset", "3.4.2", { 0x12, 0x13 }, FLAGS_13 | SPDM_CAP_INSTALL_RESET, ASYM_ALL,
	    HASH_ALL, 0, TRANSFER, TRANSFER },
	{ "p384", "3.4.2", { 0x12, 0x13 }, FLAGS_13, SPDM_ASYM_ECDSA_P384, SPDM_HASH_SHA384, 0,
	    TRANSFER, TRANSFER },
	{ "1.3-chunk", "3.4.2", { 0x12, 0x13 }, FLAGS_13 | SPDM_CAP_CHUNK, ASYM_ALL, HASH_ALL, 0,
	    TRANSFER_SMALL, SPDM_MESSAGE_MAX },
};
const char *const twin_variants[] = { "1.3", "1.2", "1.3-reset", "p384", "1.3-chunk", NULL };

/* since: the version byte from which the request exists; flags: all of them must be offered. */
static const struct {
	uint8_t code, since;
	uint32_t flags;
	twin_handler *run;
} commands[] = {
	{ SPDM_GET_VERSION, 0, 0, twin_get_version },
	{ SPDM_GET_CAPABILITIES, 0, 0, twin_get_capabilities },
	{ SPDM_NEGOTIATE_ALGORITHMS, 0, 0, twin_negotiate_algorithms },
	{ SPDM_GET_DIGESTS, 0x12, SPDM_CAP_CERT, twin_get_digests },
	{ SPDM_GET_CERTIFICATE, 0x12, SPDM_CAP_CERT, twin_get_certificate },
	{ SPDM_CHALLENGE, 0x12, SPDM_CAP_CHAL, twin_challenge },
	{ SPDM_GET_MEASUREMENTS, 0x12, SPDM_CAP_MEAS_SIGNED, twin_get_measurements },
	{ SPDM_GET_CSR, 0x12, SPDM_CAP_CSR, twin_get_csr },
	{ SPDM_SET_CERTIFICATE, 0x12, SPDM_CAP_SET_CERT, twin_set_certificate },
	{ SPDM_GET_KEY_PAIR_INFO, 0x13, SPDM_CAP_GET_KEY_PAIR_INFO, twin_get_key_pair_info },
	{ SPDM_SET_KEY_PAIR_INFO, 0x13, SPDM_CAP_SET_KEY_PAIR_INFO, twin_set_key_pair_info },
	{ SPDM_VENDOR_DEFINED_REQUEST, 0x12, 0, twin_vendor_defined },
	{ SPDM_CHUNK_SEND, 0x12, SPDM_CAP_CHUNK, twin_chunk_send },
	{ SPDM_CHUNK_GET, 0x12, SPDM_CAP_CHUNK, twin_chunk_get },
};

void twin_device_free(struct twin_device *d)
{
	twin_flash_free(&d->flash);
	twin_transcript_free(&d->connection.transcript);
	buf_free(&d->pending.answer);
	buf_free(&d->chunks.message);
	buf_free(&d->anchors);
	buf_free(&d->lie);
	EVP_PKEY_free(d->other_key);
}

void twin_answer_free(struct twin_answer *a)
{
	buf_free(&a->message);
}

void twin_exchange_free(struct twin_exchange *x)
{
	buf_free(&x->request);
	buf_free(&x->answer);
}

static int find_traits(const char *name, const struct twin_traits **ret, struct err *e)
{
	for (size_t i = 0; i < COUNT(traits); i++) {
		if (name == NULL || strcmp(name, traits[i].name) == 0) {
			*ret = &traits[i];
			return 0;
		}
	}
	return err_set(e, ERR_CONFIG, "twin.variant", "unknown variant \"%s\"", name);
}

static int first_boot(struct twin_device *d, bool *ret_changed, struct err *e)
{
	struct twin_key_pair *pair = &d->flash.pairs[0];

	if (d->traits->born_with == 0 || pair->key != NULL)
		return 0;
	if (twin_key_make(twin_curve_of_key(d->traits->born_with), &pair->key, e) != 0)
		return -1;
	pair->asym = d->traits->born_with;
	pair->usage = SPDM_USAGE_CHALLENGE | SPDM_USAGE_MEASUREMENT;
	pair->slots = 1;
	*ret_changed = true;
	return 0;
}

int twin_device_check(const struct twin_config *config, struct err *e)
{
	const struct twin_traits *t;
	struct twin_plan plan;

	if (find_traits(config->variant, &t, e) != 0)
		return -1;
	return twin_plan_parse(&plan, config->fault, config->seed, t->born_with == 0, e);
}

/* How much of the write is there and what follows it differ from write to write, and from seed to seed. */
static void plan_cut(struct twin_device *d)
{
	static const unsigned fractions[] = { 0, 1, 8, 100, 200, 255, 256 };
	struct twin_plan p = d->plan;

	d->flash.cut = d->plan.cut;
	p.random += (uint64_t)d->plan.cut;
	d->flash.tear.fraction = fractions[twin_plan_random(&p) % COUNT(fractions)];
	d->flash.tear.rest = (enum twin_rest)(twin_plan_random(&p) % TWIN_RESTS);
}

int twin_device_boot(struct twin_device *ret, const struct twin_config *config, struct err *e)
{
	AUTO_STRUCT(twin_device) d = { .config = config };
	bool changed = false;

	d.connection.version = SPDM_VERSION_10;
	if (find_traits(config->variant, &d.traits, e) != 0 ||
	    twin_plan_parse(&d.plan, config->fault, config->seed, d.traits->born_with == 0, e) !=
		0 ||
	    twin_flash_load(&d.flash, config->folder, e) != 0)
		return -1;
	plan_cut(&d);
	d.installed = d.flash.pending.certificates.len > 0;
	twin_flash_reset(&d.flash, &changed);
	if (first_boot(&d, &changed, e) != 0)
		return -1;
	if (changed && twin_flash_save(&d.flash, e) != 0)
		return -1;
	*ret = d;
	memset(&d, 0, sizeof(d));
	return 0;
}

bool twin_device_strikes(const struct twin_device *d, enum twin_fault fault, enum step_id step)
{
	return twin_plan_strikes(&d->plan, fault, step, d->flash.faults);
}

int twin_device_struck(struct twin_device *d, struct err *e)
{
	d->flash.faults++;
	return twin_flash_save(&d->flash, e);
}

void twin_device_serial(const struct twin_device *d, char ret[static IDENTITY_MAX + 1])
{
	bool stored = d->flash.slot.certificates.len > 0 || d->flash.pending.certificates.len > 0;
	bool late = d->plan.step == STEP_PROVE ? stored : d->flash.requested;
	size_t len;

	(void)snprintf(ret, IDENTITY_MAX + 1, "%s", d->config->serial); /* checked by kiln-twin */
	len = strlen(ret);
	if (d->plan.fault == TWIN_FAULT_WRONG_SERIAL && late && len > 0)
		ret[len - 1] = ret[len - 1] == '9' ? '8' : '9';
}

/* 8-4-4-4-12 hex digits. */
static bool uuid_parse(const char *text, uint8_t ret[static VENDOR_UUID_LEN])
{
	char hex[2 * VENDOR_UUID_LEN + 1] = "";
	size_t len = 0;

	if (strlen(text) != UUID_TEXT_LEN)
		return false;
	for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (text[i] == '-'))
			return false;
		if (!dash)
			hex[len++] = text[i];
	}
	return hex_decode(hex, ret, VENDOR_UUID_LEN);
}

void twin_device_uuid(const struct twin_device *d, uint8_t ret[static VENDOR_UUID_LEN])
{
	char serial[IDENTITY_MAX + 1], text[2 * IDENTITY_MAX + 2];
	uint8_t digest[SHA256_LEN];

	twin_device_serial(d, serial);
	if (uuid_parse(serial, ret))
		return;
	(void)snprintf(text, sizeof(text), "%.*s:%s", IDENTITY_MAX, d->config->model, serial);
	sha256(text, strlen(text), digest);
	memcpy(ret, digest, VENDOR_UUID_LEN);
	ret[6] = (ret[6] & 0x0f) | 0x80;
	ret[8] = (ret[8] & 0x3f) | 0x80;
}

bool twin_is_13(const struct twin_device *d)
{
	return d->connection.version >= SPDM_VERSION_13;
}

uint32_t twin_flags(const struct twin_device *d)
{
	return twin_is_13(d) ? d->traits->flags : d->traits->flags & FLAGS_12_MASK;
}

int twin_refuse(const struct twin_device *d, struct twin_exchange *x, enum spdm_error error,
    uint8_t data, struct err *e)
{
	const uint8_t message[] = { d->connection.version, SPDM_ERROR, (uint8_t)error, data };

	return buf_set(&x->answer, message, sizeof(message), e);
}

int twin_begin(const struct twin_device *d, struct twin_exchange *x, uint8_t param1, uint8_t param2,
    struct err *e)
{
	const uint8_t head[] = { d->connection.version, x->request.data[1] & 0x7f, param1, param2 };

	return buf_set(&x->answer, head, sizeof(head), e);
}

static bool is_error(const struct twin_exchange *x)
{
	return x->answer.data[1] == SPDM_ERROR;
}

/* The checks that come before a request's own fields; *ret_run: there are none to complain of. */
static int check(const struct twin_device *d, struct twin_exchange *x, size_t command,
    bool *ret_run, struct err *e)
{
	uint8_t code = commands[command].code;

	*ret_run = false;
	if (x->request.data[0] != d->connection.version)
		return twin_refuse(d, x, SPDM_ERROR_VERSION_MISMATCH, 0, e);
	if (code == SPDM_NEGOTIATE_ALGORITHMS) {
		*ret_run = d->connection.phase == TWIN_CAPABILITIES;
		return *ret_run ? 0 : twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	}
	if (d->connection.version < commands[command].since ||
	    (twin_flags(d) & commands[command].flags) != commands[command].flags)
		return twin_refuse(d, x, SPDM_ERROR_UNSUPPORTED_REQUEST, code, e);
	if (d->connection.phase != TWIN_NEGOTIATED)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	*ret_run = true;
	return 0;
}

static int run(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	uint8_t code = x->request.data[1];

	for (size_t i = 0; i < COUNT(commands); i++) {
		bool go = code == SPDM_GET_VERSION || code == SPDM_GET_CAPABILITIES;

		if (commands[i].code != code)
			continue;
		if (!go && check(d, x, i, &go, e) != 0)
			return -1;
		return go ? commands[i].run(d, x, e) : 0;
	}
	return twin_refuse(d, x, SPDM_ERROR_UNSUPPORTED_REQUEST, code, e);
}

/* Without chunks nothing larger than one transfer leaves the device (DSP0274 10.4). */
static int check_size(const struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const struct twin_connection *c = &d->connection;
	bool chunks = c->peer_chunks && (twin_flags(d) & SPDM_CAP_CHUNK) != 0;
	uint32_t limit = chunks ? c->peer_largest : c->peer_transfer;
	uint32_t len = (uint32_t)x->answer.len;

	if (c->phase < TWIN_CAPABILITIES || len <= limit)
		return 0;
	if (twin_refuse(d, x, SPDM_ERROR_RESPONSE_TOO_LARGE, 0, e) != 0)
		return -1;
	return buf_add_u32le(&x->answer, len, e);
}

int twin_device_handle(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_transcript *t = &d->connection.transcript;
	uint8_t code = x->request.data[1];

	if (d->connection.phase == TWIN_NEGOTIATED)
		twin_transcript_arrive(t, code);
	if (run(d, x, e) != 0 || check_size(d, x, e) != 0)
		return -1;
	if (!is_error(x))
		return twin_transcript_accept(t, &x->request, &x->answer, x->signed_len, e);
	twin_transcript_refuse(t, code);
	return 0;
}

static enum step_id vendor_step(const struct buf *request)
{
	/* payload: layout, command */
	switch (request->len > 14 ? request->data[14] : 0) {
	case VENDOR_GET_IDENTITY:
		return STEP_IDENTIFY;
	case VENDOR_PUT_ANCHORS:
		return STEP_INSTALL;
	case VENDOR_GET_ANCHORS:
		return STEP_READBACK;
	case VENDOR_SEAL:
		return STEP_SEAL;
	default:
		return STEP_COUNT;
	}
}

enum step_id twin_device_step(const struct twin_device *d, const struct buf *request)
{
	switch (request->len >= SPDM_HEADER_LEN ? request->data[1] : 0) {
	case SPDM_NEGOTIATE_ALGORITHMS:
		return STEP_IDENTIFY;
	case SPDM_SET_KEY_PAIR_INFO:
		return request->data[2] == SPDM_KEY_GENERATE ? STEP_KEYGEN : STEP_COUNT;
	case SPDM_GET_CSR:
		return STEP_REQUEST;
	case SPDM_SET_CERTIFICATE:
		return STEP_INSTALL;
	case SPDM_GET_DIGESTS:
	case SPDM_GET_CERTIFICATE:
		return d->installed ? STEP_READBACK : STEP_COUNT;
	case SPDM_CHALLENGE:
		return STEP_PROVE;
	case SPDM_VENDOR_DEFINED_REQUEST:
		return vendor_step(request);
	default:
		return STEP_COUNT;
	}
}

/* A station that obeys stays away for whole milliseconds: that is the device's time. */
static void account_away(const struct twin_device *d, uint8_t exponent)
{
	if (d->config->account != NULL)
		d->config->account->busy_us += (INT64_C(1) << exponent) / 1000 * 1000;
}

/* ERROR ResponseNotReady; RDTM leaves twice the time that is left. */
static int say_not_ready(const struct twin_device *d, struct twin_exchange *x, int64_t left_ms,
    struct err *e)
{
	uint8_t exponent = NOT_READY_EXPONENT;
	int64_t times;

	while ((times = (2000 * left_ms >> exponent) + 2) > NOT_READY_TIMES_MAX)
		exponent++;
	account_away(d, exponent);
	if (twin_refuse(d, x, SPDM_ERROR_RESPONSE_NOT_READY, 0, e) != 0 ||
	    buf_add_u8(&x->answer, exponent, e) != 0 ||
	    buf_add_u8(&x->answer, d->pending.code, e) != 0 ||
	    buf_add_u8(&x->answer, d->pending.token, e) != 0)
		return -1;
	return buf_add_u8(&x->answer, (uint8_t)times, e);
}

static int respond_if_ready(struct twin_device *d, struct twin_exchange *x, int64_t now_ms,
    struct err *e)
{
	struct twin_pending *p = &d->pending;

	if (x->request.data[0] != d->connection.version)
		return twin_refuse(d, x, SPDM_ERROR_VERSION_MISMATCH, 0, e);
	if (!p->waits || x->request.data[2] != p->code || x->request.data[3] != p->token)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (now_ms < p->ready_ms)
		return say_not_ready(d, x, p->ready_ms - now_ms, e);
	p->waits = false;
	return buf_set(&x->answer, p->answer.data, p->answer.len, e);
}

/* Long work is answered later, on RESPOND_IF_READY; short work as the seed has it. */
static int put_off(struct twin_device *d, struct twin_exchange *x, int64_t now_ms, struct err *e)
{
	struct twin_pending *p = &d->pending;

	if (!d->plan.not_ready && x->work_ms * 1000 < INT64_C(1) << TWIN_CT_EXPONENT)
		return 0;
	buf_free(&p->answer);
	p->answer = buf_steal(&x->answer);
	p->waits = true;
	p->code = x->request.data[1];
	p->token++;
	p->ready_ms = now_ms + x->work_ms;
	if (say_not_ready(d, x, x->work_ms, e) != 0)
		return -1;
	x->work_ms = 0;
	return 0;
}

static int act(struct twin_device *d, struct twin_exchange *x, int64_t now_ms, struct err *e)
{
	const struct twin_connection *c = &d->connection;

	if (twin_device_handle(d, x, e) != 0)
		return -1;
	if (x->work_ms > 0 && !is_error(x) && put_off(d, x, now_ms, e) != 0)
		return -1;
	if (c->phase == TWIN_NEGOTIATED && x->answer.len > c->peer_transfer)
		return twin_chunk_begin(d, x, e);
	return 0;
}

/* Refusals that are planned: they come before the request is looked at. */
static int act_by_plan(struct twin_device *d, struct twin_exchange *x, enum step_id step,
    int64_t now_ms, struct err *e)
{
	if (twin_device_strikes(d, TWIN_FAULT_REFUSE, step))
		return twin_refuse(d, x, SPDM_ERROR_UNSPECIFIED, 0, e);
	if (!twin_device_strikes(d, TWIN_FAULT_BUSY, step))
		return act(d, x, now_ms, e);
	if (twin_device_struck(d, e) != 0)
		return -1;
	return twin_refuse(d, x, SPDM_ERROR_BUSY, 0, e);
}

static int answer(struct twin_device *d, struct twin_exchange *x, int64_t now_ms, struct err *e)
{
	uint8_t code = x->request.data[1];
	bool chunk = code == SPDM_CHUNK_SEND || code == SPDM_CHUNK_GET;

	if (code == SPDM_RESPOND_IF_READY)
		return respond_if_ready(d, x, now_ms, e);
	if (code != SPDM_GET_VERSION && d->pending.waits)
		return twin_refuse(d, x, SPDM_ERROR_BUSY, 0, e);
	if (code != SPDM_GET_VERSION && !chunk && (d->chunks.sends || d->chunks.receives))
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	return act_by_plan(d, x, twin_device_step(d, &x->request), now_ms, e);
}

int twin_device_answer(struct twin_device *d, const struct buf *request, int64_t now_ms,
    struct twin_answer *ret, struct err *e)
{
	AUTO_STRUCT(twin_exchange) x = { 0 };
	int rc;

	if (buf_set(&x.request, request->data, request->len, e) != 0)
		return -1;
	if (request->len >= SPDM_HEADER_LEN)
		rc = answer(d, &x, now_ms, e);
	else
		rc = twin_refuse(d, &x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (rc != 0)
		return -1;
	buf_free(&ret->message);
	ret->message = buf_steal(&x.answer);
	ret->after_ms = x.work_ms;
	return 0;
}
