/*
 * One device family, as kiln-slot drives it. Each family's folder defines one
 * `const struct driver <name>_driver`; the build makes the table from the folders.
 *
 * Every op blocks at most until device->deadline and never retries the step (it may repeat a
 * protocol exchange where the protocol says so: Busy, ResponseNotReady). Errors: LINK for the wire,
 * DEVICE for what the device said or did; a message quotes the device's own code.
 * No private key crosses a transport: there is no op for it, and there will be none.
 */
#ifndef KILN_DRIVER_H
#define KILN_DRIVER_H

#include "family.h"
#include "profile.h"
#include "secret.h"
#include "subject.h"
#include "transport.h"

struct driver;

/* A driver embeds this first in its own state. */
struct device {
	const struct driver *driver;
	struct transport *link;        /* borrowed */
	const struct profile *profile; /* borrowed */
	const struct secret *secret;   /* borrowed; the profile's `secret`, or empty */
	int64_t deadline;              /* of the op that runs: absolute monotonic ms */
	struct buf resume;             /* token for the slot after a reset, see DRIVER_RESET */
};

/*
 * An op that fails with DEVICE and this code needs the device reset: the driver has asked the device
 * for the reset where the family can, and left in device->resume (at most 64 bytes, may be empty)
 * what the same op needs in the next slot, which finds it in the same place.
 */
#define DRIVER_RESET "device.reset"

struct key_spec {
	const char *algorithm; /* "EC:P-256" */
	bool replace;          /* a key that is there may be erased first; else it is used */
};

struct driver {
	const char *name;

	/* No I/O. link, profile and secret outlive the device. */
	int (*open)(struct device **ret, const struct device *base, struct err *e);
	void (*close)(struct device *d);

	/* Model, serial, key_present before anything is made. */
	int (*identify)(struct device *d, struct identity *ret, struct err *e);

	/* After it the device has a key of that algorithm. A no-op where the family has none to make. */
	int (*keygen)(struct device *d, const struct key_spec *spec, struct err *e);

	/* PKCS#10 over the device's key, original bytes. */
	int (*request)(struct device *d, const struct subject *subject, struct buf *ret_csr,
	    struct err *e);

	/*
	 * The chip's own evidence that the key of the last `request` was made inside it, for the family's
	 * check_origin: certificates as DERs one behind the other, the key's first. Empty where this device
	 * has none; NULL where the family has none. Where the profile asks for none (attestation), what it refuses
	 * with DEVICE is no failure of the step, nor is evidence that is too long.
	 */
	int (*origin)(struct device *d, struct buf *ret_ders, struct err *e);

	/* Stores an object (its form: enum object). */
	int (*install)(struct device *d, enum object object, const struct buf *ders, struct err *e);

	int (*readback)(struct device *d, enum object object, struct stored *ret, struct err *e);

	/* A signature by the device's key over the nonce and its certificate. */
	int (*prove)(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
	    struct err *e);

	/* Irreversible end of manufacturing; NULL where the family has none. */
	int (*seal)(struct device *d, struct err *e);
};

/* The one of that name, or NULL; by index, NULL behind the last. */
const struct driver *driver_find(const char *name);
const struct driver *driver_at(size_t i);

#endif
