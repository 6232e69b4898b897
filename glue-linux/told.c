#include "told.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

// Directories that are remembered, each where its number says; of two in one place the later. Who is not found is taken for one that the kernel
// holds nothing of when its listing begins, and for one that it holds anything of when it ends.
enum { SHARDS = 64, PLACES = 64 };

enum { UNKNOWN = 0 };   // no directory's version

struct place {
    fs_node node;
    uint64_t version;  // of which the kernel was told all parts up to `cookie`; UNKNOWN: of several
    uint64_t cookie;
    size_t used;       // as in struct told_part
    bool begun;        // and not told to the end
};

struct told {
    size_t page_bytes;
    pthread_mutex_t mutexes[SHARDS];
    struct place places[SHARDS][PLACES];
};

struct told *told_new(void)
{
    struct told *told = calloc(1, sizeof *told);
    for (size_t i = 0; told && i < SHARDS; i++)
        pthread_mutex_init(&told->mutexes[i], NULL);
    if (told)
        told->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return told;
}

void told_free(struct told *told)
{
    for (size_t i = 0; told && i < SHARDS; i++)
        pthread_mutex_destroy(&told->mutexes[i]);
    free(told);
}

static struct place *lock(struct told *told, fs_node node)
{
    pthread_mutex_lock(&told->mutexes[node % SHARDS]);
    return &told->places[node % SHARDS][node / SHARDS % PLACES];
}

static void unlock(struct told *told, fs_node node)
{
    pthread_mutex_unlock(&told->mutexes[node % SHARDS]);
}

static bool follows(const struct place *place, const struct told_part *part)
{
    bool same = place->node == part->node && place->version == part->version && place->version != UNKNOWN;
    return same && place->cookie == part->after;
}

struct told_part told_begin(struct told *told, fs_node node, uint64_t version, uint64_t after)
{
    struct told_part part = { .node = node, .version = version, .after = after, .page_bytes = told->page_bytes };
    const struct place *place = lock(told, node);
    if (after != 0 && follows(place, &part))
        part.used = place->used;
    unlock(told, node);
    return part;
}

// The kernel lets no entry reach over the end of a page.
void told_add(struct told_part *part, size_t name_bytes)
{
    size_t needed = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_bytes);
    part->used = part->used + needed > part->page_bytes ? needed : part->used + needed;
}

// A listing that was begun in another version, and not ended, the kernel may go on with.
static void begin(struct place *place, const struct told_part *part)
{
    bool mixed = place->node == part->node && place->begun && place->version != part->version;
    *place = (struct place){ .node = part->node, .version = mixed ? UNKNOWN : part->version };
}

void told_end(struct told *told, const struct told_part *part, uint64_t last)
{
    struct place *place = lock(told, part->node);
    if (part->after == 0)
        begin(place, part);
    if (follows(place, part)) {
        place->cookie = last;
        place->used = part->used;
        place->begun = true;
    } else if (place->node == part->node && place->version != part->version) {
        place->version = UNKNOWN;
        place->begun = true;
    }
    unlock(told, part->node);
}

bool told_all(struct told *told, const struct told_part *part)
{
    struct place *place = lock(told, part->node);
    bool may_be_kept = follows(place, part) && place->used != told->page_bytes;
    if (place->node == part->node) {
        place->begun = false;
        place->version = may_be_kept ? place->version : UNKNOWN;
    }
    unlock(told, part->node);
    return may_be_kept;
}
