/* Retry-After (RFC 9110 10.2.3): seconds or a date, never trusted beyond the configured limits. */
#ifndef KILN_RETRY_AFTER_H
#define KILN_RETRY_AFTER_H

#include <stdint.h>

/* Seconds; 0 <= min <= fallback <= max. */
struct retry_limits {
	int64_t min;
	int64_t max;
	int64_t fallback; /* where the header is absent or says nothing sensible */
};

/*
 * The delay in seconds, within the limits. value is the header's, "" where there is none; now is
 * the wall clock in seconds, for the date form. WARN_RETRY_AFTER_* are added to *warnings.
 */
int64_t retry_after_s(const char *value, const struct retry_limits *limits, int64_t now,
    unsigned *warnings);

#endif
