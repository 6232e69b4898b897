// Nodes of which the kernel may believe what is not so, and that are told to it again from time to time. Used by one thread.
//
// With write-back the kernel believes its own idea of a file's size for as long as it knows the file. When another mount has changed
// one, the kernel shall forget it; but while somebody has it open it does not. And what we told it in an answer it knows only when it has
// worked the answer in, so that what is said of a node before is lost.
#ifndef BOUGH_SUSPECTS_H
#define BOUGH_SUSPECTS_H

#include <bough.h>
#include <stddef.h>
#include <stdint.h>

enum { SUSPECTS = 256 };

/// All zero is an empty set.
struct suspects {
    size_t count;
    fs_node nodes[SUSPECTS]; // the latest; with one more the oldest is given up
    uint32_t pause_ms;       // before the next try
};

/// One more, to be tried soon.
void suspects_add(struct suspects *suspects, fs_node node);

/// The kernel does not know it any more.
void suspects_remove(struct suspects *suspects, fs_node node);

/// How long to wait before the next try; UINT32_MAX: there is nothing to try.
uint32_t suspects_pause(const struct suspects *suspects);

/// A try begins: the pause before the next is longer.
void suspects_tried(struct suspects *suspects);

#endif
