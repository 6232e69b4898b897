// The floor: a file system in memory that does FUSE and nothing else, to measure others against. One lock for all names, one
// allocation that grows per file, no permissions of its own, no links but the first, no snapshots, no limits. It asks of the kernel
// what bough-fuse asks, so that both are sent the same messages.
//
// Usage: floor [-o io_uring] MOUNTPOINT       stays in the foreground.   Threads and transport are libfuse's own.

#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

enum { REQUEST_BYTES = 1 << 20, FIRST_SLOTS = 16 };
static const double FOR_EVER = 1e9;

struct node;

struct entry {
    struct node *node;
    uint32_t hash;
    char name[];
};

struct node {
    struct stat stat;
    pthread_mutex_t mutex;    // of the content
    uint64_t known;           // how often the kernel was told of it
    char *data;               // of a file or symlink
    size_t room;
    struct node *parent;      // of a directory, as is what follows
    struct entry **entries;   // in order of age; NULL: removed
    size_t used, entries_room, live;
    uint32_t *table;          // open addressing: index of the entry plus 1; GONE: one that was removed
    size_t slots;
};

#define GONE UINT32_MAX

static pthread_rwlock_t names = PTHREAD_RWLOCK_INITIALIZER;
static struct node root;
static uint64_t next_number = 2;

static struct node *node_of(fuse_ino_t number) { return number == FUSE_ROOT_ID ? &root : (struct node *)number; }
static fuse_ino_t number_of(struct node *node) { return node == &root ? FUSE_ROOT_ID : (fuse_ino_t)node; }

static struct timespec now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME_COARSE, &time);
    return time;
}

// ---- directories, with `names` held ------------------------------------------------------------------------------

static uint32_t hash_of(const char *name)
{
    uint64_t hash = 1469598103934665603u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return (uint32_t)(hash ^ hash >> 32);
}

// The slot in the table that holds the name; SIZE_MAX: none.
static size_t slot_of(const struct node *directory, const char *name)
{
    if (directory->slots == 0)
        return SIZE_MAX;
    uint32_t hash = hash_of(name);
    for (size_t slot = hash & (directory->slots - 1);; slot = (slot + 1) & (directory->slots - 1)) {
        uint32_t held = directory->table[slot];
        if (held == 0)
            return SIZE_MAX;
        if (held == GONE)
            continue;
        struct entry *entry = directory->entries[held - 1];
        if (entry->hash == hash && strcmp(entry->name, name) == 0)
            return slot;
    }
}

static struct node *find(const struct node *directory, const char *name)
{
    size_t slot = slot_of(directory, name);
    return slot == SIZE_MAX ? NULL : directory->entries[directory->table[slot] - 1]->node;
}

static void put_in_table(struct node *directory, size_t index)
{
    size_t slot = directory->entries[index]->hash & (directory->slots - 1);
    while (directory->table[slot] != 0 && directory->table[slot] != GONE)
        slot = (slot + 1) & (directory->slots - 1);
    directory->table[slot] = (uint32_t)index + 1;
}

static void build_table(struct node *directory, size_t slots)
{
    free(directory->table);
    directory->table = calloc(slots, sizeof *directory->table);
    directory->slots = slots;
    for (size_t index = 0; index < directory->used; index++)
        if (directory->entries[index])
            put_in_table(directory, index);
}

static void touch_directory(struct node *directory)
{
    directory->stat.st_mtim = directory->stat.st_ctim = now();
}

static void add(struct node *directory, const char *name, struct node *node)
{
    size_t bytes = strlen(name) + 1;
    struct entry *entry = malloc(sizeof *entry + bytes);
    entry->node = node;
    entry->hash = hash_of(name);
    memcpy(entry->name, name, bytes);
    if (directory->used == directory->entries_room) {
        directory->entries_room = directory->entries_room ? directory->entries_room * 2 : FIRST_SLOTS;
        directory->entries = realloc(directory->entries, directory->entries_room * sizeof *directory->entries);
    }
    directory->entries[directory->used++] = entry;
    directory->live++;
    if (directory->used * 2 > directory->slots)
        build_table(directory, directory->slots ? directory->slots * 2 : FIRST_SLOTS * 2);
    else
        put_in_table(directory, directory->used - 1);
    touch_directory(directory);
}

static void take_out(struct node *directory, const char *name)
{
    size_t slot = slot_of(directory, name), index = directory->table[slot] - 1;
    free(directory->entries[index]);
    directory->entries[index] = NULL;
    directory->table[slot] = GONE;
    if (--directory->live == 0) {
        directory->used = 0;
        memset(directory->table, 0, directory->slots * sizeof *directory->table);
    }
    touch_directory(directory);
}

// ---- nodes -------------------------------------------------------------------------------------------------------

static struct node *new_node(mode_t mode, const struct fuse_ctx *caller, struct node *parent)
{
    struct node *node = calloc(1, sizeof *node);
    node->stat = (struct stat){ .st_mode = mode, .st_uid = caller->uid, .st_gid = caller->gid, .st_ino = next_number++ };
    node->stat.st_nlink = S_ISDIR(mode) ? 2 : 1;
    node->stat.st_mtim = node->stat.st_atim = node->stat.st_ctim = now();
    node->parent = parent;
    pthread_mutex_init(&node->mutex, NULL);
    return node;
}

static void free_if_unknown(struct node *node)
{
    if (node == &root || node->stat.st_nlink > 0 || node->known > 0)
        return;
    if (node->room)
        munmap(node->data, node->room);
    else
        free(node->data);
    free(node->entries);
    free(node->table);
    free(node);
}

static struct fuse_entry_param entry_of(struct node *node)
{
    struct fuse_entry_param entry = { .ino = number_of(node), .attr = node->stat };
    entry.attr.st_blocks = (node->stat.st_size + 511) / 512;
    entry.attr_timeout = entry.entry_timeout = FOR_EVER;
    return entry;
}

static int grow(struct node *node, size_t size)
{
    if (size <= node->room)
        return 0;
    size_t room = node->room ? node->room : 4096;
    while (room < size)
        room *= 2;
    void *data = node->room ? mremap(node->data, node->room, room, MREMAP_MAYMOVE)
                            : mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return ENOSPC;
    node->data = data;
    node->room = room;
    return 0;
}

// ---- operations --------------------------------------------------------------------------------------------------

static void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = { .entry_timeout = FOR_EVER };
    pthread_rwlock_rdlock(&names);
    struct node *node = find(node_of(parent), name);
    if (node) {
        __atomic_add_fetch(&node->known, 1, __ATOMIC_RELAXED);
        entry = entry_of(node);
    }
    pthread_rwlock_unlock(&names);
    fuse_reply_entry(request, &entry);
}

static void forget(fuse_ino_t number, uint64_t count)
{
    pthread_rwlock_wrlock(&names);
    node_of(number)->known -= count;
    free_if_unknown(node_of(number));
    pthread_rwlock_unlock(&names);
}

static void do_forget(fuse_req_t request, fuse_ino_t number, uint64_t count)
{
    forget(number, count);
    fuse_reply_none(request);
}

static void do_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t index = 0; index < count; index++)
        forget(forgets[index].ino, forgets[index].nlookup);
    fuse_reply_none(request);
}

static void do_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
    (void)file;
    struct fuse_entry_param entry = entry_of(node_of(number));
    fuse_reply_attr(request, &entry.attr, FOR_EVER);
}

static void set_size(struct node *node, off_t size)
{
    size_t end = (size_t)node->stat.st_size < node->room ? (size_t)node->stat.st_size : node->room;
    if ((size_t)size < end)
        memset(node->data + size, 0, end - (size_t)size);
    node->stat.st_size = size;
    node->stat.st_mtim = now();
}

static void do_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which, struct fuse_file_info *file)
{
    struct node *node = node_of(number);
    pthread_mutex_lock(&node->mutex);
    if (which & FUSE_SET_ATTR_MODE)
        node->stat.st_mode = (node->stat.st_mode & S_IFMT) | (wanted->st_mode & 07777);
    if (which & FUSE_SET_ATTR_UID)
        node->stat.st_uid = wanted->st_uid;
    if (which & FUSE_SET_ATTR_GID)
        node->stat.st_gid = wanted->st_gid;
    if (which & FUSE_SET_ATTR_SIZE)
        set_size(node, wanted->st_size);
    if (which & FUSE_SET_ATTR_MTIME)
        node->stat.st_mtim = which & FUSE_SET_ATTR_MTIME_NOW ? now() : wanted->st_mtim;
    if (which & FUSE_SET_ATTR_ATIME)
        node->stat.st_atim = which & FUSE_SET_ATTR_ATIME_NOW ? now() : wanted->st_atim;
    node->stat.st_ctim = which & FUSE_SET_ATTR_CTIME ? wanted->st_ctim : now();
    pthread_mutex_unlock(&node->mutex);
    do_getattr(request, number, file);
}

static void make(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, const char *target)
{
    struct node *directory = node_of(parent);
    pthread_rwlock_wrlock(&names);
    if (find(directory, name)) {
        pthread_rwlock_unlock(&names);
        fuse_reply_err(request, EEXIST);
        return;
    }
    struct node *node = new_node(mode, fuse_req_ctx(request), directory);
    node->data = target ? strdup(target) : NULL;
    node->stat.st_size = target ? (off_t)strlen(target) : 0;
    directory->stat.st_nlink += S_ISDIR(mode) ? 1 : 0;
    add(directory, name, node);
    node->known = 1;
    struct fuse_entry_param entry = entry_of(node);
    pthread_rwlock_unlock(&names);
    fuse_reply_entry(request, &entry);
}

static void do_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)device;
    make(request, parent, name, mode, NULL);
}

static void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    make(request, parent, name, S_IFDIR | mode, NULL);
}

static void do_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    make(request, parent, name, S_IFLNK | 0777, target);
}

static void do_readlink(fuse_req_t request, fuse_ino_t number)
{
    fuse_reply_readlink(request, node_of(number)->data);
}

// The last name of a node goes: there are no others.
static void drop(struct node *directory, const char *name, struct node *node)
{
    take_out(directory, name);
    directory->stat.st_nlink -= S_ISDIR(node->stat.st_mode) ? 1 : 0;
    node->stat.st_nlink = 0;
    free_if_unknown(node);
}

static void do_remove(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    pthread_rwlock_wrlock(&names);
    struct node *node = find(node_of(parent), name);
    int error = !node ? ENOENT : node->live ? ENOTEMPTY : 0;
    if (!error)
        drop(node_of(parent), name, node);
    pthread_rwlock_unlock(&names);
    fuse_reply_err(request, error);
}

static void do_rename(fuse_req_t request, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name, unsigned flags)
{
    struct node *source = node_of(from), *target = node_of(to);
    pthread_rwlock_wrlock(&names);
    struct node *node = find(source, name), *replaced = find(target, new_name);
    int error = flags ? EINVAL : !node ? ENOENT : replaced && replaced->live ? ENOTEMPTY : 0;
    if (!error && node != replaced) {
        if (replaced)
            drop(target, new_name, replaced);
        take_out(source, name);
        add(target, new_name, node);
        node->parent = target;
        node->stat.st_ctim = now();
    }
    pthread_rwlock_unlock(&names);
    fuse_reply_err(request, error);
}

static void do_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)file;
    struct node *node = node_of(number);
    pthread_mutex_lock(&node->mutex);
    size_t end = (size_t)node->stat.st_size, from = (size_t)offset < end ? (size_t)offset : end;
    size_t length = size < end - from ? size : end - from;
    if (grow(node, from + length) == 0)
        fuse_reply_buf(request, node->data + from, length);
    else
        fuse_reply_err(request, ENOMEM);
    pthread_mutex_unlock(&node->mutex);
}

static void do_write(fuse_req_t request, fuse_ino_t number, const char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
    (void)file;
    struct node *node = node_of(number);
    pthread_mutex_lock(&node->mutex);
    int error = grow(node, (size_t)offset + size);
    if (!error) {
        memcpy(node->data + offset, bytes, size);
        if (offset + (off_t)size > node->stat.st_size)
            node->stat.st_size = offset + (off_t)size;
    }
    pthread_mutex_unlock(&node->mutex);
    error ? fuse_reply_err(request, error) : fuse_reply_write(request, size);
}

static void not_needed_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
    (void)number, (void)file;
    fuse_reply_err(request, ENOSYS);
}

static size_t put_entry(fuse_req_t request, char *buffer, size_t room, const char *name, struct node *node, off_t next)
{
    struct fuse_entry_param entry = entry_of(node);
    return fuse_add_direntry_plus(request, buffer, room, name, &entry, next);
}

static void do_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)file;
    struct node *directory = node_of(number);
    char *buffer = malloc(size);
    size_t filled = 0;
    pthread_rwlock_rdlock(&names);
    for (size_t index = (size_t)offset; index < directory->used; index++) {
        struct entry *entry = directory->entries[index];
        if (!entry)
            continue;
        size_t bytes = put_entry(request, buffer + filled, size - filled, entry->name, entry->node, (off_t)index + 1);
        if (bytes > size - filled)
            break;
        __atomic_add_fetch(&entry->node->known, 1, __ATOMIC_RELAXED);
        filled += bytes;
    }
    pthread_rwlock_unlock(&names);
    fuse_reply_buf(request, buffer, filled);
    free(buffer);
}

static void do_statfs(fuse_req_t request, fuse_ino_t number)
{
    (void)number;
    struct statvfs facts = { .f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 24, .f_bfree = 1 << 23, .f_bavail = 1 << 23,
                             .f_files = 1 << 30, .f_ffree = 1 << 29, .f_namemax = 255 };
    fuse_reply_statfs(request, &facts);
}

static void do_getxattr(fuse_req_t request, fuse_ino_t number, const char *name, size_t size)
{
    (void)number, (void)name, (void)size;
    fuse_reply_err(request, ENODATA);
}

static void want(struct fuse_conn_info *connection, uint64_t capability)
{
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fuse_set_feature_flag(connection, capability);
#else
    connection->want |= connection->capable & (uint32_t)capability;
#endif
}

static void do_init(void *context, struct fuse_conn_info *connection)
{
    (void)context;
    want(connection, FUSE_CAP_WRITEBACK_CACHE);
    want(connection, FUSE_CAP_READDIRPLUS);
    connection->want &= ~(uint32_t)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE);
    want(connection, FUSE_CAP_PARALLEL_DIROPS);
    want(connection, FUSE_CAP_ASYNC_DIO);
    want(connection, FUSE_CAP_CACHE_SYMLINKS);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
#endif
    connection->max_write = connection->max_readahead = REQUEST_BYTES;
    connection->time_gran = 1;
}

static const struct fuse_lowlevel_ops operations = {
    .init = do_init, .lookup = do_lookup, .forget = do_forget, .forget_multi = do_forget_multi, .getattr = do_getattr,
    .setattr = do_setattr, .mknod = do_mknod, .mkdir = do_mkdir, .symlink = do_symlink, .readlink = do_readlink,
    .unlink = do_remove, .rmdir = do_remove, .rename = do_rename, .open = not_needed_open, .opendir = not_needed_open,
    .read = do_read, .write = do_write, .readdirplus = do_readdirplus, .statfs = do_statfs, .getxattr = do_getxattr,
};

int main(int count, char **words)
{
    struct fuse_args arguments = FUSE_ARGS_INIT(count, words);
    struct fuse_cmdline_opts options;
    if (fuse_parse_cmdline(&arguments, &options) != 0 || !options.mountpoint)
        return 2;
    root.stat = (struct stat){ .st_mode = S_IFDIR | 0755, .st_nlink = 2, .st_ino = 1, .st_mtim = now() };
    pthread_mutex_init(&root.mutex, NULL);
    struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
    if (!session || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, options.mountpoint) != 0)
        return 1;
    struct fuse_loop_config *loop = fuse_loop_cfg_create();
    int verdict = options.singlethread ? fuse_session_loop(session) : fuse_session_loop_mt(session, loop);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return verdict != 0;
}
