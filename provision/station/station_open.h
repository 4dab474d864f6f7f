/* The requests that open the signer and an enroller, from the configuration. */
#ifndef KILN_STATION_OPEN_H
#define KILN_STATION_OPEN_H

#include "config.h"
#include "json.h"

/* Where this station's signer keeps how far it has attested. Appended to ret as text. */
must_check int station_position_file(const struct config *c, struct buf *ret, struct err *e);
/* NULL with e where a file is missing. The PIN is in the request: it goes nowhere but to the child. */
must_check json_t *station_open_signer(const struct config *c, const struct secret *pin,
    struct err *e);
/* secret: the TLS token's PIN, or the HTTP credential where one is configured. */
must_check json_t *station_open_enroller(const struct config *c, const struct secret *secret,
    struct err *e);

#endif
