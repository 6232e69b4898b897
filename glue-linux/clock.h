// Time as the daemon measures it: by clocks that nobody sets.

#ifndef BOUGH_CLOCK_H
#define BOUGH_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/// Nanoseconds since some moment.
int64_t clock_now(void);

/// The same as it was at the last tick, some milliseconds ago at most: costs less.
int64_t clock_tick(void);

/// How often this thread has slept.
long clock_sleeps(void);

/// When so many seconds will have passed: for conditions of clock_condition.
struct timespec clock_in(unsigned seconds);

/// The same for milliseconds.
struct timespec clock_in_milliseconds(unsigned milliseconds);

/// Makes a condition whose waits end by this clock.
void clock_condition(pthread_cond_t *condition);

#endif
