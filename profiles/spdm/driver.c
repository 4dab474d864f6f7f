/*
 * The steps of profiles/driver.h. A step goes on with the connection of the one before, where that went
 * well: three round trips less, and the chain that was read back need not be read again to be proved. A
 * device that has forgotten the connection refuses its next message, and is then asked on a new one.
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
	bool live; /* the last step went well: a device that is the same knows the connection */
	bool kept; /* the present step goes on with it */
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
	s->kept = s->live && d->resume.len == 0; /* a token serves once */
	s->live = false;
	if (!s->kept && spdm_connect(&s->connection, e) != 0)
		return -1;
	s->connection.peer.asked = 0;
	*ret = &s->connection;
	return 0;
}

enum repeat { REPEAT_FIRST, REPEAT_ANY };

/*
 * The end of a step, by its result: true where it is to be done again, because the device knows nothing
 * of the connection that was kept. Which of these it says is its own. What only reads may be done again
 * (REPEAT_ANY) whenever the device says so; everything else only if it refused the first request.
 */
static bool is_forgotten(struct device *d, int rc, enum repeat repeat, struct err *e)
{
	struct spdm_device *s = (struct spdm_device *)d;
	const struct spdm_peer *p = &s->connection.peer;

	s->live = rc == 0;
	if (rc == 0 || !s->kept || (repeat == REPEAT_FIRST && p->asked != 1) ||
	    (p->error_code != SPDM_ERROR_UNEXPECTED_REQUEST &&
		p->error_code != SPDM_ERROR_VERSION_MISMATCH &&
		p->error_code != SPDM_ERROR_REQUEST_RESYNCH))
		return false;
	*e = (struct err){ 0 };
	return true;
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
	int rc;

	do
		rc = connect_device(d, &c, e) == 0 ? spdm_identify(c, ret, e) : -1;
	while (is_forgotten(d, rc, REPEAT_ANY, e));
	return rc;
}

static int spdm_op_keygen(struct device *d, const struct key_spec *spec, struct err *e)
{
	const char *name = ((struct spdm_device *)d)->options.algorithm->name;
	struct spdm_connection *c;
	int rc;

	if (strcmp(spec->algorithm, name) != 0)
		return err_set(e, ERR_CONFIG, "device.key",
		    "a key of %s was asked for, the profile has %s", spec->algorithm, name);
	do
		rc = connect_device(d, &c, e) == 0 ? spdm_key_make(c, spec->replace, e) : -1;
	while (is_forgotten(d, rc, REPEAT_FIRST, e));
	return rc;
}

static int request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	struct spdm_connection *c;
	bool reset = false;

	if (connect_device(d, &c, e) != 0 ||
	    spdm_request_csr(c, subject, &d->resume, ret_csr, &reset, e) != 0)
		return -1;
	return reset ? reset_device(d, c, e) : 0;
}

static int spdm_op_request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	int rc;

	do
		rc = request(d, subject, ret_csr, e);
	while (is_forgotten(d, rc, REPEAT_FIRST, e));
	return rc;
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

static int install(struct device *d, enum object object, const struct buf *ders, struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	return object == OBJECT_CHAIN ? install_chain(d, c, ders, e)
				      : spdm_vendor_put_anchors(c, ders, e);
}

static int spdm_op_install(struct device *d, enum object object, const struct buf *ders,
    struct err *e)
{
	int rc;

	if (object != OBJECT_CHAIN && object != OBJECT_ANCHORS)
		return unsupported(e, object);
	do
		rc = install(d, object, ders, e);
	while (is_forgotten(d, rc, REPEAT_FIRST, e));
	return rc;
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

static int readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	struct spdm_connection *c;

	if (connect_device(d, &c, e) != 0)
		return -1;
	return object == OBJECT_CHAIN ? readback_chain(c, ret, e) : readback_anchors(c, ret, e);
}

static int spdm_op_readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	int rc;

	if (object != OBJECT_CHAIN && object != OBJECT_ANCHORS)
		return unsupported(e, object);
	do
		rc = readback(d, object, ret, e);
	while (is_forgotten(d, rc, REPEAT_ANY, e));
	return rc;
}

static int spdm_op_prove(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	struct spdm_connection *c;
	int rc;

	do
		rc = connect_device(d, &c, e) == 0 ? spdm_prove(c, nonce, ret, e) : -1;
	while (is_forgotten(d, rc, REPEAT_ANY, e));
	return rc;
}

static int spdm_op_seal(struct device *d, struct err *e)
{
	struct spdm_connection *c;
	int rc;

	do
		rc = connect_device(d, &c, e) == 0 ? spdm_vendor_seal(c, e) : -1;
	while (is_forgotten(d, rc, REPEAT_FIRST, e));
	return rc;
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
