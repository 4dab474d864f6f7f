/*
 * The steps of profiles/driver.h. Each chooses the application anew, and after a failure the card is reset
 * first. What needs the management key or the PIN authenticates in the same step.
 */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "auth.h"
#include "identify.h"
#include "key.h"
#include "object.h"
#include "piv.h"
#include "pkcs10.h"
#include "proof.h"

static int ccid_reader_power_on(void *context, int64_t deadline, struct err *e)
{
	return ccid_power_on(context, deadline, e);
}

static int ccid_reader_transmit(void *context, const struct buf *apdu, struct buf *ret,
    int64_t deadline, struct err *e)
{
	return ccid_transmit(context, apdu, ret, deadline, e);
}

static const struct piv_reader ccid_reader = {
	.power_on = ccid_reader_power_on,
	.transmit = ccid_reader_transmit,
};

static void piv_close(struct device *d)
{
	struct piv_device *p = (struct piv_device *)d;

	piv_credential_free(&p->credential);
	buf_free(&p->spki);
	free(p);
}

int piv_device_open(struct device **ret, const struct device *base, const struct piv_reader *reader,
    void *context, struct err *e)
{
	struct piv_device *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->base = *base;
	p->base.resume = (struct buf){ 0 }; /* the family has no resets */
	p->card =
	    (struct piv_card){ .reader = reader, .context = context != NULL ? context : &p->ccid };
	if (piv_options_read(base->profile, &p->options, e) != 0)
		goto fail;
	if (p->options.factory_secrets)
		piv_credential_factory(&p->credential);
	else if (piv_credential_read(base->secret, &p->credential, e) != 0)
		goto fail;
	*ret = &p->base;
	return 0;
fail:
	piv_close(&p->base);
	return -1;
}

static int piv_open(struct device **ret, const struct device *base, struct err *e)
{
	struct device *d;

	if (piv_device_open(&d, base, &ccid_reader, NULL, e) != 0)
		return -1;
	if (ccid_init(&((struct piv_device *)d)->ccid, &ccid_usb_port, base->link, e) != 0) {
		piv_close(d);
		return -1;
	}
	*ret = d;
	return 0;
}

/* The card, with its application chosen. */
static int enter(struct piv_device *p, struct err *e)
{
	p->card.deadline = p->base.deadline;
	if (!p->ready) {
		p->managed = p->pin_accepted = false;
		if (p->card.reader->power_on(p->card.context, p->card.deadline, e) != 0)
			return -1;
	}
	p->ready = false;
	return piv_select(&p->card, p->label, e);
}

/* After a failure nobody knows what the card thinks: the next step resets it. */
static int leave(struct piv_device *p, int rc)
{
	p->ready = rc == 0;
	return rc;
}

static int manage(struct piv_device *p, struct err *e)
{
	uint8_t challenge[PIV_BLOCK_MAX], algorithm;

	if (p->management_refusal.domain != ERR_NONE) {
		*e = p->management_refusal;
		return -1;
	}
	if (RAND_bytes(challenge, sizeof(challenge)) != 1)
		return err_openssl(e, ERR_CONFIG, "piv.random", "no random numbers");
	if (piv_management_algorithm(&p->card, p->options.management_algorithm, &p->credential,
		&algorithm, e) != 0)
		return -1;
	if (piv_manage(&p->card, algorithm, &p->credential, challenge, e) == 0) {
		p->managed = true;
		return 0;
	}
	if (err_is(e, "piv.management-key") || err_is(e, "piv.management-card"))
		p->management_refusal = *e;
	return -1;
}

/* Nothing secret goes to a card that is none of ours. */
static int meet(struct piv_device *p, struct err *e)
{
	return p->managed ? 0 : manage(p, e);
}

/* Directly before each use of the key, as slot 9c and the policy `always` want it. */
static int verify(struct piv_device *p, struct err *e)
{
	enum { POLICY_NEVER = 1 };

	if (p->options.slot == PIV_SLOT_CARD || p->options.pin_policy == POLICY_NEVER ||
	    !p->credential.has_pin)
		return 0;
	if (p->pin_refusal.domain != ERR_NONE) {
		*e = p->pin_refusal;
		return -1;
	}
	if (meet(p, e) != 0)
		return -1;
	if (piv_verify(&p->card, &p->credential, &p->pin_accepted, e) == 0)
		return 0;
	if (err_is(e, "piv.pin") || err_is(e, "piv.pin-blocked"))
		p->pin_refusal = *e;
	return -1;
}

static int sign(struct piv_device *p, const struct buf *message, struct buf *ret, struct err *e)
{
	if (verify(p, e) != 0)
		return -1;
	if (piv_sign(&p->card, &p->options, message, ret, e) == 0)
		return 0;
	if (err_is(e, "piv.not-allowed") && !p->credential.has_pin)
		return err_set(e, ERR_CONFIG, "piv.secret",
		    "slot %02x wants the PIN and the profile's secret has none", p->options.slot);
	return -1;
}

static int piv_op_identify(struct device *d, struct identity *ret, struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;

	if (enter(p, e) != 0)
		return -1;
	return leave(p, piv_identify(&p->card, &p->options, p->label, ret, e));
}

static int keygen(struct piv_device *p, const struct key_spec *spec, struct err *e)
{
	bool present;

	if (strcmp(spec->algorithm, p->options.algorithm->name) != 0)
		return err_set(e, ERR_CONFIG, "piv.keygen",
		    "a key of %s was asked for, the profile has %s", spec->algorithm,
		    p->options.algorithm->name);
	if (piv_key_present(&p->card, &p->options, &present, e) != 0)
		return -1;
	if (present && !spec->replace)
		return meet(p, e);
	buf_clear(&p->spki);
	if (manage(p, e) != 0)
		return -1;
	return piv_generate(&p->card, &p->options, &p->spki, e);
}

static int piv_op_keygen(struct device *d, const struct key_spec *spec, struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;

	if (enter(p, e) != 0)
		return -1;
	return leave(p, keygen(p, spec, e));
}

static int request(struct piv_device *p, const struct subject *subject, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) info = { 0 }, signature = { 0 };

	if (p->spki.len == 0 && piv_read_key(&p->card, &p->options, &p->spki, e) != 0)
		return -1;
	if (pkcs10_info(subject, &p->spki, &info, e) != 0 || sign(p, &info, &signature, e) != 0)
		return -1;
	return pkcs10_assemble(&info, p->options.algorithm->name, &signature, ret, e);
}

static int piv_op_request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;

	if (enter(p, e) != 0)
		return -1;
	return leave(p, request(p, subject, ret_csr, e));
}

static int piv_op_origin(struct device *d, struct buf *ret_ders, struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;

	if (enter(p, e) != 0)
		return -1;
	return leave(p, piv_attest(&p->card, &p->options, ret_ders, e));
}

static int object_of(const struct piv_device *p, enum object object, uint32_t *ret, struct err *e)
{
	*ret = object == OBJECT_LEAF      ? p->options.object
	       : object == OBJECT_ANCHORS ? p->options.anchors
					  : 0;
	if (*ret == 0)
		return err_set(e, ERR_CONFIG, "piv.object", "the card has no place for %s",
		    object_name(object));
	return 0;
}

static int install(struct piv_device *p, uint32_t object, const struct buf *ders, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 };

	if (piv_wrap(ders, &content, e) != 0 || manage(p, e) != 0)
		return -1;
	return piv_put(&p->card, object, &content, e);
}

static int piv_op_install(struct device *d, enum object object, const struct buf *ders,
    struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;
	uint32_t at;

	if (object_of(p, object, &at, e) != 0 || enter(p, e) != 0)
		return -1;
	return leave(p, install(p, at, ders, e));
}

static int piv_op_readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;
	AUTO_STRUCT(buf) ders = { 0 };
	uint32_t at;

	if (object_of(p, object, &at, e) != 0 || enter(p, e) != 0 ||
	    leave(p, piv_get_certificates(&p->card, at, &ders, e)) != 0)
		return -1;
	*ret = (struct stored){ .bytes = buf_steal(&ders) };
	return 0;
}

/* See proof.h. The certificate is the one that the card has now. */
static int prove(struct piv_device *p, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	AUTO_STRUCT(proof) proof = { .scheme = PIV_PROOF_SCHEME };
	AUTO_STRUCT(buf) leaf = { 0 };
	uint8_t digest[SHA256_LEN];

	if (piv_get_certificates(&p->card, p->options.object, &leaf, e) != 0)
		return -1;
	sha256(leaf.data, leaf.len, digest);
	if (buf_add(&proof.preimage, PIV_PROOF_SCHEME, PIV_PROOF_PREFIX_LEN, e) != 0 ||
	    buf_add(&proof.preimage, nonce, PIV_PROOF_NONCE_LEN, e) != 0 ||
	    buf_add(&proof.preimage, digest, sizeof(digest), e) != 0 ||
	    sign(p, &proof.preimage, &proof.signature, e) != 0)
		return -1;
	*ret = proof;
	proof = (struct proof){ 0 };
	return 0;
}

static int piv_op_prove(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	struct piv_device *p = (struct piv_device *)d;

	if (enter(p, e) != 0)
		return -1;
	return leave(p, prove(p, nonce, ret, e));
}

extern const struct driver piv_driver; /* the build's table of drivers declares it too */
const struct driver piv_driver = {
	.name = "piv",
	.open = piv_open,
	.close = piv_close,
	.identify = piv_op_identify,
	.keygen = piv_op_keygen,
	.request = piv_op_request,
	.origin = piv_op_origin,
	.install = piv_op_install,
	.readback = piv_op_readback,
	.prove = piv_op_prove,
};
