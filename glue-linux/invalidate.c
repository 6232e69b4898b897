// What the kernel must forget.
//
// One thread per mount follows the events of the branch that its view shows, those of other views only, and tells the kernel. It
// holds nothing while it does: the kernel may make it wait for a client that waits for an answer of ours.

#include "invalidate.h"

#include "lengths.h"
#include "log.h"
#include "mount.h"
#include "request.h"
#include "suspects.h"

#include <bough.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUED_EVENTS = 65536, LATE_TRIES = 100, LATE_PAUSE_NANOSECONDS = 1000000 };

struct invalidator {
    struct mount *mount;
    struct suspects suspects;  // the thread's own
    struct suspects late;      // the same; see `note_late`
    pthread_t thread;
    pthread_mutex_t mutex;     // guards what follows
    pthread_cond_t changed;
    struct fs_events *current; // what the thread follows
    struct fs_events *next;    // what it shall follow instead
    bool stopping;
    bool ended;                // the thread has; whoever ends it knows
};

// ---- telling the kernel ------------------------------------------------------------------------------------------

// Errors: the kernel did not know it (ENOENT), or it is unmounted. Either way it knows nothing wrong, for it holds a lock of the directory
// from before it asks for a name until it knows the answer.
static void forget_name(struct mount *mount, uint64_t parent, const char *name, size_t length)
{
    fuse_lowlevel_notify_inval_entry(mount->session, mount_node(mount, parent), name, length);
}

// The answer: whether the kernel knew it.
static bool forget_attributes(struct mount *mount, fs_node node)
{
    return fuse_lowlevel_notify_inval_inode(mount->session, node, -1, 0) != -ENOENT;
}

// Attributes and all that is cached of the content, or of the listing. The answer: whether the kernel knew it.
static bool forget_content(struct mount *mount, fs_node node)
{
    return fuse_lowlevel_notify_inval_inode(mount->session, node, 0, 0) != -ENOENT;
}

struct wanted_name {
    uint64_t inode;
    char name[FS_NAME_BYTES];
    size_t length;
};

static bool find_name(void *context, const struct fs_dirent *entry)
{
    struct wanted_name *wanted = context;
    if (entry->inode != wanted->inode)
        return true;
    wanted->length = entry->name_bytes;
    memcpy(wanted->name, entry->name, entry->name_bytes);
    return false;
}

// Makes the kernel forget a file, unless somebody has it open. Older kernels can be told so by its name only.
static void forget_file(struct mount *mount, fs_node node)
{
    struct fs_caller nobody = { .size = sizeof nobody, .privileges = FS_PRIVILEGE_CHECKED };
    struct fs_attr attr = { .size = sizeof attr };
    if (request_forget_node(mount->session, node) || fs_getattr(mount->view, node, &attr) != FS_OK || attr.parent == 0)
        return;
    struct wanted_name wanted = { .inode = attr.inode };
    fs_node parent = mount_node(mount, attr.parent);
    if (fs_readdir(mount->view, &nobody, parent, FS_HANDLE_NONE, 0, 0, find_name, &wanted) == FS_OK && wanted.length > 0)
        forget_name(mount, attr.parent, wanted.name, wanted.length);
}

static void forget_suspects(struct invalidator *invalidator)
{
    struct suspects tried = invalidator->suspects;
    suspects_tried(&invalidator->suspects);
    for (size_t i = 0; i < tried.count; i++) {
        if (forget_attributes(invalidator->mount, tried.nodes[i]))
            forget_file(invalidator->mount, tried.nodes[i]);
        else
            suspects_remove(&invalidator->suspects, tried.nodes[i]);
    }
}

static bool is_file(struct mount *mount, fs_node node)
{
    struct fs_attr attr = { .size = sizeof attr };
    return fs_getattr(mount->view, node, &attr) == FS_OK && attr.kind == FS_KIND_FILE;
}

// ---- what the kernel does not know yet ---------------------------------------------------------------------------

static void tell_late(struct invalidator *invalidator);

// Waits for room: for programs that take long to run again, but not for ever.
static void make_room(struct invalidator *invalidator)
{
    struct timespec pause = { .tv_nsec = LATE_PAUSE_NANOSECONDS };
    for (int tries = 0; tries < LATE_TRIES && invalidator->late.count == SUSPECTS; tries++) {
        nanosleep(&pause, NULL);
        tell_late(invalidator);
    }
}

// A node that the kernel does not know, though it may have been told of it: it works an answer in when the program that asked gets to run, and
// believes what was true when we answered. So it is told again, until it knows the node or has given it back.
static void note_late(struct invalidator *invalidator, fs_node node)
{
    uint64_t references = 0;
    if (fs_references(invalidator->mount->view, node, &references) != FS_OK || references == 0)
        return;
    make_room(invalidator);
    suspects_add(&invalidator->late, node);
}

static void attributes_changed(struct invalidator *invalidator, fs_node node)
{
    if (!forget_attributes(invalidator->mount, node))
        note_late(invalidator, node);
}

static bool listing_changed(struct invalidator *invalidator, fs_node node)
{
    bool known = forget_content(invalidator->mount, node);
    if (!known)
        note_late(invalidator, node);
    return known;
}

static void content_changed(struct invalidator *invalidator, fs_node node)
{
    struct mount *mount = invalidator->mount;
    if (!listing_changed(invalidator, node) || !mount->writeback)
        return;
    forget_file(mount, node);
    lengths_tell(mount, node);
    suspects_add(&invalidator->suspects, node);
}

// Those that are late still are noted again.
static void tell_late(struct invalidator *invalidator)
{
    if (invalidator->late.count == 0)
        return;
    struct suspects tried = invalidator->late;
    suspects_tried(&tried);
    invalidator->late.count = 0;
    for (size_t i = 0; i < tried.count; i++) {
        if (is_file(invalidator->mount, tried.nodes[i]))
            content_changed(invalidator, tried.nodes[i]);
        else
            listing_changed(invalidator, tried.nodes[i]);
    }
    invalidator->late.pause_ms = tried.pause_ms;
}

// ---- events ------------------------------------------------------------------------------------------------------

static void name_changed(struct invalidator *invalidator, uint64_t parent, const char *name, size_t length)
{
    forget_name(invalidator->mount, parent, name, length);
    listing_changed(invalidator, mount_node(invalidator->mount, parent));
}

static bool is_stopping(struct invalidator *invalidator)
{
    pthread_mutex_lock(&invalidator->mutex);
    bool stopping = invalidator->stopping;
    pthread_mutex_unlock(&invalidator->mutex);
    return stopping;
}

static void forget_everything(struct mount *mount, struct old_names *names);

// What the kernel still knows may have changed in any way. With its names goes what nobody has open; what somebody has is as after any
// change of content.
static bool look_anew(void *context, fs_node node)
{
    struct invalidator *invalidator = context;
    struct mount *mount = invalidator->mount;
    if (listing_changed(invalidator, node) && mount->writeback) {
        request_forget_node(mount->session, node);
        if (forget_attributes(mount, node) && is_file(mount, node)) {
            lengths_tell(mount, node);
            suspects_add(&invalidator->suspects, node);
        }
    }
    return !is_stopping(invalidator);
}

static void after_overflow(struct invalidator *invalidator)
{
    struct mount *mount = invalidator->mount;
    log_info("%s: more changes by other mounts than could be followed; looking at everything anew", mount->path);
    forget_everything(mount, NULL);
    fs_view_each_node(mount->view, look_anew, invalidator);
}

static void apply(struct invalidator *invalidator, const struct fs_event *event)
{
    struct mount *mount = invalidator->mount;
    fs_node node = mount_node(mount, event->inode);
    switch (event->kind) {
    case FS_EVENT_CREATED:
    case FS_EVENT_REMOVED:
        name_changed(invalidator, event->parent, event->name, event->name_bytes);
        attributes_changed(invalidator, node);
        break;
    case FS_EVENT_RENAMED:
    case FS_EVENT_EXCHANGED:
        name_changed(invalidator, event->parent, event->name, event->name_bytes);
        name_changed(invalidator, event->new_parent, event->new_name, event->new_name_bytes);
        attributes_changed(invalidator, node);
        break;
    case FS_EVENT_CONTENT:
        content_changed(invalidator, node);
        break;
    case FS_EVENT_ATTRIBUTES:
    case FS_EVENT_STREAM_CREATED:
    case FS_EVENT_STREAM_REMOVED:
    case FS_EVENT_STREAM_CONTENT:
        attributes_changed(invalidator, node);
        break;
    case FS_EVENT_OVERFLOW:
        after_overflow(invalidator);
        break;
    default:
        break;
    }
}

static bool is_same(const struct fs_event *a, const struct fs_event *b)
{
    return a->kind == b->kind && a->inode == b->inode && (a->kind == FS_EVENT_CONTENT || a->kind == FS_EVENT_ATTRIBUTES);
}

// How long to wait for an event at most; UINT32_MAX: there is nothing else to do.
static uint32_t pause_of(const struct invalidator *invalidator)
{
    uint32_t suspects = suspects_pause(&invalidator->suspects), late = suspects_pause(&invalidator->late);
    return suspects < late ? suspects : late;
}

// Many changes of one file in a row are told once, when the last has come.
static void follow(struct invalidator *invalidator, struct fs_events *events)
{
    struct fs_event held = { .size = sizeof held, .kind = FS_EVENT_TIMEOUT };
    for (;;) {
        struct fs_event event = { .size = sizeof event };
        bool holds = held.kind != FS_EVENT_TIMEOUT;
        if (fs_events_next(events, holds ? 0 : pause_of(invalidator), &event) != FS_OK)
            return;
        if (holds && !is_same(&held, &event))
            apply(invalidator, &held);
        if (event.kind == FS_EVENT_TIMEOUT)
            tell_late(invalidator);
        if (!holds && event.kind == FS_EVENT_TIMEOUT)
            forget_suspects(invalidator);
        held = event;
        if (event.kind == FS_EVENT_CLOSED || is_stopping(invalidator))
            return;
    }
}

// ---- the thread --------------------------------------------------------------------------------------------------

// NULL: the view shows a snapshot, which nobody changes.
static struct fs_events *subscribe(struct mount *mount)
{
    struct fs_events *events = NULL;
    fs_result result = fs_events_open(mount->view, QUEUED_EVENTS, FS_EVENTS_OTHERS_ONLY, &events);
    if (result != FS_OK && result != FS_NOT_SUPPORTED)
        log_error("%s: cannot follow changes by other mounts: %s", mount->path, fs_result_message(result));
    return result == FS_OK ? events : NULL;
}

// Waits for something to follow. NULL: the end.
static struct fs_events *turn_to_next(struct invalidator *invalidator)
{
    pthread_mutex_lock(&invalidator->mutex);
    struct fs_events *old = invalidator->current;
    invalidator->current = NULL;
    while (!invalidator->next && !invalidator->stopping)
        pthread_cond_wait(&invalidator->changed, &invalidator->mutex);
    if (!invalidator->stopping) {
        invalidator->current = invalidator->next;
        invalidator->next = NULL;
    }
    struct fs_events *events = invalidator->current;
    pthread_mutex_unlock(&invalidator->mutex);
    fs_events_close(old);
    return events;
}

static void *run(void *context)
{
    struct invalidator *invalidator = context;
    for (struct fs_events *events; (events = turn_to_next(invalidator));)
        follow(invalidator, events);
    return NULL;
}

struct invalidator *invalidator_start(struct mount *mount)
{
    struct invalidator *invalidator = calloc(1, sizeof *invalidator);
    if (!invalidator)
        return NULL;
    invalidator->mount = mount;
    invalidator->next = subscribe(mount);
    pthread_mutex_init(&invalidator->mutex, NULL);
    pthread_cond_init(&invalidator->changed, NULL);
    if (pthread_create(&invalidator->thread, NULL, run, invalidator) == 0)
        return invalidator;
    fs_events_close(invalidator->next);
    free(invalidator);
    return NULL;
}

void invalidator_end(struct invalidator *invalidator)
{
    if (!invalidator || invalidator->ended)
        return;
    pthread_mutex_lock(&invalidator->mutex);
    invalidator->stopping = true;
    if (invalidator->current)
        fs_events_stop(invalidator->current);
    pthread_cond_signal(&invalidator->changed);
    pthread_mutex_unlock(&invalidator->mutex);
    pthread_join(invalidator->thread, NULL);
    invalidator->ended = true;
}

void invalidator_free(struct invalidator *invalidator)
{
    if (!invalidator)
        return;
    invalidator_end(invalidator);
    fs_events_close(invalidator->next);
    pthread_cond_destroy(&invalidator->changed);
    pthread_mutex_destroy(&invalidator->mutex);
    free(invalidator);
}

static void follow_instead(struct invalidator *invalidator, struct fs_events *events)
{
    pthread_mutex_lock(&invalidator->mutex);
    struct fs_events *unused = invalidator->next;
    invalidator->next = events;
    if (invalidator->current)
        fs_events_stop(invalidator->current);
    pthread_cond_signal(&invalidator->changed);
    pthread_mutex_unlock(&invalidator->mutex);
    fs_events_close(unused);
}

// ---- after a switch ----------------------------------------------------------------------------------------------

// Names one after the other, each ended by a NUL.
struct old_names {
    char *bytes;
    size_t used, room;
    bool complete;
};

static bool collect(void *context, const struct fs_dirent *entry)
{
    struct old_names *names = context;
    size_t needed = names->used + entry->name_bytes + 1;
    if (needed > names->room) {
        char *larger = realloc(names->bytes, needed * 2);
        names->complete = larger != NULL;
        if (!larger)
            return false;
        names->bytes = larger;
        names->room = needed * 2;
    }
    memcpy(names->bytes + names->used, entry->name, entry->name_bytes);
    names->bytes[needed - 1] = '\0';
    names->used = needed;
    return true;
}

static bool add_root(struct mount *mount, struct old_names *names)
{
    struct fs_caller nobody = { .size = sizeof nobody, .privileges = FS_PRIVILEGE_CHECKED };
    names->complete = true;
    fs_result result = fs_readdir(mount->view, &nobody, FS_NODE_ROOT, FS_HANDLE_NONE, 0, 0, collect, names);
    return result == FS_OK && names->complete;
}

struct old_names *invalidate_collect(struct mount *mount)
{
    // A kernel that can distrust all names at once needs no list.
    if (request_distrust_names(mount->session))
        return NULL;
    struct old_names *names = calloc(1, sizeof *names);
    if (names && !add_root(mount, names))
        log_error("%s: cannot remember all names of the root: some may be shown after the switch", mount->path);
    return names;
}

static void forget_list(struct mount *mount, const struct old_names *names)
{
    for (size_t at = 0; at < names->used;) {
        size_t length = strlen(names->bytes + at);
        forget_name(mount, FS_NODE_ROOT, names->bytes + at, length);
        at += length + 1;
    }
}

// All names, and what is cached of the root. What goes under a name below the root goes with it.
static void forget_everything(struct mount *mount, struct old_names *names)
{
    struct old_names none = { 0 };
    struct old_names *all = names ? names : &none;
    if (!request_distrust_names(mount->session)) {
        if (!add_root(mount, all))
            log_error("%s: cannot list the root: what others changed may be shown as it was", mount->path);
        forget_list(mount, all);
    }
    forget_content(mount, FS_NODE_ROOT);
    free(all->bytes);
}

void invalidate_drop(struct old_names *names)
{
    if (names)
        free(names->bytes);
    free(names);
}

// Whoever lists the root believes what he finds from when he takes our answer, which may be of before the switch. The kernel holds a lock of the
// root meanwhile, and to make it forget a name, be there such a one or not, is to wait for that.
static void await_listings(struct mount *mount)
{
    static const char any[] = ".bough-switched";
    forget_name(mount, FS_NODE_ROOT, any, sizeof any - 1);
}

void invalidate_after_switch(struct mount *mount, struct old_names *names)
{
    // First, so that no change falls between.
    follow_instead(mount->invalidator, subscribe(mount));
    await_listings(mount);
    forget_everything(mount, names);
    free(names);
}

// ---- trees that were shown before --------------------------------------------------------------------------------

struct old_nodes {
    struct mount *mount;
    uint64_t generation;
    size_t count;
};

// Of those that somebody uses it forgets nothing.
static bool let_go(void *context, fs_node node)
{
    struct old_nodes *old = context;
    if (generation_of(node) != old->generation) {
        request_forget_node(old->mount->session, node);
        old->count++;
    }
    return true;
}

size_t invalidate_old(struct mount *mount)
{
    struct old_nodes old = { .mount = mount, .generation = atomic_load(&mount->generation) };
    fs_view_each_node(mount->view, let_go, &old);
    return old.count;
}
