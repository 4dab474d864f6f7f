#include "retry_after.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "own.h"
#include "warning.h"

/* Digits only; what does not fit is as good as for ever. */
static bool read_seconds(const char *value, int64_t *ret)
{
	int64_t seconds = 0;

	for (const char *p = value; *p != '\0'; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		if (seconds > (INT64_MAX - 9) / 10)
			seconds = (INT64_MAX - 9) / 10;
		seconds = seconds * 10 + (*p - '0');
	}
	*ret = seconds;
	return *value != '\0';
}

/* The three forms of RFC 9110 5.6.7; the program runs in the C locale. */
static bool read_date(const char *value, int64_t now, int64_t *ret)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %d %H:%M:%S %Y",
	};

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(value, forms[i], &tm);

		if (end == NULL || *end != '\0')
			continue;
		*ret = (int64_t)timegm(&tm) - now;
		return true;
	}
	return false;
}

int64_t retry_after_s(const char *value, const struct retry_limits *limits, int64_t now,
    unsigned *warnings)
{
	int64_t seconds;

	if (*value == '\0')
		return limits->fallback;
	if (!read_seconds(value, &seconds) && !read_date(value, now, &seconds)) {
		*warnings |= WARN_RETRY_AFTER_INVALID;
		return limits->fallback;
	}
	if (seconds > limits->max) {
		*warnings |= WARN_RETRY_AFTER_CLAMPED;
		return limits->max;
	}
	return seconds < limits->min ? limits->min : seconds;
}
