/* The configuration file from which `openssl req` on the device makes the request. */
#ifndef KILN_SHELL_CSR_CONFIG_H
#define KILN_SHELL_CSR_CONFIG_H

#include "subject.h"

/* Appends the text (config(5)). Errors: CONFIG "subject" for a value that no such file can hold. */
must_check int csr_config_write(const struct subject *s, const char *string_mask, struct buf *ret,
    struct err *e);

#endif
