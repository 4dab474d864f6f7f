/* A hostile card against the whole driver. The first byte chooses the op; then, for each APDU, a byte of length
 * and the answer. */
#include <stdlib.h>
#include <string.h>

#include "piv/device.h"
#include "piv_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzed {
	const uint8_t *data;
	size_t left;
	int pins; /* tries of the PIN */
};

static int power_on(void *context, int64_t deadline, struct err *e)
{
	(void)context;
	(void)deadline;
	(void)e;
	return 0;
}

static int transmit(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	struct fuzzed *f = context;
	size_t len;

	(void)deadline; /* nobody waits here */
	if (f->left == 0)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	if (apdu->len > 5 && apdu->data[1] == 0x20)
		f->pins++;
	len = f->data[0] < f->left - 1 ? f->data[0] : f->left - 1;
	if (buf_set(ret, f->data + 1, len, e) != 0)
		return -1;
	f->data += len + 1;
	f->left -= len + 1;
	return 0;
}

static void run(struct device *d, uint8_t op, struct err *e)
{
	static const uint8_t nonce[32];
	const struct identity unit = { .model = "T", .serial = "1" };
	const struct key_spec spec = { "EC:P-256", true };
	AUTO_STRUCT(identity) id = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(buf) out = { 0 };
	uint8_t der[300] = { 0x30 };
	const struct buf leaf = { .data = der, .len = sizeof(der) };

	switch (op % 7) {
	case 0:
		(void)d->driver->identify(d, &id, e);
		return;
	case 1:
		(void)d->driver->keygen(d, &spec, e);
		return;
	case 2:
		if (subject_render(&subject, d->profile, &unit, e) == 0)
			(void)d->driver->request(d, &subject, &out, e);
		return;
	case 3:
		(void)d->driver->install(d, OBJECT_LEAF, &leaf, e);
		return;
	case 4:
		(void)d->driver->readback(d, OBJECT_ANCHORS, &stored, e);
		return;
	case 5:
		(void)d->driver->prove(d, nonce, &proof, e);
		return;
	default:
		(void)d->driver->origin(d, &out, e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct piv_reader reader = { .power_on = power_on, .transmit = transmit };
	static const struct secret none;
	const struct device base = { .driver = driver_find("piv"),
		.profile = piv_fuzz_profile(),
		.secret = &none,
		.deadline = INT64_MAX };
	struct fuzzed f = { .data = data, .left = size };
	struct device *d = NULL;
	struct err e = { 0 };

	if (size == 0)
		return 0;
	f.data++;
	f.left--;
	if (piv_device_open(&d, &base, &reader, &f, &e) != 0)
		abort();
	run(d, data[0], &e);
	d->driver->close(d);
	if (f.pins > 1)
		abort();
	return 0;
}
