// Whether the leader of a loop looks for the next request without sleeping, or sleeps where its client is: to be woken elsewhere costs
// more than most requests. Which of the two takes less time is tried now and then.
#ifndef BOUGH_SPIN_H
#define BOUGH_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/// The leader's own; all zero at first.
struct spin {
    int64_t paused_until;   // 0: not paused
    int64_t pause;          // how long the last one for a disturbance was; 0: none lately
    uint32_t client;        // who asked last
    unsigned alone;         // requests of that client in a row
    unsigned misses, hits;
    long preemptions;       // of the leader, when they were counted last
    bool sleeps;            // where the client is, as that took less time when both were tried
    bool trying;            // the other way than the one that took less
    bool changed;           // from one way to the other: what is under way is no measure yet
    unsigned served;        // requests of this client in this window
    int64_t begun;          // when this window began
    int64_t took;           // by the window before the one that is tried
    unsigned windows, until_trial;
};

/// How often this thread has been preempted.
long spin_preemptions(void);

/// A request of this client is served; 0: nobody's.
void spin_served(struct spin *spin, uint32_t client);

/// Whether one client alone asks.
bool spin_is_alone(const struct spin *spin);

/// Whether a leader that does not look sleeps where its client is.
bool spin_goes_near(const struct spin *spin);

/// Whether to look at all; `now` in nanoseconds.
bool spin_may(struct spin *spin, int64_t now);

/// It has looked, and found a request or not.
void spin_ended(struct spin *spin, int64_t now, bool found);

#endif
