// INIT: what the kernel may leave to itself and what it must ask for. The figures behind each choice: docs/linux.md, "What is cached".

#include "convert.h"
#include "ops.h"
#include "passthrough.h"
#include "request.h"
#include "volume.h"

enum { REQUEST_BYTES = 1024 * 1024 };

static void want(struct fuse_conn_info *connection, uint64_t capability)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fuse_set_feature_flag(connection, capability);
#else
    connection->want |= connection->capable & (uint32_t)capability;
#endif
}

static void refuse(struct fuse_conn_info *connection, uint64_t capability)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fuse_unset_feature_flag(connection, capability);
#else
    connection->want &= ~(uint32_t)capability;
#endif
}

static void want_killpriv(struct fuse_conn_info *connection)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
#else
    // `request_extend_init` sees to it.
    (void)connection;
#endif
}

static void choose(struct fuse_conn_info *connection, bool wanted, uint64_t capability)
{
    if (wanted)
        want(connection, capability);
    else
        refuse(connection, capability);
}

// What the kernel has by itself it does not write back: it is asked for where nothing is written.
static void agree_on_passthrough(struct mount *mount, struct fuse_conn_info *connection)
{
#if PASSTHROUGH_KNOWN
    bool possible = mount->passthrough && mount->volume->guard != -1;
    if (possible && fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH)) {
        connection->max_backing_stack_depth = 1;
        mount->stateless = false;
        mount->writeback = false;
        return;
    }
#else
    (void)connection;
#endif
    passthrough_free(mount->passthrough);
    mount->passthrough = NULL;
}

static void size_up(struct fuse_conn_info *connection)
{
    connection->max_write = REQUEST_BYTES;
    connection->max_readahead = REQUEST_BYTES;
    // All write-back is to be in the kernel's queue, so that what is asked for later comes after it (see loop.c).
    connection->max_background = REQUEST_BACKGROUND;
    connection->congestion_threshold = REQUEST_BACKGROUND;
    connection->time_gran = 1;
}

void op_init(void *context, struct fuse_conn_info *connection)
{
    struct mount *mount = context;
    agree_on_passthrough(mount, connection);
    choose(connection, mount->writeback, FUSE_CAP_WRITEBACK_CACHE);
    choose(connection, mount->locks, FUSE_CAP_POSIX_LOCKS);
    choose(connection, mount->locks, FUSE_CAP_FLOCK_LOCKS);
    want(connection, FUSE_CAP_ASYNC_READ);
    want(connection, FUSE_CAP_ASYNC_DIO);
    want(connection, FUSE_CAP_PARALLEL_DIROPS);
    want(connection, FUSE_CAP_READDIRPLUS);
    // Whoever lists names mostly looks at what they are; by itself the kernel asks for both at the beginning of a listing only.
    refuse(connection, FUSE_CAP_READDIRPLUS_AUTO);
    want(connection, FUSE_CAP_CACHE_SYMLINKS);
    want(connection, FUSE_CAP_EXPORT_SUPPORT);
    want(connection, FUSE_CAP_IOCTL_DIR);
    want(connection, FUSE_CAP_POSIX_ACL);
    // The umask is core's to apply, where no default ACL takes its place.
    want(connection, FUSE_CAP_DONT_MASK);
    want_killpriv(connection);
    // We say when content has changed behind the kernel's back.
    refuse(connection, FUSE_CAP_AUTO_INVAL_DATA);
    want(connection, FUSE_CAP_EXPLICIT_INVAL_DATA);
    // Opens are not told to us.
    refuse(connection, FUSE_CAP_ATOMIC_O_TRUNC);
    refuse(connection, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
#ifdef FUSE_CAP_OVER_IO_URING
    // By ourselves (ring.h): libfuse's own would answer behind our back.
    refuse(connection, FUSE_CAP_OVER_IO_URING);
#endif
    size_up(connection);
    mount_ready(mount);
}
