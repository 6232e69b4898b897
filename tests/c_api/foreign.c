// What files carry for Windows and macOS.

#include "check.h"

// A list with one extended attribute, "Ea" = "1".
static const unsigned char ea_list[] = {0, 0, 0, 0, 0, 2, 1, 0, 'E', 'a', 0, '1'};
static const unsigned char ea_delete[] = {0, 0, 0, 0, 0, 2, 0, 0, 'e', 'A', 0};
static const unsigned char ea_name[] = {0, 0, 0, 0, 2, 'E', 'A', 0};
// A reparse point of nobody that we know: tag 0x42, 1 byte of data, a GUID.
static const unsigned char reparse[] = {0x42, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 'x'};
static const unsigned char reparse_delete[] = {0x42, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
// A descriptor with an empty DACL: nobody may do anything.
static const unsigned char closed[] = {1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 8, 0, 0, 0, 0, 0};

enum { HIDDEN = 2, ARCHIVE = 0x20, DIRECTORY = 0x10, DACL = 4, SACL = 8 };

static const int64_t epoch = 116444736000000000;

static void test_file_info(const fs_view *view, fs_node file) {
    fs_caller root = root_caller(), other = user_caller(9);
    FS_STRUCT(fs_file_info, info);
    FS_STRUCT(fs_set_file_info, set);
    OK(fs_file_info_get(view, file, FS_HANDLE_NONE, &info));
    CHECK(info.attributes == ARCHIVE && info.length == 7 && info.allocation == 4096 && info.links == 1 && info.index > 1);
    set.attributes = HIDDEN;
    set.created = epoch + 10;
    set.changed = epoch + 40;
    ANSWERS(FS_NOT_PERMITTED, fs_file_info_set(view, &other, file, FS_HANDLE_NONE, &set, &info));
    OK(fs_file_info_set(view, &root, file, FS_HANDLE_NONE, &set, &info));
    CHECK(info.attributes == HIDDEN && info.created == (uint64_t)epoch + 10 && info.changed == (uint64_t)epoch + 40);
    set.created = -3;
    ANSWERS(FS_INVALID, fs_file_info_set(view, &root, file, FS_HANDLE_NONE, &set, &info));
    ANSWERS(FS_BAD_HANDLE, fs_file_info_get(view, file, 999, &info));

    OK(fs_allocation_set(view, &root, file, FS_HANDLE_NONE, 10000, &info));
    CHECK(info.length == 7 && info.allocation == 12288);
    OK(fs_allocation_give_back(view, file, FS_HANDLE_NONE));
    OK(fs_file_info_get(view, file, FS_HANDLE_NONE, &info));
    CHECK(info.allocation == 4096);
}

static void test_security(const fs_view *view, fs_node file) {
    fs_caller root = root_caller(), other = user_caller(9);
    FS_STRUCT(fs_attr, attr);
    unsigned char buffer[256];
    size_t bytes = 0;
    OK(fs_security_get(view, &root, file, FS_HANDLE_NONE, DACL, NULL, 0, &bytes));
    CHECK(bytes > 20);
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_security_get(view, &root, file, FS_HANDLE_NONE, DACL, buffer, 1, &bytes));
    ANSWERS(FS_PRIVILEGE_NOT_HELD, fs_security_get(view, &other, file, FS_HANDLE_NONE, SACL, buffer, 256, &bytes));
    ANSWERS(FS_NOT_PERMITTED, fs_security_set(view, &other, file, FS_HANDLE_NONE, DACL, closed, sizeof closed));
    ANSWERS(FS_BAD_SECURITY, fs_security_set(view, &root, file, FS_HANDLE_NONE, DACL, closed, 10));
    ANSWERS(FS_INVALID, fs_security_set(view, &root, file, FS_HANDLE_NONE, 0x80, closed, sizeof closed));
    OK(fs_security_set(view, &root, file, FS_HANDLE_NONE, DACL, closed, sizeof closed));
    OK(fs_getattr(view, file, &attr));
    CHECK(attr.mode == 0);
}

static void test_eas(const fs_view *view, fs_node file) {
    fs_caller root = root_caller();
    unsigned char buffer[64];
    uint64_t size = 0;
    size_t bytes = 0;
    OK(fs_ea_set(view, &root, file, FS_HANDLE_NONE, ea_list, sizeof ea_list, &size));
    CHECK(size == sizeof ea_list - 4);
    OK(fs_ea_get(view, &root, file, FS_HANDLE_NONE, NULL, 0, buffer, sizeof buffer, &bytes));
    CHECK(bytes == sizeof ea_list && memcmp(buffer, ea_list, bytes) == 0);
    OK(fs_ea_get(view, &root, file, FS_HANDLE_NONE, ea_name, sizeof ea_name, buffer, sizeof buffer, &bytes));
    CHECK(bytes == sizeof ea_list && memcmp(buffer, ea_list, bytes) == 0);
    ANSWERS(FS_BAD_EA_LIST, fs_ea_set(view, &root, file, FS_HANDLE_NONE, ea_list, 9, &size));
    OK(fs_ea_set(view, &root, file, FS_HANDLE_NONE, ea_delete, sizeof ea_delete, &size));
    CHECK(size == 0);
    OK(fs_ea_get(view, &root, file, FS_HANDLE_NONE, NULL, 0, buffer, sizeof buffer, &bytes));
    CHECK(bytes == 0);
}

static void test_reparse(const fs_view *view, fs_node file) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_file_info, info);
    unsigned char buffer[64];
    size_t bytes = 0;
    ANSWERS(FS_NOT_A_REPARSE_POINT, fs_reparse_get(view, file, FS_HANDLE_NONE, buffer, sizeof buffer, &bytes));
    ANSWERS(FS_BAD_REPARSE, fs_reparse_set(view, &root, file, FS_HANDLE_NONE, reparse, 3));
    OK(fs_reparse_set(view, &root, file, FS_HANDLE_NONE, reparse, sizeof reparse));
    OK(fs_reparse_get(view, file, FS_HANDLE_NONE, buffer, sizeof buffer, &bytes));
    CHECK(bytes == sizeof reparse && memcmp(buffer, reparse, bytes) == 0);
    OK(fs_file_info_get(view, file, FS_HANDLE_NONE, &info));
    CHECK(info.reparse_tag == 0x42 && info.attributes & 0x400);
    ANSWERS(FS_BAD_REPARSE, fs_reparse_delete(view, &root, file, FS_HANDLE_NONE, reparse, sizeof reparse));
    OK(fs_reparse_delete(view, &root, file, FS_HANDLE_NONE, reparse_delete, sizeof reparse_delete));
    ANSWERS(FS_NOT_A_REPARSE_POINT, fs_reparse_delete(view, &root, file, FS_HANDLE_NONE, reparse_delete, sizeof reparse_delete));
}

static void test_making(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_new, new);
    FS_STRUCT(fs_entry, entry);
    FS_STRUCT(fs_file_info, info);
    new.kind = FS_KIND_DIRECTORY;
    new.attributes = HIDDEN;
    new.eas = ea_list;
    new.eas_bytes = sizeof ea_list;
    new.security = closed;
    new.security_bytes = sizeof closed;
    ANSWERS(FS_INVALID, fs_make(view, &root, FS_NODE_ROOT, TEXT("made"), &new, &entry));
    new.security_how = FS_SECURITY_COMPLETE;
    OK(fs_make(view, &root, FS_NODE_ROOT, TEXT("made"), &new, &entry));
    CHECK(entry.attr.kind == FS_KIND_DIRECTORY && entry.attr.mode == 0);
    OK(fs_file_info_get(view, entry.node, FS_HANDLE_NONE, &info));
    CHECK(info.attributes == (DIRECTORY | HIDDEN) && info.ea_bytes == sizeof ea_list - 4);
    ANSWERS(FS_EXISTS, fs_make(view, &root, FS_NODE_ROOT, TEXT("made"), &new, &entry));
    new.kind = FS_KIND_FIFO;
    ANSWERS(FS_NOT_SUPPORTED, fs_make(view, &root, FS_NODE_ROOT, TEXT("fifo"), &new, &entry));
    new.kind = FS_KIND_FILE;
    new.security_how = FS_SECURITY_INHERIT;
    new.reparse = reparse;
    new.reparse_bytes = sizeof reparse;
    new.allocation = 1;
    OK(fs_make(view, &root, FS_NODE_ROOT, TEXT("point"), &new, &entry));
    OK(fs_file_info_get(view, entry.node, FS_HANDLE_NONE, &info));
    CHECK(info.reparse_tag == 0x42 && info.allocation == 4096);
}

static void test_mac(void) {
    FS_STRUCT(fs_config, config);
    config.root_mode = 0777;
    config.names = FS_NAMES_MACOS;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    fs_view *view = open_view(volume);
    fs_node file = make_file(view, "file", "content");
    fs_caller root = root_caller();
    FS_STRUCT(fs_mac_info, set);
    FS_STRUCT(fs_mac_info, info);
    OK(fs_mac_info_get(view, file, &info));
    CHECK(info.flags == 0 && info.added > 0 && info.backed_up == 0);
    set.valid = FS_MAC_FLAGS | FS_MAC_ADDED | FS_MAC_BACKED_UP;
    set.flags = 0x8000;
    set.added = 7;
    set.backed_up = 8;
    OK(fs_mac_info_set(view, &root, file, &set, &info));
    CHECK(info.flags == 0x8000 && info.added == 7 && info.backed_up == 8);
    set.flags = 0x20;
    ANSWERS(FS_NOT_SUPPORTED, fs_mac_info_set(view, &root, file, &set, &info));
    set.valid = 8;
    ANSWERS(FS_INVALID, fs_mac_info_set(view, &root, file, &set, &info));

    char buffer[8];
    size_t count = 0;
    OK(fs_xattr_write(view, &root, file, TEXT("com.apple.ResourceFork"), 2, "fork", 4, FS_XATTR_CREATE));
    OK(fs_xattr_read(view, &root, file, TEXT("com.apple.ResourceFork"), 4, buffer, sizeof buffer, &count));
    CHECK(count == 2 && memcmp(buffer, "rk", 2) == 0);
    ANSWERS(FS_INVALID, fs_xattr_write(view, &root, file, TEXT("user.a"), 1, "x", 1, FS_XATTR_SET));
    ANSWERS(FS_NO_ATTRIBUTE, fs_xattr_read(view, &root, file, TEXT("user.a"), 0, buffer, sizeof buffer, &count));
    fs_view_close(view);
    fs_volume_close(volume);
}

void test_foreign(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_node file = make_file(view, "file", "content");
    test_file_info(view, file);
    test_eas(view, file);
    test_reparse(view, file);
    test_security(view, file);
    test_making(view);
    fs_view_close(view);
    fs_volume_close(volume);
    test_mac();
}
