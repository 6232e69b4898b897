// Which open nodes the kernel reads by itself.
//
// The kernel asks that all who have a node open at a time read it in one and the same way. So the first open decides, and its
// decision stands until the last has closed the node.
//
// Guarded by `mutex`: everything.

#include "passthrough.h"

#include "mount.h"
#include "request.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

int passthrough_guard(const char *base)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };
    int tree = open_tree(AT_FDCWD, base, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int guard = -1;
    if (tree != -1 && mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
        guard = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // What is open keeps the mount.
    if (tree != -1)
        close(tree);
    return guard;
}

static bool is_same(int file, int other)
{
    struct stat one, two;
    return fstat(file, &one) == 0 && fstat(other, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

// The same file, opened by way of the guard. -1 where it is on another file system, or has no handle.
static int guarded(int guard, int file)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } found = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
    int mount_id;
    if (guard == -1 || name_to_handle_at(file, "", &found.handle, &mount_id, AT_EMPTY_PATH) == -1)
        return -1;
    int opened = open_by_handle_at(guard, &found.handle, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (opened != -1 && !is_same(file, opened)) {
        close(opened);
        opened = -1;
    }
    return opened;
}

// 0: the kernel is to read through its cache.
static int backing_of(struct mount *mount, fs_handle handle)
{
    int file = -1;
    if (fs_host_file(mount->view, handle, &file) != FS_OK)
        return 0;
    int opened = guarded(mount->volume->guard, file);
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

int passthrough_guard(const char *base)
{
    (void)base;
    return -1;
}

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
