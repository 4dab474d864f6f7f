#ifndef KILN_VERSION_H
#define KILN_VERSION_H

/* "0.1.0" */
const char *kiln_version(void);

#endif
