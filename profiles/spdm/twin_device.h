/*
 * An emulated SPDM responder (DSP0274 1.2 and 1.3), without the wire: SPDM messages in, answers out.
 * It knows no time: what takes long is said, and the caller waits.
 */
#ifndef KILN_TWIN_DEVICE_H
#define KILN_TWIN_DEVICE_H

#include "spdm.h"
#include "twin.h"
#include "twin_flash.h"
#include "twin_plan.h"
#include "twin_transcript.h"

enum {
	TWIN_PEN = 32473,      /* enterprise number of its vendor-defined messages (RFC 5612) */
	TWIN_CT_EXPONENT = 20, /* says that it signs and makes keys within 2^20 us */
};

/* What a variant can do. */
struct twin_traits {
	const char *name;
	const char *firmware; /* version text */
	uint8_t versions[3];  /* ascending, 0 at the end */
	uint32_t flags;       /* of CAPABILITIES, in 1.3 */
	uint32_t asym, hash;  /* BaseAsymAlgo, BaseHashAlgo */
	uint32_t born_with;   /* AsymAlgo of the key made at the first boot, 0: none */
	uint32_t transfer;    /* DataTransferSize */
	uint32_t largest;     /* MaxSPDMmsgSize */
};
extern const char *const twin_variants[];

enum twin_phase { TWIN_NOT_STARTED, TWIN_VERSION, TWIN_CAPABILITIES, TWIN_NEGOTIATED };

/* What the two sides agreed on since GET_VERSION. */
struct twin_connection {
	enum twin_phase phase;
	uint8_t version; /* version byte of messages, and of errors before there is one */
	bool peer_chunks;
	uint32_t peer_transfer, peer_largest; /* what the requester can receive */
	const struct twin_curve *curve;
	const struct twin_hash *hash;
	bool measures; /* a measurement specification was negotiated */
	bool multi_key;
	bool opaque; /* OpaqueDataFmt1 was selected */
	struct twin_transcript transcript;
};

/* An answer that is not ready: it waits for RESPOND_IF_READY. */
struct twin_pending {
	bool waits;
	uint8_t code, token;
	int64_t ready_ms;
	struct buf answer;
};

/* A large message on its way in or out, in chunks. */
struct twin_chunks {
	bool sends, receives; /* from the device; to the device */
	uint8_t handle;       /* of the transfer */
	uint8_t last_handle;  /* of large answers: each gets the next one */
	uint16_t sequence;    /* expected next */
	size_t done, total;
	struct buf message;
};

struct twin_device {
	const struct twin_config *config; /* borrowed */
	const struct twin_traits *traits;
	struct twin_plan plan;
	struct twin_flash flash;
	struct twin_connection connection;
	struct twin_pending pending;
	struct twin_chunks chunks;
	struct buf anchors;   /* of the PUT_ANCHORS transfer that runs */
	size_t anchors_total; /* 0: none runs */
	struct buf lie;       /* certificates of the lying read-back */
	EVP_PKEY *other_key;  /* of the wrong-key fault */
	bool installed;       /* a certificate was stored since the station knows this device */
	bool reset; /* asked for by the message just answered: it has to leave the line first */
};
void twin_device_free(struct twin_device *d);
OWNED_STRUCT(twin_device, twin_device_free)

/* twin_family's check. */
must_check int twin_device_check(const struct twin_config *config, struct err *e);
/* Power on: reads the flash, puts into effect what waited for a reset. config outlives the device. */
must_check int twin_device_boot(struct twin_device *ret, const struct twin_config *config,
    struct err *e);

/* Which of the station's steps a request belongs to, as far as a device can tell; else STEP_COUNT. */
enum step_id twin_device_step(const struct twin_device *d, const struct buf *request);

/* What came of one SPDM message. */
struct twin_answer {
	struct buf message;
	int64_t after_ms; /* how long the device works on it */
};
void twin_answer_free(struct twin_answer *a);
OWNED_STRUCT(twin_answer, twin_answer_free)

/* now_ms: any clock that does not go back. -1 only when the flash can not be written. */
must_check int twin_device_answer(struct twin_device *d, const struct buf *request, int64_t now_ms,
    struct twin_answer *ret, struct err *e);

/* Counts a fault that struck at the link. */
must_check int twin_device_struck(struct twin_device *d, struct err *e);
bool twin_device_strikes(const struct twin_device *d, enum twin_fault fault, enum step_id step);

/* The serial where it is a UUID, else the RFC 9562 version 8 UUID of this model and serial. */
void twin_device_uuid(const struct twin_device *d, uint8_t ret[static VENDOR_UUID_LEN]);
/* The serial it says it has: another one later, where the plan says so. */
void twin_device_serial(const struct twin_device *d, char ret[static IDENTITY_MAX + 1]);

/* --- for the message handlers, twin_*.c --- */

struct twin_exchange {
	struct buf request; /* a copy; the handler takes the surplus behind its last field off */
	struct buf answer;
	size_t signed_len; /* set by the handler: the signature at the end of the answer */
	int64_t work_ms;   /* set by the handler */
};
void twin_exchange_free(struct twin_exchange *x);
OWNED_STRUCT(twin_exchange, twin_exchange_free)

typedef int twin_handler(struct twin_device *d, struct twin_exchange *x, struct err *e);
twin_handler twin_get_version, twin_get_capabilities, twin_negotiate_algorithms;
twin_handler twin_get_digests, twin_get_certificate, twin_set_certificate;
twin_handler twin_challenge, twin_get_measurements;
twin_handler twin_get_csr, twin_get_key_pair_info, twin_set_key_pair_info;
twin_handler twin_vendor_defined, twin_chunk_send, twin_chunk_get;

/* Replaces the answer by ERROR. */
must_check int twin_refuse(const struct twin_device *d, struct twin_exchange *x,
    enum spdm_error error, uint8_t data, struct err *e);
/* Begins the answer: version, response code, Param1, Param2. */
must_check int twin_begin(const struct twin_device *d, struct twin_exchange *x, uint8_t param1,
    uint8_t param2, struct err *e);
bool twin_is_13(const struct twin_device *d);
/* Flags of CAPABILITIES in the version of the connection. */
uint32_t twin_flags(const struct twin_device *d);

/* KeyPairID of the connection's device key: what a single-key connection speaks of. 0: none. */
uint8_t twin_device_pair(const struct twin_device *d);
/* The certificates of slot 0 that are in effect, root first, or NULL. */
const struct buf *twin_device_certificates(const struct twin_device *d);
/* The chain structure (DSP0274 10.7) of certificates under the connection's hash. */
must_check int twin_chain(const struct twin_device *d, const struct buf *certificates,
    struct buf *ret, struct err *e);
/* Appends the hash over it. */
must_check int twin_chain_digest(const struct twin_device *d, const struct buf *certificates,
    struct buf *ret, struct err *e);
/* Appends MeasurementSummaryHash. */
must_check int twin_measurement_summary(const struct twin_device *d, bool only_tcb, struct buf *ret,
    struct err *e);
/* SHA-256 over the firmware image. */
void twin_firmware_digest(uint8_t ret[static SHA256_LEN]);
/* Signs the answer so far (M1 or L1) and appends the signature. */
must_check int twin_sign_answer(const struct twin_device *d, struct twin_exchange *x,
    const char *context, EVP_PKEY *key, struct err *e);
/* Large answers leave in chunks: replaces x's answer by LargeResponse. */
must_check int twin_chunk_begin(struct twin_device *d, struct twin_exchange *x, struct err *e);
/* A request, whole or put together from chunks, without the rules of chunking and readiness. */
must_check int twin_device_handle(struct twin_device *d, struct twin_exchange *x, struct err *e);

#endif
