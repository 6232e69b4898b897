// Answers to requests that are right once the kernel has forgotten what it holds of a file's content, or of a directory's listing.
//
// Of a file it hands over what was written, and keeps whoever tells it to forget waiting until we have taken it; of a directory it waits for who
// lists it. So it is a thread of the mount's own that tells, and never one that others wait for to be served.
#ifndef BOUGH_FORGETTER_H
#define BOUGH_FORGETTER_H

#include <bough.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

struct mount;
struct forgetter;

/// Starts the thread. NULL: no memory or threads.
struct forgetter *forgetter_start(struct mount *mount);

/// Takes a request for what follows `offset` (`what`: `FS_SEEK_...`) and answers it in its turn.
void forgetter_seek(struct forgetter *forgetter, fuse_req_t request, fs_node node, uint64_t offset, uint32_t what);

/// Takes a request for more of a directory's listing, and answers in its turn that there is no more. What was told of it before is not shown
/// to anybody then. False: it does not, as others wait already, or it has ended.
bool forgetter_end_listing(struct forgetter *forgetter, fuse_req_t request, fs_node node);

/// Has the thread do something that may take a while, in its turn. Where it cannot, it is not done.
void forgetter_act(struct forgetter *forgetter, void (*act)(struct mount *mount));

/// Answers a request for what follows `offset` by what we know.
void answer_seek(fuse_req_t request, fs_node node, uint64_t offset, uint32_t what);

/// Ends the thread. What waits, and what still comes, is answered as when nothing is mounted any more. The kernel must still be answered
/// meanwhile. NULL is fine.
void forgetter_end(struct forgetter *forgetter);

/// Ends the thread if it has not ended, and frees everything. NULL is fine.
void forgetter_free(struct forgetter *forgetter);

#endif
