/* Where a station listens: of its station.yaml nothing else is looked at. */
#ifndef KILN_WHERE_H
#define KILN_WHERE_H

#include "buf.h"

/* The path of the control socket (control.socket, else control.sock in the state folder), as text
 * appended to ret. Errors: CONFIG. */
must_check int where_socket(const char *config, struct buf *ret, struct err *e);

#endif
