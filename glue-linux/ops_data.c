// Content: opening, reading, writing, holes and copying.
//
// A handle holds the file and says that opening was allowed; content is then asked for by node. With write-back the kernel reads,
// through handles for writing, what it fills up pages with, and writes through any.

#include "convert.h"
#include "forgetter.h"
#include "ops.h"
#include "passthrough.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COPIED_BYTES = 16 * 1024, RANGES = 64 };

_Static_assert(sizeof(struct fs_iovec) == sizeof(struct iovec), "a pin's ranges are handed on as they are");

// Answers 0 or an errno.
static int say_how_to_read(struct mount *mount, fuse_ino_t node, struct fuse_file_info *file)
{
    if (mount->passthrough)
        return passthrough_open(mount, node, file);
    file->keep_cache = 1;
    return 0;
}

static fs_result close_node(struct mount *mount, fuse_ino_t node, const struct fuse_file_info *file)
{
    if (mount->passthrough)
        passthrough_release(mount, node);
    return file->fh ? fs_release(mount->view, file->fh) : FS_OK;
}

static void answer_opened(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    struct mount *mount = mount_of(request);
    int error = say_how_to_read(mount, node, file);
    if (error) {
        fs_release(mount->view, file->fh);
        fuse_reply_err(request, error);
        return;
    }
    if (fuse_reply_open(request, file) == -ENOENT)
        close_node(mount, node, file);
}

void op_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    if (mount_of(request)->stateless) {
        // The kernel does not ask again.
        fuse_reply_err(request, ENOSYS);
        return;
    }
    struct asker asker;
    struct fs_open_options options = { .size = sizeof options, .flags = open_flags_of(file->flags) };
    fs_result result = fs_open(view_of(request), asker_of(request, &asker), node, &options, &file->fh);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    answer_opened(request, node, file);
}

static void answer_created(fuse_req_t request, fuse_ino_t parent, const struct fs_entry *entry, struct fuse_file_info *file)
{
    struct mount *mount = mount_of(request);
    struct fuse_entry_param parameters;
    entry_of(mount, entry, &parameters);
    mount_saw(mount, parent, entry->node);
    int error = say_how_to_read(mount, entry->node, file);
    if (mount->stateless || error) {
        // A kernel that does not tell of opens does not tell of closes: its reference to the node is what holds the file.
        fs_release(mount->view, file->fh);
        file->fh = FS_HANDLE_NONE;
    }
    if (error) {
        fs_forget(mount->view, entry->node, 1);
        fuse_reply_err(request, error);
    } else if (fuse_reply_create(request, &parameters, file) == -ENOENT) {
        close_node(mount, entry->node, file);
        fs_forget(mount->view, entry->node, 1);
    }
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file)
{
    bool unnamed = strcmp(name, REQUEST_UNNAMED) == 0;
    if (mount_of(request)->stateless && !unnamed) {
        // The kernel makes a node and opens it instead, and does not ask again.
        fuse_reply_err(request, ENOSYS);
        return;
    }
    struct asker asker;
    const struct fs_caller *caller = asker_of(request, &asker);
    struct fs_entry entry = { .size = sizeof entry };
    struct fs_open_options options = {
        .size = sizeof options,
        .flags = open_flags_of(file->flags) | FS_OPEN_READ | (file->flags & O_EXCL && !unnamed ? FS_OPEN_EXCLUSIVE : 0),
        .mode = mode & ALLPERMS,
    };
    fs_result result = unnamed
        ? fs_tmpfile(view_of(request), caller, parent, &options, &entry, &file->fh)
        : fs_create(view_of(request), caller, parent, name, strlen(name), &options, &entry, &file->fh);
    if (result == FS_OK)
        answer_created(request, parent, &entry, file);
    else
        answer_result(request, result);
}

// ---- reading and writing -----------------------------------------------------------------------------------------

static void answer_ranges(fuse_req_t request, const struct fs_iovec *ranges, size_t count)
{
    struct iovec list[RANGES];
    for (size_t i = 0; i < count; i++)
        list[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)ranges[i].base, .iov_len = ranges[i].length };
    fuse_reply_iov(request, list, (int)count);
}

// Long content goes to the kernel from where it lies.
static void read_lent(fuse_req_t request, const struct fs_caller *caller, fuse_ino_t node, uint64_t offset, size_t size)
{
    struct fs_pin *pin = NULL;
    const struct fs_iovec *ranges = NULL;
    size_t count = 0;
    fs_result result = fs_read_pin(view_of(request), caller, node, FS_HANDLE_NONE, offset, size, &pin);
    if (result == FS_OK)
        result = fs_pin_ranges(pin, &ranges, &count);
    if (result != FS_OK)
        answer_result(request, result);
    else if (count <= RANGES)
        answer_ranges(request, ranges, count);
    else
        fuse_reply_err(request, EIO);
    fs_pin_release(pin);
}

void op_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)file;
    struct asker asker;
    const struct fs_caller *caller = asker_of_open(request, &asker);
    char bytes[COPIED_BYTES];
    size_t got = 0;
    if (size > sizeof bytes) {
        read_lent(request, caller, node, (uint64_t)offset, size);
        return;
    }
    fs_result result = fs_read(view_of(request), caller, node, FS_HANDLE_NONE, (uint64_t)offset, bytes, size, &got);
    if (result == FS_OK)
        fuse_reply_buf(request, bytes, got);
    else
        answer_result(request, result);
}

// The kernel takes write-back without an error for whole, whatever count is answered, and forgets its pages. So a write that ended early is gone
// on with until it is whole, or says why not.
static fs_result write_back(struct fs_view *view, const struct fs_caller *caller, fuse_ino_t node, uint64_t offset, const char *data,
                            size_t size)
{
    fs_result result = FS_OK;
    size_t written = 0;
    for (size_t at = 0; result == FS_OK && at < size; at += written)
        result = fs_write(view, caller, node, FS_HANDLE_NONE, offset + at, data + at, size - at, &written);
    return result;
}

void op_write(fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
    struct asker asker;
    const struct fs_caller *caller = asker_of_open(request, &asker);
    // What the kernel writes back was checked, took set-user-ID bits and has its time from when it was written to the page.
    if (file->writepage)
        asker.caller.privileges |= FS_PRIVILEGE_KEEP_SETID | FS_PRIVILEGE_KEEP_TIMES;
    size_t written = size;
    fs_result result = file->writepage
        ? write_back(view_of(request), caller, node, (uint64_t)offset, data, size)
        : fs_write(view_of(request), caller, node, FS_HANDLE_NONE, (uint64_t)offset, data, size, &written);
    if (result == FS_OK)
        fuse_reply_write(request, written);
    else
        answer_result(request, result);
}

// ---- closing -----------------------------------------------------------------------------------------------------

void op_flush(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    if (!mount_of(request)->locks) {
        fuse_reply_err(request, ENOSYS);
        return;
    }
    answer_result(request, fs_flush(view_of(request), node, FS_FLUSH_UNLOCK, file->lock_owner));
}

void op_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    if (file->flock_release)
        fs_lock_forget(view_of(request), node, FS_LOCK_WHOLE, file->lock_owner);
    answer_result(request, close_node(mount_of(request), node, file));
}

// What the kernel had is with us, and nothing lies anywhere else: it need not ask again.
void op_fsync(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *file)
{
    (void)node;
    (void)datasync;
    (void)file;
    fuse_reply_err(request, ENOSYS);
}

// ---- ranges ------------------------------------------------------------------------------------------------------

void op_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length, struct fuse_file_info *file)
{
    (void)file;
    uint32_t keep = mode & FALLOC_FL_KEEP_SIZE ? FS_ALLOCATE_KEEP_SIZE : 0;
    uint32_t how;
    switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
        how = FS_ALLOCATE_RESERVE | keep;
        break;
    case FALLOC_FL_PUNCH_HOLE:
        how = FS_ALLOCATE_PUNCH;
        break;
    case FALLOC_FL_ZERO_RANGE:
        how = FS_ALLOCATE_ZERO | keep;
        break;
    default:
        fuse_reply_err(request, EOPNOTSUPP);
        return;
    }
    struct asker asker;
    answer_result(request, fs_fallocate(view_of(request), asker_of_open(request, &asker), node, FS_HANDLE_NONE, (uint64_t)offset,
                                        (uint64_t)length, how));
}

void op_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *file)
{
    (void)file;
    const struct mount *mount = mount_of(request);
    uint32_t what = whence == SEEK_DATA ? FS_SEEK_DATA : whence == SEEK_HOLE ? FS_SEEK_HOLE : 0;
    if (mount->forgetter)
        forgetter_seek(mount->forgetter, request, node, (uint64_t)offset, what);
    else
        answer_seek(request, node, (uint64_t)offset, what);
}

void op_copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset, struct fuse_file_info *source_file,
                        fuse_ino_t node, off_t offset, struct fuse_file_info *file, size_t length, int flags)
{
    (void)source_file;
    (void)file;
    (void)flags;
    struct asker asker;
    uint64_t copied = 0;
    // The answer has 32 bits.
    uint64_t most = length < UINT32_MAX ? length : UINT32_MAX & ~0xfffu;
    fs_result result = fs_copy_range(view_of(request), asker_of_open(request, &asker), source, FS_HANDLE_NONE,
                                     (uint64_t)source_offset, node, FS_HANDLE_NONE, (uint64_t)offset, most, &copied);
    if (result == FS_OK)
        fuse_reply_write(request, copied);
    else
        answer_result(request, result);
}
