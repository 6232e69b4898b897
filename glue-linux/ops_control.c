// ioctl: control messages, and the file flags of chattr(1).

#include "control.h"
#include "convert.h"
#include "ops.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct {
    uint32_t theirs, ours;
} flag_table[] = {
    { FS_IMMUTABLE_FL, FS_FLAG_IMMUTABLE },
    { FS_APPEND_FL, FS_FLAG_APPEND },
    { FS_NOATIME_FL, FS_FLAG_NO_ACCESS_TIME },
    { FS_NODUMP_FL, FS_FLAG_NO_DUMP },
};
enum { FLAGS = sizeof flag_table / sizeof flag_table[0] };

static void get_flags(fuse_req_t request, fuse_ino_t node)
{
    struct fs_attr attr = { .size = sizeof attr };
    fs_result result = fs_getattr(view_of(request), node, &attr);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    unsigned flags = 0;
    for (size_t i = 0; i < FLAGS; i++)
        if (attr.flags & flag_table[i].ours)
            flags |= flag_table[i].theirs;
    fuse_reply_ioctl(request, 0, &flags, sizeof flags);
}

// Flags that only other systems know stay as they are; those that nobody here knows are refused.
static fs_result set_flags(fuse_req_t request, fuse_ino_t node, unsigned wanted)
{
    struct asker asker;
    struct fs_attr attr = { .size = sizeof attr };
    fs_result result = fs_getattr(view_of(request), node, &attr);
    if (result != FS_OK)
        return result;
    struct fs_set_attr set = { .size = sizeof set, .valid = FS_SET_FLAGS, .flags = attr.flags };
    for (size_t i = 0; i < FLAGS; i++) {
        set.flags &= ~flag_table[i].ours;
        if (wanted & flag_table[i].theirs)
            set.flags |= flag_table[i].ours;
        wanted &= ~flag_table[i].theirs;
    }
    if (wanted)
        return FS_NOT_SUPPORTED;
    return fs_setattr(view_of(request), asker_of(request, &asker), node, FS_HANDLE_NONE, &set, &attr);
}

static void answer_set_flags(fuse_req_t request, fuse_ino_t node, const void *input, size_t bytes)
{
    unsigned wanted;
    if (bytes < sizeof wanted) {
        fuse_reply_err(request, EINVAL);
        return;
    }
    memcpy(&wanted, input, sizeof wanted);
    fs_result result = set_flags(request, node, wanted);
    if (result == FS_OK)
        fuse_reply_ioctl(request, 0, NULL, 0);
    else
        answer_result(request, result);
}

static void control(fuse_req_t request, unsigned command, const void *input, size_t bytes)
{
    struct asker asker;
    char message[CONTROL_BYTES];
    if (bytes != _IOC_SIZE(command) || bytes > sizeof message) {
        fuse_reply_err(request, EINVAL);
        return;
    }
    memcpy(message, input, bytes);
    fs_result result = control_answer(mount_of(request), asker_of(request, &asker), _IOC_NR(command), message, bytes);
    if (result == FS_OK)
        fuse_reply_ioctl(request, 0, message, bytes);
    else
        answer_result(request, result);
}

void op_ioctl(fuse_req_t request, fuse_ino_t node, unsigned int command, void *argument, struct fuse_file_info *file,
              unsigned flags, const void *input, size_t input_bytes, size_t output_bytes)
{
    (void)argument;
    (void)file;
    (void)flags;
    (void)output_bytes;
    if (_IOC_TYPE(command) == 'B')
        control(request, command, input, input_bytes);
    else if (command == FS_IOC_GETFLAGS)
        get_flags(request, node);
    else if (command == FS_IOC_SETFLAGS)
        answer_set_flags(request, node, input, input_bytes);
    else
        fuse_reply_err(request, ENOTTY);
}
