// Locks, events, diffs, control messages, logging.

#include "check.h"

struct ending {
    int calls;
    fs_result result;
};

static void note_end(void *context, fs_result result) {
    struct ending *ending = context;
    ending->calls++;
    ending->result = result;
}

static fs_lock lock_of(uint64_t owner, uint32_t kind, uint64_t start, uint64_t end) {
    FS_STRUCT(fs_lock, lock);
    lock.space = FS_LOCK_RANGE;
    lock.kind = kind;
    lock.owner = owner;
    lock.start = start;
    lock.end = end;
    lock.pid = (uint32_t)owner + 100;
    return lock;
}

void test_locks(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_node file = make_file(view, "file", "");
    FS_STRUCT(fs_lock, conflict);
    FS_STRUCT(fs_wait, wait);
    fs_lock mine = lock_of(1, FS_LOCK_WRITE, 0, 9), theirs = lock_of(2, FS_LOCK_READ, 5, 20);
    struct ending ending = {0, 0};

    OK(fs_lock_set(view, file, &mine));
    OK(fs_lock_test(view, file, &theirs, &conflict));
    CHECK(conflict.kind == FS_LOCK_WRITE && conflict.owner == 1 && conflict.pid == 101 && conflict.end == 9);
    ANSWERS(FS_WOULD_BLOCK, fs_lock_set(view, file, &theirs));
    OK(fs_lock_wait(view, file, &theirs, note_end, &ending, &wait));
    CHECK(wait.number != 0 && ending.calls == 0);
    OK(fs_lock_unlock(view, file, FS_LOCK_RANGE, 1, 0, 9));
    CHECK(ending.calls == 1 && ending.result == FS_OK);
    ANSWERS(FS_NOT_FOUND, fs_lock_cancel(view, &wait));

    // Taken at once: there is no wait, and nobody is told.
    OK(fs_lock_wait(view, file, &theirs, note_end, &ending, &wait));
    CHECK(wait.number == 0 && ending.calls == 1);

    // Cancelled, and given up by the owner's end.
    OK(fs_lock_wait(view, file, &mine, note_end, &ending, &wait));
    OK(fs_lock_cancel(view, &wait));
    CHECK(ending.calls == 2 && ending.result == FS_CANCELLED);
    OK(fs_lock_wait(view, file, &mine, note_end, &ending, &wait));
    OK(fs_lock_forget(view, file, FS_LOCK_RANGE, 1));
    CHECK(ending.calls == 3 && ending.result == FS_CANCELLED);
    OK(fs_flush(view, file, FS_FLUSH_UNLOCK, 2));
    OK(fs_lock_test(view, file, &mine, &conflict));
    CHECK(conflict.kind == FS_LOCK_NONE);

    // Two who wait for each other.
    fs_lock first = lock_of(1, FS_LOCK_WRITE, 0, 0), second = lock_of(2, FS_LOCK_WRITE, 1, 1);
    OK(fs_lock_set(view, file, &first));
    OK(fs_lock_set(view, file, &second));
    fs_lock crossed = lock_of(1, FS_LOCK_WRITE, 1, 1), back = lock_of(2, FS_LOCK_WRITE, 0, 0);
    OK(fs_lock_wait(view, file, &crossed, note_end, &ending, &wait));
    FS_STRUCT(fs_wait, refused);
    ANSWERS(FS_DEADLOCK, fs_lock_wait(view, file, &back, note_end, &ending, &refused));
    CHECK(ending.calls == 3 && refused.number == 0);

    crossed.kind = 9;
    ANSWERS(FS_INVALID, fs_lock_set(view, file, &crossed));
    ANSWERS(FS_INVALID, fs_lock_unlock(view, file, 9, 1, 0, 0));
    ANSWERS(FS_INVALID, fs_lock_forget(view, file, 9, 1));
    // What still waits when everything ends is told so.
    fs_view_close(view);
    fs_volume_close(volume);
    CHECK(ending.calls == 4 && ending.result == FS_CANCELLED);
}

struct changes {
    int limit, count;
    uint32_t kinds[8], actions[8];
    char paths[256];
};

static bool note_change(void *context, const fs_change *change) {
    struct changes *changes = context;
    CHECK(change->size == sizeof *change && changes->count < 8);
    if (changes->count == changes->limit) {
        return false;
    }
    changes->kinds[changes->count] = change->kind;
    changes->actions[changes->count++] = change->action;
    if (change->path != NULL) {
        strncat(changes->paths, change->path, change->path_bytes);
        strcat(changes->paths, " ");
    }
    if (change->new_path != NULL) {
        strncat(changes->paths, change->new_path, change->new_path_bytes);
        strcat(changes->paths, " ");
    }
    return true;
}

static bool note_windows_path(void *context, const fs_change *change) {
    CHECK(change->path_bytes <= 64 && change->fsevents_flags == (0x200u | 0x20000u) && change->action == 2);
    memcpy(context, change->path, change->path_bytes);
    return false;
}

static void watches_are_filtered_and_have_paths(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, dir);
    FS_STRUCT(fs_entry, sub);
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("dir"), 0755, &dir));
    FS_STRUCT(fs_watch, watch);
    fs_events *events = NULL, *windows = NULL;
    ANSWERS(FS_INVALID, fs_events_watch(view, &watch, &events));
    watch.capacity = 4;
    watch.filter = FS_CHANGE_DIRECTORY_NAME | FS_CHANGE_SIZE;
    watch.flags = FS_WATCH_SUBTREE;
    ANSWERS(FS_INVALID, fs_events_watch(view, &watch, &events));
    watch.node = dir.node;
    watch.flags = FS_WATCH_SUBTREE | FS_WATCH_PATHS;
    OK(fs_events_watch(view, &watch, &events));
    watch.flags = FS_WATCH_SUBTREE | FS_WATCH_PATHS | FS_WATCH_WINDOWS;
    watch.filter = FS_CHANGE_DIRECTORY_NAME;
    OK(fs_events_watch(view, &watch, &windows));

    OK(fs_mkdir(view, &root, dir.node, TEXT("sub"), 0755, &sub));
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("elsewhere"), 0755, &sub));
    make_file(view, "file", "content");
    OK(fs_rename(view, &root, dir.node, TEXT("sub"), dir.node, TEXT("new"), FS_RENAME_REPLACE));
    struct changes some = {.limit = 1}, others = {.limit = 8};
    OK(fs_events_take(events, 0, note_change, &some));
    CHECK(some.count == 1 && some.kinds[0] == FS_EVENT_CREATED && strcmp(some.paths, "/dir/sub ") == 0);
    OK(fs_events_take(events, 0, note_change, &others));
    CHECK(others.count == 1 && others.kinds[0] == FS_EVENT_RENAMED && others.actions[0] == 4);
    CHECK(strcmp(others.paths, "/dir/sub /dir/new ") == 0);

    for (int i = 0; i < 3; i++) {
        OK(fs_rename(view, &root, dir.node, TEXT("new"), dir.node, TEXT("newer"), FS_RENAME_REPLACE));
        OK(fs_rename(view, &root, dir.node, TEXT("newer"), dir.node, TEXT("new"), FS_RENAME_REPLACE));
    }
    struct changes none = {.limit = 0}, lost = {.limit = 8}, ended = {.limit = 8};
    OK(fs_events_take(windows, 0, note_change, &none));
    OK(fs_events_take(windows, 0, note_change, &lost));
    CHECK(lost.count == 1 && lost.kinds[0] == FS_EVENT_OVERFLOW);
    OK(fs_rmdir(view, &root, dir.node, TEXT("new")));
    uint16_t path[32] = {0};
    OK(fs_events_take(windows, 1000, note_windows_path, path));
    CHECK(memcmp(path, u"\\dir\\new", 2 * 9) == 0);
    OK(fs_events_stop(windows));
    OK(fs_events_take(windows, 100000, note_change, &ended));
    CHECK(ended.count == 2 && ended.kinds[0] == FS_EVENT_REMOVED && ended.kinds[1] == FS_EVENT_CLOSED);
    fs_events_close(events);
    fs_events_close(windows);
    fs_view_close(view);
    fs_volume_close(volume);
}

void test_events(void) {
    watches_are_filtered_and_have_paths();
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume), *other = open_view(volume);
    fs_caller root = root_caller();
    fs_events *all = NULL, *others = NULL;
    FS_STRUCT(fs_event, event);
    OK(fs_events_open(view, 3, 0, &all));
    OK(fs_events_open(view, 100, FS_EVENTS_OTHERS_ONLY, &others));
    fs_events *refused = NULL;
    ANSWERS(FS_INVALID, fs_events_open(view, 0, 0, &refused));
    ANSWERS(FS_INVALID, fs_events_open(view, 1, 8, &refused));

    OK(fs_events_next(all, 0, &event));
    CHECK(event.kind == FS_EVENT_TIMEOUT);
    FS_STRUCT(fs_entry, entry);
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("dir"), 0755, &entry));
    OK(fs_rename(view, &root, FS_NODE_ROOT, TEXT("dir"), FS_NODE_ROOT, TEXT("moved"), FS_RENAME_REPLACE));
    OK(fs_rmdir(other, &root, FS_NODE_ROOT, TEXT("moved")));
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("one too many"), 0755, &entry));

    OK(fs_events_next(all, 0, &event));
    CHECK(event.kind == FS_EVENT_CREATED && strcmp(event.name, "dir") == 0 && event.parent == 1);
    OK(fs_events_next(all, 0, &event));
    CHECK(event.kind == FS_EVENT_RENAMED && strcmp(event.new_name, "moved") == 0 && event.new_name_bytes == 5);
    OK(fs_events_next(all, 0, &event));
    CHECK(event.kind == FS_EVENT_REMOVED);
    OK(fs_events_next(all, 0, &event));
    CHECK(event.kind == FS_EVENT_OVERFLOW);

    OK(fs_events_next(others, 1000, &event));
    CHECK(event.kind == FS_EVENT_REMOVED);
    OK(fs_events_next(others, 1, &event));
    CHECK(event.kind == FS_EVENT_TIMEOUT);
    OK(fs_events_stop(others));
    OK(fs_events_next(others, 100000, &event));
    CHECK(event.kind == FS_EVENT_CLOSED);
    fs_events_close(others);
    fs_view_close(other);
    fs_view_close(view);
    OK(fs_events_next(all, 100000, &event));
    CHECK(event.kind == FS_EVENT_CLOSED);
    fs_events_close(all);
    fs_events_close(NULL);
    fs_volume_close(volume);
}

void test_diffs(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    fs_ref main_branch, before;
    make_file(view, "changed", "1");
    make_file(view, "moved", "1");
    OK(fs_ref_find(volume, TEXT("main"), &main_branch));
    OK(fs_snapshot_create(volume, main_branch, TEXT("before"), &before));
    OK(fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/changed"), 0, "2", 1));
    OK(fs_rename(view, &root, FS_NODE_ROOT, TEXT("moved"), FS_NODE_ROOT, TEXT("elsewhere"), 0));
    make_file(view, "added", "");

    fs_diff *diff = NULL;
    ANSWERS(FS_NO_SUCH_REF, fs_diff_open(volume, before, (fs_ref){99, FS_REF_BRANCH, 0}, &diff));
    OK(fs_diff_open(volume, before, main_branch, &diff));
    int seen = 0;
    FS_STRUCT(fs_diff_entry, entry);
    for (;;) {
        OK(fs_diff_next(diff, &entry));
        if (entry.kind == FS_DIFF_END) {
            break;
        }
        if (entry.kind == FS_DIFF_CHANGED && entry.path_bytes == 7) {
            CHECK(memcmp(entry.path, "changed", 7) == 0 && (entry.aspects & FS_ASPECT_CONTENT) != 0);
            seen |= 1;
        } else if (entry.kind == FS_DIFF_RENAMED) {
            CHECK(entry.old_path_bytes == 5 && memcmp(entry.old_path, "moved", 5) == 0);
            CHECK(entry.path_bytes == 9 && memcmp(entry.path, "elsewhere", 9) == 0);
            seen |= 2;
        } else if (entry.kind == FS_DIFF_ADDED) {
            CHECK(entry.path_bytes == 5 && entry.old_path == NULL && entry.file_kind == FS_KIND_FILE);
            seen |= 4;
        }
    }
    CHECK(seen == 7);
    OK(fs_diff_next(diff, &entry));
    CHECK(entry.kind == FS_DIFF_END);
    fs_view_close(view);
    fs_volume_close(volume);
    fs_diff_close(diff);
    fs_diff_close(NULL);
}

void test_control(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller(), user = user_caller(1000);
    fs_control_snapshot message;
    memset(&message, 0, sizeof message);
    message.header.size = sizeof message;
    message.header.version = FS_CONTROL_VERSION;
    strcpy((char *)message.name.bytes, "by control");
    ANSWERS(FS_NOT_PERMITTED, fs_control(view, &user, FS_CONTROL_SNAPSHOT, &message, sizeof message));
    ANSWERS(FS_BAD_STRUCTURE, fs_control(view, &root, FS_CONTROL_SNAPSHOT, &message, sizeof message - 1));
    ANSWERS(FS_BAD_STRUCTURE, fs_control(view, &root, FS_CONTROL_ATTACH, &message, sizeof message));
    ANSWERS(FS_BAD_STRUCTURE, fs_control(view, &root, 9999, &message, sizeof message));
    OK(fs_control(view, &root, FS_CONTROL_SNAPSHOT, &message, sizeof message));
    CHECK(message.header.result == FS_OK && message.id != 0);
    OK(fs_control(view, &root, FS_CONTROL_SNAPSHOT, &message, sizeof message));
    CHECK(message.header.result == FS_REF_EXISTS && message.header.text[0] != 0);

    // Messages need no alignment.
    char bytes[sizeof message + 1];
    memcpy(bytes + 1, &message, sizeof message);
    OK(fs_control(view, &root, FS_CONTROL_SNAPSHOT, bytes + 1, sizeof message));
    fs_view_close(view);
    fs_volume_close(volume);
}

static void note_message(void *context, uint32_t level, const char *text, size_t text_bytes) {
    char *found = context;
    if (level <= FS_LOG_INFO && text_bytes < 200) {
        memcpy(found, text, text_bytes);
        found[text_bytes] = 0;
    }
}

void test_log(void) {
    char text[200] = "";
    OK(fs_log_init());
    OK(fs_log_set(note_message, text, FS_LOG_INFO));
    OK(fs_log_write(FS_LOG_WARN, TEXT("a word from the host")));
    CHECK(strcmp(text, "a word from the host") == 0);
    OK(fs_log_write(FS_LOG_DEBUG, TEXT("too much")));
    CHECK(strcmp(text, "a word from the host") == 0);
    ANSWERS(FS_INVALID, fs_log_set(note_message, text, 9));
    ANSWERS(FS_INVALID, fs_log_write(0, TEXT("x")));
    ANSWERS(FS_BAD_UTF8, fs_log_write(FS_LOG_INFO, TEXT("\xff")));
    fs_volume *volume = open_volume();
    CHECK(strstr(text, "volume") != NULL);
    fs_volume_close(volume);
    OK(fs_log_set(NULL, NULL, FS_LOG_OFF));
    text[0] = 0;
    OK(fs_log_write(FS_LOG_ERROR, TEXT("nobody listens")));
    CHECK(text[0] == 0);
}
