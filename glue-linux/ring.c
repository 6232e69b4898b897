// A ring as a whole: what it takes, its beginning and end, and waiting for all that it holds.

#include "ring.h"

#include "clock.h"
#include "ring_parts.h"
#include "watch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// ---- waiting for what it holds -----------------------------------------------------------------------------------

static void ask(struct queue *queue, struct barrier *barrier, uint64_t waiting)
{
    pthread_mutex_lock(&queue->mutex);
    barrier->stage = queue->over ? PASSED : NEW;
    uint64_t received = atomic_load(&queue->received);
    barrier->until = waiting > UINT64_MAX - received ? UINT64_MAX : received + waiting;
    bool asks = barrier->stage == NEW;
    if (asks) {
        barrier->next = queue->barriers;
        queue->barriers = barrier;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (asks)
        ring_poke(queue);
}

static void forget(struct queue *queue, struct barrier *barrier)
{
    for (struct barrier **link = &queue->barriers; *link; link = &(*link)->next)
        if (*link == barrier) {
            *link = barrier->next;
            return;
        }
}

static void wait_at(struct queue *queue, struct barrier *barrier, const struct timespec *until)
{
    int error = 0;
    pthread_mutex_lock(&queue->mutex);
    while (barrier->stage != PASSED && !queue->over && error == 0)
        error = until ? pthread_cond_timedwait(&queue->passed, &queue->mutex, until) : pthread_cond_wait(&queue->passed, &queue->mutex);
    forget(queue, barrier);
    pthread_mutex_unlock(&queue->mutex);
}

void ring_settle(struct ring *ring, uint64_t waiting)
{
    struct barrier barriers[MOST_QUEUES] = { 0 };
    struct timespec until = clock_in(SETTLE_SECONDS);
    for (unsigned i = 0; i < ring->count; i++)
        ask(&ring->queues[i], &barriers[i], waiting);
    for (unsigned i = 0; i < ring->count; i++)
        wait_at(&ring->queues[i], &barriers[i], waiting == UINT64_MAX ? &until : NULL);
}

// ---- requests that hang --------------------------------------------------------------------------------------

static bool hangs(struct entry *entry, int64_t now, bool *busy)
{
    int64_t begun = atomic_load(&entry->begun);
    *busy |= begun != 0;
    return begun != 0 && now - begun > HANGING_NANOSECONDS && watch_is_asleep(atomic_load(&entry->server));
}

bool ring_hangs(struct ring *ring, bool *busy)
{
    bool any = false;
    int64_t now = clock_tick();
    for (unsigned i = 0; ring && i < ring->count; i++)
        for (unsigned k = 0; k < ENTRIES; k++)
            any |= hangs(&ring->queues[i].entries[k], now, busy);
    return any;
}

// ---- birth and death ---------------------------------------------------------------------------------------------

static bool is_switched_on(void)
{
    char answer = 'N';
    FILE *file = fopen("/sys/module/fuse/parameters/enable_uring", "re");
    bool read = file && fscanf(file, " %c", &answer) == 1;
    if (file)
        fclose(file);
    return read && answer == 'Y';
}

static bool may_run_everywhere(cpu_set_t *allowed)
{
    return sched_getaffinity(0, sizeof *allowed, allowed) == 0 && CPU_COUNT(allowed) >= sysconf(_SC_NPROCESSORS_ONLN);
}

enum { STRIDE = HEADER_BYTES + PAYLOAD_BYTES };

// Of all mounts.
static atomic_uint open_queues;

// Most of what is limited is for others. Each queue takes two descriptors, and addresses for all that may come at once.
static bool has_room(unsigned count)
{
    struct rlimit descriptors, addresses;
    rlim_t queues = atomic_load(&open_queues) + count;
    return getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur / 16 >= queues &&
           getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur / 16 >= queues * ENTRIES * STRIDE;
}

// The kernel wants a queue for each processor that there may ever be.
static unsigned possible_processors(void)
{
    unsigned first = 0, last = 0;
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    int read = file ? fscanf(file, "%u-%u", &first, &last) : 0;
    // Numbers with gaps are nothing that we count.
    bool whole = file && fgetc(file) == '\n';
    if (file)
        fclose(file);
    return !whole || first != 0 ? 0 : read == 2 ? last + 1 : read == 1 ? 1 : 0;
}

static bool open_queue(struct ring *ring, unsigned number)
{
    struct queue *queue = &ring->queues[number];
    atomic_fetch_add(&open_queues, 1);
    queue->ring = ring;
    queue->number = number;
    pthread_mutex_init(&queue->mutex, NULL);
    clock_condition(&queue->passed);
    queue->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->memory = mmap(NULL, (size_t)ENTRIES * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (unsigned i = 0; i < ENTRIES && queue->memory != MAP_FAILED; i++) {
        struct entry *entry = &queue->entries[i];
        entry->queue = queue;
        entry->header = (struct header *)(void *)(queue->memory + i * (size_t)STRIDE);
        entry->payload = queue->memory + i * (size_t)STRIDE + HEADER_BYTES;
        entry->memory[0] = (struct iovec){ .iov_base = entry->header, .iov_len = sizeof *entry->header };
        entry->memory[1] = (struct iovec){ .iov_base = entry->payload, .iov_len = PAYLOAD_BYTES };
    }
    return queue->poke != -1 && queue->memory != MAP_FAILED;
}

static void close_queue(struct queue *queue)
{
    atomic_fetch_sub(&open_queues, 1);
    if (queue->has_uring)
        io_uring_queue_exit(&queue->uring);
    if (queue->memory != MAP_FAILED)
        munmap(queue->memory, (size_t)ENTRIES * STRIDE);
    if (queue->poke != -1)
        close(queue->poke);
    pthread_cond_destroy(&queue->passed);
    pthread_mutex_destroy(&queue->mutex);
}

static bool start_threads(struct ring *ring)
{
    for (unsigned i = 0; i < ring->count; i++) {
        struct queue *queue = &ring->queues[i];
        queue->has_thread = pthread_create(&queue->thread, NULL, ring_run_queue, queue) == 0;
        if (!queue->has_thread)
            return false;
    }
    pthread_mutex_lock(&ring->mutex);
    while (ring->ready + ring->failed < ring->count)
        pthread_cond_wait(&ring->changed, &ring->mutex);
    bool ready = ring->failed == 0;
    pthread_mutex_unlock(&ring->mutex);
    return ready;
}

struct ring *ring_new(struct fuse_session *session, struct ring_owner owner)
{
    cpu_set_t processors;
    unsigned count = is_switched_on() && may_run_everywhere(&processors) ? possible_processors() : 0;
    bool possible = count > 0 && count <= MOST_QUEUES && has_room(count);
    struct ring *ring = possible ? calloc(1, sizeof *ring) : NULL;
    if (!ring)
        return NULL;
    ring->processors = processors;
    ring->session = session;
    ring->owner = owner;
    ring->end = &ring->first;
    pthread_mutex_init(&ring->mutex, NULL);
    clock_condition(&ring->changed);
    ring->queues = calloc(count, sizeof *ring->queues);
    bool open = ring->queues != NULL;
    while (open && ring->count < count)
        open = open_queue(ring, ring->count++);
    if (open && start_threads(ring))
        return ring;
    ring_stop(ring);
    ring_free(ring);
    return NULL;
}

void ring_start(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    ring->begun = true;
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_stop(struct ring *ring)
{
    if (!ring)
        return;
    pthread_mutex_lock(&ring->mutex);
    atomic_store(&ring->stopping, true);
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
    for (unsigned i = 0; i < ring->count; i++)
        if (ring->queues[i].has_thread) {
            ring_poke(&ring->queues[i]);
            pthread_join(ring->queues[i].thread, NULL);
            ring->queues[i].has_thread = false;
        }
    ring_end_help(ring);
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    for (unsigned i = 0; i < ring->count; i++)
        close_queue(&ring->queues[i]);
    free(ring->queues);
    pthread_cond_destroy(&ring->changed);
    pthread_mutex_destroy(&ring->mutex);
    free(ring);
}
