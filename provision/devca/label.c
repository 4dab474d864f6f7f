#include "label.h"

#include <stddef.h>
#include <string.h>

#include "leaf.h"
#include "own.h"

static const struct label labels[] = {
	{ .name = "", .what = "no fault" },

	{ .name = "pending",
	    .what = "202 with Retry-After 1; the same CSR again is issued",
	    .status = 202,
	    .text = "the request waits for approval",
	    .retry_after_s = 1,
	    .first_only = true },
	{ .name = "pending-date",
	    .what = "as pending, Retry-After is an HTTP-date",
	    .status = 202,
	    .text = "the request waits for approval",
	    .retry_after_s = 1,
	    .first_only = true,
	    .answer = ANSWER_RETRY_DATE },
	{ .name = "deny", .what = "403", .status = 403, .text = "this RA may not enrol here" },
	{ .name = "unauthorized", .what = "401", .status = 401, .text = "no valid credential" },
	{ .name = "reject",
	    .what = "400",
	    .status = 400,
	    .text = "the CA's policy refuses this request" },
	{ .name = "throttle",
	    .what = "429 with Retry-After 1, always",
	    .status = 429,
	    .text = "too many requests",
	    .retry_after_s = 1 },
	{ .name = "throttle-once",
	    .what = "429 with Retry-After 1; the same CSR again is issued",
	    .status = 429,
	    .text = "too many requests",
	    .retry_after_s = 1,
	    .first_only = true },
	{ .name = "busy-once",
	    .what = "503 with Retry-After 1; the same CSR again is issued",
	    .status = 503,
	    .text = "the CA is offline",
	    .retry_after_s = 1,
	    .first_only = true },
	{ .name = "http500",
	    .what = "500, nothing issued",
	    .status = 500,
	    .text = "General failure." },
	{ .name = "http500-after-issue",
	    .what = "issues, then answers 500",
	    .status = 500,
	    .text = "General failure.",
	    .answer = ANSWER_AFTER_ISSUE },
	{ .name = "redirect",
	    .what = "302 to the label without fault",
	    .status = 302,
	    .text = "look elsewhere" },

	{ .name = "drop",
	    .what = "closes without an answer, nothing issued",
	    .answer = ANSWER_DROPPED },
	{ .name = "drop-after-issue",
	    .what = "issues, then closes without an answer",
	    .answer = ANSWER_DROPPED | ANSWER_AFTER_ISSUE },
	{ .name = "drop-once",
	    .what = "as drop-after-issue; the same CSR again is answered",
	    .answer = ANSWER_DROPPED | ANSWER_AFTER_ISSUE,
	    .first_only = true },
	{ .name = "truncate",
	    .what = "issues, sends half of the answer, closes",
	    .answer = ANSWER_TRUNCATED },
	{ .name = "slow", .what = "answers after 3 seconds", .delay_ms = 3000 },

	{ .name = "crlf", .what = "base64 in lines of 76 with CRLF", .answer = ANSWER_CRLF },
	{ .name = "oneline", .what = "base64 in one line", .answer = ANSWER_ONE_LINE },
	{ .name = "chunked", .what = "chunked transfer encoding", .answer = ANSWER_CHUNKED },
	{ .name = "close", .what = "answers well, then closes", .answer = ANSWER_CLOSE },
	{ .name = "html", .what = "issues, answers 200 with a web page", .answer = ANSWER_HTML },
	{ .name = "huge",
	    .what = "issues, answers 200 with 1 MiB",
	    .answer = ANSWER_HTML | ANSWER_HUGE },
	{ .name = "pem", .what = "the certificate as PEM, no PKCS#7", .answer = ANSWER_PEM },
	{ .name = "trailing", .what = "bytes behind the PKCS#7", .answer = ANSWER_TRAILING },
	{ .name = "no-certs",
	    .what = "issues, answers an empty PKCS#7",
	    .answer = ANSWER_NO_CERTIFICATE },
	{ .name = "two-certs",
	    .what = "two certificates for the device's key",
	    .answer = ANSWER_TWO_LEAVES },
	{ .name = "extra-chain",
	    .what = "issuing CA, certificate, root in this order",
	    .answer = ANSWER_CHAIN },

	{ .name = "wrong-key", .what = "certificate for another key", .leaf = LEAF_OTHER_KEY },
	{ .name = "other-subject", .what = "subject of somebody else", .leaf = LEAF_OTHER_SUBJECT },
	{ .name = "drop-san", .what = "without the subjectAltName", .leaf = LEAF_NO_SAN },
	{ .name = "wrong-ku", .what = "keyAgreement in the keyUsage", .leaf = LEAF_OTHER_KU },
	{ .name = "wrong-eku", .what = "serverAuth as extendedKeyUsage", .leaf = LEAF_OTHER_EKU },
	{ .name = "ca-true", .what = "basicConstraints CA:TRUE", .leaf = LEAF_IS_CA },
	{ .name = "no-ski", .what = "without subjectKeyIdentifier", .leaf = LEAF_NO_SKI },
	{ .name = "no-aki", .what = "without authorityKeyIdentifier", .leaf = LEAF_NO_AKI },
	{ .name = "dup-serial", .what = "one serial number for all", .leaf = LEAF_SAME_SERIAL },
	{ .name = "short-serial", .what = "serial number of one octet", .leaf = LEAF_SHORT_SERIAL },
	{ .name = "short-life", .what = "ends in ten minutes", .leaf = LEAF_SHORT_LIFE },
	{ .name = "expired", .what = "ended yesterday", .leaf = LEAF_EXPIRED },
	{ .name = "not-yet", .what = "begins tomorrow", .leaf = LEAF_NOT_YET },
	{ .name = "critical-extension",
	    .what = "an unheard-of critical extension",
	    .leaf = LEAF_EXTRA_CRITICAL },
	{ .name = "wrong-issuer",
	    .what = "signed by a key that is not the issuer's",
	    .leaf = LEAF_BAD_SIGNATURE },
};

const struct label *label_at(unsigned i)
{
	return i < COUNT(labels) ? &labels[i] : NULL;
}

const struct label *label_find(const char *name)
{
	for (size_t i = 0; i < COUNT(labels); i++)
		if (strcmp(labels[i].name, name) == 0)
			return &labels[i];
	return NULL;
}

const struct label *label_for_post(const struct label *label, unsigned n)
{
	return label->first_only && n > 1 ? &labels[0] : label;
}
