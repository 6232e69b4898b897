// Between what libfuse speaks and what core speaks.
#ifndef BOUGH_CONVERT_H
#define BOUGH_CONVERT_H

#include "mount.h"

#include <bough.h>
#include <fuse_lowlevel.h>

enum { CALLER_GROUPS = 1024 };

/// Who asks, with room for supplementary groups. Not to be copied: `caller` points into it.
struct asker {
    struct fs_caller caller;
    gid_t groups[CALLER_GROUPS];
};

/// Who sent a request. Groups are looked up only where core checks permissions itself.
const struct fs_caller *asker_of(fuse_req_t request, struct asker *asker);

/// Who sent a request about the content of an open file: what he may do was found out when it was opened.
const struct fs_caller *asker_of_open(fuse_req_t request, struct asker *asker);

/// As `asker_of`, with the groups in any case: for what makes set-group-ID files.
const struct fs_caller *asker_with_groups(fuse_req_t request, struct asker *asker);

/// The mount that a request is for.
struct mount *mount_of(fuse_req_t request);

/// The view that a request is for.
struct fs_view *view_of(fuse_req_t request);

/// The handle in `file`, or none.
fs_handle handle_of(const struct fuse_file_info *file);

/// The `FS_OPEN_...` bits of open(2)'s flags.
uint32_t open_flags_of(int flags);

/// The file type bits of a kind.
mode_t type_of_kind(uint32_t kind);

/// stat(2)'s attributes.
void stat_of(const struct fs_attr *attr, struct stat *into);

/// For how many seconds the kernel may trust attributes.
double attr_seconds(const struct fs_attr *attr);

/// An entry as the kernel is to know it.
void entry_of(const struct mount *mount, const struct fs_entry *entry, struct fuse_entry_param *into);

/// Answers a request with a result: an error, or 0.
void answer_result(fuse_req_t request, fs_result result);

/// Answers a request with an entry, or with the error. An entry that nobody took is forgotten.
void answer_entry(fuse_req_t request, fuse_ino_t parent, fs_result result, const struct fs_entry *entry);

#endif
