// Files that the kernel reads by itself, from the host's own file (FUSE's passthrough). What it is for: docs/linux.md.
#ifndef BOUGH_PASSTHROUGH_H
#define BOUGH_PASSTHROUGH_H

#include <fuse_lowlevel.h>

struct mount;

/// Whether this libfuse knows of it.
#define PASSTHROUGH_KNOWN (FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17))

/// The nodes of one mount that are open, and how the kernel reads each.
struct passthrough;

/// The base once more, as a mount in nobody's name space that is read-only and keeps no access times. What the kernel reads by itself it reads
/// by way of this: so it can change nothing of the host, whatever it is asked. -1 where that cannot be.
int passthrough_guard(const char *base);

/// None open. NULL: out of memory.
struct passthrough *passthrough_new(void);

/// NULL is fine.
void passthrough_free(struct passthrough *all);

/// Fills in how the kernel is to read a node of which `file->fh` was opened: as it does already if the node is open, else from the
/// host's file where there is one and the kernel agrees, else through its cache. Answers 0, or an errno: nothing is counted then.
int passthrough_open(struct mount *mount, fuse_ino_t node, struct fuse_file_info *file);

/// What `passthrough_open` counted has ended.
void passthrough_release(struct mount *mount, fuse_ino_t node);

#endif
