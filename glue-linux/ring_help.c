// Threads that serve what may take long, so that a queue goes on. There are never more of them than entries.

#include "ring_parts.h"

#include "clock.h"

#include <errno.h>

// One that comes when no more are to be begun is left to the kernel, which answers it when the session is closed.
static void serve_handed(struct entry *entry)
{
    struct ring *ring = entry->queue->ring;
    long sleeps = clock_sleeps();
    if (!entry->waits)
        ring_serve(entry, &sleeps);
    else if (ring->owner.begin_waiting(ring->owner.context)) {
        ring_serve(entry, &sleeps);
        ring->owner.end_waiting(ring->owner.context);
    }
}

static bool wait_for_work(struct ring *ring)
{
    struct timespec until = clock_in(KEPT_SECONDS);
    ring->idle++;
    bool stay = true;
    while (!ring->first && !atomic_load(&ring->stopping) && stay)
        stay = pthread_cond_timedwait(&ring->changed, &ring->mutex, &until) != ETIMEDOUT;
    ring->idle--;
    return ring->first;
}

static void *help(void *argument)
{
    struct ring *ring = argument;
    // The queue's thread that began it stays on its processor.
    sched_setaffinity(0, sizeof ring->processors, &ring->processors);
    pthread_mutex_lock(&ring->mutex);
    while (wait_for_work(ring)) {
        struct entry *entry = ring->first;
        ring->first = entry->next;
        if (!ring->first)
            ring->end = &ring->first;
        ring->handed--;
        pthread_mutex_unlock(&ring->mutex);
        serve_handed(entry);
        pthread_mutex_lock(&ring->mutex);
    }
    ring->threads--;
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
    return NULL;
}

static bool start_helper(struct ring *ring)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, help, ring) != 0)
        return false;
    pthread_detach(thread);
    ring->threads++;
    return true;
}

bool ring_hand_over(struct ring *ring, struct entry *entry)
{
    pthread_mutex_lock(&ring->mutex);
    bool taken = ring->idle > ring->handed || start_helper(ring);
    if (taken) {
        entry->next = NULL;
        *ring->end = entry;
        ring->end = &entry->next;
        ring->handed++;
        pthread_cond_signal(&ring->changed);
    }
    pthread_mutex_unlock(&ring->mutex);
    return taken;
}

void ring_end_help(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    pthread_cond_broadcast(&ring->changed);
    while (ring->threads > 0)
        pthread_cond_wait(&ring->changed, &ring->mutex);
    pthread_mutex_unlock(&ring->mutex);
}
