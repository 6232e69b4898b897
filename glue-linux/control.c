// Control messages. Core answers them; a host sees to it that what its kernel or its threads still hold is in.

#include "control.h"

#include "clock.h"
#include "invalidate.h"
#include "loop.h"
#include "mount.h"
#include "volume.h"

#include <string.h>
#include <time.h>

enum {
    LET_GO_NANOSECONDS = 2 * 1000 * 1000,            // until it is looked at again
    LET_GO_IN_VAIN = 4,                              // looks after which nothing was given back, and
    LET_GO_IN_VAIN_NANOSECONDS = 50 * 1000 * 1000,   // that long not: it is used
    LET_GO_MOST_NANOSECONDS = 500 * 1000 * 1000,
};

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
    loop_barrier(mount->loop);
    volume_settle(mount->volume, mount);
}

static fs_result switch_view(struct mount *mount, const struct fs_caller *caller, void *message, size_t bytes)
{
    struct old_names *names = invalidate_collect(mount);
    uint64_t before = atomic_load(&mount->generation);
    fs_result result = fs_control(mount->view, caller, FS_CONTROL_SWITCH, message, bytes);
    struct fs_control_header header;
    if (result == FS_OK)
        memcpy(&header, message, sizeof header);
    if (result != FS_OK || header.result != FS_OK) {
        invalidate_drop(names);
        return result;
    }
    // Nobody may ask for anything until long after.
    mount_saw_generation(mount, (before + 1) & UINT16_MAX);
    invalidate_after_switch(mount, names);
    return result;
}

static bool is_busy(const void *message)
{
    struct fs_control_delete answered;
    memcpy(&answered, message, sizeof answered);
    return answered.header.result == FS_BUSY;
}

// A branch that is used by nothing but what the kernel remembers of it: whoever was in one of its folders when his mount point was switched has
// left names there. The kernel is told to forget them, and gives them back in requests of its own.
static fs_result delete_ref(struct mount *mount, const struct fs_caller *caller, void *message, size_t bytes)
{
    const struct timespec pause = { .tv_nsec = LET_GO_NANOSECONDS };
    struct fs_control_delete asked;
    if (bytes == sizeof asked)
        memcpy(&asked, message, sizeof asked);
    fs_result result = fs_control(mount->view, caller, FS_CONTROL_DELETE, message, bytes);
    const int64_t begun = clock_now();
    int64_t progress = begun, now = begun;
    int in_vain = 0;
    for (size_t before = SIZE_MAX; result == FS_OK && is_busy(message);) {
        bool used = in_vain >= LET_GO_IN_VAIN && now - progress > LET_GO_IN_VAIN_NANOSECONDS;
        if (used || now - begun > LET_GO_MOST_NANOSECONDS)
            break;
        size_t known = volume_let_go(mount->volume);
        if (known == 0 && before == SIZE_MAX)
            break;
        in_vain = known < before ? 0 : in_vain + 1;
        before = known;
        nanosleep(&pause, NULL);
        memcpy(message, &asked, sizeof asked);
        result = fs_control(mount->view, caller, FS_CONTROL_DELETE, message, bytes);
        now = clock_now();
        if (in_vain == 0)
            progress = now;
    }
    return result;
}

static fs_result answer(struct mount *mount, const struct fs_caller *caller, uint32_t request, void *message, size_t bytes)
{
    switch (request) {
    case FS_CONTROL_SWITCH:
        return switch_view(mount, caller, message, bytes);
    case FS_CONTROL_DELETE:
        return delete_ref(mount, caller, message, bytes);
    default:
        return fs_control(mount->view, caller, request, message, bytes);
    }
}

fs_result control_answer(struct mount *mount, const struct fs_caller *caller, uint32_t request, void *message, size_t bytes)
{
    if (!may_control(mount, caller))
        return FS_NOT_PERMITTED;
    // Others need not wait for it, however long it takes, as a check does: of what is not answered yet no snapshot need know, unlike of
    // what is written, which the kernel answers before we do.
    loop_barrier_begin();
    if (freezes(request))
        finish_earlier(mount);
    fs_result result = answer(mount, caller, request, message, bytes);
    loop_barrier_end();
    return result;
}
