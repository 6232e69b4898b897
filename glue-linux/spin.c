// Looking for requests without sleeping pays as long as nobody else wants the processor.

#include "spin.h"

#include <sys/resource.h>

enum {
    SPIN_MISSES = 8,          // spins in vain before none is tried for a while
    SPIN_HITS = 1024,         // successful ones before an earlier disturbance is forgotten
    SPIN_ALONE = 16,          // requests of one client in a row; several keep the processors busy by themselves
    SHORTEST_PAUSE_NANOSECONDS = 10 * 1000 * 1000,      // without spinning
    LONGEST_PAUSE_NANOSECONDS = 1280 * 1000 * 1000,
};

long spin_preemptions(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

void spin_served(struct spin *spin, uint32_t client)
{
    if (client == 0)
        return;
    spin->alone = client == spin->client ? spin->alone + 1 : 0;
    spin->client = client;
}

bool spin_is_alone(const struct spin *spin)
{
    return spin->alone >= SPIN_ALONE;
}

bool spin_may(struct spin *spin, int64_t now)
{
    if (now < spin->paused_until || !spin_is_alone(spin))
        return false;
    // What happened while nobody span was not for that.
    if (spin->paused_until)
        spin->preemptions = spin_preemptions();
    spin->paused_until = 0;
    return true;
}

// Looking for requests without sleeping pays while a processor is idle. When this thread was preempted none was, and it took
// somebody's time: then it waits, longer each time. When nobody asks it waits too, but no longer than before.
void spin_ended(struct spin *spin, int64_t now, bool found)
{
    long preemptions = spin_preemptions();
    bool disturbed = preemptions != spin->preemptions;
    spin->preemptions = preemptions;
    spin->misses = found ? 0 : spin->misses + 1;
    spin->hits = disturbed ? 0 : spin->hits + found;
    if (spin->hits >= SPIN_HITS)
        spin->pause = 0;
    if (!disturbed && spin->misses < SPIN_MISSES)
        return;
    spin->misses = 0;
    if (disturbed)
        spin->pause = spin->pause ? spin->pause * 2 : SHORTEST_PAUSE_NANOSECONDS;
    if (spin->pause > LONGEST_PAUSE_NANOSECONDS)
        spin->pause = LONGEST_PAUSE_NANOSECONDS;
    spin->paused_until = now + (disturbed ? spin->pause : SHORTEST_PAUSE_NANOSECONDS);
}
