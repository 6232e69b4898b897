// Requests as they come from the kernel, and what libfuse's own interface has no word for: <linux/fuse.h> is the contract here.

#include "request.h"

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mount.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <linux/ioctl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    TMPFILE = 51,             // FUSE_TMPFILE, protocol 7.37
    OVER_IO_URING = 1 << 9,   // FUSE_OVER_IO_URING in flags2, protocol 7.42
    NOTIFY_INC_EPOCH = 8,     // FUSE_NOTIFY_INC_EPOCH, protocol 7.44
    NOTIFY_PRUNE = 9,         // FUSE_NOTIFY_PRUNE, protocol 7.45
    CONTROL_TYPE = 'B',
    LEAST_BACKGROUND = 1,
    LATE_NANOSECONDS = 500 * 1000, // from which a request that slept was late: no switch to another thread takes as long
};

// The inode of the first user namespace (PROC_USER_INIT_INO).
static const ino_t first_user_namespace = 0xEFFFFFFD;

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
        .client = header->opcode == FUSE_RELEASE ? 0 : header->pid,
        .is_write = header->opcode == FUSE_WRITE,
        .is_counted = header->opcode != FUSE_FORGET && header->opcode != FUSE_BATCH_FORGET && header->opcode != FUSE_INTERRUPT,
        .waits = is_control(header),
        .is_put_off = header->opcode == FUSE_LSEEK,
    };
}

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
    return syscall(SYS_capget, &header, sets) == 0 && sets[capability / 32].effective & 1u << capability % 32;
}

// What the administrator asks for the kernel grants; who is root of a further user namespace only is an ordinary user to it.
static bool is_administrator(void)
{
    struct stat namespace;
    return has_capability(CAP_SYS_ADMIN) && stat("/proc/self/ns/user", &namespace) == 0 && namespace.st_ino == first_user_namespace;
}

// What it grants ordinary users; where that is not to be seen, the least that it ever does. It chooses the figure at the first mount.
static unsigned limit_of_users(void)
{
    unsigned limit = 0;
    FILE *file = fopen("/sys/module/fuse/parameters/max_user_bgreq", "re");
    bool read = file && fscanf(file, "%u", &limit) == 1 && limit > 0;
    if (file)
        fclose(file);
    return !read ? LEAST_BACKGROUND : limit < REQUEST_BACKGROUND ? limit : REQUEST_BACKGROUND;
}

unsigned request_background_limit(void)
{
    static atomic_uint limit;
    unsigned known = atomic_load(&limit);
    if (!known) {
        known = is_administrator() ? REQUEST_BACKGROUND : limit_of_users();
        atomic_store(&limit, known);
    }
    return known;
}

bool request_distrust_names(struct fuse_session *session)
{
    struct fuse_out_header header = { .len = sizeof header, .error = NOTIFY_INC_EPOCH };
    return write(fuse_session_fd(session), &header, sizeof header) == sizeof header;
}

// What took long without sleeping had to wait for a processor, or much to do.
bool request_serve_watched(struct fuse_session *session, const struct fuse_buf *buffer, long *sleeps)
{
    int64_t begun = clock_now();
    fuse_session_process_buf(session, buffer);
    if (clock_now() - begun <= LATE_NANOSECONDS)
        return false;
    long before = *sleeps;
    *sleeps = clock_sleeps();
    return *sleeps != before;
}

void request_refuse(struct fuse_session *session, const struct fuse_buf *buffer, int error)
{
    const struct fuse_in_header *asked = buffer->mem;
    struct fuse_out_header header = { .len = sizeof header, .error = -error, .unique = asked->unique };
    if (write(fuse_session_fd(session), &header, sizeof header) == -1 && errno != ENOENT)
        log_error("cannot refuse a request: %s", strerror(errno));
}

uint64_t request_waiting(dev_t device)
{
    char path[64];
    uint64_t waiting = UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u/waiting", minor(device));
    FILE *file = device ? fopen(path, "re") : NULL;
    if (file && fscanf(file, "%" SCNu64, &waiting) != 1)
        waiting = UINT64_MAX;
    if (file)
        fclose(file);
    return waiting;
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

// Memory that nobody can read.
static void *unreadable(void)
{
    static void *_Atomic page;
    void *known = atomic_load(&page);
    if (known)
        return known;
    void *made = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return NULL;
    if (atomic_compare_exchange_strong(&page, &known, made))
        return made;
    munmap(made, (size_t)sysconf(_SC_PAGESIZE));
    return known;
}

// Only content that is stored tells a length (fuse_notify_store in fs/fuse/dev.c), and it would take the place of what a program has written there
// in the meantime. So the kernel is to store the last byte and told where it reaches to, and when it comes to fetch the byte there is none.
bool request_tell_length(struct fuse_session *session, uint64_t node, uint64_t length)
{
    struct {
        struct fuse_out_header header;
        struct fuse_notify_store_out store;
    } message = {
        .header = { .len = sizeof message + 1, .error = FUSE_NOTIFY_STORE },
        .store = { .nodeid = node, .offset = length - 1, .size = 1 },
    };
    struct iovec parts[] = { { &message, sizeof message }, { unreadable(), 1 } };
    return parts[1].iov_base && writev(fuse_session_fd(session), parts, 2) == -1 && errno == EFAULT;
}

// ---- INIT, and answers --------------------------------------------------------------------------------------------

// From the moment that INIT is read until it is answered, by one and the same thread: what it offers of `extensions`, and io_uring.
static _Thread_local uint32_t offered;
static _Thread_local bool offers_ring, asked_init;

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
// setuid, setgid and capabilities go at each change of content, by core: without this the kernel asks for
// `security.capability` at every write(2).
static const uint32_t extensions = FUSE_HANDLE_KILLPRIV_V2;
#else
static const uint32_t extensions = 0;
#endif

static ssize_t read_request(int file, void *buffer, size_t size, void *context)
{
    (void)context;
    ssize_t got = read(file, buffer, size);
    const struct fuse_in_header *header = buffer;
    if (got >= (ssize_t)(sizeof *header + sizeof(uint32_t) * 4) && header->opcode == FUSE_INIT) {
        const struct fuse_init_in *init = (const void *)(header + 1);
        bool extended = got >= (ssize_t)(sizeof *header + sizeof *init) && init->flags & FUSE_INIT_EXT;
        asked_init = true;
        offered = init->flags & extensions;
        offers_ring = extended && init->flags2 & OVER_IO_URING;
    }
    return got;
}

// Answers whether the kernel is to use io_uring from here on.
static bool extend_init(struct fuse_init_out *init, struct loop *loop)
{
    bool over_ring = offers_ring && loop_has_ring(loop);
    init->flags |= offered | (over_ring ? FUSE_INIT_EXT : 0);
    init->flags2 |= over_ring ? OVER_IO_URING : 0;
    return over_ring;
}

static ssize_t answer_init(int file, struct iovec *parts, int count, struct loop *loop)
{
    const struct fuse_out_header *header = parts[0].iov_base;
    bool good = count == 2 && header->error == 0 && parts[1].iov_len == sizeof(struct fuse_init_out);
    bool over_ring = good && extend_init(parts[1].iov_base, loop);
    ssize_t written = writev(file, parts, count);
    asked_init = false;
    if (over_ring && written != -1)
        loop_start_ring(loop);
    else
        loop_drop_ring(loop);
    return written;
}

static ssize_t write_answer(int file, struct iovec *parts, int count, void *context)
{
    const struct mount *mount = context;
    if (asked_init)
        return answer_init(file, parts, count, mount->loop);
    ssize_t taken = loop_answer(mount->loop, parts, count);
    return taken ? taken : writev(file, parts, count);
}

int request_extend(struct fuse_session *session)
{
    static const struct fuse_custom_io transport = { .read = read_request, .writev = write_answer };
    return fuse_session_custom_io(session, &transport, fuse_session_fd(session));
}
