#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* can not fail for these clocks */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_now_ms(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_now_us(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_cpu_us(void)
{
	return now_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000;
}

int clock_left_ms(int64_t deadline)
{
	int64_t left = deadline - clock_now_ms();

	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int64_t clock_wall_ms(void)
{
	return now_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_wall_s(void)
{
	return clock_wall_ms() / 1000;
}

void clock_text(int64_t wall_ms, char ret[static CLOCK_TEXT])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };
	char day[sizeof("2026-11-22T18:30:00")];

	(void)gmtime_r(&seconds, &tm);
	if (strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		day[0] = '\0';
	(void)snprintf(ret, CLOCK_TEXT, "%s.%03dZ", day, (int)(wall_ms % 1000));
}

void clock_wall_text(char ret[static CLOCK_TEXT])
{
	clock_text(clock_wall_ms(), ret);
}

bool clock_is_synchronised(void)
{
	struct timex state = { 0 };

	return adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

int64_t clock_parse(const char *text)
{
	struct tm tm = { 0 };
	int ms = 0;
	char again[CLOCK_TEXT];
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t wall_ms;

	if (rest == NULL || sscanf(rest, ".%3dZ", &ms) != 1)
		return -1;
	wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
	if (wall_ms < 0)
		return -1;
	clock_text(wall_ms, again); /* both functions above read much that nobody writes */
	return strcmp(text, again) == 0 ? wall_ms : -1;
}
