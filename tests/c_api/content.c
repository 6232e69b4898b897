// Content, pins and extended attributes.

#include "check.h"

static fs_handle open_for(const fs_view *view, fs_node node, uint32_t flags) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_open_options, options);
    options.flags = flags;
    fs_handle handle = FS_HANDLE_NONE;
    OK(fs_open(view, &root, node, &options, &handle));
    CHECK(handle != FS_HANDLE_NONE);
    return handle;
}

static void handles_allow_what_they_were_opened_for(const fs_view *view) {
    fs_caller root = root_caller();
    fs_node file = make_file(view, "handles", "abc");
    char buffer[8];
    size_t count = 0;
    fs_handle read = open_for(view, file, FS_OPEN_READ), append = open_for(view, file, FS_OPEN_WRITE | FS_OPEN_APPEND);
    OK(fs_read(view, &root, file, read, 1, buffer, sizeof buffer, &count));
    CHECK(count == 2 && memcmp(buffer, "bc", 2) == 0);
    OK(fs_read(view, &root, file, read, 99, buffer, sizeof buffer, &count));
    CHECK(count == 0);
    OK(fs_read(view, &root, file, read, 0, NULL, 0, &count));
    ANSWERS(FS_BAD_HANDLE, fs_write(view, &root, file, read, 0, "x", 1, &count));
    ANSWERS(FS_BAD_HANDLE, fs_read(view, &root, file, append, 0, buffer, 1, &count));
    OK(fs_write(view, &root, file, append, 0, "de", 2, &count));
    expect_content(view, "/handles", "abcde");
    OK(fs_write(view, &root, file, FS_HANDLE_NONE, FS_OFFSET_END, "f", 1, &count));
    expect_content(view, "/handles", "abcdef");
    OK(fs_write_within(view, &root, file, append, 4, "EFG", 3, &count));
    CHECK(count == 2);
    OK(fs_write_within(view, &root, file, FS_HANDLE_NONE, 6, "G", 1, &count));
    CHECK(count == 0);
    ANSWERS(FS_BAD_HANDLE, fs_write_within(view, &root, file, read, 0, "x", 1, &count));
    expect_content(view, "/handles", "abcdEF");
    OK(fs_flush(view, file, 0, 0));
    ANSWERS(FS_INVALID, fs_flush(view, file, 8, 0));
    OK(fs_fsync(view, file));
    OK(fs_release(view, read));
    ANSWERS(FS_BAD_HANDLE, fs_release(view, read));
    OK(fs_release(view, append));
    ANSWERS(FS_FILE_TOO_LARGE, fs_write(view, &root, file, FS_HANDLE_NONE, UINT64_MAX - 1, "x", 1, &count));
    ANSWERS(FS_IS_A_DIRECTORY, fs_write(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, 0, "x", 1, &count));
    FS_STRUCT(fs_open_options, options);
    fs_handle handle = 0;
    options.flags = FS_OPEN_READ | FS_OPEN_DIRECTORY;
    ANSWERS(FS_NOT_A_DIRECTORY, fs_open(view, &root, file, &options, &handle));
    options.flags = FS_OPEN_CREATE;
    ANSWERS(FS_INVALID, fs_open(view, &root, file, &options, &handle));
    options.flags = FS_OPEN_READ;
    options.reserved[0] = 1;
    ANSWERS(FS_BAD_STRUCTURE, fs_open(view, &root, file, &options, &handle));
}

static void files_are_made_and_opened_in_one_step(const fs_view *view) {
    fs_caller user = user_caller(1000), root = root_caller();
    FS_STRUCT(fs_open_options, options);
    FS_STRUCT(fs_entry, entry);
    fs_handle handle = 0;
    size_t count = 0;
    options.flags = FS_OPEN_WRITE | FS_OPEN_EXCLUSIVE;
    options.mode = 0666;
    OK(fs_create(view, &user, FS_NODE_ROOT, TEXT("made"), &options, &entry, &handle));
    CHECK(entry.attr.mode == 0644 && entry.attr.uid == 1000);
    OK(fs_write(view, &user, entry.node, handle, 0, "hi", 2, &count));
    OK(fs_release(view, handle));
    ANSWERS(FS_EXISTS, fs_create(view, &user, FS_NODE_ROOT, TEXT("made"), &options, &entry, &handle));
    options.flags = FS_OPEN_READ | FS_OPEN_WRITE | FS_OPEN_TRUNCATE;
    OK(fs_create(view, &user, FS_NODE_ROOT, TEXT("made"), &options, &entry, &handle));
    OK(fs_release(view, handle));
    expect_content(view, "/made", "");

    options.flags = FS_OPEN_READ | FS_OPEN_WRITE;
    OK(fs_tmpfile(view, &user, FS_NODE_ROOT, &options, &entry, &handle));
    CHECK(entry.attr.links == 0);
    OK(fs_write(view, &user, entry.node, handle, 0, "tmp", 3, &count));
    FS_STRUCT(fs_entry, linked);
    OK(fs_link(view, &root, entry.node, FS_NODE_ROOT, TEXT("named"), &linked));
    OK(fs_release(view, handle));
    expect_content(view, "/named", "tmp");
}

static void holes_and_copies(const fs_view *view) {
    fs_caller root = root_caller();
    fs_node file = make_file(view, "sparse", "");
    size_t count = 0;
    uint64_t found = 0;
    FS_STRUCT(fs_attr, attr);
    OK(fs_write(view, &root, file, FS_HANDLE_NONE, 1 << 20, "end", 3, &count));
    OK(fs_lseek(view, file, 0, FS_SEEK_DATA, &found));
    CHECK(found > 0 && found <= 1 << 20);
    OK(fs_lseek(view, file, 0, FS_SEEK_HOLE, &found));
    CHECK(found == 0);
    ANSWERS(FS_NO_SUCH_OFFSET, fs_lseek(view, file, 2 << 20, FS_SEEK_DATA, &found));
    ANSWERS(FS_INVALID, fs_lseek(view, file, 0, 7, &found));
    OK(fs_fallocate(view, &root, file, FS_HANDLE_NONE, 0, 2 << 20, FS_ALLOCATE_RESERVE | FS_ALLOCATE_KEEP_SIZE));
    OK(fs_getattr(view, file, &attr));
    CHECK(attr.length == (1 << 20) + 3 && attr.allocated >= 1 << 20);
    OK(fs_fallocate(view, &root, file, FS_HANDLE_NONE, 0, 1 << 20, FS_ALLOCATE_PUNCH));
    OK(fs_fallocate(view, &root, file, FS_HANDLE_NONE, 1 << 20, 3, FS_ALLOCATE_ZERO));
    ANSWERS(FS_INVALID, fs_fallocate(view, &root, file, FS_HANDLE_NONE, 0, 0, FS_ALLOCATE_PUNCH));
    ANSWERS(FS_INVALID, fs_fallocate(view, &root, file, FS_HANDLE_NONE, 0, 1, 0));

    fs_node source = make_file(view, "source", "copy me"), copy = make_file(view, "copy", "");
    OK(fs_copy_range(view, &root, source, FS_HANDLE_NONE, 5, copy, FS_HANDLE_NONE, 0, 100, &found));
    CHECK(found == 2);
    expect_content(view, "/copy", "me");
    ANSWERS(FS_INVALID, fs_copy_range(view, &root, source, FS_HANDLE_NONE, 0, source, FS_HANDLE_NONE, 1, 3, &found));
}

static void pins_stay_as_they_are(fs_view *view) {
    fs_caller root = root_caller();
    static char data[200000];
    memset(data, 'p', sizeof data);
    fs_node file = make_file(view, "pinned", "");
    size_t count = 0;
    OK(fs_write(view, &root, file, FS_HANDLE_NONE, 0, data, sizeof data, &count));
    fs_pin *pin = NULL;
    OK(fs_read_pin(view, &root, file, FS_HANDLE_NONE, 10, sizeof data, &pin));
    memset(data, 'q', sizeof data);
    OK(fs_write(view, &root, file, FS_HANDLE_NONE, 0, data, sizeof data, &count));
    const fs_iovec *ranges = NULL;
    OK(fs_pin_ranges(pin, &ranges, &count));
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const char *bytes = ranges[i].base;
        for (size_t at = 0; at < ranges[i].length; at++) {
            CHECK(bytes[at] == 'p');
        }
        total += ranges[i].length;
    }
    CHECK(total == sizeof data - 10);
    fs_pin_release(pin);
    fs_pin_release(NULL);
    pin = NULL;
    ANSWERS(FS_IS_A_DIRECTORY, fs_read_pin(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, 0, 1, &pin));
    CHECK(pin == NULL);
}

void test_content(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    handles_allow_what_they_were_opened_for(view);
    files_are_made_and_opened_in_one_step(view);
    holes_and_copies(view);
    pins_stay_as_they_are(view);
    fs_view_close(view);
    fs_volume_close(volume);
}

void test_xattrs(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    fs_node file = make_file(view, "file", "");
    char buffer[64];
    size_t size = 0;
    OK(fs_xattr_set(view, &root, file, TEXT("user.a"), "value", 5, FS_XATTR_CREATE));
    ANSWERS(FS_EXISTS, fs_xattr_set(view, &root, file, TEXT("user.a"), "value", 5, FS_XATTR_CREATE));
    ANSWERS(FS_NO_ATTRIBUTE, fs_xattr_set(view, &root, file, TEXT("user.b"), "value", 5, FS_XATTR_REPLACE));
    ANSWERS(FS_INVALID, fs_xattr_set(view, &root, file, TEXT("user.b"), "value", 5, 9));
    OK(fs_xattr_set(view, &root, file, TEXT("user.empty"), NULL, 0, FS_XATTR_SET));
    OK(fs_xattr_get(view, &root, file, TEXT("user.a"), NULL, 0, &size));
    CHECK(size == 5);
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_xattr_get(view, &root, file, TEXT("user.a"), buffer, 4, &size));
    OK(fs_xattr_get(view, &root, file, TEXT("user.a"), buffer, sizeof buffer, &size));
    CHECK(size == 5 && memcmp(buffer, "value", 5) == 0);
    ANSWERS(FS_NO_ATTRIBUTE, fs_xattr_get(view, &root, file, TEXT("user.none"), buffer, sizeof buffer, &size));
    OK(fs_xattr_list(view, &root, file, NULL, 0, &size));
    CHECK(size == sizeof "user.a" + sizeof "user.empty");
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_xattr_list(view, &root, file, buffer, 3, &size));
    OK(fs_xattr_list(view, &root, file, buffer, sizeof buffer, &size));
    CHECK(size == sizeof "user.a" + sizeof "user.empty" && buffer[size - 1] == 0);
    OK(fs_xattr_remove(view, &root, file, TEXT("user.a")));
    ANSWERS(FS_NO_ATTRIBUTE, fs_xattr_remove(view, &root, file, TEXT("user.a")));
    static char large[65537];
    ANSWERS(FS_VALUE_TOO_LARGE, fs_xattr_set(view, &root, file, TEXT("user.l"), large, sizeof large, FS_XATTR_SET));
    OK(fs_xattr_set(view, &root, file, TEXT("user.l"), large, sizeof large - 1, FS_XATTR_SET));
    fs_view_close(view);
    fs_volume_close(volume);
}
