#include "told.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

// Directories that are remembered, each in one of a few places where its number says. Who is in none is taken for one that the kernel holds nothing
// of when its listing begins, and for one that it holds anything of when it ends; so one that the kernel holds parts of keeps its place.
enum { SHARDS = 64, PLACES = 64, WAYS = 4 };

enum { UNKNOWN = 0 };   // no directory's version

struct place {
    fs_node node;
    uint64_t version;  // of which the kernel was told all parts up to `cookie`; UNKNOWN: of several
    uint64_t cookie;
    size_t used;       // as in struct told_part
    bool begun;        // the kernel may hold parts of a listing that it was not told to the end, or is yet to forget one
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

static struct place *place_at(struct told *told, fs_node node, size_t way)
{
    return &told->places[node % SHARDS][(node / SHARDS + way) % PLACES];
}

// NULL: it has none.
static struct place *lock(struct told *told, fs_node node)
{
    pthread_mutex_lock(&told->mutexes[node % SHARDS]);
    for (size_t way = 0; way < WAYS; way++)
        if (place_at(told, node, way)->node == node)
            return place_at(told, node, way);
    return NULL;
}

// With the lock held. NULL: there is none to be had.
static struct place *take_place(struct told *told, fs_node node)
{
    for (size_t way = 0; way < WAYS; way++)
        if (!place_at(told, node, way)->begun)
            return place_at(told, node, way);
    return NULL;
}

static void unlock(struct told *told, fs_node node)
{
    pthread_mutex_unlock(&told->mutexes[node % SHARDS]);
}

static bool follows(const struct place *place, const struct told_part *part)
{
    return place && place->version == part->version && place->version != UNKNOWN && place->cookie == part->after;
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
static struct place *begin(struct told *told, struct place *known, const struct told_part *part)
{
    struct place *place = known ? known : take_place(told, part->node);
    bool mixed = known && known->begun && known->version != part->version;
    if (place)
        *place = (struct place){ .node = part->node, .version = mixed ? UNKNOWN : part->version, .begun = mixed };
    return place;
}

void told_end(struct told *told, const struct told_part *part, uint64_t last)
{
    struct place *place = lock(told, part->node);
    if (part->after == 0)
        place = begin(told, place, part);
    if (follows(place, part)) {
        place->cookie = last;
        place->used = part->used;
        place->begun = true;
    } else if (place && place->version != part->version) {
        place->version = UNKNOWN;
        place->begun = true;
    }
    unlock(told, part->node);
}

bool told_all(struct told *told, const struct told_part *part)
{
    struct place *place = lock(told, part->node);
    bool may_be_kept = follows(place, part) && place->used != told->page_bytes;
    if (place) {
        place->begun = !may_be_kept;
        place->version = may_be_kept ? place->version : UNKNOWN;
    }
    unlock(told, part->node);
    return may_be_kept;
}

void told_forgotten(struct told *told, fs_node node)
{
    struct place *place = lock(told, node);
    if (place && place->version == UNKNOWN)
        place->begun = false;
    unlock(told, node);
}
