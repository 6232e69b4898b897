// The volume that this daemon serves, and its mounts.
#ifndef BOUGH_VOLUME_H
#define BOUGH_VOLUME_H

#include "exits.h"
#include "mount.h"
#include "options.h"

#include <bough.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct server;

struct volume {
    struct fs_volume *core;
    struct server *server;
    char *name;
    char *endpoint;          // path of the socket
    uid_t owner;
    bool folds_names; // several spellings are one name
    bool over_base;          // what nobody here changed may change all the same
    atomic_llong late_at;    // when a request was late, in seconds
    // Whether requests may wait for the spill file: when waits were last counted, how many there were, the answer.
    atomic_llong waited_at;
    atomic_ullong waits;
    atomic_bool may_wait;
    struct mount_settings settings; // of the first mount; further ones take them over
    int guard;               // by which the kernel reads the base itself (`passthrough_guard`), or -1
    int changed;             // eventfd: readable when a mount or a connection has ended
    pthread_mutex_t mutex;   // guards the list of mounts and `closing`
    struct mount *mounts;
    bool closing;            // no further mounts
};

/// Opens the volume and its socket. What is wrong is said here.
enum exits volume_open(struct volume *volume, const struct options *options);

/// Mounts the volume for the first time. What is wrong is said here.
enum exits volume_mount_first(struct volume *volume, const struct options *options, const char *path,
                              struct fuse_args *arguments);

/// Mounts it once more: `message` says what, `device_file` is a mounted /dev/fuse descriptor, ours from then on.
/// The answer is in the message.
fs_result volume_attach(struct volume *volume, struct fs_control_attach *message, int device_file, pid_t mounter);

/// Frees mounts that have ended; answers how many are left.
unsigned volume_reap(struct volume *volume);

/// Unmounts everything and closes the volume.
void volume_close(struct volume *volume);

/// A mount has ended. Called by one of its threads, and by nobody after.
void volume_mount_ended(struct volume *volume, struct mount *mount);

/// Wakes who waits for an end.
void volume_tell_changed(struct volume *volume);

/// Whether it has no branch but the first.
bool volume_is_bare(struct volume *volume);

/// Waits until every request that any mount but `except` has taken is answered.
void volume_settle(struct volume *volume, const struct mount *except);

/// Has the kernel forget what nobody uses of trees that mounts showed before a switch. How many nodes of such it knew.
size_t volume_let_go(struct volume *volume);

/// The first mount, which is not freed until it is given back; NULL when there is none.
struct mount *volume_borrow_mount(struct volume *volume);

/// Gives it back.
void volume_return_mount(struct volume *volume, struct mount *mount);

/// Whether operations may have to wait for storage.
bool volume_may_wait(struct volume *volume);

/// A request that was short by itself has waited, for the base's disk or network, say: for a second or two others may have to.
void volume_was_late(struct volume *volume);

#endif
