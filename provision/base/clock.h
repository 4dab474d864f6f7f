/* Time. Deadlines are absolute CLOCK_MONOTONIC milliseconds; the wall clock is data, never logic. */
#ifndef KILN_CLOCK_H
#define KILN_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same value in every process of this machine, so that a deadline can be sent to another. */
int64_t clock_now_ms(void);
/* The same clock in microseconds, for measuring. */
int64_t clock_now_us(void);
/* Processor time of this process in microseconds: what it did, however long it waited for a core. */
int64_t clock_cpu_us(void);
/* Milliseconds left, 0 when past; capped to INT_MAX for poll(2). */
int clock_left_ms(int64_t deadline);
/* Seconds since the epoch. */
int64_t clock_wall_s(void);

enum { CLOCK_TEXT = 25 };
/* "2026-11-22T18:30:00.123Z" (RFC 3339, UTC) of the time now / of ms since the epoch. */
void clock_wall_text(char ret[static CLOCK_TEXT]);
void clock_text(int64_t wall_ms, char ret[static CLOCK_TEXT]);
int64_t clock_wall_ms(void);
/* The kernel says that something (NTP, PTP) disciplines the wall clock. */
bool clock_is_synchronised(void);
/* Reads what clock_text writes from 1970 on; -1 for anything else. */
int64_t clock_parse(const char *text);

#endif
