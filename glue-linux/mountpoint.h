// Where a mount goes: whether it can go there, and what is there already.
#ifndef BOUGH_MOUNTPOINT_H
#define BOUGH_MOUNTPOINT_H

#include "exits.h"

#include <stdbool.h>
#include <sys/types.h>

/// Checks that a mount can be made at `path`, and says what is wrong if not: it must be an empty directory, or `base` (may be NULL),
/// which shows what it hides. A mount left over from a daemon that died is
/// detached first. On success `*absolute` is the absolute path, to be freed.
enum exits mountpoint_check(const char *path, const char *base, char **absolute);

/// Checks that this process may mount with FUSE at all, and says what is missing if not.
enum exits fuse_check(void);

/// What is known of a Bough mount.
struct mountpoint_facts {
    dev_t device;
    bool checked; // the kernel checks permissions (default_permissions)
};

/// Finds the Bough mount that a process sees at this absolute path; false when it sees none there, or cannot be asked.
bool mountpoint_find(const char *absolute, pid_t process, struct mountpoint_facts *facts);

/// Whether a process sees the mounts that we see; false also when we may not know.
bool mountpoint_shared(pid_t process);

/// Unmounts; `lazily` even while it is in use. Answers whether it is gone.
bool mountpoint_detach(const char *absolute, bool lazily);

#endif
