// A request as the kernel sent it, before libfuse sees it. The only place that reads the kernel's own structures.
#ifndef BOUGH_REQUEST_H
#define BOUGH_REQUEST_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What the loop wants to know of a request.
struct request {
    size_t bytes;   // content that it brings or asks for
    uint32_t client; // the thread that waits for the answer, or 0: nobody, or unknown
    bool is_write;
    bool is_counted; // among those that the kernel has under way (`request_waiting`)
    bool waits;     // it may wait for somebody: for other requests, or for an invalidation
    bool is_put_off; // another thread may answer it, when what the kernel holds back has come
};

/// The name under which a file without a name is created; see `request_look`.
#define REQUEST_UNNAMED "/"

/// Looks at a request that was just taken. One for a file without a name (O_TMPFILE), which older libfuse does not know, becomes one to
/// create a file of the name `REQUEST_UNNAMED`: the kernel sends that name with it, and no file can have it.
struct request request_look(const struct fuse_buf *buffer);

/// How many requests in the background the kernel is asked to hand over at once: all that its protocol can say (INIT's max_background).
enum { REQUEST_BACKGROUND = 65535 };

/// How many of them it grants. Known once it has been asked.
unsigned request_background_limit(void);

/// Has libfuse serve a request. Whether that kept this thread waiting, and not for a processor alone.
/// `sleeps`: how often it had slept (`clock_sleeps`) before it began, or when it was last asked; counted anew where the request took long.
bool request_serve_watched(struct fuse_session *session, const struct fuse_buf *buffer, long *sleeps);

/// Answers a request with nothing but an errno, and libfuse never sees it.
void request_refuse(struct fuse_session *session, const struct fuse_buf *buffer, int error);

/// Makes libfuse's answer to INIT ask for what the kernel has and this libfuse cannot ask for, and gives answers to the loop of
/// the session's mount, which is its user data, before they go to /dev/fuse. Answers 0, or a negative errno where a libfuse
/// cannot do without it. The session is mounted and has not taken anything yet.
int request_extend(struct fuse_session *session);

/// How many requests of a connection are under way at most, as the kernel has it; UINT64_MAX: unknown. `device` is of its mount, 0: unknown.
uint64_t request_waiting(dev_t device);

/// Makes the kernel forget a node that nobody uses (since Linux 6.18). False where it cannot.
bool request_forget_node(struct fuse_session *session, uint64_t node);

/// Tells the kernel that a file reaches so far (1 or more) at least, and nothing of its content. False where it does not know the file.
bool request_tell_length(struct fuse_session *session, uint64_t node, uint64_t length);

/// Registers a file of the host, open for reading, so that opens can be answered with it (since Linux 6.9, for CAP_SYS_ADMIN). Answers
/// its number, or 0 where it cannot be.
int request_back(struct fuse_session *session, int file);

/// Takes it back. What is open reads on.
void request_unback(struct fuse_session *session, int backing);

/// Tells the kernel that no name it knows is certain any more (since Linux 6.16). False where it cannot.
bool request_distrust_names(struct fuse_session *session);

#endif
