// The volume and its mounts.

#include "volume.h"

#include "invalidate.h"
#include "log.h"
#include "passthrough.h"
#include "server.h"
#include "state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY = 64, WAITS_COUNT_SECONDS = 1, MOST_MOUNTS = 4096, FUSE_MAJOR = 10, FUSE_MINOR = 229 };

// ---- opening -----------------------------------------------------------------------------------------------------

static enum exits open_core(struct volume *volume, const struct options *options)
{
    struct fs_config config = {
        .size = sizeof config,
        .flags = options->no_spill || options->spill_dir ? 0 : FS_CONFIG_SPILL,
        .names = options->name_rules,
        .name = volume->name,
        .name_bytes = strlen(volume->name),
        .memory_bytes = options->memory_bytes,
        .memory_percent = options->memory_percent,
        .spill_limit_bytes = options->spill_limit_bytes,
        .spill_reserve_bytes = options->spill_reserve_bytes,
        .spill_dir = options->spill_dir,
        .spill_dir_bytes = options->spill_dir ? strlen(options->spill_dir) : 0,
        .base = options->base,
        .base_bytes = options->base ? strlen(options->base) : 0,
        .base_kind = options->base ? FS_CONFIG_BASE_DIRECTORY : 0,
        .base_flags = (options->cross_mounts ? FS_CONFIG_BASE_CROSS_MOUNTS : 0) | (options->freeze ? FS_CONFIG_BASE_FREEZE : 0),
        .endpoint = volume->endpoint,
        .endpoint_bytes = strlen(volume->endpoint),
        .root_uid = geteuid(),
        .root_gid = getegid(),
    };
    char text[256] = "";
    size_t length = 0;
    if (fs_volume_open(&config, &volume->core) == FS_OK)
        return EXIT_DONE;
    fs_error_text(text, sizeof text - 1, &length);
    log_error("cannot open volume `%s`: %s", volume->name, text);
    return EXIT_VOLUME;
}

static bool name_it(struct volume *volume, const struct options *options)
{
    if (options->volume)
        volume->name = strdup(options->volume);
    else if (asprintf(&volume->name, "vol-%d", (int)getpid()) < 0)
        volume->name = NULL;
    return volume->name != NULL;
}

static void settle_settings(struct volume *volume, const struct options *options)
{
    volume->folds_names = options->name_rules != FS_NAMES_POSIX;
    volume->over_base = options->base != NULL;
    volume->owner = geteuid();
    volume->settings = (struct mount_settings){
        .max_threads = options->max_threads,
        .checked = options->default_permissions,
        .locks = options->locks,
        .writeback = !options->no_writeback,
        .over_ring = !options->no_io_uring,
        .passthrough = options->passthrough,
        .read_only = options->read_only,
        .no_access_time = options->no_access_time,
    };
}

enum exits volume_open(struct volume *volume, const struct options *options)
{
    *volume = (struct volume){ .guard = -1, .changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .late_at = INT64_MIN / 2 };
    pthread_mutex_init(&volume->mutex, NULL);
    settle_settings(volume, options);
    if (volume->changed == -1 || !name_it(volume, options)) {
        log_error("out of memory or descriptors");
        return EXIT_OTHER;
    }
    // Before anything is mounted: the mount point may be the base itself.
    if (options->passthrough)
        volume->guard = passthrough_guard(options->base);
    volume->endpoint = state_socket_path(volume->name);
    if (!volume->endpoint)
        return EXIT_SOCKET;
    enum exits verdict = open_core(volume, options);
    if (verdict == EXIT_DONE)
        verdict = server_start(volume, &volume->server);
    return verdict;
}

// ---- mounting ----------------------------------------------------------------------------------------------------

// Borrowed, so that a mount that ends at once is not freed while it begins.
static void add(struct volume *volume, struct mount *mount)
{
    pthread_mutex_lock(&volume->mutex);
    mount->borrowers++;
    mount->next = volume->mounts;
    volume->mounts = mount;
    pthread_mutex_unlock(&volume->mutex);
}

static void take_out(struct volume *volume, struct mount *mount)
{
    pthread_mutex_lock(&volume->mutex);
    struct mount **link = &volume->mounts;
    while (*link && *link != mount)
        link = &(*link)->next;
    if (*link)
        *link = mount->next;
    pthread_mutex_unlock(&volume->mutex);
}

// When this is done the mount is the caller's to give back.
static enum exits begin(struct volume *volume, struct mount *mount)
{
    add(volume, mount);
    bool started = mount_start(mount);
    if (started && mount_wait_ready(mount))
        return EXIT_DONE;
    if (started)
        log_error("%s: the kernel and this daemon do not agree on how to speak", mount->path);
    else
        log_error("%s: cannot start a thread", mount->path);
    // Somebody may have borrowed it meanwhile: it is freed with those that have ended.
    mount_detach(mount);
    mount_stop(mount);
    volume_mount_ended(volume, mount);
    volume_return_mount(volume, mount);
    return EXIT_OTHER;
}

static enum exits find(struct volume *volume, const char *name, uint32_t kind, struct fs_ref *found)
{
    fs_result result = fs_ref_find(volume->core, name, strlen(name), found);
    if (result == FS_OK && found->kind == kind)
        return EXIT_DONE;
    log_error("no %s `%s`: a new volume has one branch, `main`", kind == FS_REF_BRANCH ? "branch" : "snapshot", name);
    return EXIT_VOLUME;
}

// A base whose mounts are shown shows a mount in itself too, and who looks there would wait for himself. On the base's own path is
// no such place: the base was opened before.
static bool would_show_itself(const struct options *options, const char *path)
{
    char base[PATH_MAX], point[PATH_MAX];
    if (!options->base || !options->cross_mounts || !realpath(options->base, base) || !realpath(path, point))
        return false;
    size_t length = strcmp(base, "/") == 0 ? 0 : strlen(base);
    return strncmp(base, point, length) == 0 && point[length] == '/' && strcmp(base, point) != 0;
}

enum exits volume_mount_first(struct volume *volume, const struct options *options, const char *path,
                              struct fuse_args *arguments)
{
    struct fs_ref shows = { 0 };
    struct mount *mount = NULL;
    enum exits verdict = EXIT_DONE;
    if (would_show_itself(options, path)) {
        log_error("%s: it lies in the base, and with cross_mounts would be shown in itself", path);
        return EXIT_VOLUME;
    }
    if (options->branch)
        verdict = find(volume, options->branch, FS_REF_BRANCH, &shows);
    else if (options->snapshot)
        verdict = find(volume, options->snapshot, FS_REF_SNAPSHOT, &shows);
    if (verdict == EXIT_DONE)
        verdict = mount_new(volume, shows, path, -1, &volume->settings, arguments, &mount);
    if (verdict == EXIT_DONE)
        verdict = begin(volume, mount);
    if (verdict == EXIT_DONE)
        volume_return_mount(volume, mount);
    return verdict;
}

static fs_result find_shown(struct volume *volume, const struct fs_control_attach *message, struct fs_ref *shows)
{
    const char *name = (const char *)message->shows.bytes;
    *shows = (struct fs_ref){ 0 };
    return *name ? fs_ref_find(volume->core, name, strlen(name), shows) : FS_OK;
}

static fs_result attach(struct volume *volume, struct fs_control_attach *message, struct fs_ref shows, int device_file,
                        pid_t mounter)
{
    char *words[] = { "bough-fuse", NULL };
    struct fuse_args arguments = FUSE_ARGS_INIT(1, words);
    struct mount_settings settings = volume->settings;
    settings.mounter = mounter;
    settings.read_only = message->flags & FS_CONTROL_READ_ONLY;
    settings.no_access_time = message->flags & FS_CONTROL_NO_ACCESS_TIME;
    settings.confined = message->flags & FS_CONTROL_CONFINED;
    if (settings.confined)
        settings.checked = message->flags & FS_CONTROL_CHECKED;
    struct mount *mount = NULL;
    enum exits verdict =
        mount_new(volume, shows, (const char *)message->label.bytes, device_file, &settings, &arguments, &mount);
    fuse_opt_free_args(&arguments);
    if (verdict == EXIT_DONE)
        verdict = begin(volume, mount);
    if (verdict != EXIT_DONE)
        return FS_IO;
    message->view = mount_view_id(mount);
    message->shows_kind = shows.kind ? shows.kind : FS_REF_BRANCH;
    volume_return_mount(volume, mount);
    return FS_OK;
}

static unsigned count(struct volume *volume)
{
    unsigned mounts = 0;
    for (struct mount *mount = volume->mounts; mount; mount = mount->next)
        mounts++;
    return mounts;
}

static bool has_room(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    bool room = !volume->closing && count(volume) < MOST_MOUNTS;
    pthread_mutex_unlock(&volume->mutex);
    return room;
}

static bool is_fuse_device(int file)
{
    struct stat stat_buffer;
    return fstat(file, &stat_buffer) == 0 && S_ISCHR(stat_buffer.st_mode) &&
           stat_buffer.st_rdev == makedev(FUSE_MAJOR, FUSE_MINOR);
}

fs_result volume_attach(struct volume *volume, struct fs_control_attach *message, int device_file, pid_t mounter)
{
    struct fs_ref shows;
    message->shows.bytes[sizeof message->shows.bytes - 1] = '\0';
    message->label.bytes[sizeof message->label.bytes - 1] = '\0';
    fs_result result = !is_fuse_device(device_file) ? FS_BAD_HANDLE : has_room(volume) ? FS_OK : FS_LIMIT;
    if (result == FS_OK)
        result = find_shown(volume, message, &shows);
    if (result == FS_OK)
        result = attach(volume, message, shows, device_file, mounter);
    else
        close(device_file);
    message->header.result = result;
    snprintf((char *)message->header.text, sizeof message->header.text, "%s", result ? fs_result_message(result) : "");
    return FS_OK;
}

// ---- using mounts ------------------------------------------------------------------------------------------------

void volume_tell_changed(struct volume *volume)
{
    uint64_t one = 1;
    if (write(volume->changed, &one, sizeof one) == -1)
        log_error("cannot tell that something has ended");
}

bool volume_is_bare(struct volume *volume)
{
    struct fs_counters counters = { .size = sizeof counters };
    return fs_volume_stats(volume->core, &counters) == FS_OK && counters.branches <= 1;
}

void volume_mount_ended(struct volume *volume, struct mount *mount)
{
    pthread_mutex_lock(&volume->mutex);
    mount->over = true;
    pthread_mutex_unlock(&volume->mutex);
    volume_tell_changed(volume);
}

struct mount *volume_borrow_mount(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    struct mount *first = NULL;
    for (struct mount *mount = volume->mounts; mount; mount = mount->next)
        if (!mount->over && !mount->confined && atomic_load(&mount->agreed))
            first = mount; // the list begins with the last
    if (first)
        first->borrowers++;
    pthread_mutex_unlock(&volume->mutex);
    return first;
}

void volume_return_mount(struct volume *volume, struct mount *mount)
{
    pthread_mutex_lock(&volume->mutex);
    bool last = --mount->borrowers == 0 && mount->over;
    pthread_mutex_unlock(&volume->mutex);
    if (last)
        volume_tell_changed(volume);
}

// Calls `with` for each mount but `except`, without the lock.
static void each_mount(struct volume *volume, const struct mount *except, void (*with)(struct mount *mount, size_t *count), size_t *count)
{
    pthread_mutex_lock(&volume->mutex);
    struct mount *mount = volume->mounts;
    while (mount) {
        if (mount == except || mount->over) {
            mount = mount->next;
            continue;
        }
        mount->borrowers++;
        pthread_mutex_unlock(&volume->mutex);
        with(mount, count);
        pthread_mutex_lock(&volume->mutex);
        // What was borrowed was not freed, and so still knows who comes next.
        struct mount *next = mount->next;
        if (--mount->borrowers == 0 && mount->over)
            volume_tell_changed(volume);
        mount = next;
    }
    pthread_mutex_unlock(&volume->mutex);
}

static void settle(struct mount *mount, size_t *count)
{
    (void)count;
    loop_settle(mount->loop);
}

void volume_settle(struct volume *volume, const struct mount *except)
{
    each_mount(volume, except, settle, NULL);
}

static void let_go(struct mount *mount, size_t *count)
{
    *count += invalidate_old(mount);
}

size_t volume_let_go(struct volume *volume)
{
    size_t known = 0;
    each_mount(volume, NULL, let_go, &known);
    return known;
}

static int64_t coarse_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

// Whether somebody waited for the spill file, for memory or for what is being freed in the last second or two. Content that was spilled and that nobody
// asks for makes nobody wait.
static bool waited_lately(struct volume *volume)
{
    struct fs_activity activity = { .size = sizeof activity };
    if (fs_volume_activity(volume->core, &activity) != FS_OK)
        return true;
    uint64_t waits = activity.faults + activity.stalls;
    if (atomic_exchange(&volume->waits, waits) != waits)
        atomic_store(&volume->waited_at, coarse_seconds());
    return coarse_seconds() - atomic_load(&volume->waited_at) <= WAITS_COUNT_SECONDS;
}

static bool is_past_half(struct volume *volume)
{
    struct fs_counters counters = { .size = sizeof counters };
    return fs_volume_stats(volume->core, &counters) != FS_OK || counters.spill_bytes > 0 ||
           counters.used_bytes > counters.memory_bytes / 2;
}

static bool was_late_lately(const struct volume *volume)
{
    return coarse_seconds() - atomic_load(&volume->late_at) <= WAITS_COUNT_SECONDS;
}

static bool spill_may_wait(struct volume *volume)
{
    // A count of each thread's own: one of all would go from processor to processor.
    static _Thread_local unsigned asked;
    bool may_wait = atomic_load(&volume->may_wait);
    if (asked++ % LOOK_EVERY != 0)
        return may_wait;
    bool now = is_past_half(volume) && waited_lately(volume);
    if (now != may_wait)
        atomic_store(&volume->may_wait, now);
    return now;
}

bool volume_may_wait(struct volume *volume)
{
    return spill_may_wait(volume) || (volume->over_base && was_late_lately(volume));
}

void volume_was_late(struct volume *volume)
{
    atomic_store(&volume->late_at, coarse_seconds());
}

// ---- ending ------------------------------------------------------------------------------------------------------

static struct mount *take_ended(struct volume *volume)
{
    for (struct mount **link = &volume->mounts; *link; link = &(*link)->next) {
        struct mount *mount = *link;
        if (mount->over && mount->borrowers == 0) {
            *link = mount->next;
            return mount;
        }
    }
    return NULL;
}

unsigned volume_reap(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    for (struct mount *mount; (mount = take_ended(volume));) {
        pthread_mutex_unlock(&volume->mutex);
        mount_free(mount);
        pthread_mutex_lock(&volume->mutex);
    }
    unsigned left = count(volume);
    pthread_mutex_unlock(&volume->mutex);
    return left;
}

void volume_close(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    volume->closing = true;
    pthread_mutex_unlock(&volume->mutex);
    server_stop(volume->server);
    // Nobody adds mounts any more, and only this thread takes them out.
    for (struct mount *mount = volume->mounts; mount; mount = mount->next)
        mount_detach(mount);
    // None is freed before all have stopped: a request of one may be waiting for those of another.
    for (struct mount *mount = volume->mounts; mount; mount = mount->next)
        mount_stop(mount);
    while (volume->mounts) {
        struct mount *mount = volume->mounts;
        take_out(volume, mount);
        mount_free(mount);
    }
    fs_volume_close(volume->core);
    if (volume->changed != -1)
        close(volume->changed);
    if (volume->guard != -1)
        close(volume->guard);
    pthread_mutex_destroy(&volume->mutex);
    free(volume->endpoint);
    free(volume->name);
}
