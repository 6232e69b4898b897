// Results, volumes, views, branches and snapshots.

#include "check.h"

#include <errno.h>
#include <unistd.h>

void test_results(void) {
    CHECK(fs_abi_version() == FS_ABI_VERSION);
    CHECK(strchr(fs_version(), '.') != NULL);
    CHECK(fs_result_errno(FS_OK) == 0 && fs_result_errno(FS_NOT_FOUND) == ENOENT);
    CHECK(fs_result_errno(12345) == EIO);
    CHECK(fs_result_ntstatus(FS_OK) == 0 && fs_result_ntstatus(FS_NOT_FOUND) == 0xC0000034u);
    CHECK(fs_result_win32(FS_OK) == 0 && fs_result_win32(FS_NOT_FOUND) == 2 && fs_result_win32(12345) == 31);
    CHECK(fs_result_darwin_errno(FS_OK) == 0 && fs_result_darwin_errno(FS_NAME_TOO_LONG) == 63);
    CHECK(strcmp(fs_result_message(FS_NOT_A_DIRECTORY), "not a directory") == 0);
    CHECK(strcmp(fs_result_message(12345), "unknown result code") == 0);

    FS_STRUCT(fs_config, config);
    config.name = "a/b";
    config.name_bytes = 3;
    fs_volume *volume = NULL;
    ANSWERS(FS_BAD_REF_NAME, fs_volume_open(&config, &volume));
    CHECK(volume == NULL);
    char text[128];
    size_t size = 0;
    OK(fs_error_text(NULL, 0, &size));
    CHECK(size > 0 && size < sizeof text);
    ANSWERS(FS_BUFFER_TOO_SMALL, fs_error_text(text, 1, &size));
    OK(fs_error_text(text, sizeof text, &size));
    CHECK(size < sizeof text && strstr((text[size] = 0, text), "contains `/`") != NULL);
}

static bool count_views(void *context, const fs_view_record *record) {
    CHECK(record->size == sizeof *record && record->id != 0);
    CHECK(record->label_bytes == 4 && memcmp(record->label, "test", 4) == 0);
    return ++*(int *)context < 2;
}

static void bad_configs_are_refused(void) {
    fs_volume *volume = NULL;
    FS_STRUCT(fs_config, config);
    config.size--;
    ANSWERS(FS_BAD_STRUCTURE, fs_volume_open(&config, &volume));
    config.size++;
    config.reserved[3] = 1;
    ANSWERS(FS_BAD_STRUCTURE, fs_volume_open(&config, &volume));
    config.reserved[3] = 0;
    config.flags = 1u << 20;
    ANSWERS(FS_INVALID, fs_volume_open(&config, &volume));
    config.flags = 0;
    config.names = FS_NAMES_MACOS + 1;
    ANSWERS(FS_INVALID, fs_volume_open(&config, &volume));
    config.names = FS_NAMES_POSIX;
    config.name = "\xff";
    config.name_bytes = 1;
    ANSWERS(FS_BAD_UTF8, fs_volume_open(&config, &volume));
    config.name = NULL;
    config.memory_bytes = 1;
    ANSWERS(FS_INVALID, fs_volume_open(&config, &volume));
    config.memory_bytes = 1 << 26;
    config.spill_dir = "/nonexistent/nowhere";
    config.spill_dir_bytes = strlen(config.spill_dir);
    ANSWERS(FS_IO, fs_volume_open(&config, &volume));
    CHECK(volume == NULL);
}

static void case_can_be_ignored(void) {
    FS_STRUCT(fs_config, config);
    config.names = FS_NAMES_POSIX_IGNORE_CASE;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    fs_view *view = open_view(volume);
    make_file(view, "Readme", "x");
    expect_content(view, "/README", "x");
    fs_view_close(view);
    fs_volume_close(volume);
}

static void what_is_known_of_names_holds(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    bool hold = false;
    OK(fs_names_hold(view, FS_NODE_ROOT, &hold));
    CHECK(hold);
    fs_view_close(view);
    fs_volume_close(volume);
}

static void what_is_known_of_names_holds_over_a_base_that_is_watched(void) {
    char folder[] = "/tmp/bough-c-api-XXXXXX", file[sizeof folder + 8];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *made = fopen(file, "w");
    CHECK(made != NULL && fclose(made) == 0);
    FS_STRUCT(fs_config, config);
    config.base = folder;
    config.base_bytes = strlen(folder);
    config.base_kind = FS_CONFIG_BASE_DIRECTORY;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    FS_STRUCT(fs_entry, entry);
    FS_STRUCT(fs_attr, attr);
    bool hold = false;
    OK(fs_lookup(view, &root, FS_NODE_ROOT, TEXT("file"), &entry));
    OK(fs_getattr(view, FS_NODE_ROOT, &attr));
    OK(fs_names_hold(view, FS_NODE_ROOT, &hold));
    CHECK(hold == (attr.base == FS_BASE_WATCHED));
    ANSWERS(FS_NOT_A_DIRECTORY, fs_names_hold(view, entry.node, &hold));
    OK(fs_forget(view, entry.node, 1));
    ANSWERS(FS_STALE, fs_names_hold(view, (fs_node)1 << 40, &hold));
    fs_view_close(view);
    fs_volume_close(volume);
    CHECK(remove(file) == 0 && remove(folder) == 0);
}

static void what_a_snapshot_shows_of_a_base_has_a_file_of_the_host(void) {
    char folder[] = "/tmp/bough-c-api-XXXXXX", file[sizeof folder + 8], bytes[8] = "";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *made = fopen(file, "w");
    CHECK(made != NULL && fputs("content", made) >= 0 && fclose(made) == 0);
    FS_STRUCT(fs_config, config);
    config.base = folder;
    config.base_bytes = strlen(folder);
    config.base_kind = FS_CONFIG_BASE_DIRECTORY;
    fs_volume *volume = NULL;
    fs_view *shown = NULL;
    fs_ref base = { 0 };
    OK(fs_volume_open(&config, &volume));
    OK(fs_ref_find(volume, TEXT("base"), &base));
    OK(fs_view_open(volume, base, NULL, 0, 0, &shown));
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    FS_STRUCT(fs_open_options, options);
    options.flags = FS_OPEN_READ;
    fs_handle handle = 0, of_branch = 0;
    int descriptor = -1;
    OK(fs_path_open(shown, &root, FS_NODE_ROOT, TEXT("file"), 0, &options, &handle));
    OK(fs_host_file(shown, handle, &descriptor));
    CHECK(read(descriptor, bytes, sizeof bytes) == 7 && memcmp(bytes, "content", 7) == 0 && close(descriptor) == 0);
    OK(fs_path_open(view, &root, FS_NODE_ROOT, TEXT("file"), 0, &options, &of_branch));
    ANSWERS(FS_NOT_SUPPORTED, fs_host_file(view, of_branch, &descriptor));
    ANSWERS(FS_BAD_HANDLE, fs_host_file(view, FS_HANDLE_NONE, &descriptor));
    fs_view_close(shown);
    fs_view_close(view);
    fs_volume_close(volume);
    CHECK(remove(file) == 0 && remove(folder) == 0);
}

static void a_volume_says_what_it_is_and_can(void) {
    FS_STRUCT(fs_config, config);
    config.names = FS_NAMES_WINDOWS;
    config.root_uid = 7;
    config.label = "Gr\xc3\xb6\xc3\x9f" "e";
    config.label_bytes = strlen(config.label);
    config.id[15] = 5;
    fs_volume *volume = NULL;
    OK(fs_volume_open(&config, &volume));
    fs_view *view = open_view(volume);
    FS_STRUCT(fs_volume_info, info);
    OK(fs_volume_info_get(view, &info));
    CHECK(strcmp(info.label, config.label) == 0 && info.label_bytes == 7 && info.label_units == 5);
    CHECK(info.label_utf16[2] == 0xf6 && info.serial == 5 && info.id[15] == 5 && info.created > 0);
    CHECK(info.free_bytes > 0 && info.free_bytes <= info.total_bytes);
    CHECK(info.names == FS_NAMES_WINDOWS && info.name_units == 255 && info.name_bytes == 765);
    CHECK((info.capabilities & (FS_CAN_CASE_SENSITIVE | FS_CAN_READ_ONLY)) == 0);
    CHECK((info.windows_flags & 0x00040006u) == 0x00040006u);

    fs_caller owner = user_caller(7), stranger = user_caller(8);
    uint16_t wide[] = {'N', 0xD800, 'w'};
    OK(fs_volume_label_set(view, &owner, (const char *)wide, sizeof wide, FS_LABEL_UTF16));
    OK(fs_volume_info_get(view, &info));
    CHECK(info.label_units == 3 && memcmp(info.label_utf16, wide, sizeof wide) == 0);
    ANSWERS(FS_NOT_PERMITTED, fs_volume_label_set(view, &stranger, TEXT("x"), 0));
    ANSWERS(FS_NAME_TOO_LONG, fs_volume_label_set(view, &owner, TEXT("123456789012345678901234567890123"), 0));
    ANSWERS(FS_BAD_NAME, fs_volume_label_set(view, &owner, TEXT("\n"), 0));
    ANSWERS(FS_INVALID, fs_volume_label_set(view, &owner, TEXT("x"), 2));
    fs_view_close(view);
    fs_volume_close(volume);
}

// Takes one.
static bool take_node(void *context, fs_node node) {
    *(fs_node *)context = node;
    return false;
}

void test_volumes(void) {
    a_volume_says_what_it_is_and_can();
    what_is_known_of_names_holds();
    what_is_known_of_names_holds_over_a_base_that_is_watched();
    what_a_snapshot_shows_of_a_base_has_a_file_of_the_host();
    bad_configs_are_refused();
    case_can_be_ignored();

    fs_volume *volume = NULL;
    OK(fs_volume_open(NULL, &volume));
    fs_volume_close(volume);
    fs_volume_close(NULL);
    fs_view_close(NULL);

    volume = open_volume();
    fs_view *view = open_view(volume), *second = open_view(volume), *third = open_view(volume);
    int count = 0;
    OK(fs_volume_views(volume, count_views, &count));
    CHECK(count == 2);
    fs_view_close(second);
    fs_view_close(third);

    FS_STRUCT(fs_counters, counters);
    OK(fs_volume_stats(volume, &counters));
    CHECK(counters.branches == 1 && counters.snapshots == 0 && counters.views == 1);
    counters.size = 8;
    ANSWERS(FS_BAD_STRUCTURE, fs_volume_stats(volume, &counters));

    FS_STRUCT(fs_activity, activity);
    OK(fs_volume_activity(volume, &activity));
    CHECK(activity.size == sizeof activity && activity.faults == 0 && activity.stalls == 0);
    for (size_t i = 0; i < FS_OPERATIONS && activity.operations[i].name[0]; i++) {
        const fs_operation *operation = &activity.operations[i];
        CHECK(operation->timed <= operation->count && operation->slowest_ns <= operation->total_ns);
    }
    CHECK(!strcmp((const char *)activity.operations[0].name, "lookup"));
    activity.size--;
    ANSWERS(FS_BAD_STRUCTURE, fs_volume_activity(volume, &activity));
    ANSWERS(FS_NULL_POINTER, fs_volume_activity(volume, NULL));

    FS_STRUCT(fs_view_record, record);
    OK(fs_view_info(view, &record));
    CHECK(record.shows.kind == FS_REF_BRANCH && record.flags == 0 && record.label_bytes == 4);
    fs_view *refused = NULL;
    ANSWERS(FS_INVALID, fs_view_open(volume, record.shows, NULL, 0, 1u << 9, &refused));
    ANSWERS(FS_NO_SUCH_REF, fs_view_open(volume, (fs_ref){99, FS_REF_BRANCH, 0}, NULL, 0, 0, &refused));
    ANSWERS(FS_INVALID, fs_view_open(volume, (fs_ref){99, 7, 0}, NULL, 0, 0, &refused));
    ANSWERS(FS_BAD_UTF8, fs_view_open(volume, record.shows, TEXT("\xff"), 0, &refused));
    CHECK(refused == NULL);

    // A view keeps its volume; a latched volume can be read only.
    fs_node kept = make_file(view, "kept", "still here");
    uint64_t nodes = 0;
    OK(fs_view_nodes(view, &nodes));
    CHECK(nodes == 1);
    fs_node known = 0;
    OK(fs_view_each_node(view, take_node, &known));
    CHECK(known == kept);
    OK(fs_volume_latch(volume));
    fs_volume_close(volume);
    fs_caller root = root_caller();
    ANSWERS(FS_READ_ONLY, fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/kept"), 0, "x", 1));
    expect_content(view, "/kept", "still here");
    fs_view_close(view);
}

struct listing {
    int count, limit;
    char names[512];
};

static bool note_ref(void *context, const fs_ref_record *record) {
    struct listing *listing = context;
    CHECK(record->size == sizeof *record && strlen(record->name) == record->name_bytes);
    strcat(strcat(listing->names, record->name), " ");
    return ++listing->count < listing->limit;
}

static void refs_are_listed_by_kind(const fs_volume *volume) {
    struct listing all = {0, 100, ""}, snapshots = {0, 100, ""}, branches = {0, 100, ""}, one = {0, 1, ""};
    FS_STRUCT(fs_holdings, holdings);
    OK(fs_ref_holdings(volume, (fs_ref){1, FS_REF_BRANCH, 0}, &holdings));
    CHECK(holdings.size == sizeof holdings && holdings.inodes >= 1);
    CHECK(holdings.content_bytes == holdings.shared_bytes + holdings.exclusive_content_bytes);
    ANSWERS(FS_NO_SUCH_REF, fs_ref_holdings(volume, (fs_ref){999, FS_REF_BRANCH, 0}, &holdings));
    ANSWERS(FS_INVALID, fs_ref_holdings(volume, (fs_ref){1, 9, 0}, &holdings));
    holdings.size = 1;
    ANSWERS(FS_BAD_STRUCTURE, fs_ref_holdings(volume, (fs_ref){1, FS_REF_BRANCH, 0}, &holdings));

    OK(fs_ref_list(volume, note_ref, &all));
    OK(fs_snapshot_list(volume, note_ref, &snapshots));
    OK(fs_branch_list(volume, note_ref, &branches));
    OK(fs_ref_list(volume, note_ref, &one));
    CHECK(strcmp(all.names, "main first main@1 side ") == 0);
    CHECK(strcmp(snapshots.names, "first main@1 ") == 0);
    CHECK(strcmp(branches.names, "main side ") == 0);
    CHECK(strcmp(one.names, "main ") == 0);
}

void test_refs(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_caller root = root_caller();
    fs_ref main_branch, first, numbered, side, found;
    OK(fs_ref_find(volume, TEXT("main"), &main_branch));
    ANSWERS(FS_NO_SUCH_REF, fs_ref_find(volume, TEXT("nobody"), &found));
    ANSWERS(FS_BAD_UTF8, fs_ref_find(volume, TEXT("\xff"), &found));

    make_file(view, "file", "before");
    OK(fs_snapshot_create(volume, main_branch, TEXT("first"), &first));
    CHECK(first.kind == FS_REF_SNAPSHOT);
    ANSWERS(FS_REF_EXISTS, fs_snapshot_create(volume, main_branch, TEXT("first"), &found));
    ANSWERS(FS_BAD_REF_NAME, fs_snapshot_create(volume, main_branch, TEXT(""), &found));
    ANSWERS(FS_INVALID, fs_snapshot_create(volume, first, NULL, 0, &found));
    OK(fs_snapshot_create(volume, main_branch, NULL, 0, &numbered));
    OK(fs_branch_create(volume, TEXT("side"), first, &side));
    ANSWERS(FS_REF_EXISTS, fs_branch_create(volume, TEXT("side"), first, &found));
    ANSWERS(FS_NO_SUCH_REF, fs_branch_create(volume, TEXT("x"), (fs_ref){999, FS_REF_SNAPSHOT, 0}, &found));
    refs_are_listed_by_kind(volume);

    FS_STRUCT(fs_ref_record, record);
    OK(fs_ref_info(volume, side, &record));
    CHECK(record.parent.id == first.id && record.parent.kind == FS_REF_SNAPSHOT && record.created > 0);
    ANSWERS(FS_INVALID, fs_ref_info(volume, (fs_ref){1, 9, 0}, &record));
    ANSWERS(FS_NO_SUCH_REF, fs_ref_info(volume, (fs_ref){999, FS_REF_BRANCH, 0}, &record));

    OK(fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/file"), 0, "after", 5));
    OK(fs_branch_switch(view, side));
    expect_content(view, "/file", "before");
    OK(fs_branch_switch(view, first));
    ANSWERS(FS_READ_ONLY, fs_path_write(view, &root, FS_NODE_ROOT, TEXT("/file"), 0, "x", 1));
    OK(fs_branch_switch(view, main_branch));
    expect_content(view, "/file", "after");
    ANSWERS(FS_NO_SUCH_REF, fs_branch_switch(view, (fs_ref){999, FS_REF_BRANCH, 0}));

    OK(fs_ref_rename(volume, side, TEXT("aside")));
    ANSWERS(FS_REF_EXISTS, fs_ref_rename(volume, side, TEXT("main")));
    ANSWERS(FS_BAD_REF_NAME, fs_ref_rename(volume, side, TEXT("-x")));
    ANSWERS(FS_BUSY, fs_ref_delete(volume, main_branch));
    OK(fs_ref_delete(volume, side));
    ANSWERS(FS_NO_SUCH_REF, fs_ref_delete(volume, side));
    fs_view_close(view);
    fs_volume_close(volume);
}
