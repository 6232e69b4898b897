// Names by node, and attributes.

#include "check.h"

struct listing {
    int count, limit;
    bool attributes;
    uint64_t cookie;
    char names[512];
};

static bool note_entry(void *context, const fs_dirent *entry) {
    struct listing *listing = context;
    CHECK(entry->size == sizeof *entry && entry->kind != 0);
    CHECK((entry->attr != NULL) == listing->attributes);
    if (listing->count == listing->limit) {
        return false;
    }
    strncat(listing->names, entry->name, entry->name_bytes);
    strcat(listing->names, " ");
    listing->cookie = entry->cookie;
    listing->count++;
    return true;
}

static void listings_go_on_after_a_cookie(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, dir);
    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("list"), 0755, &dir));
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        FS_STRUCT(fs_entry, made);
        OK(fs_mknod(view, &root, dir.node, names[i], 1, 0644, FS_KIND_FILE, 0, &made));
        OK(fs_forget(view, made.node, 1));
    }
    struct listing dots = {0, 2, false, 0, ""}, rest = {0, 100, false, 0, ""}, with = {0, 100, true, 0, ""};
    OK(fs_readdir(view, &root, dir.node, FS_HANDLE_NONE, 0, FS_READDIR_DOTS, note_entry, &dots));
    CHECK(strcmp(dots.names, ". .. ") == 0);
    OK(fs_readdir(view, &root, dir.node, FS_HANDLE_NONE, dots.cookie, FS_READDIR_DOTS, note_entry, &rest));
    CHECK(rest.count == 3);
    uint64_t before = 0, after = 0;
    OK(fs_view_nodes(view, &before));
    OK(fs_readdir(view, &root, dir.node, FS_HANDLE_NONE, 0, FS_READDIR_ATTRIBUTES, note_entry, &with));
    OK(fs_view_nodes(view, &after));
    CHECK(with.count == 3 && after == before + 3);
    ANSWERS(FS_INVALID, fs_readdir(view, &root, dir.node, FS_HANDLE_NONE, 0, 1u << 9, note_entry, &with));
    ANSWERS(FS_BAD_HANDLE, fs_readdir(view, &root, dir.node, 77, 0, 0, note_entry, &with));
}

static void listings_go_on_after_a_name_and_with_a_verifier(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, dir);
    OK(fs_lookup(view, &root, FS_NODE_ROOT, TEXT("list"), &dir));
    struct listing all = {0, 100, false, 0, ""}, rest = {0, 100, false, 0, ""}, one = {0, 1, true, 0, ""};
    OK(fs_readdir_after(view, &root, dir.node, FS_HANDLE_NONE, TEXT(""), FS_READDIR_DOTS_BELOW_ROOT, note_entry, &all));
    CHECK(all.count == 5 && strncmp(all.names, ". .. ", 5) == 0);
    OK(fs_readdir_after(view, &root, dir.node, FS_HANDLE_NONE, all.names + 5, 1, 0, note_entry, &rest));
    CHECK(rest.count == 2 && strcmp(rest.names, all.names + 7) == 0);

    uint64_t verifier = 0, later = 0;
    struct listing some = {0, 1, false, 0, ""}, others = {0, 100, false, 0, ""};
    OK(fs_readdir_verified(view, &root, dir.node, FS_HANDLE_NONE, 0, 0, 0, note_entry, &some, &verifier));
    CHECK(verifier != 0 && some.count == 1);
    OK(fs_unlink(view, &root, dir.node, some.names, 1));
    OK(fs_readdir_verified(view, &root, dir.node, FS_HANDLE_NONE, some.cookie, verifier, 0, note_entry, &others, &later));
    CHECK(others.count == 2 && later != verifier);
    later = 0;
    ANSWERS(FS_BAD_COOKIE, fs_readdir_verified(view, &root, dir.node, FS_HANDLE_NONE, some.cookie, 0, 0, note_entry,
                                               &others, &later));
    CHECK(later == 0);

    OK(fs_readdir_one(view, &root, FS_NODE_ROOT, TEXT("list"), FS_READDIR_ATTRIBUTES, note_entry, &one));
    CHECK(strcmp(one.names, "list ") == 0);
    OK(fs_forget(view, dir.node, 1));
    ANSWERS(FS_NOT_FOUND, fs_readdir_one(view, &root, FS_NODE_ROOT, TEXT("none"), 0, note_entry, &one));

    char path[8];
    size_t size = 0;
    OK(fs_node_path(view, dir.node, 0, path, sizeof path, &size));
    CHECK(size == 5 && memcmp(path, "/list", 5) == 0);
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_node_path(view, dir.node, FS_PATH_WINDOWS, path, sizeof path, &size));
    OK(fs_node_path(view, dir.node, FS_PATH_WINDOWS, NULL, 0, &size));
    CHECK(size == 10);
    ANSWERS(FS_INVALID, fs_node_path(view, dir.node, 1, path, sizeof path, &size));
}

static void links_and_renames(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, entry);
    FS_STRUCT(fs_attr, attr);
    fs_node file = make_file(view, "one", "1");
    OK(fs_link(view, &root, file, FS_NODE_ROOT, TEXT("two"), &entry));
    CHECK(entry.node == file && entry.attr.links == 2);
    ANSWERS(FS_EXISTS, fs_link(view, &root, file, FS_NODE_ROOT, TEXT("two"), &entry));
    ANSWERS(FS_NOT_PERMITTED, fs_link(view, &root, FS_NODE_ROOT, FS_NODE_ROOT, TEXT("loop"), &entry));
    OK(fs_unlink(view, &root, FS_NODE_ROOT, TEXT("one")));
    ANSWERS(FS_NOT_FOUND, fs_unlink(view, &root, FS_NODE_ROOT, TEXT("one")));

    make_file(view, "other", "2");
    ANSWERS(FS_EXISTS,
            fs_rename(view, &root, FS_NODE_ROOT, TEXT("two"), FS_NODE_ROOT, TEXT("other"), FS_RENAME_NO_REPLACE));
    OK(fs_rename(view, &root, FS_NODE_ROOT, TEXT("two"), FS_NODE_ROOT, TEXT("other"), FS_RENAME_EXCHANGE));
    expect_content(view, "/other", "1");
    OK(fs_rename(view, &root, FS_NODE_ROOT, TEXT("two"), FS_NODE_ROOT, TEXT("other"), FS_RENAME_REPLACE));
    expect_content(view, "/other", "2");
    ANSWERS(FS_INVALID, fs_rename(view, &root, FS_NODE_ROOT, TEXT("other"), FS_NODE_ROOT, TEXT("x"), 9));
    // No name is left: the node stays while it is known.
    uint64_t known = 0;
    OK(fs_getattr(view, file, &attr));
    CHECK(attr.links == 0);
    OK(fs_references(view, file, &known));
    CHECK(known == 2);
    OK(fs_forget(view, file, 2));
    OK(fs_references(view, file, &known));
    CHECK(known == 0);
    ANSWERS(FS_STALE, fs_getattr(view, file, &attr));
    OK(fs_forget(view, file, 2));

    OK(fs_mkdir(view, &root, FS_NODE_ROOT, TEXT("inner"), 0755, &entry));
    ANSWERS(FS_INTO_ITSELF, fs_rename(view, &root, FS_NODE_ROOT, TEXT("inner"), entry.node, TEXT("x"), 0));
    ANSWERS(FS_IS_A_DIRECTORY, fs_unlink(view, &root, FS_NODE_ROOT, TEXT("inner")));
    ANSWERS(FS_NOT_A_DIRECTORY, fs_rmdir(view, &root, FS_NODE_ROOT, TEXT("other")));
    OK(fs_rmdir(view, &root, FS_NODE_ROOT, TEXT("inner")));
}

static void many_nodes_are_forgotten_by_one_call(const fs_view *view) {
    enum { FILES = 700 };
    static fs_forgotten nodes[FILES + 1];
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, again);
    FS_STRUCT(fs_attr, attr);
    uint64_t before = 0, after = 0, known = 0;
    OK(fs_view_nodes(view, &before));
    for (int i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "many-%d", i);
        nodes[i] = (fs_forgotten){make_file(view, name, "x"), 1};
    }
    OK(fs_readdir_ahead(view, FS_NODE_ROOT, 0, FILES));
    OK(fs_readdir_ahead(view, nodes[0].node, UINT64_MAX, SIZE_MAX));
    OK(fs_readdir_ahead(view, UINT64_MAX, 0, 1));
    OK(fs_lookup(view, &root, FS_NODE_ROOT, TEXT("many-0"), &again));
    OK(fs_unlink(view, &root, FS_NODE_ROOT, TEXT("many-1")));
    nodes[2].count = UINT64_MAX;
    // Once more than there are, and one that is not known.
    nodes[FILES] = nodes[3];
    nodes[4].node = UINT64_MAX;
    OK(fs_forget_many(view, nodes, FILES + 1));
    OK(fs_view_nodes(view, &after));
    CHECK(after == before + 2);
    OK(fs_references(view, nodes[0].node, &known));
    CHECK(known == 1);
    OK(fs_getattr(view, nodes[0].node, &attr));
    ANSWERS(FS_STALE, fs_getattr(view, nodes[1].node, &attr));
    OK(fs_forget_many(view, NULL, 0));
    ANSWERS(FS_NULL_POINTER, fs_forget_many(view, NULL, 1));
}

void test_names(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller(), user = user_caller(1000);
    FS_STRUCT(fs_entry, entry);
    FS_STRUCT(fs_entry, dir);

    ANSWERS(FS_NOT_FOUND, fs_lookup(view, &root, FS_NODE_ROOT, TEXT("nothing"), &entry));
    CHECK(entry.node == 0);
    OK(fs_mkdir(view, &user, FS_NODE_ROOT, TEXT("dir"), 0777, &dir));
    CHECK(dir.attr.kind == FS_KIND_DIRECTORY && dir.attr.mode == 0755 && dir.attr.uid == 1000);
    OK(fs_lookup(view, &root, FS_NODE_ROOT, TEXT("dir"), &entry));
    CHECK(entry.node == dir.node && entry.attr.inode == dir.attr.inode);
    ANSWERS(FS_EXISTS, fs_mkdir(view, &user, FS_NODE_ROOT, TEXT("dir"), 0777, &entry));
    fs_caller stranger = user_caller(2000);
    ANSWERS(FS_ACCESS_DENIED, fs_mkdir(view, &stranger, dir.node, TEXT("mine"), 0777, &entry));
    char long_name[256];
    memset(long_name, 'n', sizeof long_name);
    ANSWERS(FS_NAME_TOO_LONG, fs_mkdir(view, &user, dir.node, long_name, 256, 0777, &entry));
    OK(fs_mkdir(view, &user, dir.node, long_name, 255, 0777, &entry));
    ANSWERS(FS_NOT_EMPTY, fs_rmdir(view, &user, FS_NODE_ROOT, TEXT("dir")));

    OK(fs_mknod(view, &root, dir.node, TEXT("null"), 0666, FS_KIND_CHAR_DEVICE, 0x103, &entry));
    CHECK(entry.attr.kind == FS_KIND_CHAR_DEVICE && entry.attr.device == 0x103);
    OK(fs_mknod(view, &user, dir.node, TEXT("pipe"), 0666, FS_KIND_FIFO, 0, &entry));
    CHECK(entry.attr.kind == FS_KIND_FIFO && entry.attr.mode == 0644);
    ANSWERS(FS_INVALID, fs_mknod(view, &root, dir.node, TEXT("x"), 0666, FS_KIND_DIRECTORY, 0, &entry));
    ANSWERS(FS_NOT_PERMITTED, fs_mknod(view, &user, dir.node, TEXT("x"), 0666, FS_KIND_BLOCK_DEVICE, 1, &entry));

    OK(fs_symlink(view, &user, dir.node, TEXT("link"), TEXT("target"), &entry));
    char target[16];
    size_t size = 0;
    OK(fs_readlink(view, entry.node, NULL, 0, &size));
    CHECK(size == 6);
    size = 99;
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_readlink(view, entry.node, target, 5, &size));
    CHECK(size == 99);
    OK(fs_readlink(view, entry.node, target, sizeof target, &size));
    CHECK(size == 6 && memcmp(target, "target", 6) == 0);
    ANSWERS(FS_INVALID, fs_readlink(view, dir.node, target, sizeof target, &size));

    links_and_renames(view);
    many_nodes_are_forgotten_by_one_call(view);
    listings_go_on_after_a_cookie(view);
    listings_go_on_after_a_name_and_with_a_verifier(view);
    fs_view_close(view);
    fs_volume_close(volume);
}

void test_attributes(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller(), user = user_caller(1000);
    FS_STRUCT(fs_attr, attr);
    FS_STRUCT(fs_set_attr, set);
    fs_node file = make_file(view, "file", "12345");

    set.valid = FS_SET_MODE | FS_SET_UID | FS_SET_LENGTH | FS_SET_MODIFIED | FS_SET_BORN | FS_SET_FLAGS;
    set.mode = 0600;
    set.uid = 1000;
    set.length = 3;
    set.modified = -5;
    set.born = 7;
    set.flags = FS_FLAG_HIDDEN;
    OK(fs_setattr(view, &root, file, FS_HANDLE_NONE, &set, &attr));
    CHECK(attr.mode == 0600 && attr.uid == 1000 && attr.length == 3 && attr.modified == -5 && attr.born == 7);
    CHECK(attr.flags == FS_FLAG_HIDDEN && attr.gid == 0);
    set.valid = FS_SET_MODIFIED_NOW | FS_SET_ACCESSED;
    set.accessed = 42;
    OK(fs_setattr(view, &user, file, FS_HANDLE_NONE, &set, &attr));
    CHECK(attr.modified > 1000000000 && attr.accessed == 42);
    set.valid = FS_SET_UID;
    ANSWERS(FS_NOT_PERMITTED, fs_setattr(view, &user, file, FS_HANDLE_NONE, &set, (set.uid = 1, &attr)));
    set.valid = 1u << 31;
    ANSWERS(FS_INVALID, fs_setattr(view, &root, file, FS_HANDLE_NONE, &set, &attr));
    set.valid = FS_SET_MODE;
    ANSWERS(FS_BAD_HANDLE, fs_setattr(view, &root, file, 77, &set, &attr));
    ANSWERS(FS_STALE, fs_getattr(view, 0x7777, &attr));

    fs_caller group = user_caller(3000);
    uint32_t groups[] = {5, 6};
    group.groups = groups;
    group.groups_count = 2;
    set.valid = FS_SET_MODE | FS_SET_GID;
    set.mode = 0640;
    set.gid = 6;
    OK(fs_setattr(view, &root, file, FS_HANDLE_NONE, &set, &attr));
    OK(fs_access(view, &group, file, FS_ACCESS_READ));
    ANSWERS(FS_ACCESS_DENIED, fs_access(view, &group, file, FS_ACCESS_WRITE));
    ANSWERS(FS_INVALID, fs_access(view, &group, file, 8));
    group.groups = NULL;
    ANSWERS(FS_NULL_POINTER, fs_access(view, &group, file, FS_ACCESS_READ));

    FS_STRUCT(fs_space, space);
    OK(fs_statfs(view, &space));
    CHECK(space.name_bytes == 255 && space.blocks > 0 && space.blocks_free <= space.blocks);
    fs_view_close(view);
    fs_volume_close(volume);
}
