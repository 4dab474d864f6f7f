/*
 * The steps of profiles/driver.h. Each begins with a connection of its own: a device that lost its
 * state, and a resumed slot, need no special case, and it is three short messages.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "challenge.h"
#include "check_chain.h"
#include "identify.h"
#include "key_pair.h"
#include "request.h"
#include "vendor.h"

/* What is left of a full-speed bus that a hub's devices share, for the time a message takes on it. */
enum { USB_BIT_PER_S = 1000000 };

struct spdm_device {
	struct device base;
	struct spdm_options options;
	struct spdm_connection connection;
};

static void spdm_close(struct device *d)
{
	struct spdm_device *s = (struct spdm_device *)d;

	spdm_connection_free(&s->connection);
	buf_free(&s->base.resume);
	free(s);
}

static int spdm_open(struct device **ret, const struct device *base, struct err *e)
{
	struct spdm_device *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->base = *base;
	s->base.resume = (struct buf){ 0 };
	if ((base->resume.len > 0 &&
		buf_set(&s->base.resume, base->resume.data, base->resume.len, e) != 0) ||
	    spdm_options_read(base->profile, &s->options, e) != 0) {
		spdm_close(&s->base);
		return -1;
	}
	spdm_connection_init(&s->connection, &s->options, base->link,
	    base->profile->link == LINK_SERIAL ? base->profile->baud : USB_BIT_PER_S);
	*ret = &s->base;
	return 0;
}

static int connect_device(struct device *d, struct spdm_connection **ret, struct err *e)
{
	struct spdm_device *s = (struct spdm_device *)d;

	s->connection.peer.deadline = d->deadline;
	*ret = &s->connection;
	return spdm_connect(&s->connection, e);
}

/* The device wants a reset before it goes on; d->resume says where it goes on. Returns -1. */
static int reset_device(struct device *d, struct spdm_connection *c, struct err *e)
{
	struct err unheard = { 0 };

	if (!c->options->vendor_reset)
		return err_set(e, ERR_DEVICE, DRIVER_RESET,
		    "the device needs a reset to go on: switch it off and on again");
	if (spdm_vendor_reset(c, &unheard) != 0 && unheard.domain != ERR_LINK) {
		buf_clear(&d->resume);
		*e = unheard;
		return err_while(e, "resetting the device");
	}
	/* An answer that is lost with the link is as good as one. */
	return err_set(e, ERR_DEVICE, DRIVER_RESET, "the device restarts to go on");
}

static int spdm_op_identify(struct device *d, struct identity *ret, struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	return spdm_identify(c, ret, e);
}

static int spdm_op_keygen(struct device *d, const struct key_spec *spec, struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	if (strcmp(spec->algorithm, c->options->algorithm->name) != 0)
		return err_set(e, ERR_CONFIG, "device.key",
		    "a key of %s was asked for, the profile has %s", spec->algorithm,
		    c->options->algorithm->name);
	return spdm_key_make(c, spec->replace, e);
}

static int spdm_op_request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	struct spdm_connection *c;
	bool reset = false;

	if (connect_device(d, &c, e) != 0 ||
	    spdm_request_csr(c, subject, &d->resume, ret_csr, &reset, e) != 0)
		return -1;
	return reset ? reset_device(d, c, e) : 0;
}

static int install_chain(struct device *d, struct spdm_connection *c, const struct buf *ders,
    struct err *e)
{
	const struct spdm_algorithm *a = c->options->algorithm;
	AUTO_STRUCT(buf) chain = { 0 };
	uint8_t want[SPDM_HASH_MAX];
	uint8_t got[SPDM_HASH_MAX];
	bool resumed = d->resume.len > 0;
	bool flag = false;

	buf_clear(&d->resume);
	if (spdm_chain_build(a, ders, &chain, e) != 0)
		return -1;
	if (!resumed) {
		if (spdm_set_chain(c, &chain, &flag, e) != 0)
			return -1;
		if (!flag)
			return 0;
		return buf_add_u8(&d->resume, OBJECT_CHAIN, e) != 0 ? -1 : reset_device(d, c, e);
	}
	/* Stored before the reset; in effect now? */
	spdm_hash(a, chain.data, chain.len, want);
	if (spdm_get_digest(c, got, &flag, e) != 0)
		return -1;
	if (!flag || memcmp(want, got, a->hash_len) != 0)
		return err_set(e, ERR_DEVICE, "device.chain",
		    "the certificate chain is not in slot 0 after the reset that it needed");
	return 0;
}

static int unsupported(struct err *e, enum object object)
{
	return err_set(e, ERR_CONFIG, "device.unsupported", "the spdm family does not store %s",
	    object_name(object));
}

static int spdm_op_install(struct device *d, enum object object, const struct buf *ders,
    struct err *e)
{
	struct spdm_connection *c;

	if (object != OBJECT_CHAIN && object != OBJECT_ANCHORS)
		return unsupported(e, object);
	if (connect_device(d, &c, e) != 0)
		return -1;
	return object == OBJECT_CHAIN ? install_chain(d, c, ders, e)
				      : spdm_vendor_put_anchors(c, ders, e);
}

static int readback_chain(struct spdm_connection *c, struct stored *ret, struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };

	if (spdm_get_chain(c, &chain, e) != 0 ||
	    spdm_chain_read(c->options->algorithm, &chain, "device.chain", &ders, e) != 0)
		return -1;
	*ret = (struct stored){ .bytes = buf_steal(&ders) };
	return 0;
}

static int readback_anchors(struct spdm_connection *c, struct stored *ret, struct err *e)
{
	AUTO_STRUCT(buf) digest = { 0 };
	uint8_t sha256[SHA256_LEN];
	uint32_t len = 0;

	if (spdm_vendor_get_anchors(c, &len, sha256, e) != 0)
		return -1;
	if (len == 0)
		return err_set(e, ERR_DEVICE, "device.empty", "the device stores no trust anchors");
	if (buf_set(&digest, sha256, sizeof(sha256), e) != 0)
		return -1;
	*ret = (struct stored){ .is_digest = true, .bytes = buf_steal(&digest) };
	return 0;
}

static int spdm_op_readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	struct spdm_connection *c;

	if (object != OBJECT_CHAIN && object != OBJECT_ANCHORS)
		return unsupported(e, object);
	if (connect_device(d, &c, e) != 0)
		return -1;
	return object == OBJECT_CHAIN ? readback_chain(c, ret, e) : readback_anchors(c, ret, e);
}

static int spdm_op_prove(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	return spdm_prove(c, nonce, ret, e);
}

static int spdm_op_seal(struct device *d, struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	return spdm_vendor_seal(c, e);
}

extern const struct driver spdm_driver; /* the build's table of drivers declares it too */
const struct driver spdm_driver = {
	.name = "spdm",
	.open = spdm_open,
	.close = spdm_close,
	.identify = spdm_op_identify,
	.keygen = spdm_op_keygen,
	.request = spdm_op_request,
	.install = spdm_op_install,
	.readback = spdm_op_readback,
	.prove = spdm_op_prove,
	.seal = spdm_op_seal,
};
