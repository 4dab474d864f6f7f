/* What became of one certificate request (RFC 7030 4.2.3), in the classes that decide what the
 * station does next. */
#ifndef KILN_ANSWER_H
#define KILN_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "x509.h"

enum enrol_outcome {
	ENROL_UNKNOWN,   /* sent, and no complete usable answer: the CA may have issued */
	ENROL_ISSUED,    /* a certificate with the key of the request came */
	ENROL_PENDING,   /* not yet: the identical request again after retry_after_s */
	ENROL_REJECTED,  /* the CA refused this request: this device fails */
	ENROL_DENIED,    /* the CA refused this station: no request will do better */
	ENROL_THROTTLED, /* the CA asks all of us to wait for retry_after_s */
	ENROL_NOT_SENT,  /* provably no byte of the request left: safe to try again */
};

struct enrol_answer {
	enum enrol_outcome outcome;
	int status;            /* HTTP, 0 where none came */
	int64_t retry_after_s; /* pending and throttled; within the configured limits */
	bool possibly_issued;  /* the CA may hold a certificate that must be delivered or listed */
	X509 *leaf;            /* issued: the one with the request's key */
	X509_STACK *others; /* issued: the CA certificates that came along, helpers without trust */
	X509_STACK
	*unusable; /* unknown: the end entities of a whole 200 that is of no use; pending: those that
		    came with it; or NULL */
	size_t unusable_left_out; /* and how many more there were */
	unsigned warnings;        /* enum est_warning */
	int64_t service_ms;
	int posts;
	int64_t date_s; /* what the answer says the time is, since the epoch; 0: nothing */
	struct err why; /* code and message for the operator; always set, also when issued */
};

void enrol_answer_free(struct enrol_answer *a);
OWNED_STRUCT(enrol_answer, enrol_answer_free)

const char *enrol_outcome_name(enum enrol_outcome outcome);

/* Appends the certificate's DER as base64 to a JSON array. */
must_check int enrol_append_der(const X509 *cert, json_t *list, struct err *e);

/* {"outcome","status","code","message","retry_after_s","leaf","others","warnings","service_ms",
 * "posts","possibly_issued","unusable","unusable_left_out","date_s"} into object; leaf is left out where
 * there is none, and so are the two before the last. */
must_check int enrol_answer_to_json(const struct enrol_answer *a, json_t *object, struct err *e);

#endif
