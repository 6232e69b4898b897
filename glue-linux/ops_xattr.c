// Extended attributes, ACLs among them.

#include "convert.h"
#include "ops.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { SMALL_BYTES = 4096 };

void op_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value, size_t size, int flags)
{
    uint32_t how = flags & XATTR_CREATE ? FS_XATTR_CREATE : flags & XATTR_REPLACE ? FS_XATTR_REPLACE : FS_XATTR_SET;
    // A new access ACL takes set-group-ID from a file unless the caller is in its group.
    struct asker asker;
    bool is_list = strcmp(name, "system.posix_acl_access") == 0;
    const struct fs_caller *caller = is_list ? asker_with_groups(request, &asker) : asker_of(request, &asker);
    answer_result(request, fs_xattr_set(view_of(request), caller, node, name, strlen(name), value, size, how));
}

// Asks with the buffer that the answer needs: none when only the size is wanted.
static fs_result get(fuse_req_t request, fuse_ino_t node, const char *name, char *into, size_t room, size_t *length)
{
    struct asker asker;
    const struct fs_caller *caller = asker_of(request, &asker);
    return name ? fs_xattr_get(view_of(request), caller, node, name, strlen(name), into, room, length)
                : fs_xattr_list(view_of(request), caller, node, into, room, length);
}

// ls(1) asks for this of every file that it shows, unless it hears that there is no such thing here.
static bool is_only_asked_for(const char *name)
{
    return strcmp(name, "security.selinux") == 0;
}

// A value, or the list of names when `name` is NULL.
static void answer_value(fuse_req_t request, fuse_ino_t node, const char *name, size_t room)
{
    char small[SMALL_BYTES];
    char *large = room > sizeof small ? malloc(room) : NULL;
    size_t length = 0;
    if (room > sizeof small && !large) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    char *into = large ? large : small;
    fs_result result = get(request, node, name, room ? into : NULL, room, &length);
    if (result == FS_NO_ATTRIBUTE && is_only_asked_for(name))
        fuse_reply_err(request, EOPNOTSUPP);
    else if (result != FS_OK)
        answer_result(request, result);
    else if (room == 0)
        fuse_reply_xattr(request, length);
    else
        fuse_reply_buf(request, into, length);
    free(large);
}

void op_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size)
{
    answer_value(request, node, name, size);
}

void op_listxattr(fuse_req_t request, fuse_ino_t node, size_t size)
{
    answer_value(request, node, NULL, size);
}

void op_removexattr(fuse_req_t request, fuse_ino_t node, const char *name)
{
    struct asker asker;
    answer_result(request, fs_xattr_remove(view_of(request), asker_of(request, &asker), node, name, strlen(name)));
}
