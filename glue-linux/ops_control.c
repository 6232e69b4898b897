// ioctl: control messages, and the file flags of chattr(1).

#include "control.h"
#include "convert.h"
#include "ops.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

// A flag as FS_IOC_SETFLAGS has it, as FS_IOC_FSSETXATTR has it, and as core has it.
static const struct {
    uint32_t plain, extended, ours;
} flag_table[] = {
    { FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE, FS_FLAG_IMMUTABLE },
    { FS_APPEND_FL, FS_XFLAG_APPEND, FS_FLAG_APPEND },
    { FS_NOATIME_FL, FS_XFLAG_NOATIME, FS_FLAG_NO_ACCESS_TIME },
    { FS_NODUMP_FL, FS_XFLAG_NODUMP, FS_FLAG_NO_DUMP },
};
enum { FLAGS = sizeof flag_table / sizeof flag_table[0] };

static uint32_t their_flag(size_t i, bool extended)
{
    return extended ? flag_table[i].extended : flag_table[i].plain;
}

static void get_flags(fuse_req_t request, fuse_ino_t node, bool extended)
{
    struct fs_attr attr = { .size = sizeof attr };
    fs_result result = fs_getattr(view_of(request), node, &attr);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    uint32_t flags = 0;
    for (size_t i = 0; i < FLAGS; i++)
        if (attr.flags & flag_table[i].ours)
            flags |= their_flag(i, extended);
    struct fsxattr all = { .fsx_xflags = flags };
    if (extended)
        fuse_reply_ioctl(request, 0, &all, sizeof all);
    else
        fuse_reply_ioctl(request, 0, &flags, sizeof flags);
}

// Flags that only other systems know stay as they are; those that nobody here knows are refused.
static fs_result change_flags(fuse_req_t request, fuse_ino_t node, bool extended, uint32_t wanted)
{
    struct asker asker;
    struct fs_attr attr = { .size = sizeof attr };
    fs_result result = fs_getattr(view_of(request), node, &attr);
    if (result != FS_OK)
        return result;
    struct fs_set_attr set = { .size = sizeof set, .valid = FS_SET_FLAGS, .flags = attr.flags };
    for (size_t i = 0; i < FLAGS; i++) {
        set.flags &= ~flag_table[i].ours;
        if (wanted & their_flag(i, extended))
            set.flags |= flag_table[i].ours;
        wanted &= ~their_flag(i, extended);
    }
    if (wanted)
        return FS_NOT_SUPPORTED;
    return fs_setattr(view_of(request), asker_of(request, &asker), node, FS_HANDLE_NONE, &set, &attr);
}

// Both structures begin with the flags.
static void set_flags(fuse_req_t request, fuse_ino_t node, bool extended, const void *input, size_t bytes)
{
    uint32_t wanted;
    if (bytes < sizeof wanted) {
        fuse_reply_err(request, EINVAL);
        return;
    }
    memcpy(&wanted, input, sizeof wanted);
    fs_result result = change_flags(request, node, extended, wanted);
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
    else if (command == FS_IOC_GETFLAGS || command == FS_IOC_FSGETXATTR)
        get_flags(request, node, command == FS_IOC_FSGETXATTR);
    else if (command == FS_IOC_SETFLAGS || command == FS_IOC_FSSETXATTR)
        set_flags(request, node, command == FS_IOC_FSSETXATTR, input, input_bytes);
    else
        fuse_reply_err(request, ENOTTY);
}
