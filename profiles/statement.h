/*
 * What a station says of one passed unit: the claims of an attestation statement, the same for the
 * signer that makes them and for `kiln verify` that reads them. Canonical JSON (json_canonical),
 * signed as CMS and JWS over the same bytes.
 *
 *   typ, ver            "kiln-statement", 1
 *   iat                 seconds since the epoch when the station asked
 *   jti                 random id from the HSM, hex; put in by the signer
 *   device              serial, model, firmware, lifecycle: as the device said them at identify
 *   key                 alg, spki_sha256; origin "on-chip" (the station had the device make it in this
 *                       very job, or the chip says so) or "unknown"; origin_evidence how that is
 *                       known ("tool-asserted": nothing but the station's word; else the scheme of
 *                       the chip's own evidence, which was judged good: "piv-attestation");
 *                       pop_verified
 *   csr_sha256          of the request's DER
 *   certificate         sha256 of the DER that was read back, issuer (RFC 2253), number (hex)
 *   anchors_sha256      of what the device was told to trust, where it was told
 *   readback_ok         what was read back equals what was written
 *   proof               of possession: scheme, nonce, digests of preimage and signature
 *   outcome             "passed"
 *   profile             product, version, sha256 of the profile's text
 *   tool                version and build of kiln
 *   station             id, slot; line and site where configured
 *   order               id, ordinal of quantity, where the unit belongs to an order
 *   operator            pseudonym, where one is known
 *   chain               where the station's event chain stood: station, seq, head (hash)
 *   time_source         "ntp", "free-running" or "unknown"
 *
 * Where it is tool-asserted, it does not say that the private key can not be anywhere else: it says what the
 * station did and saw. With evidence the chip says it, and its maker's root that this is to be believed.
 */
#ifndef KILN_STATEMENT_H
#define KILN_STATEMENT_H

#include "json.h"

#define STATEMENT_TYPE          "kiln-statement"
#define STATEMENT_TOOL_ASSERTED "tool-asserted"
enum { STATEMENT_VERSION = 1, STATEMENT_MAX = 16 * 1024, STATEMENT_ID_LEN = 16 };

/* Before the signer has it (no jti yet), and as it is signed. */
enum statement_stage { STATEMENT_REQUESTED, STATEMENT_SIGNED };

/*
 * Every claim is there, of its type and within its bounds, and no other member. Error: code
 * "statement", naming the claim; domain as given.
 */
must_check int statement_check(const json_t *statement, enum statement_stage stage,
    enum err_domain domain, struct err *e);

/* A signed statement from its bytes, which must be canonical. */
must_check int statement_parse(const uint8_t *bytes, size_t len, json_t **ret,
    enum err_domain domain, struct err *e);

/* The chain position of a checked statement. Borrowed. */
struct statement_chain {
	const char *station;
	int64_t seq;
	const char *head; /* hex */
};
struct statement_chain statement_chain(const json_t *statement);

#endif
