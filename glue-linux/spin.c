// Looking for requests without sleeping pays as long as nobody else wants the processor, and the client's processor does not halt while
// it waits for the answer: else it is faster to answer on that.

#include "spin.h"

#include "clock.h"

#include <sys/resource.h>

enum {
    SPIN_MISSES = 8,          // spins in vain before none is tried for a while
    SPIN_HITS = 1024,         // successful ones before an earlier disturbance is forgotten
    SPIN_ALONE = 16,          // requests of one client in a row; several keep the processors busy by themselves
    SHORTEST_PAUSE_NANOSECONDS = 10 * 1000 * 1000,      // without spinning
    LONGEST_PAUSE_NANOSECONDS = 1280 * 1000 * 1000,
    WINDOW = 256,             // requests whose time is taken
    LONGEST_WINDOW_NANOSECONDS = WINDOW * 200 * 1000,   // in a longer one the client does something else most of the time
    FEWEST_WINDOWS = 4,       // before the other way is tried again; twice as many each time that it was no better
    MOST_WINDOWS = 64,
    WORTH_CHANGING = 16,      // one part in so many of the time
};

long spin_preemptions(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static void change(struct spin *spin)
{
    spin->sleeps = !spin->sleeps;
    spin->changed = true;
    spin->preemptions = spin_preemptions();
}

// The last window of one way is compared with the second of the other: in the first, threads find their processors.
static void window_ended(struct spin *spin, int64_t took)
{
    if (spin->changed) {
        spin->changed = false;
    } else if (spin->trying) {
        bool better = took < spin->took - spin->took / WORTH_CHANGING;
        spin->until_trial = better ? FEWEST_WINDOWS : spin->until_trial * 2;
        if (spin->until_trial > MOST_WINDOWS)
            spin->until_trial = MOST_WINDOWS;
        spin->trying = false;
        spin->windows = 0;
        if (!better)
            change(spin);
    } else if (++spin->windows >= spin->until_trial) {
        if (spin->until_trial == 0)
            spin->until_trial = FEWEST_WINDOWS;
        spin->took = took;
        spin->trying = true;
        change(spin);
    }
}

static void count_in_window(struct spin *spin)
{
    if (spin->served++ % WINDOW != 0)
        return;
    int64_t now = clock_now();
    if (spin->served > 1 && now - spin->begun < LONGEST_WINDOW_NANOSECONDS)
        window_ended(spin, now - spin->begun);
    spin->served = 1;
    spin->begun = now;
}

void spin_served(struct spin *spin, uint32_t client)
{
    if (client == 0)
        return;
    spin->alone = client == spin->client ? spin->alone + 1 : 0;
    if (client != spin->client)
        spin->served = 0;
    spin->client = client;
    count_in_window(spin);
}

bool spin_is_alone(const struct spin *spin)
{
    return spin->alone >= SPIN_ALONE;
}

bool spin_goes_near(const struct spin *spin)
{
    return spin->sleeps || spin->pause || !spin_is_alone(spin);
}

bool spin_may(struct spin *spin, int64_t now)
{
    if (spin->sleeps || now < spin->paused_until || !spin_is_alone(spin))
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
