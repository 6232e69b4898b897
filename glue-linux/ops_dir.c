// Listing directories.

#include "convert.h"
#include "forgetter.h"
#include "ops.h"
#include "told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// An answer being filled.
struct listing {
    fuse_req_t request;
    struct mount *mount;
    fuse_ino_t parent;
    char *bytes;
    size_t used, room;
    size_t entries;
    uint64_t last;   // cookie of the last entry
    bool plus;
    bool cut;        // there are more
    struct told_part part;
};

static size_t add_plain(struct listing *listing, const char *name, const struct fs_dirent *entry)
{
    struct stat stat_buffer = { .st_ino = entry->inode, .st_mode = type_of_kind(entry->kind) };
    return fuse_add_direntry(listing->request, listing->bytes + listing->used, listing->room - listing->used, name,
                             &stat_buffer, (off_t)entry->cookie);
}

// An entry without a node is one that the kernel lists and does not remember.
static size_t add_plus(struct listing *listing, const char *name, const struct fs_dirent *entry)
{
    struct fuse_entry_param parameters = { .attr = { .st_ino = entry->inode, .st_mode = type_of_kind(entry->kind) } };
    if (entry->attr) {
        struct fs_entry found = { .size = sizeof found, .node = entry->node, .attr = *entry->attr };
        entry_of(listing->mount, &found, &parameters);
        mount_saw(listing->mount, listing->parent, entry->node);
    }
    return fuse_add_direntry_plus(listing->request, listing->bytes + listing->used, listing->room - listing->used, name,
                                  &parameters, (off_t)entry->cookie);
}

// Neither core nor the kernel counts these as looked up.
static bool is_dots(const struct fs_dirent *entry)
{
    return entry->name[0] == '.' && (entry->name_bytes == 1 || (entry->name_bytes == 2 && entry->name[1] == '.'));
}

static bool take(void *context, const struct fs_dirent *entry)
{
    struct listing *listing = context;
    char name[FS_NAME_BYTES];
    memcpy(name, entry->name, entry->name_bytes);
    name[entry->name_bytes] = '\0';
    size_t needed = listing->plus ? add_plus(listing, name, entry) : add_plain(listing, name, entry);
    if (needed > listing->room - listing->used) {
        listing->cut = true;
        return false;
    }
    listing->used += needed;
    listing->entries++;
    listing->last = entry->cookie;
    told_add(&listing->part, entry->name_bytes);
    if (listing->plus && !entry->attr && !is_dots(entry))
        fs_forget(listing->mount->view, entry->node, 1);
    return true;
}

// Counts what changes in a directory. Where that cannot be told, listing it says why.
static uint64_t version_of(const struct fs_view *view, fuse_ino_t node)
{
    struct fs_attr attr = { .size = sizeof attr };
    return fs_getattr(view, node, &attr) == FS_OK ? attr.version : 0;
}

// There are no more entries.
static void answer_end(fuse_req_t request, const struct listing *listing)
{
    // What is shorter than any entry ends a listing, too; then the kernel does not take what it holds for all.
    static const char none[8];
    struct forgetter *ends = listing->mount->listing_ends;
    if (told_all(listing->mount->told, &listing->part))
        fuse_reply_buf(request, NULL, 0);
    else if (!ends || !forgetter_end_listing(ends, request, listing->parent))
        fuse_reply_buf(request, none, sizeof none);
}

static void answer_part(fuse_req_t request, const struct listing *listing)
{
    if (listing->used == 0) {
        answer_end(request, listing);
        return;
    }
    told_end(listing->mount->told, &listing->part, listing->last);
    fuse_reply_buf(request, listing->bytes, listing->used);
}

static void list(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file, uint32_t flags)
{
    struct asker asker;
    struct listing listing = {
        .request = request,
        .mount = mount_of(request),
        .parent = node,
        .bytes = malloc(size),
        .room = size,
        .plus = flags & FS_READDIR_ATTRIBUTES,
    };
    if (!listing.bytes) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    listing.part = told_begin(listing.mount->told, node, version_of(view_of(request), node), (uint64_t)offset);
    // The kernel has one root, whatever the mount shows: it would show what is listed through a handle from before a switch to everybody.
    fs_handle handle = node == FS_NODE_ROOT ? FS_HANDLE_NONE : handle_of(file);
    fs_result result = fs_readdir(view_of(request), asker_of_open(request, &asker), node, handle, (uint64_t)offset,
                                  flags | FS_READDIR_DOTS, take, &listing);
    if (result == FS_OK)
        answer_part(request, &listing);
    else
        answer_result(request, result);
    // While the kernel takes in what it was told it asks for nothing: then there is time to wait for memory. Over the ring it is told only
    // after this; to tell it at once was measured to win nothing.
    if (result == FS_OK && listing.plus && listing.cut && !loop_has_ring(listing.mount->loop))
        fs_readdir_ahead(listing.mount->view, node, listing.last, listing.entries);
    free(listing.bytes);
}

void op_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
    list(request, node, size, offset, file, 0);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
    list(request, node, size, offset, file, FS_READDIR_ATTRIBUTES | FS_READDIR_ONLY_NEWS);
}

void op_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    if (mount_of(request)->stateless) {
        fuse_reply_err(request, ENOSYS);
        return;
    }
    struct asker asker;
    struct fs_open_options options = { .size = sizeof options, .flags = FS_OPEN_READ | FS_OPEN_DIRECTORY };
    fs_result result = fs_open(view_of(request), asker_of(request, &asker), node, &options, &file->fh);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    file->keep_cache = 1;
    file->cache_readdir = 1;
    if (fuse_reply_open(request, file) == -ENOENT)
        fs_release(view_of(request), file->fh);
}

void op_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    (void)node;
    answer_result(request, file->fh ? fs_release(view_of(request), file->fh) : FS_OK);
}

// Nothing lies anywhere else than where it was written: the kernel need not ask again.
void op_fsyncdir(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *file)
{
    (void)node;
    (void)datasync;
    (void)file;
    fuse_reply_err(request, ENOSYS);
}
