// The session loop. Why not libfuse's own: see docs/linux.md, "Threads".
//
// The leader serves short requests itself and goes on taking; it hands its turn on first when a request may take long, or when
// requests arrive faster than one thread serves them. After a request it looks for the next without sleeping for a short while, as
// long as nobody else wants its processor: to be woken costs more than most requests. When somebody does, it sleeps where the
// program is that asked last (near.h).
//
// Guarded by `mutex`: everything but what is constant after `loop_new`.

#include "loop.h"

#include "clock.h"
#include "log.h"
#include "near.h"
#include "request.h"
#include "ring.h"
#include "spin.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    SPARE_THREADS = 2,        // idle threads that stay
    IDLE_SECONDS = 5,         // after which others end
    BLOCKING_THREADS = 64,    // threads beside `max_threads`, for requests that wait for somebody
    HANGING_THREADS = 64,     // the same, for requests that a base keeps waiting
    QUEUED_IN_A_ROW = 4,      // requests found waiting, one after the other, before a second thread helps
    QUEUED_ALONE = 64,        // the same where one client alone asks: his next request may be there before anybody waits, and nobody else waits
    LONG_BYTES = 128 * 1024,  // content of a request from which another thread had better take the next
    SPIN_NANOSECONDS = 50 * 1000,
    MEMORY_PAUSE_NANOSECONDS = 10 * 1000 * 1000,
    GATHER_MILLISECONDS = 1,  // in which forgets gather, where nothing else comes over /dev/fuse
    DRAIN_NANOSECONDS = 1000 * 1000 * 1000,
    WRITE_WINDOW_NANOSECONDS = 1000 * 1000 * 1000,
    FAREWELL_SECONDS = 5,     // in which requests that wait for others may still be answered when the loop is to stop
};

struct worker {
    struct worker *next;
    struct fuse_buf buffer;
    pid_t thread;
    uint64_t serving;   // number of the request that it serves; 0: none
    uint64_t seen;      // the same at the last look after hanging ones
    bool keeps_turn;    // it leads, and nobody else takes the next request meanwhile
    bool waits;         // for others: `blocked` counts it, or it has nobody to wait for
    bool hangs;         // `hanging` counts it
    bool at_barrier;    // waits for others, so others need not wait for it
    long sleeps;        // the thread's own: see request_serve_watched
};

struct loop {
    struct fuse_session *session;
    struct loop_owner owner;
    struct ring *ring;  // NULL: /dev/fuse only
    struct watch *watch; // for requests that hang; NULL: none can
    atomic_bool over_ring; // requests come over io_uring, and over /dev/fuse only what is not answered: FORGET, INTERRUPT
    atomic_uint_fast64_t looks; // at /dev/fuse, twice each: odd from before it until what it found has a number
    int wake;           // eventfd: readable from the moment the loop stops
    unsigned max_threads;
    pthread_mutex_t mutex;
    pthread_cond_t turn;      // leadership is free, or the loop stops
    pthread_cond_t answered;  // a request was answered and somebody is at a barrier; or a thread ended
    struct worker *workers;
    unsigned threads, idle, blocked, hanging, barriers;
    bool led, stopping;
    bool leaving;       // the loop is to stop: requests that wait for others are not begun any more
    uint64_t taken;     // requests so far; the number of the last
    uint64_t counted;   // of them, those that the kernel counts as under way
    uint64_t writes_now, writes_before; // WRITEs taken in this window of time, and in the one before
    int64_t window_start;
    // The leader's own.
    unsigned queued_in_a_row;
    struct spin spin;
    struct near near;
};

static _Thread_local struct worker *this_worker;
static _Thread_local struct loop *this_loop;

// ---- taking requests ---------------------------------------------------------------------------------------------

// A thread that finds no memory for its first buffer gives its turn to one that has a buffer, if there may be any: else what must
// be written back for memory to become free would never be taken.
static bool is_starved(const struct worker *worker, bool alone, int size)
{
    return size == -ENOMEM && !worker->buffer.mem && !alone;
}

static bool is_worth_waiting(const struct loop *loop, int size)
{
    return (size == -EAGAIN || size == -EINTR || size == -ENOMEM) && !fuse_session_exited(loop->session);
}

// Waits until there is something to take, or the loop stops. False: it was there already.
static bool sleep_until_readable(struct loop *loop, struct worker *worker, int size)
{
    struct timespec pause = { .tv_nsec = MEMORY_PAUSE_NANOSECONDS };
    if (size == -ENOMEM)
        nanosleep(&pause, NULL);
    struct pollfd files[] = {
        { .fd = fuse_session_fd(loop->session), .events = POLLIN },
        { .fd = loop->wake, .events = POLLIN },
    };
    long before = clock_sleeps();
    poll(files, 2, -1);
    worker->sleeps = clock_sleeps();
    return worker->sleeps != before;
}

static void end_look(struct loop *loop)
{
    atomic_fetch_add(&loop->looks, 1);
}

// What is found is not seen to by anybody else until `end_look`.
static int look(struct loop *loop, struct fuse_buf *buffer)
{
    atomic_fetch_add(&loop->looks, 1);
    int size = fuse_session_receive_buf(loop->session, buffer);
    if (size <= 0)
        end_look(loop);
    return size;
}

// Looks for a request for a while; what receiving it answered last.
static int spin(struct loop *loop, struct fuse_buf *buffer, int64_t now)
{
    int size = -EAGAIN;
    for (int64_t until = now + SPIN_NANOSECONDS; now < until && (size == -EAGAIN || size == -EINTR); now = clock_now())
        size = look(loop, buffer);
    spin_ended(&loop->spin, now, size > 0);
    return size;
}

// Over io_uring a removed file's forget would wake this thread each time, at its client's expense: those of a while are taken together, as
// one message. Nobody waits for them; who interrupts a request waits for so long.
static int gather(struct loop *loop, struct fuse_buf *buffer)
{
    struct pollfd wake = { .fd = loop->wake, .events = POLLIN };
    poll(&wake, 1, GATHER_MILLISECONDS);
    return look(loop, buffer);
}

// Whoever will sleep looks only afterwards, as a look in vain costs as much as to serve a request; unless the last request was there before
// it was waited for.
static int look_first(struct loop *loop, struct fuse_buf *buffer)
{
    if (atomic_load(&loop->over_ring))
        return gather(loop, buffer);
    return loop->queued_in_a_row > 0 || !spin_goes_near(&loop->spin) ? look(loop, buffer) : -EAGAIN;
}

// Takes the next request; 0 or an error when there will be none any more. By the leader, without the mutex.
static int take(struct loop *loop, struct worker *worker, bool alone)
{
    struct fuse_buf *buffer = &worker->buffer;
    int size = look_first(loop, buffer);
    loop->queued_in_a_row = size > 0 ? loop->queued_in_a_row + 1 : 0;
    if (!is_worth_waiting(loop, size) || is_starved(worker, alone, size))
        return size;
    int64_t now = clock_now();
    if (spin_may(&loop->spin, now))
        size = spin(loop, buffer, now);
    else if (spin_goes_near(&loop->spin))
        near_client(&loop->near);
    while (is_worth_waiting(loop, size) && !is_starved(worker, alone, size)) {
        bool slept = sleep_until_readable(loop, worker, size);
        size = look(loop, buffer);
        loop->queued_in_a_row = size > 0 && !slept;
    }
    return size;
}

// ---- threads -----------------------------------------------------------------------------------------------------

static void *work(void *argument);

static bool start_thread(struct loop *loop)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, work, loop) == 0;
    pthread_attr_destroy(&attributes);
    loop->threads += started;
    return started;
}

// Lets another thread take the next request. With all at work the next turn is for whoever is ready first.
static void pass_on(struct loop *loop)
{
    loop->led = false;
    if (loop->idle > 0)
        pthread_cond_signal(&loop->turn);
    else if (loop->threads < loop->max_threads + loop->blocked + loop->hanging)
        start_thread(loop);
}

static bool wait_turn(struct loop *loop)
{
    if (loop->idle <= SPARE_THREADS)
        return pthread_cond_wait(&loop->turn, &loop->mutex) == 0;
    struct timespec until = clock_in(IDLE_SECONDS);
    return pthread_cond_timedwait(&loop->turn, &loop->mutex, &until) != ETIMEDOUT;
}

// Waits for the turn to lead. False: this thread is to end.
static bool lead(struct loop *loop)
{
    bool stay = true;
    loop->idle++;
    while (loop->led && !loop->stopping && stay)
        stay = wait_turn(loop) || loop->idle <= SPARE_THREADS;
    loop->idle--;
    if (loop->stopping || loop->led)
        return false;
    loop->led = true;
    return true;
}

static void stop(struct loop *loop)
{
    uint64_t one = 1;
    loop->stopping = true;
    fuse_session_exit(loop->session);
    if (write(loop->wake, &one, sizeof one) == -1)
        log_error("cannot wake the session loop: %s", strerror(errno));
    pthread_cond_broadcast(&loop->turn);
}

// ---- serving -----------------------------------------------------------------------------------------------------

static void count_write(struct loop *loop)
{
    int64_t time = clock_tick();
    if (time - loop->window_start > WRITE_WINDOW_NANOSECONDS) {
        loop->writes_before = time - loop->window_start > 2 * WRITE_WINDOW_NANOSECONDS ? 0 : loop->writes_now;
        loop->writes_now = 0;
        loop->window_start = time;
    }
    loop->writes_now++;
}

// Whether this thread had better not take the next request before it has served this one.
static bool serves_first(struct loop *loop, const struct request *request)
{
    unsigned few = spin_is_alone(&loop->spin) ? QUEUED_ALONE : QUEUED_IN_A_ROW;
    if (request->waits || request->bytes >= LONG_BYTES || loop->queued_in_a_row >= few)
        return false;
    return !loop->owner.may_wait(loop->owner.context);
}

static void answered(struct loop *loop, struct worker *worker)
{
    worker->serving = 0;
    loop->hanging -= worker->hangs;
    worker->hangs = false;
    if (loop->barriers > 0)
        pthread_cond_broadcast(&loop->answered);
}

// Serves one request. Called and left with the mutex held; whether the turn is still this thread's is the answer.
static bool serve(struct loop *loop, struct worker *worker)
{
    struct request request = request_look(&worker->buffer);
    worker->serving = ++loop->taken;
    loop->counted += request.is_counted;
    end_look(loop);
    // The kernel answers it when the session is closed.
    if (loop->leaving && request.waits) {
        answered(loop, worker);
        return true;
    }
    // Nobody waits for it, so what came behind it has not queued up.
    if (!request.is_counted)
        loop->queued_in_a_row = 0;
    worker->keeps_turn = serves_first(loop, &request);
    worker->waits = request.waits;
    bool blocks = request.waits && loop->blocked < BLOCKING_THREADS;
    loop->blocked += blocks;
    spin_served(&loop->spin, request.client);
    loop->near.client = request.bytes < LONG_BYTES ? request.client : 0;
    if (request.is_write)
        count_write(loop);
    if (!worker->keeps_turn)
        pass_on(loop);
    watch_begin(loop->watch);
    // What waits for others would wait for ever.
    bool alone = request.waits && loop->threads <= loop->blocked;
    pthread_mutex_unlock(&loop->mutex);
    if (alone)
        request_refuse(loop->session, &worker->buffer, ENOMEM);
    else if (!loop->owner.may_be_late || request.waits || !request.is_counted || request.bytes >= LONG_BYTES)
        fuse_session_process_buf(loop->session, &worker->buffer);
    else if (request_serve_watched(loop->session, &worker->buffer, &worker->sleeps))
        loop->owner.was_late(loop->owner.context);
    pthread_mutex_lock(&loop->mutex);
    loop->blocked -= blocks;
    answered(loop, worker);
    return worker->keeps_turn;
}

// Leaves the turn to a thread that waits for it, or to the first that has served what it serves.
static void give_up_turn(struct loop *loop)
{
    loop->led = false;
    pthread_cond_signal(&loop->turn);
}

// Takes and serves requests for as long as the turn is this thread's. False: it has no memory to take any.
static bool be_leader(struct loop *loop, struct worker *worker)
{
    bool leads = true;
    loop->queued_in_a_row = 0;
    loop->spin.preemptions = spin_preemptions();
    worker->sleeps = clock_sleeps();
    while (leads && !loop->stopping) {
        bool alone = loop->threads == 1;
        pthread_mutex_unlock(&loop->mutex);
        int size = take(loop, worker, alone);
        pthread_mutex_lock(&loop->mutex);
        if (is_starved(worker, loop->threads == 1, size) && !loop->stopping) {
            give_up_turn(loop);
            return false;
        }
        if (size == -ENOMEM && !fuse_session_exited(loop->session))
            continue;
        if (size <= 0)
            stop(loop);
        else if (!loop->stopping)
            leads = serve(loop, worker);
        else
            end_look(loop);
    }
    return true;
}

static void enter(struct loop *loop, struct worker *worker)
{
    this_loop = loop;
    this_worker = worker;
    worker->thread = gettid();
    worker->next = loop->workers;
    loop->workers = worker;
}

static void leave(struct loop *loop, struct worker *worker)
{
    struct worker **link = &loop->workers;
    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
    free(worker->buffer.mem);
}

static void *work(void *argument)
{
    struct loop *loop = argument;
    struct worker worker = { 0 };
    pthread_mutex_lock(&loop->mutex);
    enter(loop, &worker);
    while (lead(loop) && be_leader(loop, &worker))
        ;
    leave(loop, &worker);
    bool last = loop->stopping && loop->threads == 1;
    struct loop_owner owner = loop->owner;
    if (last) {
        // Whoever waits in `loop_stop` waits until this is done.
        pthread_mutex_unlock(&loop->mutex);
        ring_stop(loop->ring);
        owner.ended(owner.context);
        pthread_mutex_lock(&loop->mutex);
    }
    loop->threads--;
    pthread_cond_broadcast(&loop->answered);
    pthread_mutex_unlock(&loop->mutex);
    return NULL;
}

// ---- requests that hang -------------------------------------------------------------------------------------------

// Whether it sleeps over the request that it served at the last look. Said at each look; marked once.
static bool hangs(struct worker *worker)
{
    bool same = worker->serving && worker->serving == worker->seen && !worker->waits;
    worker->seen = worker->serving;
    return same && (worker->hangs || watch_is_asleep(worker->thread));
}

// Others are to be served by further threads meanwhile.
static void leave_behind(struct loop *loop, struct worker *worker)
{
    worker->hangs = true;
    loop->hanging++;
    loop->led &= !worker->keeps_turn;
    worker->keeps_turn = false;
}

// Says whether there is something to look after.
static bool look_after(void *context)
{
    struct loop *loop = context;
    bool busy = false, late = ring_hangs(loop->ring, &busy);
    pthread_mutex_lock(&loop->mutex);
    for (struct worker *worker = loop->workers; worker && !loop->stopping; worker = worker->next) {
        busy |= worker->serving != 0 && !worker->waits;
        bool hanging = hangs(worker);
        late |= hanging;
        if (hanging && !worker->hangs && loop->hanging < HANGING_THREADS)
            leave_behind(loop, worker);
    }
    // At each look, as a thread that cannot be started now may be later.
    if (loop->hanging > 0 && !loop->led && !loop->stopping)
        pass_on(loop);
    pthread_mutex_unlock(&loop->mutex);
    if (late)
        loop->owner.was_late(loop->owner.context);
    return busy;
}

// ---- the loop as a whole -----------------------------------------------------------------------------------------

static unsigned default_threads(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 2 ? (unsigned)cpus * 2 : 4;
}

// ---- io_uring ----------------------------------------------------------------------------------------------------

static bool may_wait(void *context)
{
    struct loop *loop = context;
    return loop->owner.may_wait(loop->owner.context);
}

static void was_late(void *context)
{
    struct loop *loop = context;
    loop->owner.was_late(loop->owner.context);
}

static void begins(void *context)
{
    const struct loop *loop = context;
    watch_begin(loop->watch);
}

static bool begin_waiting(void *context)
{
    struct loop *loop = context;
    pthread_mutex_lock(&loop->mutex);
    bool begins = !loop->leaving && !loop->stopping;
    loop->blocked += begins;
    pthread_mutex_unlock(&loop->mutex);
    return begins;
}

static void end_waiting(void *context)
{
    struct loop *loop = context;
    pthread_mutex_lock(&loop->mutex);
    loop->blocked--;
    pthread_cond_broadcast(&loop->answered);
    pthread_mutex_unlock(&loop->mutex);
}

bool loop_has_ring(const struct loop *loop)
{
    return loop->ring;
}

void loop_start_ring(struct loop *loop)
{
    ring_start(loop->ring);
    atomic_store(&loop->over_ring, true);
}

void loop_drop_ring(struct loop *loop)
{
    ring_stop(loop->ring);
}

ssize_t loop_answer(struct loop *loop, const struct iovec *parts, int count)
{
    if (!ring_answer(loop->ring, parts, count))
        return 0;
    return (ssize_t)((const struct fuse_out_header *)parts[0].iov_base)->len;
}

// ---- birth and death ---------------------------------------------------------------------------------------------

struct loop *loop_new(struct fuse_session *session, unsigned max_threads, bool over_ring, struct loop_owner owner)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    int file = fuse_session_fd(session);
    int flags = fcntl(file, F_GETFL);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake == -1 || flags == -1 || fcntl(file, F_SETFL, flags | O_NONBLOCK) == -1) {
        if (loop->wake != -1)
            close(loop->wake);
        free(loop);
        return NULL;
    }
    loop->session = session;
    loop->owner = owner;
    loop->max_threads = max_threads ? max_threads : default_threads();
    pthread_mutex_init(&loop->mutex, NULL);
    clock_condition(&loop->turn);
    clock_condition(&loop->answered);
    struct ring_owner asked = {
        .context = loop,
        .may_be_late = owner.may_be_late,
        .may_wait = may_wait,
        .was_late = was_late,
        .begins = begins,
        .begin_waiting = begin_waiting,
        .end_waiting = end_waiting,
    };
    loop->ring = over_ring ? ring_new(session, asked) : NULL;
    loop->watch = owner.may_be_late && loop->max_threads > 1 ? watch_new(look_after, loop) : NULL;
    return loop;
}

bool loop_start(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    bool started = start_thread(loop);
    pthread_mutex_unlock(&loop->mutex);
    return started;
}

// Who makes the kernel forget pages waits until it has handed over what was written to them, and nothing can interrupt that: as
// long as there is such a request, others must be served.
static void finish_waiting(struct loop *loop)
{
    struct timespec until = clock_in(FAREWELL_SECONDS);
    loop->leaving = true;
    loop->barriers++;
    while (loop->blocked > 0 && !loop->stopping)
        if (pthread_cond_timedwait(&loop->answered, &loop->mutex, &until) == ETIMEDOUT)
            break;
    loop->barriers--;
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    finish_waiting(loop);
    if (!loop->stopping)
        stop(loop);
    while (loop->threads > 0)
        pthread_cond_wait(&loop->answered, &loop->mutex);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    watch_free(loop->watch);
    ring_stop(loop->ring);
    ring_free(loop->ring);
    close(loop->wake);
    pthread_cond_destroy(&loop->turn);
    pthread_cond_destroy(&loop->answered);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

// ---- barriers ----------------------------------------------------------------------------------------------------

static bool busy_before(const struct loop *loop, uint64_t number)
{
    for (const struct worker *worker = loop->workers; worker; worker = worker->next)
        if (worker->serving && worker->serving < number && !worker->at_barrier)
            return true;
    return false;
}

static void wait_for_earlier(struct loop *loop, uint64_t number)
{
    loop->barriers++;
    while (busy_before(loop, number) && !loop->stopping)
        pthread_cond_wait(&loop->answered, &loop->mutex);
    loop->barriers--;
}

// The kernel hands over so many write-back requests at once; only one that has been asked for more keeps any to itself.
static bool kernel_may_hold_back(const struct loop *loop)
{
    return loop->writes_now + loop->writes_before >= request_background_limit();
}

static bool is_kernel_empty(const struct loop *loop)
{
    struct pollfd file = { .fd = fuse_session_fd(loop->session), .events = POLLIN };
    return poll(&file, 1, 0) == 0;
}

// At most one request can be on its way between the kernel's queue and the leader's number for it. So when the queue is empty
// and nothing is being served, fewer than the kernel's limit are under way, and it holds none back.
static bool is_quiet(struct loop *loop)
{
    return !busy_before(loop, UINT64_MAX) && is_kernel_empty(loop);
}

static void drain(struct loop *loop)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    int64_t until = clock_now() + DRAIN_NANOSECONDS;
    while (!is_quiet(loop) && !loop->stopping && clock_now() < until) {
        wait_for_earlier(loop, loop->taken + 1);
        pthread_mutex_unlock(&loop->mutex);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&loop->mutex);
    }
}

void loop_barrier_begin(void)
{
    if (!this_worker)
        return;
    pthread_mutex_lock(&this_loop->mutex);
    this_worker->at_barrier = true;
    pthread_cond_broadcast(&this_loop->answered);
    pthread_mutex_unlock(&this_loop->mutex);
}

// Waits until the leader has given a number to what the kernel had before now: its queue is empty, or so many were taken. Where it is not
// known how many there were, for a second at most.
// Called and left with the mutex held.
static void take_in(struct loop *loop, uint64_t waiting)
{
    struct timespec pause = { .tv_nsec = 100 * 1000 };
    int64_t until = waiting == UINT64_MAX ? clock_now() + DRAIN_NANOSECONDS : INT64_MAX;
    uint64_t target = waiting > UINT64_MAX - loop->counted ? UINT64_MAX : loop->counted + waiting;
    while (loop->counted < target && !is_kernel_empty(loop) && !loop->stopping && clock_now() < until) {
        pthread_mutex_unlock(&loop->mutex);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&loop->mutex);
    }
    for (uint64_t seen = atomic_load(&loop->looks); seen % 2 == 1 && atomic_load(&loop->looks) == seen && !loop->stopping;) {
        pthread_mutex_unlock(&loop->mutex);
        sched_yield();
        pthread_mutex_lock(&loop->mutex);
    }
}

// The same for its io_uring. Of more than the kernel hands over at once it holds some back, out of order.
static void settle_ring(struct loop *loop, uint64_t waiting)
{
    if (loop->ring && waiting > 0)
        ring_settle(loop->ring, waiting < request_background_limit() ? waiting : UINT64_MAX);
}

void loop_barrier(struct loop *loop)
{
    settle_ring(loop, loop->ring ? loop->owner.waiting(loop->owner.context) : 0);
    pthread_mutex_lock(&loop->mutex);
    wait_for_earlier(loop, this_worker && this_loop == loop ? this_worker->serving : loop->taken + 1);
    if (kernel_may_hold_back(loop))
        drain(loop);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_settle(struct loop *loop)
{
    uint64_t waiting = loop->owner.waiting(loop->owner.context);
    settle_ring(loop, waiting);
    pthread_mutex_lock(&loop->mutex);
    // Over io_uring there is nothing that counts, and always something while many files are forgotten.
    if (!atomic_load(&loop->over_ring))
        take_in(loop, waiting);
    wait_for_earlier(loop, loop->taken + 1);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_barrier_end(void)
{
    if (!this_worker)
        return;
    pthread_mutex_lock(&this_loop->mutex);
    this_worker->at_barrier = false;
    pthread_mutex_unlock(&this_loop->mutex);
}
