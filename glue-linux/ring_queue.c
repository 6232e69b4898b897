// A queue: taking requests, giving back what was answered, letting barriers pass.

#include "clock.h"
#include "log.h"
#include "request.h"
#include "ring_parts.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local struct queue *this_queue;
static _Thread_local struct entry *this_entry;
static _Thread_local pid_t this_thread;

// ---- giving back -------------------------------------------------------------------------------------------------

static struct io_uring_sqe *next_submission(struct queue *queue)
{
    struct io_uring_sqe *next = io_uring_get_sqe(&queue->uring);
    if (next)
        return next;
    io_uring_submit(&queue->uring);
    return io_uring_get_sqe(&queue->uring);
}

static void command(struct queue *queue, struct entry *entry, uint32_t what, uint64_t commit_id)
{
    struct io_uring_sqe *submission = next_submission(queue);
    if (!submission)
        return;
    struct command told = { .commit_id = commit_id, .queue = (uint16_t)queue->number };
    io_uring_prep_rw(IORING_OP_URING_CMD, submission, DEVICE, NULL, 0, 0);
    submission->flags = IOSQE_FIXED_FILE;
    submission->cmd_op = what;
    memcpy(submission->cmd, &told, sizeof told);
    if (what == REGISTER) {
        submission->addr = (uint64_t)(uintptr_t)entry->memory;
        submission->len = 2;
    }
    io_uring_sqe_set_data(submission, entry);
}

// By the queue's thread: the answer is in the entry.
static void give_back(struct entry *entry)
{
    struct queue *queue = entry->queue;
    entry->served = false;
    queue->busy--;
    queue->waiting -= entry->waits;
    queue->put_off -= entry->parked && !entry->waits;
    command(queue, entry, COMMIT_AND_FETCH, entry->header->commit_id);
}

void ring_poke(struct queue *queue)
{
    uint64_t one = 1;
    atomic_store(&queue->left, true);
    if (write(queue->poke, &one, sizeof one) == -1 && errno != EAGAIN)
        log_error("cannot wake a queue: %s", strerror(errno));
}

static void leave_answered(struct entry *entry)
{
    struct queue *queue = entry->queue;
    pthread_mutex_lock(&queue->mutex);
    entry->next = queue->answered;
    queue->answered = entry;
    pthread_mutex_unlock(&queue->mutex);
    ring_poke(queue);
}

static void fill_in(struct entry *entry, const struct iovec *parts, int count)
{
    size_t at = 0;
    struct fuse_out_header header;
    memcpy(&header, parts[0].iov_base, sizeof header);
    bool fits = header.len <= sizeof header + PAYLOAD_BYTES;
    for (int i = 1; i < count && fits; i++) {
        memmove(entry->payload + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    if (!fits)
        header = (struct fuse_out_header){ .len = sizeof header, .error = -EIO, .unique = header.unique }; // never by the contract
    memcpy(entry->header->in_out, &header, sizeof header);
    entry->header->payload_bytes = (uint32_t)at;
    entry->large |= at >= LARGE_BYTES;
}

static struct entry *find(struct ring *ring, uint64_t unique)
{
    for (unsigned i = 0; i < ring->count; i++)
        for (unsigned k = 0; k < ENTRIES; k++)
            if (atomic_load(&ring->queues[i].entries[k].unique) == unique)
                return &ring->queues[i].entries[k];
    return NULL;
}

bool ring_answer(struct ring *ring, const struct iovec *parts, int count)
{
    uint64_t unique = ((const struct fuse_out_header *)parts[0].iov_base)->unique;
    if (!ring || unique == 0)
        return false;
    struct entry *entry = this_entry && atomic_load(&this_entry->unique) == unique ? this_entry : find(ring, unique);
    if (!entry)
        return false;
    fill_in(entry, parts, count);
    atomic_store_explicit(&entry->begun, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->unique, 0, memory_order_release);
    if (this_queue == entry->queue)
        give_back(entry);
    else
        leave_answered(entry);
    return true;
}

void ring_refuse(struct entry *entry, int error)
{
    struct fuse_out_header header = { .len = sizeof header, .error = -error, .unique = atomic_load(&entry->unique) };
    struct iovec part = { .iov_base = &header, .iov_len = sizeof header };
    ring_answer(entry->queue->ring, &part, 1);
}

// ---- taking requests ---------------------------------------------------------------------------------------------

// From now on it may be late. Large ones, too: what is read ahead is.
static void begin(struct entry *entry)
{
    struct ring *ring = entry->queue->ring;
    if (!this_thread)
        this_thread = gettid();
    atomic_store_explicit(&entry->server, this_thread, memory_order_relaxed);
    atomic_store(&entry->begun, clock_tick());
    ring->owner.begins(ring->owner.context);
}

// It may be somebody else's entry when this returns.
static void serve_watched(struct entry *entry, long *sleeps)
{
    struct queue *queue = entry->queue;
    struct ring *ring = queue->ring;
    if (!request_serve_watched(ring->session, &entry->request, sleeps))
        return;
    ring->owner.was_late(ring->owner.context);
    // What has come with it shall not wait one after the other.
    if (this_queue == queue)
        queue->asked = false;
}

void ring_serve(struct entry *entry, long *sleeps)
{
    bool may_be_late = entry->queue->ring->owner.may_be_late && !entry->parked;
    uint64_t unique = atomic_load_explicit(&entry->unique, memory_order_relaxed);
    this_entry = entry;
    if (may_be_late)
        begin(entry);
    if (may_be_late && entry->is_short)
        serve_watched(entry, sleeps);
    else
        fuse_session_process_buf(entry->queue->ring->session, &entry->request);
    // Left to another thread to be answered, this one does not hang over it.
    if (may_be_late && atomic_load(&entry->unique) == unique)
        atomic_store(&entry->begun, 0);
    this_entry = NULL;
}

// libfuse reads a request as it comes from /dev/fuse, in one piece: the headers are put before the content, which stays where it is.
static void put_together(struct entry *entry)
{
    struct fuse_in_header header;
    memcpy(&header, entry->header->in_out, sizeof header);
    size_t operation = header.len - sizeof header - entry->header->payload_bytes;
    if (operation > sizeof entry->header->operation)
        operation = 0; // never by the contract
    char *start = entry->payload - operation - sizeof header;
    memcpy(start, &header, sizeof header);
    memcpy(start + sizeof header, entry->header->operation, operation);
    entry->request = (struct fuse_buf){ .mem = start, .size = sizeof header + operation + entry->header->payload_bytes };
    atomic_store_explicit(&entry->unique, header.unique, memory_order_release);
}

static bool may_wait(struct queue *queue)
{
    struct ring_owner *owner = &queue->ring->owner;
    if (!queue->asked)
        queue->may_wait = owner->may_wait(owner->context);
    queue->asked = true;
    return queue->may_wait;
}

static void count_in(struct queue *queue, struct entry *entry, const struct request *request)
{
    // Nobody else counts: no need for the processor to lock it.
    entry->number = atomic_load_explicit(&queue->received, memory_order_relaxed) + 1;
    atomic_store_explicit(&queue->received, entry->number, memory_order_release);
    entry->served = true;
    entry->waits = request->waits;
    entry->parked = request->waits || request->is_put_off;
    entry->is_short = !entry->parked && request->bytes < LARGE_BYTES;
    entry->large |= request->bytes >= LARGE_BYTES;
    queue->used_large |= entry->large;
    queue->busy++;
    queue->waiting += entry->waits;
    queue->put_off += entry->parked && !entry->waits;
    queue->requests++;
}

static bool has_place(const struct queue *queue, const struct entry *entry)
{
    if (!entry->parked)
        return true;
    bool few = entry->waits ? queue->waiting <= MOST_WAITING : queue->put_off <= MOST_PUT_OFF;
    return few && queue->waiting + queue->put_off + queue->lost + KEPT_FREE <= ENTRIES;
}

static void take(struct queue *queue, struct entry *entry)
{
    struct ring *ring = queue->ring;
    put_together(entry);
    struct request request = request_look(&entry->request);
    count_in(queue, entry, &request);
    bool is_long = request.bytes > PAYLOAD_BYTES;
    if (!has_place(queue, entry))
        ring_refuse(entry, request.waits ? EAGAIN : ENOSYS); // the kernel takes all for data from then on
    else if (!request.waits && !is_long && !may_wait(queue))
        ring_serve(entry, &queue->sleeps);
    else if (!ring_hand_over(ring, entry)) {
        if (request.waits)
            ring_refuse(entry, ENOMEM);
        else
            ring_serve(entry, &queue->sleeps);
    }
}

// ---- barriers ----------------------------------------------------------------------------------------------------

static bool serves_before(const struct queue *queue, uint64_t number)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &queue->entries[i];
        if (entry->served && !entry->parked && entry->number <= number)
            return true;
    }
    return false;
}

// When what was on its way to an entry has been looked for and nothing came, and nothing is being served, the kernel has nothing: it
// hands over as long as an entry is free. Of those that it has, the next ones that are received are assigned first; the last of them may be
// on their way for one more round.
static void advance(const struct queue *queue, struct barrier *barrier)
{
    bool quiet = queue->idle && queue->busy == queue->waiting + queue->put_off;
    if (barrier->stage == RECEIVED)
        barrier->stage = serves_before(queue, barrier->last) ? RECEIVED : PASSED;
    else if (barrier->stage == ASSIGNED && ++barrier->flushes >= FLUSHES) {
        barrier->last = queue->received;
        barrier->stage = serves_before(queue, barrier->last) ? RECEIVED : PASSED;
    } else if (barrier->stage == SEEN && queue->received >= barrier->until)
        barrier->stage = ASSIGNED;
    if (quiet && barrier->stage != NEW)
        barrier->stage = PASSED;
}

// At the end of a round; those that came since it began are seen by the next.
static void look_at_barriers(struct queue *queue)
{
    bool again = false;
    pthread_mutex_lock(&queue->mutex);
    for (struct barrier **link = &queue->barriers; *link;) {
        struct barrier *barrier = *link;
        advance(queue, barrier);
        again |= barrier->stage == ASSIGNED || barrier->stage == NEW;
        if (barrier->stage == NEW)
            barrier->stage = SEEN;
        if (barrier->stage == PASSED)
            *link = barrier->next;
        else
            link = &barrier->next;
    }
    atomic_store(&queue->left, queue->barriers || queue->answered);
    pthread_cond_broadcast(&queue->passed);
    pthread_mutex_unlock(&queue->mutex);
    queue->idle &= !again;
}

// ---- the thread of a queue ---------------------------------------------------------------------------------------

static void await_pokes(struct queue *queue)
{
    struct io_uring_sqe *submission = next_submission(queue);
    if (!submission)
        return;
    io_uring_prep_poll_add(submission, queue->poke, POLLIN);
    io_uring_sqe_set_data(submission, NULL);
}

static void take_answered(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct entry *entry = queue->answered;
    queue->answered = NULL;
    pthread_mutex_unlock(&queue->mutex);
    queue->idle &= !entry;
    while (entry) {
        struct entry *next = entry->next;
        give_back(entry);
        entry = next;
    }
}

static void hear(struct queue *queue)
{
    uint64_t pokes;
    if (read(queue->poke, &pokes, sizeof pokes) == -1 && errno != EAGAIN)
        log_error("cannot hear what a queue is told: %s", strerror(errno));
    queue->idle = false;
    await_pokes(queue);
}

// What a burst of large requests has used; not while the kernel may write there.
static void give_memory_back(struct queue *queue)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct entry *entry = &queue->entries[i];
        if (entry->large && !entry->served && madvise(entry->payload, PAYLOAD_BYTES, MADV_DONTNEED) == 0)
            entry->large = false;
    }
    queue->used_large = false;
}

// Sends what was answered and waits for requests, unless there is something else to do.
static void wait_for_requests(struct queue *queue)
{
    struct io_uring_cqe *first;
    struct __kernel_timespec patience = { .tv_sec = KEPT_SECONDS };
    if (atomic_load(&queue->left) && !queue->idle)
        io_uring_submit_and_get_events(&queue->uring);
    else if (!queue->used_large)
        io_uring_submit_and_wait(&queue->uring, 1);
    else if (io_uring_submit_and_wait_timeout(&queue->uring, &first, 1, &patience, NULL) == -ETIME &&
             io_uring_cq_ready(&queue->uring) == 0)
        give_memory_back(queue);
}

// One look at all that has come. What was answered is sent before the next is served.
static void do_round(struct queue *queue)
{
    struct io_uring_cqe *come[ENTRIES + 1];
    wait_for_requests(queue);
    if (queue->ring->owner.may_be_late)
        queue->sleeps = clock_sleeps();
    unsigned count = io_uring_peek_batch_cqe(&queue->uring, come, ENTRIES + 1);
    struct entry *entries[ENTRIES + 1];
    int results[ENTRIES + 1];
    for (unsigned i = 0; i < count; i++) {
        entries[i] = io_uring_cqe_get_data(come[i]);
        results[i] = come[i]->res;
    }
    io_uring_cq_advance(&queue->uring, count);
    queue->requests = 0;
    queue->asked = false;
    queue->idle = true;
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            io_uring_submit(&queue->uring);
        if (!entries[i])
            hear(queue);
        else if (results[i] == 0)
            take(queue, entries[i]);
        else
            queue->lost++;
    }
    queue->idle &= queue->requests == 0;
    if (!atomic_load(&queue->left))
        return;
    take_answered(queue);
    look_at_barriers(queue);
}

// Where it may not be pinned it answers all the same.
static void stay_on(unsigned processor)
{
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(processor, &here);
    sched_setaffinity(0, sizeof here, &here);
}

static void end_queue(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->over = true;
    pthread_cond_broadcast(&queue->passed);
    pthread_mutex_unlock(&queue->mutex);
}

// What is registered is not looked up, and its count not changed by all queues, at each command.
static bool set_up(struct queue *queue)
{
    int device = fuse_session_fd(queue->ring->session);
    unsigned flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    queue->has_uring = io_uring_queue_init(ENTRIES * 2, &queue->uring, flags) == 0;
    if (queue->has_uring)
        io_uring_register_ring_fd(&queue->uring);
    return queue->has_uring && io_uring_register_files(&queue->uring, &device, 1) == 0;
}

// Once the kernel has agreed it waits for all queues, so what may fail comes before.
static bool wait_for_beginning(struct queue *queue)
{
    struct ring *ring = queue->ring;
    bool ready = set_up(queue);
    pthread_mutex_lock(&ring->mutex);
    ring->ready += ready;
    ring->failed += !ready;
    pthread_cond_broadcast(&ring->changed);
    while (ready && !ring->begun && !atomic_load(&ring->stopping))
        pthread_cond_wait(&ring->changed, &ring->mutex);
    bool begun = ring->begun;
    pthread_mutex_unlock(&ring->mutex);
    return begun;
}

void *ring_run_queue(void *argument)
{
    struct queue *queue = argument;
    this_queue = queue;
    stay_on(queue->number);
    if (wait_for_beginning(queue)) {
        await_pokes(queue);
        for (unsigned i = 0; i < ENTRIES; i++)
            command(queue, &queue->entries[i], REGISTER, 0);
        while (!atomic_load(&queue->ring->stopping))
            do_round(queue);
        take_answered(queue);
        io_uring_submit(&queue->uring);
    }
    end_queue(queue);
    return NULL;
}
