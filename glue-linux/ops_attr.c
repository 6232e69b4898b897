// Attributes of nodes, and the space there is.

#include "convert.h"
#include "lengths.h"
#include "ops.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int64_t nanoseconds_of(struct timespec time)
{
    int64_t whole;
    if (__builtin_mul_overflow((int64_t)time.tv_sec, (int64_t)1000000000, &whole) ||
        __builtin_add_overflow(whole, (int64_t)time.tv_nsec, &whole))
        return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return whole;
}

static uint32_t sets_of(int valid)
{
    static const struct {
        int theirs;
        uint32_t ours;
    } table[] = {
        { FUSE_SET_ATTR_MODE, FS_SET_MODE },
        { FUSE_SET_ATTR_UID, FS_SET_UID },
        { FUSE_SET_ATTR_GID, FS_SET_GID },
        { FUSE_SET_ATTR_SIZE, FS_SET_LENGTH },
        { FUSE_SET_ATTR_ATIME, FS_SET_ACCESSED },
        { FUSE_SET_ATTR_ATIME_NOW, FS_SET_ACCESSED_NOW },
        { FUSE_SET_ATTR_MTIME, FS_SET_MODIFIED },
        { FUSE_SET_ATTR_MTIME_NOW, FS_SET_MODIFIED_NOW },
        { FUSE_SET_ATTR_CTIME, FS_SET_CHANGED },
    };
    uint32_t sets = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (valid & table[i].theirs)
            sets |= table[i].ours;
    return sets;
}

static void answer_attr(fuse_req_t request, fs_result result, const struct fs_attr *attr)
{
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    struct stat stat_buffer;
    stat_of(attr, &stat_buffer);
    fuse_reply_attr(request, &stat_buffer, attr_seconds(attr));
}

static void answer_length(fuse_req_t request, fuse_ino_t node, const struct fs_attr *attr)
{
    struct stat stat_buffer;
    stat_of(attr, &stat_buffer);
    lengths_answer(request, node, &stat_buffer, attr_seconds(attr));
}

void op_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    (void)file;
    struct fs_attr attr = { .size = sizeof attr };
    answer_attr(request, fs_getattr(view_of(request), node, &attr), &attr);
}

void op_setattr(fuse_req_t request, fuse_ino_t node, struct stat *wanted, int valid, struct fuse_file_info *file)
{
    struct asker asker;
    struct fs_attr attr = { .size = sizeof attr };
    struct fs_set_attr set = {
        .size = sizeof set,
        .valid = sets_of(valid),
        .mode = wanted->st_mode & ALLPERMS,
        .uid = wanted->st_uid,
        .gid = wanted->st_gid,
        .length = (uint64_t)wanted->st_size,
        .accessed = nanoseconds_of(wanted->st_atim),
        .modified = nanoseconds_of(wanted->st_mtim),
        .changed = nanoseconds_of(wanted->st_ctim),
    };
    fs_result result = fs_setattr(view_of(request), asker_of(request, &asker), node, handle_of(file), &set, &attr);
    if (result == FS_OK && valid & FUSE_SET_ATTR_SIZE)
        answer_length(request, node, &attr);
    else
        answer_attr(request, result, &attr);
}

void op_access(fuse_req_t request, fuse_ino_t node, int want)
{
    struct asker asker;
    answer_result(request, fs_access(view_of(request), asker_of(request, &asker), node, (uint32_t)want));
}

void op_statfs(fuse_req_t request, fuse_ino_t node)
{
    (void)node;
    struct fs_space space = { .size = sizeof space };
    fs_result result = fs_statfs(view_of(request), &space);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    struct statvfs answer = {
        .f_bsize = space.block_bytes,
        .f_frsize = space.block_bytes,
        .f_blocks = space.blocks,
        .f_bfree = space.blocks_free,
        .f_bavail = space.blocks_free,
        .f_files = space.inodes,
        .f_ffree = space.inodes_free,
        .f_favail = space.inodes_free,
        .f_namemax = space.name_bytes,
    };
    fuse_reply_statfs(request, &answer);
}
