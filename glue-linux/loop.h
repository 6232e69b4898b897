// The session loop of one mount: leader and followers.
//
// One thread at a time, the leader, takes requests from the kernel; threads that wait for their turn do so outside of the
// kernel. Every request has a number in the order in which it was taken, so that a snapshot can wait for all before it.
#ifndef BOUGH_LOOP_H
#define BOUGH_LOOP_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

struct loop;

/// What a loop asks and tells its mount. Called by threads of the loop.
struct loop_owner {
    void *context;
    /// Whether operations may have to wait for storage: then no request is served by the thread that takes the next.
    bool (*may_wait)(void *context);
    /// The session is over, and no thread of the loop uses it any more but the calling one, which is about to end.
    void (*ended)(void *context);
};

/// A loop for a mounted session, with at most `max_threads` threads at work (0: twice the CPUs, at least 4). NULL: no memory or descriptors.
struct loop *loop_new(struct fuse_session *session, unsigned max_threads, struct loop_owner owner);

/// Starts the first thread. False when the system refuses; `ended` is not called then.
bool loop_start(struct loop *loop);

/// Ends the loop and waits for its threads. Not to be called by one of them.
void loop_stop(struct loop *loop);

/// Frees a loop that has ended or never begun. NULL is fine.
void loop_free(struct loop *loop);

/// Begins a wait at a barrier by a thread that serves a request of some loop: until `loop_barrier_end` no other barrier
/// waits for it, so that two of them do not wait for each other.
void loop_barrier_begin(void);

/// Waits until every request that the loop took before the one that this thread serves (before now, if it serves none of this
/// loop) has been answered, and the kernel has no write-back waiting that it could not hand over before.
void loop_barrier(struct loop *loop);

/// Waits until every request taken before now has been answered. By any thread.
void loop_settle(struct loop *loop);

/// Ends what `loop_barrier_begin` began.
void loop_barrier_end(void);

#endif
