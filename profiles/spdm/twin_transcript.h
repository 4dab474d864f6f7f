/*
 * What a responder signs over: the transcript M1 of CHALLENGE and L1 of GET_MEASUREMENTS (DSP0274
 * 10.8, 10.11), kept message by message as they are accepted.
 */
#ifndef KILN_TWIN_TRANSCRIPT_H
#define KILN_TWIN_TRANSCRIPT_H

#include <stdbool.h>

#include "buf.h"

struct twin_transcript {
	struct buf a; /* version, capabilities, algorithms */
	struct buf b; /* digests and certificates */
	struct buf l; /* measurements */
	bool authenticated;
};
void twin_transcript_free(struct twin_transcript *t);
OWNED_STRUCT(twin_transcript, twin_transcript_free)

/* A request of that code has come, before it is known whether it will be refused. */
void twin_transcript_arrive(struct twin_transcript *t, uint8_t code);

/*
 * A request was answered. Both messages without surplus; signed_len: the length of the signature at
 * the end of the answer, 0 without one.
 */
must_check int twin_transcript_accept(struct twin_transcript *t, const struct buf *request,
    const struct buf *answer, size_t signed_len, struct err *e);

/* A request was answered with ERROR. */
void twin_transcript_refuse(struct twin_transcript *t, uint8_t code);

/* Appends M1 or L1, as the code says, for an answer that has no signature yet. */
must_check int twin_transcript_signed(const struct twin_transcript *t, const struct buf *request,
    const struct buf *answer, struct buf *ret, struct err *e);

#endif
