// io_uring as the transport of one mount, beside /dev/fuse: a queue and a thread for each processor, on which what programs there ask
// is answered without waking another. The kernel still sends FORGET and INTERRUPT through /dev/fuse, to the loop.
#ifndef BOUGH_RING_H
#define BOUGH_RING_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring;

/// What a ring asks its owner.
struct ring_owner {
    void *context;
    /// Whether operations may have to wait for storage: then no request is served by the thread that takes the next.
    bool (*may_wait)(void *context);
    /// Short requests may keep their thread waiting, as those for a base's disk or network.
    bool may_be_late;
    /// One of them did: others may do so too.
    void (*was_late)(void *context);
    /// A request, short or not, that may be late is about to be served.
    void (*begins)(void *context);
    /// A request that waits for others is about to be served; false: it is not to be any more.
    bool (*begin_waiting)(void *context);
    /// It has been.
    void (*end_waiting)(void *context);
};

/// Prepares everything but what takes the kernel's consent. NULL: it is switched off in the kernel, this daemon may not run on each processor,
/// or the system refuses.
struct ring *ring_new(struct fuse_session *session, struct ring_owner owner);

/// The kernel has agreed: begins to take requests. Where that fails the kernel goes on with /dev/fuse.
void ring_start(struct ring *ring);

/// Gives an answer, all of it, to a request that came through the ring. False: it did not. NULL is fine.
bool ring_answer(struct ring *ring, const struct iovec *parts, int count);

/// Whether a thread sleeps over a request that was begun some 20 ms ago or more, but for those that wait for others. `busy` becomes true when
/// such requests are under way. Only where they may be late. By any thread. NULL is fine.
bool ring_hangs(struct ring *ring, bool *busy);

/// Waits until every request that the kernel had for any queue has been answered, but for those that wait for others. `waiting` is how many
/// it has under way at most, taken before this is called; UINT64_MAX: unknown, then it waits for the queues to be empty, a second at most.
void ring_settle(struct ring *ring, uint64_t waiting);

/// Ends the threads. The session is over; nobody asks any more. NULL is fine.
void ring_stop(struct ring *ring);

/// Frees a ring that has been stopped, or never begun. NULL is fine.
void ring_free(struct ring *ring);

#endif
