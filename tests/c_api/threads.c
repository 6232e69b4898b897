// Two threads on every kind of handle at once. Run under ThreadSanitizer where that is installed.

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 200 };

static fs_volume *volume;
static fs_view *view;
static fs_events *events;
static fs_diff *diff;
static fs_pin *pin;
static fs_handle shared;
static fs_node shared_node;
static fs_ref main_branch;
static atomic_int ended_waits;

static bool any_entry(void *context, const fs_dirent *entry) {
    (void)context;
    return entry->size > 0;
}

static bool any_ref(void *context, const fs_ref_record *record) {
    (void)context;
    return record->size > 0;
}

static void wait_ended(void *context, fs_result result) {
    (void)context;
    CHECK(result == FS_OK || result == FS_CANCELLED);
    atomic_fetch_add(&ended_waits, 1);
}

static void names(const char *name) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, entry);
    OK(fs_mknod(view, &root, FS_NODE_ROOT, name, strlen(name), 0644, FS_KIND_FILE, 0, &entry));
    OK(fs_lookup(view, &root, FS_NODE_ROOT, name, strlen(name), &entry));
    OK(fs_readdir(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, 0, FS_READDIR_DOTS, any_entry, NULL));
    OK(fs_xattr_set(view, &root, entry.node, TEXT("user.t"), name, strlen(name), FS_XATTR_SET));
    OK(fs_unlink(view, &root, FS_NODE_ROOT, name, strlen(name)));
    OK(fs_forget(view, entry.node, 2));
}

static void content(const char *name) {
    fs_caller root = root_caller();
    char buffer[64];
    size_t count = 0;
    OK(fs_write(view, &root, shared_node, shared, 0, name, strlen(name), &count));
    OK(fs_read(view, &root, shared_node, shared, 0, buffer, sizeof buffer, &count));
    const fs_iovec *ranges = NULL;
    OK(fs_pin_ranges(pin, &ranges, &count));
    CHECK(count == 1 && memcmp(ranges[0].base, "pinned", 6) == 0);
    FS_STRUCT(fs_attr, attr);
    OK(fs_getattr(view, shared_node, &attr));
}

static void history(const char *name, int round) {
    fs_ref snapshot, branch;
    if (round % 20 == 0) {
        OK(fs_snapshot_create(volume, main_branch, NULL, 0, &snapshot));
        OK(fs_branch_create(volume, name, strlen(name), snapshot, &branch));
        OK(fs_ref_delete(volume, branch));
        OK(fs_ref_list(volume, any_ref, NULL));
    }
    FS_STRUCT(fs_event, event);
    OK(fs_events_next(events, 0, &event));
    FS_STRUCT(fs_diff_entry, entry);
    OK(fs_diff_next(diff, &entry));
    FS_STRUCT(fs_counters, counters);
    OK(fs_volume_stats(volume, &counters));
}

static void locks(uint64_t owner) {
    FS_STRUCT(fs_lock, lock);
    FS_STRUCT(fs_wait, wait);
    lock.space = FS_LOCK_RANGE;
    lock.kind = FS_LOCK_WRITE;
    lock.owner = owner;
    lock.end = 9;
    int before = atomic_load(&ended_waits);
    OK(fs_lock_wait(view, shared_node, &lock, wait_ended, NULL, &wait));
    if (wait.number != 0 && fs_lock_cancel(view, &wait) == FS_OK) {
        CHECK(atomic_load(&ended_waits) > before);
    }
    OK(fs_lock_forget(view, shared_node, FS_LOCK_RANGE, owner));
}

static void *work(void *context) {
    const char *name = context;
    for (int round = 0; round < ROUNDS; round++) {
        names(name);
        content(name);
        history(name, round);
        locks((uint64_t)name[0]);
        ANSWERS(FS_NOT_FOUND, fs_path_unlink(view, &(fs_caller){.size = sizeof(fs_caller)}, FS_NODE_ROOT, TEXT("no")));
    }
    return NULL;
}

static void *wait_for_the_end(void *context) {
    (void)context;
    FS_STRUCT(fs_event, event);
    do {
        OK(fs_events_next(events, 60000, &event));
    } while (event.kind != FS_EVENT_CLOSED);
    return NULL;
}

int main(void) {
    volume = open_volume();
    view = open_view(volume);
    fs_caller root = root_caller();
    fs_ref before;
    OK(fs_ref_find(volume, TEXT("main"), &main_branch));
    OK(fs_snapshot_create(volume, main_branch, TEXT("before"), &before));
    shared_node = make_file(view, "shared", "pinned");
    FS_STRUCT(fs_open_options, options);
    options.flags = FS_OPEN_READ | FS_OPEN_WRITE;
    OK(fs_open(view, &root, shared_node, &options, &shared));
    OK(fs_read_pin(view, &root, shared_node, shared, 0, 6, &pin));
    OK(fs_events_open(view, 64, 0, &events));
    OK(fs_diff_open(volume, before, main_branch, &diff));

    pthread_t threads[2], waiter;
    const char *names_[] = {"one", "two"};
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, (void *)names_[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(pthread_create(&waiter, NULL, wait_for_the_end, NULL) == 0);
    OK(fs_events_stop(events));
    CHECK(pthread_join(waiter, NULL) == 0);

    fs_pin_release(pin);
    fs_diff_close(diff);
    fs_events_close(events);
    OK(fs_release(view, shared));
    fs_view_close(view);
    fs_volume_close(volume);
    puts("threads: all is well");
    return 0;
}
