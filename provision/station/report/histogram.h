/*
 * Durations in bounded memory: counted in classes, 64 to a power of two. Up to 127 ms a class is one value
 * and percentiles are exact; above, they are the middle of a class, at most 0.8 % off. Times above 12 days
 * are counted as that.
 */
#ifndef KILN_HISTOGRAM_H
#define KILN_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_CLASSES = 1600 };

struct histogram {
	int64_t count, sum_ms, max_ms;
	uint32_t classes[HISTOGRAM_CLASSES];
};

/* A negative duration (a clock was set back) counts as 0. */
void histogram_add(struct histogram *h, int64_t ms);
/* The value that `percent` of all do not exceed: of count sorted values the one with index
 * count * percent / 100; 0 where there is none. */
int64_t histogram_percentile(const struct histogram *h, int percent);
/* How many lie in [from, to), by the middles of their classes. */
int64_t histogram_between(const struct histogram *h, int64_t from_ms, int64_t to_ms);

#endif
