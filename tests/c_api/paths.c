// Every operation by path.

#include "check.h"

#define AT FS_NODE_ROOT

static void paths_are_resolved(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_attr, attr);
    FS_STRUCT(fs_entry, entry);
    OK(fs_path_symlink(view, &root, AT, TEXT("/link"), TEXT("dir/file"), &attr));
    OK(fs_path_getattr(view, &root, AT, TEXT("/link"), 0, &attr));
    CHECK(attr.kind == FS_KIND_FILE);
    OK(fs_path_getattr(view, &root, AT, TEXT("/link"), FS_PATH_NO_FOLLOW, &attr));
    CHECK(attr.kind == FS_KIND_SYMLINK);
    ANSWERS(FS_INVALID, fs_path_getattr(view, &root, AT, TEXT("/link"), 8, &attr));
    ANSWERS(FS_NOT_FOUND, fs_path_getattr(view, &root, AT, TEXT("/nothing/at/all"), 0, &attr));
    ANSWERS(FS_NOT_A_DIRECTORY, fs_path_getattr(view, &root, AT, TEXT("/dir/file/x"), 0, &attr));
    OK(fs_path_symlink(view, &root, AT, TEXT("/loop"), TEXT("loop"), &attr));
    ANSWERS(FS_TOO_MANY_SYMLINKS, fs_path_getattr(view, &root, AT, TEXT("/loop"), 0, &attr));
    char target[32];
    size_t size = 0;
    OK(fs_path_readlink(view, &root, AT, TEXT("/link"), target, sizeof target, &size));
    CHECK(size == 8 && memcmp(target, "dir/file", 8) == 0);

    // From a directory.
    OK(fs_path_lookup(view, &root, AT, TEXT("/dir"), 0, &entry));
    OK(fs_path_getattr(view, &root, entry.node, TEXT("file"), 0, &attr));
    CHECK(attr.kind == FS_KIND_FILE);
    OK(fs_forget(view, entry.node, 1));
}

static void handles_by_path(const fs_view *view) {
    fs_caller user = user_caller(1000);
    FS_STRUCT(fs_open_options, options);
    fs_handle handle = 0;
    size_t count = 0;
    options.flags = FS_OPEN_WRITE;
    ANSWERS(FS_NOT_FOUND, fs_path_open(view, &user, AT, TEXT("/opened"), 0, &options, &handle));
    options.flags = FS_OPEN_WRITE | FS_OPEN_CREATE | FS_OPEN_EXCLUSIVE;
    options.mode = 0660;
    OK(fs_path_open(view, &user, AT, TEXT("/opened"), 0, &options, &handle));
    OK(fs_write(view, &user, AT, handle, 0, "open", 4, &count));
    OK(fs_release(view, handle));
    ANSWERS(FS_EXISTS, fs_path_open(view, &user, AT, TEXT("/opened"), 0, &options, &handle));
    expect_content(view, "/opened", "open");
    char buffer[2];
    OK(fs_path_read(view, &user, AT, TEXT("/opened"), 0, 1, buffer, 2, &count));
    CHECK(count == 2 && memcmp(buffer, "pe", 2) == 0);
}

static void xattrs_by_path(const fs_view *view) {
    fs_caller root = root_caller();
    char buffer[32];
    size_t size = 0;
    OK(fs_path_xattr_set(view, &root, AT, TEXT("/dir/file"), 0, TEXT("user.x"), "y", 1, FS_XATTR_SET));
    OK(fs_path_xattr_get(view, &root, AT, TEXT("/dir/file"), 0, TEXT("user.x"), buffer, sizeof buffer, &size));
    CHECK(size == 1 && buffer[0] == 'y');
    OK(fs_path_xattr_list(view, &root, AT, TEXT("/dir/file"), 0, buffer, sizeof buffer, &size));
    CHECK(size == 7 && strcmp(buffer, "user.x") == 0);
    OK(fs_path_xattr_remove(view, &root, AT, TEXT("/dir/file"), 0, TEXT("user.x")));
    ANSWERS(FS_NO_ATTRIBUTE,
            fs_path_xattr_get(view, &root, AT, TEXT("/dir/file"), 0, TEXT("user.x"), NULL, 0, &size));
}

void test_paths(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller(), user = user_caller(1000);
    FS_STRUCT(fs_attr, attr);
    OK(fs_path_mkdir(view, &root, AT, TEXT("/dir"), 0755, &attr));
    CHECK(attr.kind == FS_KIND_DIRECTORY);
    OK(fs_path_write(view, &root, AT, TEXT("/dir/file"), 0, "content", 7));
    expect_content(view, "dir/file", "content");
    OK(fs_path_mknod(view, &root, AT, TEXT("/dir/pipe"), 0600, FS_KIND_FIFO, 0, &attr));
    CHECK(attr.kind == FS_KIND_FIFO);
    paths_are_resolved(view);
    handles_by_path(view);
    xattrs_by_path(view);

    FS_STRUCT(fs_set_attr, set);
    set.valid = FS_SET_MODE;
    set.mode = 0600;
    OK(fs_path_setattr(view, &root, AT, TEXT("/dir/file"), 0, &set, &attr));
    CHECK(attr.mode == 0600);
    ANSWERS(FS_ACCESS_DENIED, fs_path_access(view, &user, AT, TEXT("/dir/file"), 0, FS_ACCESS_READ));
    OK(fs_path_access(view, &root, AT, TEXT("/dir/file"), 0, FS_ACCESS_READ));

    OK(fs_path_link(view, &root, AT, TEXT("/dir/file"), 0, AT, TEXT("/second"), &attr));
    CHECK(attr.links == 2);
    OK(fs_path_rename(view, &root, AT, TEXT("/second"), AT, TEXT("/dir/third"), FS_RENAME_NO_REPLACE));
    OK(fs_path_unlink(view, &root, AT, TEXT("/dir/third")));
    ANSWERS(FS_NOT_EMPTY, fs_path_rmdir(view, &root, AT, TEXT("/dir")));
    ANSWERS(FS_BUSY, fs_path_rmdir(view, &root, AT, TEXT("/")));
    OK(fs_path_unlink(view, &root, AT, TEXT("/dir/file")));
    OK(fs_path_unlink(view, &root, AT, TEXT("/dir/pipe")));
    OK(fs_path_rmdir(view, &root, AT, TEXT("/dir")));
    uint64_t nodes = 1;
    OK(fs_view_nodes(view, &nodes));
    CHECK(nodes == 0);
    fs_view_close(view);
    fs_volume_close(volume);
}
