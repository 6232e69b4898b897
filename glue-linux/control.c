// Control messages. Core answers them; a host sees to it that what its kernel or its threads still hold is in.

#include "control.h"

#include "invalidate.h"
#include "loop.h"
#include "volume.h"

#include <string.h>

// As core sees it; asked before anything is done for a stranger.
static bool may_control(const struct mount *mount, const struct fs_caller *caller)
{
    return caller->uid == mount->volume->owner || (caller->privileges & FS_PRIVILEGE_ADMIN);
}

static bool freezes(uint32_t request)
{
    switch (request) {
    case FS_CONTROL_SNAPSHOT:
    case FS_CONTROL_BRANCH:
    case FS_CONTROL_DIFF_OPEN:
    case FS_CONTROL_SWITCH:
    case FS_CONTROL_CHECK:
        return true;
    default:
        return false;
    }
}

void control_prepare(struct volume *volume, uint32_t request)
{
    if (freezes(request))
        volume_settle(volume, NULL);
}

static void finish_earlier(struct mount *mount)
{
    loop_barrier_begin();
    loop_barrier(mount->loop);
    volume_settle(mount->volume, mount);
    loop_barrier_end();
}

static fs_result switch_view(struct mount *mount, const struct fs_caller *caller, void *message, size_t bytes)
{
    struct old_names *names = invalidate_collect(mount);
    fs_result result = fs_control(mount->view, caller, FS_CONTROL_SWITCH, message, bytes);
    struct fs_control_header header;
    if (result == FS_OK)
        memcpy(&header, message, sizeof header);
    if (result == FS_OK && header.result == FS_OK)
        invalidate_after_switch(mount, names);
    else
        invalidate_drop(names);
    return result;
}

fs_result control_answer(struct mount *mount, const struct fs_caller *caller, uint32_t request, void *message, size_t bytes)
{
    if (!may_control(mount, caller))
        return FS_NOT_PERMITTED;
    if (freezes(request))
        finish_earlier(mount);
    if (request == FS_CONTROL_SWITCH)
        return switch_view(mount, caller, message, bytes);
    return fs_control(mount->view, caller, request, message, bytes);
}
