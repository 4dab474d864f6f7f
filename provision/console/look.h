/* What a browser looks at: asked of the station once, and sent on. */
#ifndef KILN_LOOK_H
#define KILN_LOOK_H

#include "deed.h"

/* As it is answered: {"ok": ...}. */
extern const struct deed_manner look_json;
/* The tar file of an answer to "evidence", as a download. */
extern const struct deed_manner look_file;

#endif
