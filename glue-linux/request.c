// Requests as they come from the kernel, and what libfuse's own interface has no word for: <linux/fuse.h> is the contract here.

#include "request.h"

#include "log.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/ioctl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    TMPFILE = 51,             // FUSE_TMPFILE, protocol 7.37
    NOTIFY_INC_EPOCH = 8,     // FUSE_NOTIFY_INC_EPOCH, protocol 7.44
    NOTIFY_PRUNE = 9,         // FUSE_NOTIFY_PRUNE, protocol 7.45
    CONTROL_TYPE = 'B',
    ALL_BACKGROUND = 65535,
};

static size_t bytes_of(const struct fuse_in_header *header, const struct fuse_buf *buffer)
{
    const void *argument = header + 1;
    switch (header->opcode) {
    case FUSE_READ:
        return ((const struct fuse_read_in *)argument)->size;
    case FUSE_FALLOCATE:
        return ((const struct fuse_fallocate_in *)argument)->length;
    case FUSE_COPY_FILE_RANGE:
        return ((const struct fuse_copy_file_range_in *)argument)->len;
    default:
        return buffer->size;
    }
}

static bool is_control(const struct fuse_in_header *header)
{
    const struct fuse_ioctl_in *argument = (const void *)(header + 1);
    return header->opcode == FUSE_IOCTL && _IOC_TYPE(argument->cmd) == CONTROL_TYPE;
}

struct request request_look(const struct fuse_buf *buffer)
{
    struct fuse_in_header *header = buffer->mem;
    if (header->opcode == TMPFILE)
        header->opcode = FUSE_CREATE;
    return (struct request){
        .bytes = bytes_of(header, buffer),
        .is_write = header->opcode == FUSE_WRITE,
        .waits = is_control(header) || header->opcode == FUSE_LSEEK,
    };
}

unsigned request_background_limit(void)
{
    static atomic_uint limit;
    unsigned known = atomic_load(&limit);
    if (known)
        return known;
    known = ALL_BACKGROUND;
    FILE *file = geteuid() == 0 ? NULL : fopen("/sys/module/fuse/parameters/max_user_bgreq", "re");
    if (file) {
        if (fscanf(file, "%u", &known) != 1 || known == 0 || known > ALL_BACKGROUND)
            known = ALL_BACKGROUND;
        fclose(file);
    }
    atomic_store(&limit, known);
    return known;
}

bool request_distrust_names(struct fuse_session *session)
{
    struct fuse_out_header header = { .len = sizeof header, .error = NOTIFY_INC_EPOCH };
    return write(fuse_session_fd(session), &header, sizeof header) == sizeof header;
}

// FUSE_DEV_IOC_BACKING_OPEN and _CLOSE, protocol 7.40.
struct backing_map {
    int32_t file;
    uint32_t flags;
    uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

int request_back(struct fuse_session *session, int file)
{
    struct backing_map map = { .file = file };
    int backing = ioctl(fuse_session_fd(session), BACKING_OPEN, &map);
    return backing > 0 ? backing : 0;
}

void request_unback(struct fuse_session *session, int backing)
{
    uint32_t number = (uint32_t)backing;
    ioctl(fuse_session_fd(session), BACKING_CLOSE, &number);
}

bool request_forget_node(struct fuse_session *session, uint64_t node)
{
    struct {
        struct fuse_out_header header;
        uint32_t count, padding;
        uint64_t spare;
        uint64_t nodes[1];
    } message = { .header = { .len = sizeof message, .error = NOTIFY_PRUNE }, .count = 1, .nodes = { node } };
    return write(fuse_session_fd(session), &message, sizeof message) == sizeof message;
}

// ---- INIT --------------------------------------------------------------------------------------------------------

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)

// From the moment that INIT is read until it is answered, by one and the same thread: what it offers of `extensions`.
static _Thread_local uint32_t offered;

// setuid, setgid and capabilities go at each change of content, by core: without this the kernel asks for
// `security.capability` at every write(2).
static const uint32_t extensions = FUSE_HANDLE_KILLPRIV_V2;

static ssize_t read_request(int file, void *buffer, size_t size, void *session)
{
    (void)session;
    ssize_t got = read(file, buffer, size);
    const struct fuse_in_header *header = buffer;
    if (got >= (ssize_t)(sizeof *header + sizeof(uint32_t) * 4) && header->opcode == FUSE_INIT) {
        const struct fuse_init_in *init = (const void *)(header + 1);
        offered = init->flags & extensions;
    }
    return got;
}

static ssize_t write_answer(int file, struct iovec *parts, int count, void *session)
{
    (void)session;
    const struct fuse_out_header *header = parts[0].iov_base;
    bool answers_init = offered && count == 2 && header->error == 0 && parts[1].iov_len == sizeof(struct fuse_init_out);
    if (answers_init) {
        struct fuse_init_out *init = parts[1].iov_base;
        init->flags |= offered;
        offered = 0;
    }
    return writev(file, parts, count);
}

int request_extend_init(struct fuse_session *session)
{
    static const struct fuse_custom_io transport = { .read = read_request, .writev = write_answer };
    return fuse_session_custom_io(session, &transport, fuse_session_fd(session));
}

#else

int request_extend_init(struct fuse_session *session)
{
    (void)session;
    return 0;
}

#endif
