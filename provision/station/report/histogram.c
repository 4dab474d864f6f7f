#include "histogram.h"

/* Below 2 * HALF a class is one value; then each power of two has HALF classes. */
enum { HALF = 64, SHIFT_MAX = 23 };

static int class_of(int64_t ms)
{
	int shift = 0;

	if (ms < 0)
		return 0;
	while (ms >> shift >= (int64_t)2 * HALF)
		shift++;
	if (shift > SHIFT_MAX)
		return HISTOGRAM_CLASSES - 1;
	return shift * HALF + (int)(ms >> shift);
}

static int64_t middle_of(int class)
{
	int shift = class < 2 * HALF ? 0 : class / HALF - 1;
	int64_t from = (int64_t)(class - shift * HALF) << shift;

	return from + ((INT64_C(1) << shift) - 1) / 2;
}

void histogram_add(struct histogram *h, int64_t ms)
{
	ms = ms < 0 ? 0 : ms;
	h->classes[class_of(ms)]++;
	h->count++;
	h->sum_ms += ms;
	h->max_ms = ms > h->max_ms ? ms : h->max_ms;
}

int64_t histogram_percentile(const struct histogram *h, int percent)
{
	int64_t rank = h->count * percent / 100, seen = 0;

	for (int i = 0; i < HISTOGRAM_CLASSES; i++) {
		seen += h->classes[i];
		if (seen > rank)
			return middle_of(i) < h->max_ms ? middle_of(i) : h->max_ms;
	}
	return h->max_ms;
}

int64_t histogram_between(const struct histogram *h, int64_t from_ms, int64_t to_ms)
{
	int64_t count = 0;

	for (int i = 0; i < HISTOGRAM_CLASSES; i++)
		if (middle_of(i) >= from_ms && middle_of(i) < to_ms)
			count += h->classes[i];
	return count;
}
