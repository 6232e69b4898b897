// What the kernel must forget: because another view changed the branch, or because the view shows another one now.
#ifndef BOUGH_INVALIDATE_H
#define BOUGH_INVALIDATE_H

#include <stdbool.h>
#include <stddef.h>

struct invalidator;
struct mount;

/// Starts the thread that follows the changes others make to what the mount shows. NULL: no memory or threads.
struct invalidator *invalidator_start(struct mount *mount);

/// Ends the thread. The kernel must still be answered meanwhile: it may first hand over what was written to pages that it is to
/// forget, and nothing can interrupt who waits for that. NULL is fine.
void invalidator_end(struct invalidator *invalidator);

/// Ends the thread if it has not ended, and frees everything. NULL is fine.
void invalidator_free(struct invalidator *invalidator);

/// Names known to the kernel below the root, collected before a switch.
struct old_names;

/// Collects the names in the root of what the mount shows now.
struct old_names *invalidate_collect(struct mount *mount);

/// The mount shows something else now: makes the kernel forget the root's names, old and new, and its attributes, and follows
/// the changes of the new branch from now on. Frees `names`.
void invalidate_after_switch(struct mount *mount, struct old_names *names);

/// Has the kernel forget what nobody uses of the trees that the mount showed before, names in folders before the folders. How many nodes
/// of them it knew; it gives back each in a request of its own.
size_t invalidate_old(struct mount *mount);

/// There was no switch: frees `names`. NULL is fine.
void invalidate_drop(struct old_names *names);

#endif
