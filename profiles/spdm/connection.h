/*
 * An SPDM connection: version, capabilities and algorithms agreed on, the transcript of what was said
 * since (M1 of DSP0274: A, then B), and what it has told that need not be asked for twice.
 */
#ifndef KILN_SPDM_CONNECTION_H
#define KILN_SPDM_CONNECTION_H

#include "check_options.h"
#include "exchange.h"
#include "family.h"

/* What KEY_PAIR_INFO says of the profile's key pair. */
struct spdm_key_pair {
	bool known;
	uint16_t capabilities;
	uint16_t usages;    /* that it can have */
	uint32_t algorithm; /* 0: no key */
	uint8_t slots;      /* that it is associated with */
};

struct spdm_connection {
	struct spdm_peer peer;
	const struct spdm_options *options; /* borrowed */
	uint32_t flags;                     /* the device's capabilities; 0: not connected */
	bool multi_key;                     /* 1.3: GET_CSR and SET_CERTIFICATE name the key pair */
	bool measurements;                  /* GET_MEASUREMENTS will be answered */
	struct buf transcript;
	size_t agreed_len;         /* of the transcript: A */
	bool has_read;             /* the device's B may not be empty, whatever ours is */
	bool has_chain;            /* B is slot 0, read as a whole: CHALLENGE may follow */
	struct spdm_key_pair pair; /* as it is now */
	struct identity seen;      /* the last answer to identify; no serial: none */
};

void spdm_connection_init(struct spdm_connection *c, const struct spdm_options *options,
    struct transport *link, int64_t baud);
void spdm_connection_free(struct spdm_connection *c);

/*
 * A new connection, whatever was before: GET_VERSION again and again until peer.deadline (the device
 * may still be starting), then capabilities and algorithms. Errors: as spdm_exchange; DEVICE
 * "device.version", "device.algorithm", "device.unsupported".
 */
must_check int spdm_connect(struct spdm_connection *c, struct err *e);

/* DEVICE "device.unsupported" unless the device has all of these capabilities. */
must_check int spdm_require(const struct spdm_connection *c, uint32_t flags, const char *names,
    struct err *e);

/* B is empty again: what was read of the chain is no part of a proof. */
void spdm_forget_chain(struct spdm_connection *c);

/* Appends a request and the first len bytes of its answer (its defined length) to the transcript. */
must_check int spdm_remember(struct spdm_connection *c, const struct buf *request,
    const struct buf *answer, size_t len, struct err *e);

#endif
