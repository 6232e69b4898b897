// A file system that branches, inside one program: no mount, no daemon.
//
// Writes a file, takes a snapshot, grows a branch from it, lets both diverge, reads both, and lists the differences.
//
//     cc -std=c11 -Iinclude examples/c/in_process.c -Ltarget/release -lbough -Wl,-rpath,target/release -o in_process

#include "bough.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) (text), (sizeof(text) - 1)

// Ends the program with a message if a call was refused.
static void must(fs_result result, const char *what) {
    char why[256];
    size_t length = 0;
    if (result == FS_OK) {
        return;
    }
    if (fs_error_text(why, sizeof why, &length) != FS_OK) {
        length = 0;
    }
    fprintf(stderr, "%s: %.*s\n", what, (int)length, why);
    exit(1);
}

// Who asks: a superuser, as the only user of this volume.
static fs_caller superuser(void) {
    FS_STRUCT(fs_caller, caller);
    caller.privileges = FS_PRIVILEGE_SUPERUSER;
    return caller;
}

static void write_file(const fs_view *view, const char *path, const char *content) {
    fs_caller caller = superuser();
    must(fs_path_write(view, &caller, FS_NODE_ROOT, path, strlen(path), 0, content, strlen(content)), path);
}

static void print_file(const fs_view *view, const char *label, const char *path) {
    fs_caller caller = superuser();
    char content[128];
    size_t length = 0;
    must(fs_path_read(view, &caller, FS_NODE_ROOT, path, strlen(path), 0, 0, content, sizeof content, &length), path);
    printf("%s%s holds: %.*s\n", label, path, (int)length, content);
}

static void print_differences(const fs_volume *volume, fs_ref before, fs_ref after) {
    static const char *const kinds[] = {"", "added", "removed", "changed", "renamed"};
    fs_diff *diff = NULL;
    FS_STRUCT(fs_diff_entry, entry);
    must(fs_diff_open(volume, before, after, &diff), "diff");
    while (must(fs_diff_next(diff, &entry), "diff"), entry.kind != FS_DIFF_END) {
        printf("  %s: /%.*s\n", kinds[entry.kind], (int)entry.path_bytes, entry.path);
    }
    fs_diff_close(diff);
}

int main(void) {
    if (fs_abi_version() != FS_ABI_VERSION) {
        fprintf(stderr, "the library is of another version than its header\n");
        return 1;
    }

    fs_volume *volume = NULL;
    fs_view *trunk = NULL, *side = NULL;
    fs_ref main_branch, snapshot, side_branch;
    must(fs_volume_open(NULL, &volume), "open a volume");
    must(fs_ref_find(volume, TEXT("main"), &main_branch), "find main");
    must(fs_view_open(volume, main_branch, TEXT("trunk"), 0, &trunk), "view main");

    puts("On main: write /plan.txt");
    write_file(trunk, "/plan.txt", "paint the house white");

    puts("Take the snapshot \"agreed\" and grow the branch \"side\" from it");
    must(fs_snapshot_create(volume, main_branch, TEXT("agreed"), &snapshot), "take a snapshot");
    must(fs_branch_create(volume, TEXT("side"), snapshot, &side_branch), "grow a branch");
    must(fs_view_open(volume, side_branch, TEXT("side"), 0, &side), "view side");

    puts("Let both diverge");
    write_file(trunk, "/plan.txt", "paint the house blue");
    write_file(side, "/plan.txt", "plant roses instead");
    write_file(side, "/roses.txt", "red");

    print_file(trunk, "main:", "/plan.txt");
    print_file(side, "side:", "/plan.txt");

    puts("From \"agreed\" to side:");
    print_differences(volume, snapshot, side_branch);

    puts("Let the view of main show the snapshot");
    must(fs_branch_switch(trunk, snapshot), "switch");
    print_file(trunk, "agreed:", "/plan.txt");

    fs_view_close(side);
    fs_view_close(trunk);
    fs_volume_close(volume);
    return 0;
}
