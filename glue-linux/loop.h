// The session loop of one mount: leader and followers, and the queues of its io_uring where the kernel has that (ring.h).
//
// One thread at a time, the leader, takes requests from the kernel; threads that wait for their turn do so outside of the
// kernel. Every request has a number in the order in which it was taken, so that a snapshot can wait for all before it.
#ifndef BOUGH_LOOP_H
#define BOUGH_LOOP_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct loop;

/// What a loop asks and tells its mount. Called by threads of the loop.
struct loop_owner {
    void *context;
    /// Whether operations may have to wait for storage: then no request is served by the thread that takes the next.
    bool (*may_wait)(void *context);
    /// Short requests may keep their thread waiting, as those for a base's disk or network.
    bool may_be_late;
    /// One of them did, or does: others may do so too.
    void (*was_late)(void *context);
    /// How many requests the kernel has under way for this mount at most; UINT64_MAX: unknown.
    uint64_t (*waiting)(void *context);
    /// The session is over, and no thread of the loop uses it any more but the calling one, which is about to end.
    void (*ended)(void *context);
};

/// A loop for a mounted session, with at most `max_threads` threads at work (0: twice the CPUs, at least 4), over io_uring if it may
/// be and the kernel and the system have it. NULL: no memory or descriptors.
struct loop *loop_new(struct fuse_session *session, unsigned max_threads, bool over_ring, struct loop_owner owner);

/// Whether it is prepared for io_uring.
bool loop_has_ring(const struct loop *loop);

/// The kernel agrees to io_uring.
void loop_start_ring(struct loop *loop);

/// It does not: what was prepared is not used.
void loop_drop_ring(struct loop *loop);

/// Gives an answer if its request came over io_uring: its bytes, or 0 if it did not.
ssize_t loop_answer(struct loop *loop, const struct iovec *parts, int count);

/// Starts the first thread. False when the system refuses; `ended` is not called then.
bool loop_start(struct loop *loop);

/// Ends the loop and waits for its threads. Not to be called by one of them.
void loop_stop(struct loop *loop);

/// Frees a loop that has ended or never begun. NULL is fine.
void loop_free(struct loop *loop);

/// Begins a wait at a barrier by a thread that serves a request of some loop: until `loop_barrier_end` no other barrier
/// waits for it, so that two of them do not wait for each other.
void loop_barrier_begin(void);

/// Waits until every request that the kernel had before the one that this thread serves (before now, if it serves none of this
/// loop) has been answered, and the kernel has no write-back waiting that it could not hand over before.
void loop_barrier(struct loop *loop);

/// Waits until every request that the kernel had before now has been answered. By any thread.
void loop_settle(struct loop *loop);

/// Ends what `loop_barrier_begin` began.
void loop_barrier_end(void);

#endif
