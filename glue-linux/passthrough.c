// Which open nodes the kernel reads by itself.
//
// The kernel asks that all who have a node open at a time read it in one and the same way. So the first open decides, and its
// decision stands until the last has closed the node.
//
// Guarded by `mutex`: everything.

#include "passthrough.h"

#include "mount.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

struct open_node {
    struct open_node *next;
    fuse_ino_t node;
    unsigned opens;
    int backing;    // what the kernel calls the host's file; 0: it reads through its cache
};

struct passthrough {
    pthread_mutex_t mutex;
    struct open_node *buckets[BUCKETS];
};

struct passthrough *passthrough_new(void)
{
    struct passthrough *all = calloc(1, sizeof *all);
    if (all)
        pthread_mutex_init(&all->mutex, NULL);
    return all;
}

// What is still registered goes with the connection.
void passthrough_free(struct passthrough *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (all->buckets[i]) {
            struct open_node *gone = all->buckets[i];
            all->buckets[i] = gone->next;
            free(gone);
        }
    }
    pthread_mutex_destroy(&all->mutex);
    free(all);
}

static struct open_node **place_of(struct passthrough *all, fuse_ino_t node)
{
    struct open_node **link = &all->buckets[node % BUCKETS];
    while (*link && (*link)->node != node)
        link = &(*link)->next;
    return link;
}

#if PASSTHROUGH_KNOWN && defined(MOUNT_ATTR_RDONLY)

// The kernel reads by a mount of its own of that one file, which is read-only and keeps no access times: so it can change nothing of
// the host, whatever it is asked.
static int guarded(int file)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };
    int alone = open_tree(file, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (alone == -1)
        return -1;
    int opened = -1;
    if (mount_setattr(alone, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", alone);
        opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    close(alone);
    return opened;
}

// 0: the kernel is to read through its cache.
static int backing_of(struct mount *mount, fs_handle handle)
{
    int file = -1;
    if (fs_host_file(mount->view, handle, &file) != FS_OK)
        return 0;
    int opened = guarded(file);
    int backing = opened == -1 ? 0 : request_back(mount->session, opened);
    if (opened != -1)
        close(opened);
    close(file);
    return backing;
}

static void say(struct fuse_file_info *file, int backing)
{
    file->backing_id = backing;
    file->keep_cache = backing == 0;
}

#else

static int backing_of(struct mount *mount, fs_handle handle)
{
    (void)mount;
    (void)handle;
    return 0;
}

static void say(struct fuse_file_info *file, int backing)
{
    (void)backing;
    file->keep_cache = 1;
}

#endif

int passthrough_open(struct mount *mount, fuse_ino_t node, struct fuse_file_info *file)
{
    struct passthrough *all = mount->passthrough;
    pthread_mutex_lock(&all->mutex);
    struct open_node **place = place_of(all, node);
    if (!*place && (*place = calloc(1, sizeof **place))) {
        (*place)->node = node;
        (*place)->backing = backing_of(mount, file->fh);
    }
    struct open_node *found = *place;
    if (found) {
        found->opens++;
        say(file, found->backing);
    }
    pthread_mutex_unlock(&all->mutex);
    return found ? 0 : ENOMEM;
}

void passthrough_release(struct mount *mount, fuse_ino_t node)
{
    struct passthrough *all = mount->passthrough;
    pthread_mutex_lock(&all->mutex);
    struct open_node **place = place_of(all, node);
    struct open_node *found = *place;
    if (found && --found->opens == 0) {
        *place = found->next;
        if (found->backing)
            request_unback(mount->session, found->backing);
        free(found);
    }
    pthread_mutex_unlock(&all->mutex);
}
