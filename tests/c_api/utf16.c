// Names in UTF-16, as programs of Windows have them.

#include "check.h"

#include <uchar.h>

// The length of a text in units, and in bytes, as a second argument.
#define UNITS(text) (const uint16_t *)(text), (sizeof(text) / 2 - 1)
#define UTF16(text) (const char *)(text), (sizeof(text) - 2)

static void texts_come_back(const uint16_t *units, size_t count) {
    char bytes[64];
    uint16_t back[64];
    size_t size = 0, found = 0;
    OK(fs_utf16_to_bytes(units, count, NULL, 0, &size));
    CHECK(size <= 3 * count);
    OK(fs_utf16_to_bytes(units, count, bytes, sizeof bytes, &size));
    OK(fs_utf16_from_bytes(bytes, size, NULL, 0, &found));
    CHECK(found == count);
    OK(fs_utf16_from_bytes(bytes, size, back, 64, &found));
    CHECK(found == count && memcmp(units, back, 2 * count) == 0);
    if (size > 1) {
        ANSWERS(FS_BUFFER_TOO_SMALL, fs_utf16_to_bytes(units, count, bytes, 1, &size));
    }
}

static void paths_are_taken_apart(void) {
    char into[64];
    size_t path = 0, stream = 0;
    OK(fs_utf16_split_path(UNITS(u"\\dir\\file:name:$DATA"), into, sizeof into, &path, &stream));
    CHECK(path == 9 && memcmp(into, "/dir/file", 9) == 0 && stream == 4 && memcmp(into + 9, "name", 4) == 0);
    OK(fs_utf16_split_path(UNITS(u"\\"), NULL, 0, &path, &stream));
    CHECK(path == 1 && stream == 0);
    ANSWERS(FS_BAD_NAME, fs_utf16_split_path(UNITS(u"\\a/b"), into, sizeof into, &path, &stream));
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_utf16_split_path(UNITS(u"\\abc"), into, 3, &path, &stream));
}

// The name of the last entry, and how many there were.
struct seen {
    uint16_t units[300];
    size_t count, entries;
    fs_node node;
};

static bool see(void *context, const fs_dirent *entry) {
    struct seen *seen = context;
    CHECK(entry->name_units <= 300 && entry->name_utf16 != NULL);
    memcpy(seen->units, entry->name_utf16, 2 * entry->name_units);
    seen->count = entry->name_units;
    seen->node = entry->node;
    seen->entries++;
    return true;
}

static fs_volume *windows_volume(void) {
    FS_STRUCT(fs_config, config);
    config.names = FS_NAMES_WINDOWS;
    config.root_mode = 0777;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    return volume;
}

// Makes a directory of a name in UTF-16 and finds it again by listings.
static void a_name_is_listed_as_it_was_given(const fs_view *view, const char16_t *name, size_t count) {
    fs_caller root = root_caller();
    char bytes[800];
    size_t size = 0;
    FS_STRUCT(fs_entry, made);
    OK(fs_utf16_to_bytes((const uint16_t *)name, count, bytes, sizeof bytes, &size));
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, bytes, size, 0755, &made));
    struct seen one = {.count = 0}, all = {.count = 0}, after = {.count = 0};
    OK(fs_readdir_one(view, &root, FS_NODE_ROOT, (const char *)name, 2 * count, FS_READDIR_UTF16, see, &one));
    CHECK(one.entries == 1 && one.count == count && memcmp(one.units, name, 2 * count) == 0);
    OK(fs_readdir(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, 0, FS_READDIR_UTF16, see, &all));
    CHECK(all.entries == 1 && all.count == count && memcmp(all.units, name, 2 * count) == 0);
    OK(fs_readdir_after(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, (const char *)name, 2 * count, FS_READDIR_UTF16, see,
                        &after));
    CHECK(after.entries == 0);
    uint16_t path[300];
    OK(fs_node_path(view, made.node, FS_PATH_WINDOWS, (char *)path, sizeof path, &size));
    CHECK(size == 2 * count + 2 && path[0] == u'\\' && memcmp(path + 1, name, 2 * count) == 0);
    OK(fs_utf16_to_bytes((const uint16_t *)name, count, bytes, sizeof bytes, &size));
    OK(fs_rmdir(view, &root, FS_NODE_ROOT, bytes, size));
    OK(fs_forget(view, made.node, 1));
}

void test_utf16(void) {
    static const uint16_t lone[] = {'a', 0xD800, 'b', 0xDFFF}, pair[] = {0xD83C, 0xDF32};
    texts_come_back(lone, 4);
    texts_come_back(pair, 2);
    texts_come_back(lone, 0);
    size_t found = 0;
    ANSWERS(FS_BAD_UTF8, fs_utf16_from_bytes("\xff", 1, NULL, 0, &found));
    paths_are_taken_apart();

    fs_volume *volume = windows_volume();
    fs_view *view = open_view(volume);
    char16_t longest[255];
    for (size_t i = 0; i < 255; i++) {
        longest[i] = u'\u540d';
    }
    a_name_is_listed_as_it_was_given(view, u"Gr\u00f6\u00dfe", 5);
    a_name_is_listed_as_it_was_given(view, (const char16_t *)lone, 4);
    a_name_is_listed_as_it_was_given(view, longest, 255);
    FS_STRUCT(fs_space, space);
    OK(fs_statfs(view, &space));
    CHECK(space.name_bytes == 765 && space.name_units == 255);

    fs_caller root = root_caller();
    struct seen none = {.count = 0};
    ANSWERS(FS_BAD_NAME, fs_readdir_one(view, &root, FS_NODE_ROOT, UTF16(u"what?"), FS_READDIR_UTF16, see, &none));
    ANSWERS(FS_INVALID, fs_readdir_one(view, &root, FS_NODE_ROOT, "abc", 3, FS_READDIR_UTF16, see, &none));
    ANSWERS(FS_NOT_FOUND, fs_readdir_one(view, &root, FS_NODE_ROOT, UTF16(u"none"), FS_READDIR_UTF16, see, &none));
    CHECK(none.entries == 0);
    fs_view_close(view);
    fs_volume_close(volume);

    volume = open_volume();
    view = open_view(volume);
    make_file(view, "\xff", "");
    ANSWERS(FS_BAD_UTF8, fs_readdir(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, 0, FS_READDIR_UTF16, see, &none));
    fs_view_close(view);
    fs_volume_close(volume);
}
