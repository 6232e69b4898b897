// Where data and holes of a file lie, while the kernel may hold data that we do not have.
//
// The kernel hands that over when it is told to forget the pages, and keeps whoever tells it waiting until we have taken it. So it is a
// thread of the mount's own that tells, and never one that others wait for to be served.
#ifndef BOUGH_SEEKER_H
#define BOUGH_SEEKER_H

#include <bough.h>
#include <fuse_lowlevel.h>
#include <stdint.h>

struct mount;
struct seeker;

/// Starts the thread. NULL: no memory or threads.
struct seeker *seeker_start(struct mount *mount);

/// Takes a request for what follows `offset` (`what`: `FS_SEEK_...`) and answers it in its turn.
void seeker_ask(struct seeker *seeker, fuse_req_t request, fs_node node, uint64_t offset, uint32_t what);

/// Answers such a request by what we know.
void seeker_answer(fuse_req_t request, fs_node node, uint64_t offset, uint32_t what);

/// Ends the thread. What waits, and what still comes, is answered as when nothing is mounted any more. The kernel must still be answered
/// meanwhile. NULL is fine.
void seeker_end(struct seeker *seeker);

/// Ends the thread if it has not ended, and frees everything. NULL is fine.
void seeker_free(struct seeker *seeker);

#endif
