// Control messages: what has to happen around them in a host.
#ifndef BOUGH_CONTROL_H
#define BOUGH_CONTROL_H

#include "mount.h"

#include <bough.h>

enum { CONTROL_BYTES = 16384 };

/// Answers a control message that came through `mount` or for it. Before what freezes a tree, everything that was asked for
/// earlier is finished; after a switch, the kernel has forgotten what it knew.
fs_result control_answer(struct mount *mount, const struct fs_caller *caller, uint32_t request, void *message, size_t bytes);

/// What `control_answer` does first, for a request that no mount takes: before what freezes a tree, everything is finished.
void control_prepare(struct volume *volume, uint32_t request);

#endif
