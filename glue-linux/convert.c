// Between what libfuse speaks and what core speaks.

#include "convert.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { NANOSECONDS = 1000000000, BLOCK_BYTES = 512, PREFERRED_BYTES = 4096 };

struct mount *mount_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

struct fs_view *view_of(fuse_req_t request)
{
    return mount_of(request)->view;
}

// ---- callers -----------------------------------------------------------------------------------------------------

static void add_groups(fuse_req_t request, struct asker *asker)
{
    int count = fuse_req_getgroups(request, CALLER_GROUPS, asker->groups);
    if (count <= 0)
        return;
    asker->caller.groups = asker->groups;
    asker->caller.groups_count = count < CALLER_GROUPS ? (uint32_t)count : CALLER_GROUPS;
}

static bool core_checks(const struct mount *mount, const struct fuse_ctx *context)
{
    return !mount->checked && context->uid != 0;
}

static void identify(fuse_req_t request, struct asker *asker)
{
    const struct fuse_ctx *context = fuse_req_ctx(request);
    uint32_t privileges = mount_of(request)->checked ? FS_PRIVILEGE_CHECKED : 0;
    asker->caller = (struct fs_caller){
        .size = sizeof asker->caller,
        .uid = context->uid,
        .gid = context->gid,
        .pid = (uint32_t)context->pid,
        .umask = context->umask,
        .privileges = privileges | (context->uid == 0 ? FS_PRIVILEGE_SUPERUSER : 0),
    };
}

const struct fs_caller *asker_of(fuse_req_t request, struct asker *asker)
{
    identify(request, asker);
    if (core_checks(mount_of(request), fuse_req_ctx(request)))
        add_groups(request, asker);
    return &asker->caller;
}

const struct fs_caller *asker_of_open(fuse_req_t request, struct asker *asker)
{
    identify(request, asker);
    asker->caller.privileges |= FS_PRIVILEGE_CHECKED;
    return &asker->caller;
}

const struct fs_caller *asker_with_groups(fuse_req_t request, struct asker *asker)
{
    identify(request, asker);
    if (fuse_req_ctx(request)->uid != 0)
        add_groups(request, asker);
    return &asker->caller;
}

// ---- handles and attributes --------------------------------------------------------------------------------------

fs_handle handle_of(const struct fuse_file_info *file)
{
    return file ? file->fh : FS_HANDLE_NONE;
}

uint32_t open_flags_of(int flags)
{
    int access = flags & O_ACCMODE;
    uint32_t bits = access == O_RDONLY ? FS_OPEN_READ : access == O_WRONLY ? FS_OPEN_WRITE : FS_OPEN_READ | FS_OPEN_WRITE;
    if (flags & O_TRUNC)
        bits |= FS_OPEN_TRUNCATE;
    return bits;
}

mode_t type_of_kind(uint32_t kind)
{
    switch (kind) {
    case FS_KIND_DIRECTORY:
        return S_IFDIR;
    case FS_KIND_SYMLINK:
        return S_IFLNK;
    case FS_KIND_FIFO:
        return S_IFIFO;
    case FS_KIND_SOCKET:
        return S_IFSOCK;
    case FS_KIND_CHAR_DEVICE:
        return S_IFCHR;
    case FS_KIND_BLOCK_DEVICE:
        return S_IFBLK;
    default:
        return S_IFREG;
    }
}

static struct timespec time_of(int64_t nanoseconds)
{
    int64_t rest = nanoseconds % NANOSECONDS;
    int64_t seconds = nanoseconds / NANOSECONDS - (rest < 0);
    return (struct timespec){ .tv_sec = seconds, .tv_nsec = rest < 0 ? rest + NANOSECONDS : rest };
}

void stat_of(const struct fs_attr *attr, struct stat *into)
{
    memset(into, 0, sizeof *into);
    into->st_ino = attr->inode;
    into->st_mode = type_of_kind(attr->kind) | attr->mode;
    into->st_nlink = attr->links;
    into->st_uid = attr->uid;
    into->st_gid = attr->gid;
    into->st_rdev = attr->device;
    into->st_size = (off_t)attr->length;
    into->st_blksize = PREFERRED_BYTES;
    into->st_blocks = (blkcnt_t)((attr->allocated + BLOCK_BYTES - 1) / BLOCK_BYTES);
    into->st_atim = time_of(attr->accessed);
    into->st_mtim = time_of(attr->modified);
    into->st_ctim = time_of(attr->changed);
}

double attr_seconds(const struct fs_attr *attr)
{
    return attr->base == FS_BASE_SHOWS ? MOUNT_UNWATCHED : MOUNT_FOR_EVER;
}

void entry_of(const struct mount *mount, const struct fs_entry *entry, struct fuse_entry_param *into)
{
    *into = (struct fuse_entry_param){
        .ino = entry->node,
        .attr_timeout = attr_seconds(&entry->attr),
        .entry_timeout = entry->attr.base == FS_BASE_SHOWS ? MOUNT_UNWATCHED : mount->entry_seconds,
    };
    stat_of(&entry->attr, &into->attr);
}

// ---- answers -----------------------------------------------------------------------------------------------------

void answer_result(fuse_req_t request, fs_result result)
{
    fuse_reply_err(request, fs_result_errno(result));
}

void answer_entry(fuse_req_t request, fuse_ino_t parent, fs_result result, const struct fs_entry *entry)
{
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    struct mount *mount = mount_of(request);
    struct fuse_entry_param parameters;
    entry_of(mount, entry, &parameters);
    mount_saw(mount, parent, entry->node);
    // The request was interrupted: nobody will forget what nobody was told.
    if (fuse_reply_entry(request, &parameters) == -ENOENT)
        fs_forget(mount->view, entry->node, 1);
}
