#include "clock.h"

#include <sys/resource.h>

enum { NANOSECONDS = 1000 * 1000 * 1000 };    // in a second

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_tick(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

long clock_sleeps(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

struct timespec clock_in(unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    return until;
}

struct timespec clock_in_milliseconds(unsigned milliseconds)
{
    int64_t until = clock_now() + milliseconds * INT64_C(1000000);
    return (struct timespec){ .tv_sec = until / NANOSECONDS, .tv_nsec = until % NANOSECONDS };
}

void clock_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}
