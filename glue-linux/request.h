// A request as the kernel sent it, before libfuse sees it. The only place that reads the kernel's own structures.
#ifndef BOUGH_REQUEST_H
#define BOUGH_REQUEST_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What the loop wants to know of a request.
struct request {
    size_t bytes;   // content that it brings or asks for
    bool is_write;
    bool waits;     // it may wait for somebody: for other requests, or for an invalidation
};

/// The name under which a file without a name is created; see `request_look`.
#define REQUEST_UNNAMED "/"

/// Looks at a request that was just taken. One for a file without a name (O_TMPFILE), which older libfuse does not know, becomes one to
/// create a file of the name `REQUEST_UNNAMED`: the kernel sends that name with it, and no file can have it.
struct request request_look(const struct fuse_buf *buffer);

/// How many requests in the background the kernel hands over at once (INIT's max_background as granted).
unsigned request_background_limit(void);

/// Makes libfuse's answer to INIT ask for what the kernel has and this libfuse cannot ask for.
/// Answers 0, or a negative errno. The session is mounted and has not taken anything yet.
int request_extend_init(struct fuse_session *session);

/// Makes the kernel forget a node that nobody uses (since Linux 6.18). False where it cannot.
bool request_forget_node(struct fuse_session *session, uint64_t node);

/// Registers a file of the host, open for reading, so that opens can be answered with it (since Linux 6.9, for CAP_SYS_ADMIN). Answers
/// its number, or 0 where it cannot be.
int request_back(struct fuse_session *session, int file);

/// Takes it back. What is open reads on.
void request_unback(struct fuse_session *session, int backing);

/// Tells the kernel that no name it knows is certain any more (since Linux 6.16). False where it cannot.
bool request_distrust_names(struct fuse_session *session);

#endif
