/*
 * An emulated device of a family: it speaks the family's real protocol on the master side of a
 * pseudo terminal. It shares no protocol code with the driver beyond constants and framing.
 * Each family's twin.c defines one `const struct twin_family <name>_twin`; kiln-twin runs one process
 * for each plugged device. Of a family that leaves when it is unplugged, the process serves the slot's next device.
 */
#ifndef KILN_TWIN_H
#define KILN_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * What a device shows on USB: one vendor-defined or class interface with a bulk pair. Its serve() then
 * gets a SOCK_SEQPACKET socket in place of a tty: a message is what one transfer carries, either way.
 */
struct twin_usb {
	uint16_t vendor, product;
	uint8_t class, subclass, protocol; /* of the interface */
	const uint8_t *descriptor;         /* class-specific, behind the interface's; may be NULL */
	size_t descriptor_len;
	const uint8_t *
	    notice; /* sent once on an interrupt endpoint after it is configured; NULL: no such endpoint */
	size_t notice_len; /* at most 8 */
	size_t
	    transfer_max; /* a transfer this long is over without a short packet, either way; 0: none is */
	bool tells_step; /* serve() keeps the account's step */
};

/* What a device did since it was plugged. It keeps this itself, in memory that kiln-twin shares (--log). */
struct twin_account {
	int step; /* enum step_id of the request it answers, noted before it does; -1: none yet */
	int64_t shown_us; /* monotonic: since then a station can find it; on a tty */
	/*
	 * By the device's own clock: its line at its baud rate, the processor time of what it computed, what it
	 * let pass, and what it told the station to stay away. Never what a busy machine added.
	 */
	int64_t busy_us;
	int64_t line_us; /* the line's part of it */
	int64_t late_us; /* how much later than due its answers were, for all of that */
	int64_t in, out; /* bytes on the line */
};

struct twin_config {
	const char *serial;
	const char *model;
	const char
	    *folder; /* the device's flash: its own folder, exists; state survives unplugging */
	const char *variant; /* the family's own choice ("1.2", "1.3", "tpm2"), or NULL */
	const char
	    *fault; /* what goes wrong ("drop", "wrong-key", ...), or NULL; see twin_faults */
	int64_t keygen_ms;            /* how long making a key takes */
	int64_t baud;                 /* paces what the device sends and receives; 0: unpaced */
	uint64_t seed;                /* of every random choice but keys and nonces */
	bool usb;                     /* fd is the socket of a struct twin_usb */
	struct twin_account *account; /* NULL, or where serve() keeps its account */
	int unplugged; /* readable once it is, of a family that leaves; 0: its process is killed */
};

/*
 * Faults every family's twin knows where they make sense for it. step:NAME after a colon chooses
 * where ("stall:prove"); without it the fault hits at a place that seed picks.
 */
#define TWIN_FAULTS                                                                                \
	"drop", "corrupt", "stall", "reset", "lying-readback", "wrong-key", "duplicate-serial",    \
	    "refuse", "wrong-serial", "wrong-nonce", "other-csr-subject", "bad-csr-signature"

struct twin_family {
	const char *name;
	const char *const *faults;   /* NULL at the end: those of TWIN_FAULTS it can do */
	const char *const *variants; /* NULL at the end; the first is the default */
	bool serial;                 /* it can be on a serial line */
	const struct twin_usb *usb;  /* what it is on USB; NULL: it can not be */
	bool leaves; /* serve() looks at config's unplugged wherever it waits, and returns */

	/* The fault can strike in this variant, at the step it names. No I/O. CONFIG "twin.fault". */
	int (*check)(const struct twin_config *config, struct err *e);

	/*
	 * Serves the device on fd, the master of a raw pty, until it is unplugged: -1 "twin.unplugged" where the
	 * family leaves, else the process is killed. Returns 0 where the device resets itself: kiln-twin closes the
	 * pty, waits a moment, and starts it again on a new one with the same folder.
	 */
	int (*serve)(const struct twin_config *config, int fd, struct err *e);

	/*
	 * Once, before a device is plugged: what the fleet's devices have together. folder holds the devices' own
	 * folders. Devices that attest their keys leave there, as TWIN_ATTESTATION_FILE, whom to believe. NULL where
	 * they have nothing together.
	 */
	int (*prepare)(const char *folder, struct err *e);
};
#define TWIN_ATTESTATION_FILE "attestation-root.pem"

/* The one of that name, or NULL; by index, NULL behind the last. */
const struct twin_family *twin_find(const char *name);
const struct twin_family *twin_at(size_t i);

#endif
