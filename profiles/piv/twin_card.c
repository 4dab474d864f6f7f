#include "twin_card.h"

#include <stdlib.h>
#include <string.h>

#include "twin_issue.h"
#include "twin_object.h"

/* PIV, its version left off; any prefix of the whole that is as long is this application too. */
static const uint8_t aid[] = { 0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00 };
enum { AID_SHORTEST = 5, DIGITS_MAX = 9 };

static const uint8_t atr_t1[] = { 0x3b, 0x80, 0x80, 0x01, 0x01 };
static const uint8_t atr_yubico[] = { 0x3b, 0xfd, 0x13, 0x00, 0x00, 0x81, 0x31, 0xfe, 0x15, 0x80,
	0x73, 0xc0, 0x21, 0xc0, 0x57, 0x59, 0x75, 0x62, 0x69, 0x4b, 0x65, 0x79, 0x40 };
static const uint8_t atr_t0[] = { 0x3b, 0x04, 0x6b, 0x69, 0x6c, 0x6e };

/* 61: PIX, authority, label, and what it can sign with (SP 800-73-4 part 2, table 3). */
static const uint8_t application_full[] = { 0x61, 0x34, 0x4f, 0x06, 0x00, 0x00, 0x10, 0x00, 0x01,
	0x00, 0x79, 0x07, 0x4f, 0x05, 0xa0, 0x00, 0x00, 0x03, 0x08, 0x50, 0x09, 'k', 'i', 'l', 'n',
	' ', 't', 'w', 'i', 'n', 0xac, 0x06, 0x80, 0x01, 0x07, 0x06, 0x01, 0x00, 0xac, 0x06, 0x80,
	0x01, 0x11, 0x06, 0x01, 0x00, 0xac, 0x06, 0x80, 0x01, 0x14, 0x06, 0x01, 0x00 };
static const uint8_t application_yubico[] = { 0x61, 0x11, 0x4f, 0x06, 0x00, 0x00, 0x10, 0x00, 0x01,
	0x00, 0x79, 0x07, 0x4f, 0x05, 0xa0, 0x00, 0x00, 0x03, 0x08 };

#define ATR(name)         .atr = (name), .atr_len = sizeof(name)
#define APPLICATION(name) .application = (name), .application_len = sizeof(name)

/* token answers as PivApplet does, yubico as a YubiKey 5.7, plain as the standard alone. */
static const struct twin_traits variants[] = {
	{ .name = "token",
	    ATR(atr_t1),
	    APPLICATION(application_full),
	    .extensions = true,
	    .version = { 5, 4, 0 },
	    .management_algorithm = TWIN_3DES,
	    .tries = 5,
	    .algorithms = { TWIN_P256, TWIN_P384, TWIN_RSA2048, TWIN_RSA3072 },
	    .wrong_management = SW_DATA },
	{ .name = "yubico",
	    ATR(atr_yubico),
	    APPLICATION(application_yubico),
	    .extensions = true,
	    .version = { 5, 7, 1 },
	    .management_algorithm = TWIN_AES192,
	    .tries = 3,
	    .algorithms = { TWIN_P256, TWIN_P384, TWIN_RSA2048, TWIN_RSA3072 },
	    .wrong_management = SW_SECURITY },
	{ .name = "p384",
	    ATR(atr_t1),
	    APPLICATION(application_full),
	    .extensions = true,
	    .version = { 5, 4, 0 },
	    .management_algorithm = TWIN_AES256,
	    .tries = 5,
	    .algorithms = { TWIN_P384 },
	    .wrong_management = SW_SECURITY },
	{ .name = "reader",
	    ATR(atr_t0),
	    APPLICATION(application_full),
	    .extensions = true,
	    .short_only = true,
	    .version = { 5, 4, 0 },
	    .management_algorithm = TWIN_3DES,
	    .tries = 5,
	    .algorithms = { TWIN_P256, TWIN_P384, TWIN_RSA2048, TWIN_RSA3072 },
	    .wrong_management = SW_DATA },
	{ .name = "plain",
	    ATR(atr_t0),
	    APPLICATION(application_full),
	    .short_only = true,
	    .keeps_status = true,
	    .management_algorithm = TWIN_AES128,
	    .tries = 3,
	    .algorithms = { TWIN_P256, TWIN_P384, TWIN_RSA2048 },
	    .wrong_management = SW_SECURITY },
};

const char *const twin_card_variants[] = { "token", "yubico", "p384", "reader", "plain", NULL };

const struct twin_traits *twin_card_traits(const char *variant)
{
	if (variant == NULL)
		return &variants[0];
	for (size_t i = 0; i < COUNT(variants); i++)
		if (strcmp(variants[i].name, variant) == 0)
			return &variants[i];
	return NULL;
}

int twin_say(struct twin_reply *r, uint16_t sw)
{
	r->sw = sw;
	return 0;
}

bool twin_card_can(const struct twin_card *c, uint8_t algorithm)
{
	for (size_t i = 0; i < COUNT(c->traits->algorithms); i++)
		if (algorithm != 0 && c->traits->algorithms[i] == algorithm)
			return true;
	return false;
}

bool twin_is_key_slot(uint8_t slot)
{
	return slot == 0x9a || (slot >= 0x9c && slot <= 0x9e) || (slot >= 0x82 && slot <= 0x95);
}

uint32_t twin_card_serial(const struct twin_config *config)
{
	const char *end = config->serial + strlen(config->serial), *digits = end;
	uint8_t hash[SHA256_LEN];

	while (digits > config->serial && end - digits < DIGITS_MAX && digits[-1] >= '0' &&
	       digits[-1] <= '9')
		digits--;
	if (*digits != '\0')
		return (uint32_t)strtoull(digits, NULL, 10);
	sha256(config->serial, strlen(config->serial), hash);
	return (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

void twin_card_free(struct twin_card *c)
{
	twin_store_free(&c->store);
	buf_free(&c->chain);
	buf_free(&c->rest);
	buf_free(&c->foreign);
	EVP_PKEY_free(c->other_key);
	EVP_PKEY_free(c->foreign_key);
	memset(c, 0, sizeof(*c));
}

int twin_card_check(const struct twin_config *config, struct err *e)
{
	struct twin_fault f;

	if (twin_card_traits(config->variant) == NULL)
		return err_set(e, ERR_CONFIG, "twin.variant", "a piv card has no variant \"%s\"",
		    config->variant);
	if (twin_fault_parse(&f, config->fault, config->seed, e) != 0)
		return -1;
	if ((f.kind == FAULT_SHORT_ATTESTATION || f.kind == FAULT_FOREIGN_ATTESTATION) &&
	    !twin_card_traits(config->variant)->extensions)
		return err_set(e, ERR_CONFIG, "twin.fault", "this variant does not attest");
	return 0;
}

static void set_secrets(struct twin_card *c)
{
	static const uint8_t pattern[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct twin_store *s = &c->store;

	memcpy(s->pin.value, "123456\xff\xff", TWIN_PIN_LEN);
	memcpy(s->puk.value, "12345678", TWIN_PIN_LEN);
	s->pin.left = s->pin.tries = c->traits->tries;
	s->puk.left = s->puk.tries = c->traits->tries;
	s->management_algorithm = c->traits->management_algorithm;
	for (size_t i = 0; i < sizeof(s->management); i++)
		s->management[i] = pattern[i % sizeof(pattern)];
}

int twin_card_blank(struct twin_card *c, struct err *e)
{
	twin_store_drop_keys(&c->store);
	c->store.certified = false;
	c->authenticated = c->pin_verified = false;
	set_secrets(c);
	return twin_object_fill(c, e);
}

/* The factory's work: what every card of this kind has before anybody owns it. */
static int make(struct twin_card *c, struct err *e)
{
	if (twin_card_blank(c, e) != 0)
		return -1;
	if (c->traits->extensions && c->config->folder != NULL && twin_issue_factory(c, e) != 0)
		return -1;
	return twin_store_save(&c->store, e);
}

int twin_card_open(struct twin_card *ret, const struct twin_config *config, struct err *e)
{
	AUTO_STRUCT(twin_card)
	c = { .config = config, .traits = twin_card_traits(config->variant) };

	if (twin_card_check(config, e) != 0 ||
	    twin_fault_parse(&c.fault, config->fault, config->seed, e) != 0 ||
	    twin_store_load(&c.store, config->folder, e) != 0)
		return -1;
	if (!c.store.made && make(&c, e) != 0)
		return -1;
	c.store.cut = c.fault.cut;
	c.store.torn = c.fault.torn;
	if (c.fault.kind == FAULT_PIN_BLOCKED)
		c.store.pin.left = 0;
	if (c.fault.kind == FAULT_FOREIGN_ATTESTATION && twin_issue_foreign(&c, e) != 0)
		return -1;
	*ret = c;
	memset(&c, 0, sizeof(c));
	return 0;
}

void twin_card_reset(struct twin_card *c)
{
	c->selected = c->authenticated = c->pin_verified = c->pin_fresh = false;
	c->challenge = TWIN_NO_CHALLENGE;
	memset(&c->chain_head, 0, sizeof(c->chain_head));
	buf_clear(&c->chain);
	buf_clear(&c->rest);
}

static bool is_ours(const struct twin_apdu *a)
{
	return a->len >= AID_SHORTEST && a->len <= sizeof(aid) && memcmp(a->data, aid, a->len) == 0;
}

static int select_application(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	if (a->p1 != 0x04 || (a->p2 & 0xf3) != 0)
		return twin_say(r, SW_P1P2);
	if (!is_ours(a))
		return twin_say(r, SW_NOT_FOUND);
	if (!c->selected || !c->traits->keeps_status)
		twin_card_reset(c);
	c->selected = true;
	return buf_set(&r->data, c->traits->application, c->traits->application_len, e);
}

static int general_authenticate(struct twin_card *c, const struct twin_apdu *a,
    struct twin_reply *r, struct err *e)
{
	if (a->p2 == 0x9b)
		return twin_do_authenticate(c, a, r, e);
	c->challenge = TWIN_NO_CHALLENGE;
	return twin_do_sign(c, a, r, e);
}

static const struct {
	uint8_t ins;
	bool extension;
	twin_instruction *run;
} instructions[] = {
	{ 0x20, false, twin_do_verify },
	{ 0x24, false, twin_do_change_reference },
	{ 0x2c, false, twin_do_reset_retry },
	{ 0x47, false, twin_do_generate },
	{ 0x87, false, general_authenticate },
	{ 0xa4, false, select_application },
	{ 0xcb, false, twin_do_get_data },
	{ 0xdb, false, twin_do_put_data },
	{ 0xf7, true, twin_do_get_metadata },
	{ 0xf8, true, twin_do_get_serial },
	{ 0xf9, true, twin_do_attest },
	{ 0xfa, true, twin_do_set_retries },
	{ 0xfb, true, twin_do_reset_card },
	{ 0xfd, true, twin_do_get_version },
	{ 0xff, true, twin_do_set_management },
};
enum {
	INS_AUTHENTICATE = 0x87,
	INS_SELECT = 0xa4,
	INS_GET_RESPONSE = 0xc0,
	CHAIN_MAX = TWIN_OBJECT_LEN + 64
};

static int run(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r, struct err *e)
{
	if (a->ins != INS_SELECT && !c->selected)
		return twin_say(r, SW_INS);
	if (a->ins != INS_AUTHENTICATE)
		c->challenge = TWIN_NO_CHALLENGE;
	for (size_t i = 0; i < COUNT(instructions); i++)
		if (instructions[i].ins == a->ins &&
		    (!instructions[i].extension || c->traits->extensions))
			return instructions[i].run(c, a, r, e);
	return twin_say(r, SW_INS);
}

static bool continues(const struct twin_apdu *head, const struct twin_apdu *a)
{
	return head->ins != 0 && head->ins == a->ins && head->p1 == a->p1 && head->p2 == a->p2;
}

/* ISO 7816-4 5.1.1: the parts of a chain are one command; a command that is none of it ends it. */
static int chain(struct twin_card *c, struct twin_apdu *a, struct twin_reply *r, bool *ret_whole,
    struct err *e)
{
	bool more = (a->cla & TWIN_APDU_CHAINED) != 0;

	*ret_whole = !more;
	if (!continues(&c->chain_head, a)) {
		memset(&c->chain_head, 0, sizeof(c->chain_head));
		buf_clear(&c->chain);
		if (!more)
			return 0;
	}
	if (c->chain.len + a->len > CHAIN_MAX) {
		*ret_whole = false;
		memset(&c->chain_head, 0, sizeof(c->chain_head));
		return twin_say(r, SW_NO_SPACE);
	}
	if (buf_add(&c->chain, a->data, a->len, e) != 0)
		return -1;
	c->chain_head = *a;
	a->data = c->chain.data;
	a->len = c->chain.len;
	if (!more)
		memset(&c->chain_head, 0, sizeof(c->chain_head));
	return 0;
}

/* As much of the answer as the host takes now; the rest waits for GET RESPONSE. */
static int send(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct buf *ret, struct err *e)
{
	size_t take = r->data.len < a->expected ? r->data.len : a->expected;
	size_t left = r->data.len - take;

	if (buf_set(ret, r->data.data, take, e) != 0 ||
	    buf_set(&c->rest, r->data.data, r->data.len, e) != 0)
		return -1;
	buf_drop(&c->rest, take);
	if (left > 0)
		r->sw = (uint16_t)(SW_MORE | (left > 0xff ? 0 : left));
	return buf_add(ret, (const uint8_t[]){ (uint8_t)(r->sw >> 8), (uint8_t)r->sw }, 2, e);
}

static int refuse(struct buf *ret, uint16_t sw, struct err *e)
{
	return buf_set(ret, (const uint8_t[]){ (uint8_t)(sw >> 8), (uint8_t)sw }, 2, e);
}

static int answer(struct twin_card *c, struct twin_apdu *a, struct buf *ret, struct err *e)
{
	struct twin_reply r = { .sw = SW_OK };
	bool whole;
	int rc;

	if (a->ins == INS_GET_RESPONSE) {
		r.data = buf_steal(&c->rest);
		rc = r.data.len > 0 ? 0 : twin_say(&r, SW_CONDITIONS);
	} else {
		rc = chain(c, a, &r, &whole, e);
		if (rc == 0 && whole)
			rc = run(c, a, &r, e);
	}
	if (rc == 0)
		rc = send(c, a, &r, ret, e);
	buf_free(&r.data);
	return rc;
}

int twin_card_transmit(struct twin_card *c, const uint8_t *apdu, size_t len, struct buf *ret,
    struct err *e)
{
	struct twin_apdu a;

	c->work_ms = 0;
	if (!twin_apdu_parse(apdu, len, &a) || (a.extended && c->traits->short_only))
		return refuse(ret, SW_LENGTH, e);
	if ((a.cla & ~TWIN_APDU_CHAINED) != 0)
		return refuse(ret, SW_CLA, e);
	if (twin_card_strikes(c, FAULT_REFUSE, twin_card_step(c, apdu, len)))
		return refuse(ret, SW_ERROR, e);
	return answer(c, &a, ret, e);
}

/* Of a command that uses a private key: a request before there is a certificate, a proof after. */
static enum step_id step_of_use(const struct twin_card *c)
{
	return c->store.certified ? STEP_PROVE : STEP_REQUEST;
}

enum step_id twin_card_step(const struct twin_card *c, const uint8_t *apdu, size_t len)
{
	if (len < 4)
		return STEP_COUNT;
	switch (apdu[1]) {
	case INS_SELECT:
	case 0xf8:
	case 0xfd:
		return STEP_IDENTIFY;
	case 0x47:
		return STEP_KEYGEN;
	case 0x87:
		return apdu[3] == 0x9b ? STEP_COUNT : step_of_use(c);
	case 0xf9:
		return STEP_REQUEST;
	case 0xdb:
		return STEP_INSTALL;
	case 0xcb:
		return c->store.certified && twin_object_is_certificate_asked(apdu, len)
			   ? STEP_READBACK
			   : STEP_COUNT;
	default:
		return STEP_COUNT;
	}
}

bool twin_card_strikes(const struct twin_card *c, enum twin_fault_kind kind, enum step_id step)
{
	return step != STEP_COUNT && twin_fault_strikes(&c->fault, kind, step, c->store.faults);
}

int twin_card_struck(struct twin_card *c, struct err *e)
{
	c->store.faults++;
	return twin_store_save(&c->store, e);
}
