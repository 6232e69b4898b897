// In the place of ring.c, ring_queue.c and ring_help.c where there is no liburing: requests come through /dev/fuse.

#include "ring.h"

#include <stddef.h>

struct ring *ring_new(struct fuse_session *session, struct ring_owner owner)
{
    (void)session;
    (void)owner;
    return NULL;
}

void ring_start(struct ring *ring)
{
    (void)ring;
}

bool ring_answer(struct ring *ring, const struct iovec *parts, int count)
{
    (void)ring;
    (void)parts;
    (void)count;
    return false;
}

bool ring_hangs(struct ring *ring, bool *busy)
{
    (void)ring;
    (void)busy;
    return false;
}

void ring_settle(struct ring *ring, uint64_t waiting)
{
    (void)ring;
    (void)waiting;
}

void ring_stop(struct ring *ring)
{
    (void)ring;
}

void ring_free(struct ring *ring)
{
    (void)ring;
}
