// One mount: a session with the kernel, the view that it shows, and the threads that serve it.
#ifndef BOUGH_MOUNT_H
#define BOUGH_MOUNT_H

#include "exits.h"
#include "lengths.h"
#include "loop.h"

#include <bough.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct invalidator;
struct passthrough;
struct forgetter;
struct told;
struct volume;

/// Seconds for which the kernel may trust what only we change.
#define MOUNT_FOR_EVER 1e9
// For which the kernel may trust what shows of the base and nobody watches.
#define MOUNT_UNWATCHED 1.0

/// How a mount behaves. Constant while it lives.
struct mount_settings {
    unsigned max_threads;    // 0: by the number of CPUs
    bool checked;            // the kernel checks permissions (default_permissions)
    bool locks;              // locks are kept by the volume, not by the kernel
    bool writeback;
    bool read_only;
    bool no_access_time;
    bool over_ring;          // the kernel may hand over requests by io_uring
    bool passthrough;        // of snapshots: the kernel reads what is the base's from there
    bool confined;           // shown to programs that shall not control the volume, in a mount namespace that we do not see
    pid_t mounter;           // of what is mounted already: by whom, as he asked for it; 0: who that is cannot be known
};

struct mount {
    struct volume *volume;
    struct fs_view *view;
    struct fuse_session *session;
    struct loop *loop;
    struct invalidator *invalidator;
    struct lengths lengths;
    struct forgetter *forgetter;    // NULL: the kernel holds nothing back that was written
    struct forgetter *listing_ends; // of its own, as to write back what is forgotten may take long
    struct told *told;
    char *path;              // absolute mount point; the label of the view
    dev_t device;            // of the mount, where known; 0: we did not see it in our mount namespace
    bool extended;           // requests and answers pass through our hands (`request_extend`)
    bool checked;            // as in the settings
    bool locks;
    bool writeback;
    bool confined;
    struct passthrough *passthrough; // NULL: the kernel reads everything through its cache
    bool stateless;          // opens are not told to us: nothing depends on them
    double entry_seconds;    // for which the kernel may trust names
    atomic_uint_fast64_t generation; // of nodes that the view shows now; see `mount_saw`
    struct mount *next;      // in the volume's list, under its mutex
    bool over;               // the session has ended, under the volume's mutex
    unsigned borrowers;      // who use it and keep it from being freed, under the volume's mutex
    sem_t ready;             // posted when the kernel has agreed, or the session has ended
    atomic_bool agreed;
};

/// Mounts a view of `shows` at `path` (absolute), or takes an already mounted descriptor of /dev/fuse (`device_file`, else -1), which is
/// ours from then on in any case. `arguments` are mount options for libfuse. Nothing is served before `mount_start`.
/// What is wrong is said here.
enum exits mount_new(struct volume *volume, struct fs_ref shows, const char *path, int device_file,
                     const struct mount_settings *settings, struct fuse_args *arguments, struct mount **made);

/// Begins to serve.
bool mount_start(struct mount *mount);

/// Waits until the kernel and we have agreed on how to speak; false when that has failed.
bool mount_wait_ready(struct mount *mount);

/// They have.
void mount_ready(struct mount *mount);

/// Unmounts, if that has not happened; what is still open there breaks.
void mount_detach(struct mount *mount);

/// Ends the threads.
void mount_stop(struct mount *mount);

/// Ends the threads and frees everything. NULL is fine.
void mount_free(struct mount *mount);

/// The number of the mount's view.
uint64_t mount_view_id(const struct mount *mount);

/// The generation of a node: which of the trees that the view has shown it is of.
static inline uint64_t generation_of(fs_node node)
{
    return node >> 48;
}

/// Remembers the generation of a node, if it is later than what was seen before.
void mount_saw_generation(struct mount *mount, uint64_t generation);

/// Remembers which generation nodes are of that are found below the root, as events name inodes only.
static inline void mount_saw(struct mount *mount, fuse_ino_t parent, fs_node node)
{
    uint64_t generation = generation_of(node);
    if (parent == FS_NODE_ROOT && node != FS_NODE_ROOT &&
        atomic_load_explicit(&mount->generation, memory_order_relaxed) != generation)
        mount_saw_generation(mount, generation);
}

/// The node by which the kernel knows an inode of what the view shows now.
fs_node mount_node(struct mount *mount, uint64_t inode);

#endif
