// Opens as Windows makes them: sharing, deletion, renames, locks, tokens.

#include "check.h"

static const uint8_t ALICE[] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xE9, 3, 0, 0};
static const uint8_t EVERYONE[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
static const uint8_t ADMINISTRATORS[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0};

#define SHARE_ALL (FS_SHARE_READ | FS_SHARE_WRITE | FS_SHARE_DELETE)

static fs_windows_request request(uint32_t access, uint32_t share, uint32_t disposition, uint32_t options) {
    FS_STRUCT(fs_windows_request, request);
    request.access = access;
    request.share = share;
    request.disposition = disposition;
    request.options = options;
    request.mode = 0777;
    return request;
}

static fs_result try_open(const fs_view *view, const char *path, fs_windows_request how, fs_windows_opened *opened) {
    fs_caller root = root_caller();
    return fs_windows_open(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, path, strlen(path), &how, opened);
}

static fs_handle open_it(const fs_view *view, const char *path, fs_windows_request how) {
    FS_STRUCT(fs_windows_opened, opened);
    OK(try_open(view, path, how, &opened));
    CHECK(opened.handle != FS_HANDLE_NONE && opened.node != 0);
    return opened.handle;
}

static void opens_share_and_say_what_they_did(const fs_view *view) {
    FS_STRUCT(fs_windows_opened, opened);
    fs_windows_request create = request(FS_RIGHT_GENERIC_READ | FS_RIGHT_GENERIC_WRITE, FS_SHARE_READ,
                                        FS_DISPOSITION_CREATE, FS_CREATE_NON_DIRECTORY | FS_CREATE_WRITE_THROUGH);
    OK(try_open(view, "/file", create, &opened));
    CHECK(opened.outcome == FS_OUTCOME_CREATED && opened.attr.kind == FS_KIND_FILE && opened.attr.mode == 0666);
    CHECK((opened.granted & FS_RIGHT_WRITE_DATA) != 0 && (opened.granted & FS_RIGHT_DELETE) == 0);
    fs_handle first = opened.handle;
    fs_windows_request read = request(FS_RIGHT_READ_DATA, SHARE_ALL, FS_DISPOSITION_OPEN, 0);
    fs_windows_request write = request(FS_RIGHT_WRITE_DATA, SHARE_ALL, FS_DISPOSITION_OPEN, 0);
    OK(try_open(view, "/file", read, &opened));
    CHECK(opened.outcome == FS_OUTCOME_OPENED && opened.granted == FS_RIGHT_READ_DATA);
    fs_caller root = root_caller();
    size_t count = 0;
    OK(fs_write(view, &root, opened.node, first, 0, "content", 7, &count));
    ANSWERS(FS_ACCESS_DENIED, fs_write(view, &root, opened.node, opened.handle, 0, "x", 1, &count));
    OK(fs_release(view, opened.handle));
    ANSWERS(FS_SHARING_VIOLATION, try_open(view, "/file", write, &opened));
    OK(fs_release(view, first));
    expect_content(view, "/file", "content");
    write.disposition = FS_DISPOSITION_OVERWRITE_IF;
    OK(try_open(view, "/file", write, &opened));
    CHECK(opened.outcome == FS_OUTCOME_OVERWRITTEN && opened.attr.length == 0);
    OK(fs_release(view, opened.handle));
    write.disposition = FS_DISPOSITION_SUPERSEDE;
    OK(try_open(view, "/file", write, &opened));
    CHECK(opened.outcome == FS_OUTCOME_SUPERSEDED);
    OK(fs_release(view, opened.handle));

    ANSWERS(FS_EXISTS, try_open(view, "/file", create, &opened));
    ANSWERS(FS_NOT_FOUND, try_open(view, "/none", read, &opened));
    ANSWERS(FS_PATH_NOT_FOUND, try_open(view, "/none/none", read, &opened));
    write.flags = FS_REQUEST_MAPPED_DATA;
    ANSWERS(FS_USER_MAPPED, try_open(view, "/file", write, &opened));
    write.flags = FS_REQUEST_MAPPED_IMAGE;
    ANSWERS(FS_SHARING_VIOLATION, try_open(view, "/file", write, &opened));
    write.flags = 16;
    ANSWERS(FS_INVALID, try_open(view, "/file", write, &opened));
    ANSWERS(FS_INVALID, try_open(view, "/file", request(1, 8, FS_DISPOSITION_OPEN, 0), &opened));
    ANSWERS(FS_INVALID, try_open(view, "/file", request(1, 7, 6, 0), &opened));
    ANSWERS(FS_INVALID, try_open(view, "/file", request(1, 7, 1, FS_CREATE_DIRECTORY | FS_CREATE_NON_DIRECTORY), &opened));
    ANSWERS(FS_NOT_A_DIRECTORY, try_open(view, "/file", request(1, 7, 1, FS_CREATE_DIRECTORY), &opened));
    ANSWERS(FS_NOT_SUPPORTED, try_open(view, "/file", request(1, 7, 1, 0x2000), &opened));
    ANSWERS(FS_ACCESS_DENIED, try_open(view, "/", request(1, 7, FS_DISPOSITION_CREATE, 0), &opened));
}

static void files_are_overwritten_by_handle(const fs_view *view) {
    fs_caller root = root_caller(), host = root_caller();
    host.privileges = FS_PRIVILEGE_CHECKED;
    OK(fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/over"), 0, "content", 7));
    fs_windows_request read = request(FS_RIGHT_READ_DATA, SHARE_ALL, FS_DISPOSITION_OPEN, 0);
    fs_handle handle = open_it(view, "/over", read);
    ANSWERS(FS_ACCESS_DENIED, fs_windows_overwrite(view, &root, handle, &read));
    expect_content(view, "/over", "content");
    OK(fs_windows_overwrite(view, &host, handle, &read));
    expect_content(view, "/over", "");
    OK(fs_release(view, handle));
    ANSWERS(FS_BAD_HANDLE, fs_windows_overwrite(view, &host, handle, &read));
}

static void paths_begin_at_handles(const fs_view *view) {
    fs_caller root = root_caller();
    fs_windows_request make = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, FS_CREATE_DIRECTORY);
    fs_handle directory = open_it(view, "/dir", make);
    FS_STRUCT(fs_windows_opened, opened);
    make.options = 0;
    OK(fs_windows_open(view, &root, FS_NODE_NONE, directory, TEXT("within"), &make, &opened));
    OK(fs_release(view, opened.handle));
    ANSWERS(FS_BAD_NAME, fs_windows_open(view, &root, FS_NODE_NONE, directory, TEXT("/dir"), &make, &opened));
    OK(fs_windows_open(view, &root, FS_NODE_NONE, directory, TEXT(""), &make, &opened));
    CHECK(opened.attr.kind == FS_KIND_DIRECTORY);
    OK(fs_release(view, opened.handle));
    ANSWERS(FS_STALE, fs_windows_open(view, &root, FS_NODE_NONE, FS_HANDLE_NONE, TEXT("x"), &make, &opened));
    ANSWERS(FS_BAD_HANDLE, fs_windows_open(view, &root, FS_NODE_NONE, 999999, TEXT("x"), &make, &opened));
    OK(fs_release(view, directory));
}

static void streams_are_opened_beside_their_file(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_windows_opened, opened);
    fs_windows_request all = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, 0);
    all.stream = "side";
    all.stream_bytes = 4;
    OK(try_open(view, "/streamed", all, &opened));
    CHECK(opened.outcome == FS_OUTCOME_CREATED && opened.attr.length == 0);
    size_t count = 0;
    OK(fs_write(view, &root, opened.node, opened.handle, 0, "beside", 6, &count));
    expect_content(view, "/streamed", "");
    fs_windows_request alone = all;
    alone.share = 0;
    FS_STRUCT(fs_windows_opened, refused);
    ANSWERS(FS_SHARING_VIOLATION, try_open(view, "/streamed", alone, &refused));
    OK(fs_windows_rename(view, &root, opened.handle, FS_NODE_NONE, FS_HANDLE_NONE, TEXT(":other:$DATA"), 0));
    ANSWERS(FS_INVALID, fs_windows_rename(view, &root, opened.handle, FS_NODE_NONE, FS_HANDLE_NONE, TEXT("other"), 0));
    OK(fs_windows_dispose(view, opened.handle, FS_DISPOSE_DELETE));
    OK(fs_release(view, opened.handle));
    all.disposition = FS_DISPOSITION_OPEN;
    all.stream = "other";
    all.stream_bytes = 5;
    ANSWERS(FS_NOT_FOUND, try_open(view, "/streamed", all, &opened));
    all.options = FS_CREATE_DIRECTORY;
    ANSWERS(FS_NOT_A_DIRECTORY, try_open(view, "/streamed", all, &opened));
}

static void paths_are_taken_in_utf16(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_windows_opened, opened);
    static const uint16_t WIDE[] = {'/', 'w', 0xE9}, OTHER[] = {'w', 0xD800};
    fs_windows_request all = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, 0);
    all.flags = FS_REQUEST_UTF16;
    OK(fs_windows_open(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, (const char *)WIDE, sizeof WIDE, &all, &opened));
    expect_content(view, "/w\xC3\xA9", "");
    ANSWERS(FS_INVALID, fs_windows_open(view, &root, FS_NODE_ROOT, FS_HANDLE_NONE, (const char *)WIDE, 3, &all, &opened));
    OK(fs_windows_rename(view, &root, opened.handle, FS_NODE_NONE, FS_HANDLE_NONE, (const char *)OTHER, sizeof OTHER,
                         FS_RENAMING_UTF16));
    expect_content(view, "/w\xED\xA0\x80", "");
    OK(fs_release(view, opened.handle));
}

static void files_are_deleted_by_handle(const fs_view *view) {
    fs_caller root = root_caller();
    FS_STRUCT(fs_windows_opened, opened);
    FS_STRUCT(fs_windows_handle_info, info);
    fs_windows_request all = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, 0);
    fs_handle one = open_it(view, "/doomed", all), two = open_it(view, "/doomed", all);
    ANSWERS(FS_INVALID, fs_windows_dispose(view, one, 0x20));
    ANSWERS(FS_CANNOT_DELETE, fs_windows_dispose(view, one, FS_DISPOSE_DELETE | FS_DISPOSE_MAPPED_IMAGE));
    OK(fs_windows_dispose(view, one, FS_DISPOSE_DELETE | FS_DISPOSE_FORCE_IMAGE_CHECK | FS_DISPOSE_IGNORE_READONLY));
    OK(fs_windows_info(view, two, &info));
    CHECK(info.flags == FS_WINDOWS_DELETE_PENDING && (info.granted & FS_RIGHT_DELETE) != 0);
    ANSWERS(FS_DELETE_PENDING, try_open(view, "/doomed", all, &opened));
    OK(fs_windows_dispose(view, one, 0));
    OK(fs_windows_dispose(view, one, FS_DISPOSE_DELETE | FS_DISPOSE_POSIX));
    OK(fs_windows_cleanup(view, one));
    FS_STRUCT(fs_attr, attr);
    ANSWERS(FS_NOT_FOUND, fs_path_getattr(view, &root, FS_NODE_ROOT, TEXT("/doomed"), 0, &attr));
    ANSWERS(FS_DELETED, fs_windows_dispose(view, two, FS_DISPOSE_DELETE));
    size_t count = 0;
    OK(fs_write(view, &root, FS_NODE_ROOT, one, 0, "late", 4, &count));
    OK(fs_release(view, one));
    OK(fs_release(view, two));

    fs_handle last = open_it(view, "/doomed", all);
    OK(fs_windows_dispose(view, last, FS_DISPOSE_DELETE | FS_DISPOSE_ON_CLOSE));
    OK(fs_windows_info(view, last, &info));
    CHECK(info.flags == FS_WINDOWS_DELETE_ON_CLOSE);
    OK(fs_release(view, last));
    ANSWERS(FS_NOT_FOUND, fs_path_getattr(view, &root, FS_NODE_ROOT, TEXT("/doomed"), 0, &attr));
    fs_handle directory = open_it(view, "/dir", all);
    ANSWERS(FS_NOT_EMPTY, fs_windows_dispose(view, directory, FS_DISPOSE_DELETE));
    OK(fs_release(view, directory));
    ANSWERS(FS_BAD_HANDLE, fs_windows_dispose(view, directory, FS_DISPOSE_DELETE));
    ANSWERS(FS_BAD_HANDLE, fs_windows_cleanup(view, directory));
    ANSWERS(FS_BAD_HANDLE, fs_windows_info(view, directory, &info));
}

static void files_get_names_by_handle(const fs_view *view) {
    fs_caller root = root_caller();
    fs_windows_request all = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, 0);
    fs_handle one = open_it(view, "/one", all), taken = open_it(view, "/taken", all);
    uint32_t replace = FS_RENAMING_REPLACE | FS_RENAMING_IGNORE_READONLY;
    ANSWERS(FS_EXISTS, fs_windows_rename(view, &root, one, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("taken"), 0));
    ANSWERS(FS_ACCESS_DENIED, fs_windows_rename(view, &root, one, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("taken"), replace));
    ANSWERS(FS_ACCESS_DENIED, fs_windows_rename(view, &root, one, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("taken"),
                                                FS_RENAMING_REPLACE | FS_RENAMING_POSIX | FS_RENAMING_MAPPED_IMAGE));
    ANSWERS(FS_INVALID, fs_windows_rename(view, &root, one, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("taken"), 0x80));
    OK(fs_windows_rename(view, &root, one, FS_NODE_NONE, FS_HANDLE_NONE, TEXT("taken"), replace | FS_RENAMING_POSIX));
    OK(fs_release(view, taken));
    OK(fs_windows_link(view, &root, one, FS_NODE_NONE, FS_HANDLE_NONE, TEXT("dir/second"), 0));
    ANSWERS(FS_EXISTS, fs_windows_link(view, &root, one, FS_NODE_NONE, FS_HANDLE_NONE, TEXT("dir/second"), 0));
    FS_STRUCT(fs_attr, attr);
    OK(fs_path_getattr(view, &root, FS_NODE_ROOT, TEXT("/dir/second"), 0, &attr));
    CHECK(attr.links == 2);
    OK(fs_release(view, one));
}

static void told(void *context, fs_result result) { *(fs_result *)context = result; }

static void ranges_are_locked_by_handle(const fs_view *view) {
    fs_caller root = root_caller();
    fs_windows_request all = request(FS_RIGHT_GENERIC_ALL, SHARE_ALL, FS_DISPOSITION_OPEN_IF, 0);
    fs_handle one = open_it(view, "/locked", all), two = open_it(view, "/locked", all);
    char buffer[4];
    size_t count = 0;
    OK(fs_windows_lock(view, one, 0, 10, FS_RANGE_EXCLUSIVE, 1));
    ANSWERS(FS_WOULD_BLOCK, fs_windows_lock(view, two, 9, 1, 0, 2));
    ANSWERS(FS_LOCK_CONFLICT, fs_write(view, &root, FS_NODE_ROOT, two, 5, "x", 1, &count));
    ANSWERS(FS_LOCK_CONFLICT, fs_read(view, &root, FS_NODE_ROOT, two, 5, buffer, 1, &count));
    ANSWERS(FS_RANGE_NOT_LOCKED, fs_windows_unlock(view, one, 0, 9));
    ANSWERS(FS_INVALID, fs_windows_lock(view, one, UINT64_MAX, 2, 0, 1));
    ANSWERS(FS_INVALID, fs_windows_lock(view, one, 0, 2, 2, 1));
    FS_STRUCT(fs_wait, wait);
    fs_result answer = FS_BUSY;
    OK(fs_windows_lock_wait(view, two, 0, 5, FS_RANGE_EXCLUSIVE, told, &answer, &wait));
    CHECK(wait.number != 0 && answer == FS_BUSY);
    OK(fs_windows_lock_cancel(view, two, &wait));
    CHECK(answer == FS_CANCELLED);
    ANSWERS(FS_NOT_FOUND, fs_windows_lock_cancel(view, two, &wait));
    OK(fs_windows_lock_wait(view, two, 0, 5, FS_RANGE_EXCLUSIVE, told, &answer, &wait));
    OK(fs_windows_unlock(view, one, 0, 10));
    CHECK(answer == FS_OK);
    OK(fs_windows_unlock_all(view, two));
    OK(fs_windows_lock(view, one, 0, UINT64_MAX, 0, 1));
    OK(fs_release(view, one));
    OK(fs_write(view, &root, FS_NODE_ROOT, two, 5, "x", 1, &count));
    OK(fs_release(view, two));
}

static void tokens_are_checked(const fs_view *view) {
    FS_STRUCT(fs_token_parts, parts);
    fs_token *token = NULL;
    fs_token_group groups[] = {
        {ADMINISTRATORS, sizeof ADMINISTRATORS, FS_GROUP_ENABLED | FS_GROUP_OWNER | 3, 0},
        {EVERYONE, sizeof EVERYONE, FS_GROUP_ENABLED | 3, 0},
    };
    parts.user = ALICE;
    parts.user_bytes = sizeof ALICE;
    parts.groups = groups;
    parts.groups_count = 2;
    parts.privileges = FS_TOKEN_CHANGE_NOTIFY;
    OK(fs_token_create(&parts, &token));

    fs_caller caller = user_caller(1000);
    caller.token = token;
    FS_STRUCT(fs_windows_opened, opened);
    fs_windows_request read = request(FS_RIGHT_GENERIC_READ, SHARE_ALL, FS_DISPOSITION_OPEN, 0);
    fs_caller root = root_caller();
    OK(fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/secret"), 0, "x", 1));
    FS_STRUCT(fs_set_attr, set);
    FS_STRUCT(fs_attr, attr);
    set.valid = FS_SET_MODE;
    set.mode = 0600;
    OK(fs_path_setattr(view, &root, FS_NODE_ROOT, TEXT("/secret"), 0, &set, &attr));
    ANSWERS(FS_ACCESS_DENIED,
            fs_windows_open(view, &caller, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("/secret"), &read, &opened));
    set.mode = 0644;
    OK(fs_path_setattr(view, &root, FS_NODE_ROOT, TEXT("/secret"), 0, &set, &attr));
    OK(fs_windows_open(view, &caller, FS_NODE_ROOT, FS_HANDLE_NONE, TEXT("/secret"), &read, &opened));
    OK(fs_release(view, opened.handle));
    fs_token_free(token);

    token = NULL;
    parts.owner = ADMINISTRATORS;
    parts.owner_bytes = sizeof ADMINISTRATORS;
    OK(fs_token_create(&parts, &token));
    fs_token_free(token);
    groups[0].attributes = FS_GROUP_ENABLED | FS_GROUP_DENY_ONLY;
    ANSWERS(FS_BAD_OWNER, fs_token_create(&parts, &token));
    parts.owner = NULL;
    groups[0].reserved = 1;
    ANSWERS(FS_BAD_STRUCTURE, fs_token_create(&parts, &token));
    groups[0].reserved = 0;
    groups[0].sid_bytes -= 1;
    ANSWERS(FS_BAD_SECURITY, fs_token_create(&parts, &token));
    groups[0].sid = NULL;
    ANSWERS(FS_NULL_POINTER, fs_token_create(&parts, &token));
    parts.groups_count = 1025;
    ANSWERS(FS_LIMIT, fs_token_create(&parts, &token));
    parts.groups_count = 0;
    parts.user_bytes += 1;
    ANSWERS(FS_BAD_SECURITY, fs_token_create(&parts, &token));
    parts.user_bytes = 3;
    ANSWERS(FS_BAD_SECURITY, fs_token_create(&parts, &token));
    parts.user_bytes = sizeof ALICE;
    parts.privileges = 32;
    ANSWERS(FS_INVALID, fs_token_create(&parts, &token));
    parts.privileges = FS_TOKEN_BACKUP | FS_TOKEN_RESTORE | FS_TOKEN_TAKE_OWNERSHIP | FS_TOKEN_SECURITY;
    OK(fs_token_create(&parts, &token));
    fs_token_free(token);
    fs_token_free(NULL);
}

void test_opens(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    opens_share_and_say_what_they_did(view);
    files_are_overwritten_by_handle(view);
    paths_begin_at_handles(view);
    streams_are_opened_beside_their_file(view);
    paths_are_taken_in_utf16(view);
    files_are_deleted_by_handle(view);
    files_get_names_by_handle(view);
    ranges_are_locked_by_handle(view);
    tokens_are_checked(view);
    fs_view_close(view);
    fs_volume_close(volume);
}
