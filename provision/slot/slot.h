/*
 * One device for one attachment: the calls that the station makes, and the driver that answers them.
 * Every call but `open` carries an absolute deadline; every answer fits into a line.
 */
#ifndef KILN_SLOT_H
#define KILN_SLOT_H

#include "driver.h"
#include "serve.h"

/* { 0 } is a slot whose device is not open yet. */
struct slot {
	struct transport *link;
	struct profile *profile;
	struct buf filter; /* of the sandbox, where it is prepared */
	struct secret secret;
	struct buf resume;     /* what the device left for this attachment, see DRIVER_RESET */
	struct device *device; /* NULL before `open`; then the process is in its sandbox */
};

void slot_free(struct slot *s);
OWNED_STRUCT(slot, slot_free)

/*
 * The rows for serve(); their context is a struct slot.
 *   open     {address, profile?: {name, text}, secret?, resume?}  -> {}     profile: where none is prepared
 *   identify {}                    -> {model, serial, firmware, lifecycle, uuid, key_present, evidence}
 *   keygen   {algorithm, replace}  -> {}
 *   request  {identity: {model, serial, firmware, uuid}}          -> {csr, origin?}
 *   install  {object, ders}        -> {}
 *   readback {object}              -> {is_digest, bytes}
 *   prove    {nonce}               -> {scheme, preimage, signature}
 *   seal     {}                    -> {}
 *   prepare  {profile: {name, text}}                              -> {}     and is then a stem: stem.h
 * A device that must be reset answers {"reset": token} instead; the next slot's `open` takes it as
 * `resume`. Bytes are base64.
 */
extern const struct serve_call slot_calls[];
extern const size_t slot_call_count;

#endif
