// Named streams.

#include "check.h"

typedef struct {
    unsigned count;
    uint64_t lengths[4];
    char names[4][16];
} listing;

static bool take(void *context, const fs_stream *stream) {
    listing *found = context;
    CHECK(stream->size == sizeof *stream && found->count < 4 && stream->name_bytes < 16);
    found->lengths[found->count] = stream->length;
    memcpy(found->names[found->count], stream->name, stream->name_bytes);
    found->count++;
    return found->count < 4;
}

static listing list(const fs_view *view, fs_node node) {
    listing found = {0};
    OK(fs_stream_list(view, node, take, &found));
    return found;
}

static fs_handle open_stream(const fs_view *view, fs_node node, const char *name, uint32_t flags) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_open_options, options);
    options.flags = flags;
    fs_handle handle = FS_HANDLE_NONE;
    OK(fs_stream_open(view, &root, node, name, strlen(name), &options, &handle));
    CHECK(handle != FS_HANDLE_NONE);
    return handle;
}

void test_streams(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    fs_node file = make_file(view, "file", "content");
    const uint32_t make = FS_OPEN_READ | FS_OPEN_WRITE | FS_OPEN_CREATE;
    size_t count = 0;
    uint64_t found = 0;
    char buffer[16];

    fs_handle handle = open_stream(view, file, "s", make | FS_OPEN_EXCLUSIVE);
    OK(fs_write(view, &root, file, handle, 0, "abc", 3, &count));
    OK(fs_read(view, &root, file, handle, 1, buffer, sizeof buffer, &count));
    CHECK(count == 2 && memcmp(buffer, "bc", 2) == 0);
    FS_STRUCT(fs_attr, attr);
    OK(fs_handle_getattr(view, handle, &attr));
    CHECK(attr.length == 3);
    OK(fs_getattr(view, file, &attr));
    CHECK(attr.length == 7);
    OK(fs_handle_lseek(view, handle, 0, FS_SEEK_HOLE, &found));
    CHECK(found == 3);
    ANSWERS(FS_NO_SUCH_OFFSET, fs_handle_lseek(view, handle, 3, FS_SEEK_DATA, &found));
    ANSWERS(FS_INVALID, fs_handle_lseek(view, handle, 0, 9, &found));
    ANSWERS(FS_BAD_HANDLE, fs_handle_lseek(view, 999, 0, FS_SEEK_DATA, &found));
    ANSWERS(FS_BAD_HANDLE, fs_handle_getattr(view, 999, &attr));

    FS_STRUCT(fs_set_attr, set);
    set.valid = FS_SET_LENGTH;
    set.length = 5;
    OK(fs_setattr(view, &root, file, handle, &set, &attr));
    CHECK(attr.length == 5);
    expect_content(view, "file", "content");

    FS_STRUCT(fs_open_options, options);
    options.flags = make | FS_OPEN_EXCLUSIVE;
    ANSWERS(FS_EXISTS, fs_stream_open(view, &root, file, TEXT("s"), &options, &handle));
    ANSWERS(FS_BAD_NAME, fs_stream_open(view, &root, file, TEXT("a:b"), &options, &handle));
    ANSWERS(FS_BAD_UTF8, fs_stream_open(view, &root, file, TEXT("\xff"), &options, &handle));
    options.flags = FS_OPEN_READ;
    ANSWERS(FS_NOT_FOUND, fs_stream_open(view, &root, file, TEXT("t"), &options, &handle));
    options.flags = FS_OPEN_DIRECTORY;
    ANSWERS(FS_INVALID, fs_stream_open(view, &root, file, TEXT("s"), &options, &handle));

    OK(fs_release(view, open_stream(view, file, "t", make)));
    listing all = list(view, file);
    CHECK(all.count == 2 && strcmp(all.names[0], "s") == 0 && all.lengths[0] == 5 && strcmp(all.names[1], "t") == 0);
    ANSWERS(FS_EXISTS, fs_stream_rename(view, &root, file, TEXT("s"), TEXT("t"), 0));
    ANSWERS(FS_INVALID, fs_stream_rename(view, &root, file, TEXT("s"), TEXT("t"), 8));
    OK(fs_stream_rename(view, &root, file, TEXT("s"), TEXT("t"), FS_STREAM_REPLACE));
    CHECK(list(view, file).count == 1);
    OK(fs_stream_remove(view, &root, file, TEXT("t")));
    ANSWERS(FS_NOT_FOUND, fs_stream_remove(view, &root, file, TEXT("t")));
    CHECK(list(view, file).count == 0);
    // The handle still has it.
    OK(fs_read(view, &root, file, handle, 0, buffer, sizeof buffer, &count));
    CHECK(count == 5);
    OK(fs_release(view, handle));

    fs_view_close(view);
    fs_volume_close(volume);
}
