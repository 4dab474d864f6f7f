/*
 * One SPDM request and its answer: timing, Busy, ResponseNotReady, chunks, and the checks that every
 * answer must pass. What the messages say is their callers' business.
 */
#ifndef KILN_SPDM_EXCHANGE_H
#define KILN_SPDM_EXCHANGE_H

#include "mctp.h"
#include "spdm.h"

struct spdm_peer {
	struct mctp mctp;
	int64_t baud;        /* of the line, for the time a message takes on it */
	int64_t deadline;    /* of the step */
	uint8_t version;     /* of the connection; SPDM_VERSION_10 before there is one */
	size_t transfer_max; /* the device's DataTransferSize */
	size_t message_max;  /* its MaxSPDMmsgSize */
	bool chunks;         /* both sides can */
	int64_t crypto_ms;   /* what it wants for cryptography: CTExponent */
	uint8_t handle;      /* of the last CHUNK_SEND */
	unsigned asked;      /* requests, RESPOND_IF_READY among them, since somebody set it to 0 */
	uint8_t error_code;  /* of the last refusal, else 0; what it said: */
	uint8_t error_data;
};

/* Bytes of an answer that its time on the line is reckoned with: nobody asks for more at once. */
enum { SPDM_EXPECTED_LEN = 4096 };

/* How long an answer may take. */
enum spdm_cost {
	SPDM_HELLO,  /* GET_VERSION, which is asked again and again */
	SPDM_PLAIN,  /* no cryptography */
	SPDM_CRYPTO, /* keys, signatures, storing certificates */
};

/*
 * Sends request (from its version byte on) and puts the answer in ret: at least 4 bytes, of the
 * request's version and code. Errors: LINK as mctp_request; DEVICE "device.refused" (an ERROR answer:
 * error_code and error_data are set), "device.busy" (retry; past the deadline),
 * "device.protocol" (not an answer to this request).
 */
must_check int spdm_exchange(struct spdm_peer *p, const struct buf *request, enum spdm_cost cost,
    struct buf *ret, struct err *e);

/* "GET_CSR" */
const char *spdm_code_name(uint8_t code);

#endif
