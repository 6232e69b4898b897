// What the tests of the C API share: a check that says where it failed, and a volume to play with.

#ifndef CHECK_H
#define CHECK_H

#include "bough.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                 \
    do {                                                                            \
        if (!(what)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);      \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

// Checks that a call answers `expected`.
#define ANSWERS(expected, call)                                                     \
    do {                                                                            \
        fs_result found_ = (call);                                                  \
        if (found_ != (expected)) {                                                 \
            fprintf(stderr, "%s:%d: %s: %s (%u)\n", __FILE__, __LINE__, #call,      \
                    fs_result_message(found_), (unsigned)found_);                   \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

#define OK(call) ANSWERS(FS_OK, call)

// A text constant and its length, as two arguments.
#define TEXT(text) (text), (sizeof(text) - 1)

// A caller that may do everything.
static inline fs_caller root_caller(void) {
    FS_STRUCT(fs_caller, caller);
    caller.privileges = FS_PRIVILEGE_SUPERUSER;
    return caller;
}

// An ordinary one.
static inline fs_caller user_caller(uint32_t uid) {
    FS_STRUCT(fs_caller, caller);
    caller.uid = uid;
    caller.gid = uid;
    caller.umask = 022;
    return caller;
}

static inline fs_volume *open_volume(void) {
    FS_STRUCT(fs_config, config);
    config.root_mode = 0777;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    return volume;
}

static inline fs_view *open_view(const fs_volume *volume) {
    fs_view *view = NULL;
    OK(fs_view_open(volume, (fs_ref){0, 0, 0}, TEXT("test"), 0, &view));
    return view;
}

// Makes a file with this content, and answers its node, known once.
static inline fs_node make_file(const fs_view *view, const char *name, const char *content) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, entry);
    size_t written = 0;
    OK(fs_mknod(view, &root, FS_NODE_ROOT, name, strlen(name), 0644, FS_KIND_FILE, 0, &entry));
    OK(fs_write(view, &root, entry.node, FS_HANDLE_NONE, 0, content, strlen(content), &written));
    CHECK(written == strlen(content));
    return entry.node;
}

static inline void expect_content(const fs_view *view, const char *path, const char *content) {
    fs_caller root = root_caller();
    char buffer[256];
    size_t count = 0;
    OK(fs_path_read(view, &root, FS_NODE_ROOT, path, strlen(path), 0, 0, buffer, sizeof buffer, &count));
    CHECK(count == strlen(content) && memcmp(buffer, content, count) == 0);
}

// The parts of the functional test.
void test_results(void);
void test_volumes(void);
void test_refs(void);
void test_names(void);
void test_utf16(void);
void test_attributes(void);
void test_content(void);
void test_xattrs(void);
void test_locks(void);
void test_events(void);
void test_diffs(void);
void test_control(void);
void test_paths(void);
void test_opens(void);
void test_log(void);
void test_streams(void);
void test_foreign(void);

#endif
