// Where a thread sleeps between requests. A program that waits for an answer leaves its processor to whoever answers, so that is
// the best place for it: to wake a processor that sleeps costs more than most requests (docs/linux.md, "Threads").
#ifndef BOUGH_NEAR_H
#define BOUGH_NEAR_H

#include <stdbool.h>
#include <stdint.h>

/// Who asks, and when to look next where that is. Of one thread at a time; zeroed at first.
struct near {
    uint32_t client;    // the thread that asked last, by the numbers of this process's namespace; 0: unknown
    int64_t look_at;    // not before, in nanoseconds of CLOCK_MONOTONIC
    int64_t interval;
    bool asked;         // and not answered yet
};

/// To be called before this thread sleeps. Now and then: takes it to the processor that the client was last seen on, if it may run there.
/// Waits for nobody.
/// Where it may run afterwards is what it was before.
void near_client(struct near *near);

#endif
