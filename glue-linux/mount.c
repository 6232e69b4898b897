// One mount. Order of birth: view, session, kernel, loop, invalidator, forgetters; of death: kernel, invalidator, forgetters, loop, session, view.

#include "mount.h"

#include "forgetter.h"
#include "invalidate.h"
#include "log.h"
#include "mountpoint.h"
#include "ops.h"
#include "passthrough.h"
#include "request.h"
#include "told.h"
#include "volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READY_SECONDS = 10 };

static enum exits open_view(struct mount *mount, struct fs_ref shows, const struct mount_settings *settings)
{
    uint32_t flags = (settings->read_only ? FS_VIEW_READ_ONLY : 0) | (settings->no_access_time ? FS_VIEW_NO_ACCESS_TIME : 0) |
                     (settings->confined ? FS_VIEW_CONFINED : 0);
    fs_result result = fs_view_open(mount->volume->core, shows, mount->path, strlen(mount->path), flags, &mount->view);
    if (result == FS_OK)
        return EXIT_DONE;
    log_error("%s: %s", mount->path, fs_result_message(result));
    return EXIT_VOLUME;
}

static enum exits open_session(struct mount *mount, int device_file, struct fuse_args *arguments)
{
    char device_path[32];
    snprintf(device_path, sizeof device_path, "/dev/fd/%d", device_file);
    mount->session = fuse_session_new(arguments, &ops, sizeof ops, mount);
    if (!mount->session)
        return EXIT_USAGE;
    if (fuse_session_mount(mount->session, device_file == -1 ? mount->path : device_path) != 0)
        return EXIT_PERMISSION;
    mount->extended = request_extend(mount->session) == 0;
    if (!mount->extended && FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)) {
        log_error("%s: out of memory", mount->path);
        return EXIT_OTHER;
    }
    return EXIT_DONE;
}

static void look_at_kernel(struct mount *mount, pid_t mounter)
{
    struct mountpoint_facts facts;
    // What a confined mount covers is not what we see at its path.
    bool found = !mount->confined && mountpoint_find(mount->path, mounter, &facts);
    // In another mount namespace the path may be that of another mount.
    mount->device = found && mountpoint_shared(mounter) ? facts.device : 0;
    // Whoever mounted chose the options. Where they cannot be seen and were not told, core checks.
    if (mounter != getpid() && !mount->confined)
        mount->checked = found && facts.checked;
    mount->stateless = mount->checked && !mount->locks;
}

static bool may_wait(void *context)
{
    struct mount *mount = context;
    return volume_may_wait(mount->volume);
}

static void was_late(void *context)
{
    struct mount *mount = context;
    volume_was_late(mount->volume);
}

static void ended(void *context)
{
    struct mount *mount = context;
    sem_post(&mount->ready);
    volume_mount_ended(mount->volume, mount);
}

static uint64_t waiting(void *context)
{
    const struct mount *mount = context;
    return request_waiting(mount->device);
}

// A request that waits for a lock keeps its place in the io_uring of its processor, and there are few.
static bool may_use_ring(const struct mount *mount, const struct mount_settings *settings)
{
    return mount->extended && settings->over_ring && !mount->locks && settings->max_threads != 1;
}

static enum exits open_loop(struct mount *mount, const struct mount_settings *settings)
{
    struct loop_owner owner = {
        .context = mount,
        .may_be_late = mount->volume->over_base,
        .may_wait = may_wait,
        .was_late = was_late,
        .waiting = waiting,
        .ended = ended,
    };
    mount->loop = loop_new(mount->session, settings->max_threads, may_use_ring(mount, settings), owner);
    if (mount->loop)
        return EXIT_DONE;
    log_error("%s: out of memory or descriptors", mount->path);
    return EXIT_OTHER;
}

static void apply(struct mount *mount, struct fs_ref shows, const struct mount_settings *settings)
{
    // Without memory for it the kernel reads as it does elsewhere.
    if (settings->passthrough && shows.kind == FS_REF_SNAPSHOT)
        mount->passthrough = passthrough_new();
    mount->checked = settings->checked;
    mount->locks = settings->locks;
    mount->confined = settings->confined;
    // What a kernel takes to write back later it shows until then, also where nothing can be written.
    mount->writeback = settings->writeback && !settings->read_only && shows.kind != FS_REF_SNAPSHOT;
    // A name that is spelled differently may come to be, or go, without the kernel knowing that it is the same.
    mount->entry_seconds = mount->volume->folds_names ? 0 : MOUNT_FOR_EVER;
}

enum exits mount_new(struct volume *volume, struct fs_ref shows, const char *path, int device_file,
                     const struct mount_settings *settings, struct fuse_args *arguments, struct mount **made)
{
    struct mount *mount = calloc(1, sizeof *mount);
    if (!mount || !(mount->path = strdup(path)) || !(mount->told = told_new())) {
        free(mount ? mount->path : NULL);
        free(mount);
        return EXIT_OTHER;
    }
    mount->volume = volume;
    sem_init(&mount->ready, 0, 0);
    lengths_begin(&mount->lengths);
    apply(mount, shows, settings);
    enum exits verdict = open_view(mount, shows, settings);
    bool ours = false;
    if (verdict == EXIT_DONE) {
        verdict = open_session(mount, device_file, arguments);
        ours = mount->session && fuse_session_fd(mount->session) != -1;
    }
    if (verdict == EXIT_DONE)
        verdict = open_loop(mount, settings);
    if (!ours && device_file != -1)
        close(device_file);
    if (verdict != EXIT_DONE) {
        if (ours && device_file == -1)
            mountpoint_detach(path, true);
        mount_free(mount);
        return verdict;
    }
    look_at_kernel(mount, device_file == -1 ? getpid() : settings->mounter);
    *made = mount;
    return EXIT_DONE;
}

bool mount_start(struct mount *mount)
{
    return loop_start(mount->loop);
}

void mount_ready(struct mount *mount)
{
    mount->invalidator = invalidator_start(mount);
    if (!mount->invalidator)
        log_error("%s: no memory or thread to follow changes with", mount->path);
    mount->forgetter = mount->writeback ? forgetter_start(mount) : NULL;
    mount->listing_ends = forgetter_start(mount);
    atomic_store(&mount->agreed, mount->invalidator && (mount->forgetter || !mount->writeback));
    sem_post(&mount->ready);
}

bool mount_wait_ready(struct mount *mount)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += READY_SECONDS;
    while (sem_timedwait(&mount->ready, &until) == -1 && errno == EINTR)
        ;
    return atomic_load(&mount->agreed);
}

static bool is_still_mounted(const struct mount *mount)
{
    struct mountpoint_facts facts;
    return mount->device && mountpoint_find(mount->path, getpid(), &facts) && facts.device == mount->device;
}

void mount_detach(struct mount *mount)
{
    if (is_still_mounted(mount) && !mountpoint_detach(mount->path, false) && is_still_mounted(mount))
        mountpoint_detach(mount->path, true);
}

void mount_stop(struct mount *mount)
{
    invalidator_end(mount->invalidator);
    forgetter_end(mount->forgetter);
    forgetter_end(mount->listing_ends);
    if (mount->loop)
        loop_stop(mount->loop);
}

void mount_free(struct mount *mount)
{
    if (!mount)
        return;
    mount_stop(mount);
    ops_end_waits(mount);
    invalidator_free(mount->invalidator);
    forgetter_free(mount->forgetter);
    forgetter_free(mount->listing_ends);
    told_free(mount->told);
    loop_free(mount->loop);
    if (mount->session)
        fuse_session_destroy(mount->session);
    fs_view_close(mount->view);
    passthrough_free(mount->passthrough);
    sem_destroy(&mount->ready);
    lengths_end(&mount->lengths);
    free(mount->path);
    free(mount);
}

uint64_t mount_view_id(const struct mount *mount)
{
    struct fs_view_record record = { .size = sizeof record };
    return fs_view_info(mount->view, &record) == FS_OK ? record.id : 0;
}

// Each switch makes the next of 65,536 in a circle.
static bool is_later(uint64_t generation, uint64_t known)
{
    uint16_t steps = (uint16_t)(generation - known);
    return steps > 0 && steps <= UINT16_MAX / 2;
}

// What was looked up before a switch may be answered after it.
void mount_saw_generation(struct mount *mount, uint64_t generation)
{
    uint_fast64_t known = atomic_load(&mount->generation);
    while (is_later(generation, known) && !atomic_compare_exchange_weak(&mount->generation, &known, generation))
        ;
}

fs_node mount_node(struct mount *mount, uint64_t inode)
{
    if (inode == FS_NODE_ROOT)
        return FS_NODE_ROOT;
    return atomic_load_explicit(&mount->generation, memory_order_relaxed) << 48 | inode;
}
