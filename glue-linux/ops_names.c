// Names: finding, making, removing and moving them.

#include "convert.h"
#include "ops.h"
#include "volume.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(sizeof(struct fs_forgotten) == sizeof(struct fuse_forget_data) &&
                   sizeof(((struct fuse_forget_data *)0)->ino) == sizeof(fs_node) &&
                   offsetof(struct fs_forgotten, count) == offsetof(struct fuse_forget_data, nlookup),
               "what the kernel forgets is handed on as it is");

static uint32_t kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return FS_KIND_FIFO;
    case S_IFSOCK:
        return FS_KIND_SOCKET;
    case S_IFCHR:
        return FS_KIND_CHAR_DEVICE;
    case S_IFBLK:
        return FS_KIND_BLOCK_DEVICE;
    default:
        return FS_KIND_FILE;
    }
}

// Who makes something: whether he is in the directory's group matters only to an executable that wants that group's rights.
static const struct fs_caller *maker_of(fuse_req_t request, struct asker *asker, mode_t mode)
{
    bool claims_group = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    return claims_group ? asker_with_groups(request, asker) : asker_of(request, asker);
}

// The kernel remembers that a name is not there, unless another spelling of it may come to be.
static void answer_absent(fuse_req_t request, fuse_ino_t parent)
{
    struct mount *mount = mount_of(request);
    bool holds = true;
    if (mount->volume->over_base && fs_names_hold(mount->view, parent, &holds) != FS_OK)
        holds = false;
    struct fuse_entry_param nothing = { .entry_timeout = holds ? mount->entry_seconds : MOUNT_UNWATCHED };
    fuse_reply_entry(request, &nothing);
}

void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct asker asker;
    struct fs_entry entry = { .size = sizeof entry };
    fs_result result = fs_lookup(view_of(request), asker_of(request, &asker), parent, name, strlen(name), &entry);
    if (result == FS_NOT_FOUND)
        answer_absent(request, parent);
    else
        answer_entry(request, parent, result, &entry);
}

void op_forget(fuse_req_t request, fuse_ino_t node, uint64_t count)
{
    fs_forget(view_of(request), node, count);
    fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *nodes)
{
    fs_forget_many(view_of(request), (const struct fs_forgotten *)nodes, count);
    fuse_reply_none(request);
}

void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    struct asker asker;
    struct fs_entry entry = { .size = sizeof entry };
    fs_result result = fs_mknod(view_of(request), maker_of(request, &asker, mode), parent, name, strlen(name), mode & ALLPERMS,
                                kind_of(mode), device, &entry);
    // Another mount was first. By O_CREAT alone that is no error, but the kernel tells us nothing of O_EXCL: this makes it look at
    // the name anew, find the file, and decide itself.
    if (result == FS_EXISTS && kind_of(mode) == FS_KIND_FILE)
        fuse_reply_err(request, ESTALE);
    else
        answer_entry(request, parent, result, &entry);
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct asker asker;
    struct fs_entry entry = { .size = sizeof entry };
    fs_result result = fs_mkdir(view_of(request), asker_of(request, &asker), parent, name, strlen(name), mode & ALLPERMS, &entry);
    answer_entry(request, parent, result, &entry);
}

void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    struct asker asker;
    struct fs_entry entry = { .size = sizeof entry };
    fs_result result = fs_symlink(view_of(request), asker_of(request, &asker), parent, name, strlen(name), target,
                                  strlen(target), &entry);
    answer_entry(request, parent, result, &entry);
}

void op_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
    struct asker asker;
    struct fs_entry entry = { .size = sizeof entry };
    fs_result result = fs_link(view_of(request), asker_of(request, &asker), node, parent, name, strlen(name), &entry);
    answer_entry(request, parent, result, &entry);
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct asker asker;
    answer_result(request, fs_unlink(view_of(request), asker_of(request, &asker), parent, name, strlen(name)));
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct asker asker;
    answer_result(request, fs_rmdir(view_of(request), asker_of(request, &asker), parent, name, strlen(name)));
}

void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
               unsigned int flags)
{
    uint32_t how = flags == 0                  ? FS_RENAME_REPLACE
                   : flags == RENAME_NOREPLACE ? FS_RENAME_NO_REPLACE
                   : flags == RENAME_EXCHANGE  ? FS_RENAME_EXCHANGE
                                               : UINT32_MAX; // whiteouts: nothing of ours would show them
    struct asker asker;
    answer_result(request, fs_rename(view_of(request), asker_of(request, &asker), parent, name, strlen(name), new_parent, new_name,
                                     strlen(new_name), how));
}

void op_readlink(fuse_req_t request, fuse_ino_t node)
{
    char target[PATH_MAX + 1];
    size_t length = 0;
    fs_result result = fs_readlink(view_of(request), node, target, PATH_MAX, &length);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    target[length] = '\0';
    fuse_reply_readlink(request, target);
}
