// Whether the leader of a loop looks for the next request without sleeping: to be woken costs more than most requests.
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
};

/// How often this thread has been preempted.
long spin_preemptions(void);

/// A request of this client is served; 0: nobody's.
void spin_served(struct spin *spin, uint32_t client);

/// Whether one client alone asks.
bool spin_is_alone(const struct spin *spin);

/// Whether to look at all; `now` in nanoseconds.
bool spin_may(struct spin *spin, int64_t now);

/// It has looked, and found a request or not.
void spin_ended(struct spin *spin, int64_t now, bool found);

#endif
