// Locks, where the volume keeps them (-o locks).

#include "convert.h"
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>

static uint32_t kind_of(int type)
{
    return type == F_RDLCK ? FS_LOCK_READ : type == F_WRLCK ? FS_LOCK_WRITE : FS_LOCK_NONE;
}

// Ranges in flock structures that libfuse hands over are absolute; a length of 0 is to the end.
static struct fs_lock lock_of(const struct flock *range, const struct fuse_file_info *file, fuse_req_t request)
{
    uint64_t start = (uint64_t)range->l_start;
    return (struct fs_lock){
        .size = sizeof(struct fs_lock),
        .space = FS_LOCK_RANGE,
        .kind = kind_of(range->l_type),
        .pid = (uint32_t)fuse_req_ctx(request)->pid,
        .owner = file->lock_owner,
        .start = start,
        .end = range->l_len ? start + (uint64_t)range->l_len - 1 : UINT64_MAX,
    };
}

static void describe(const struct fs_lock *lock, struct flock *into)
{
    bool to_end = lock->end >= INT64_MAX;
    *into = (struct flock){
        .l_type = lock->kind == FS_LOCK_READ ? F_RDLCK : lock->kind == FS_LOCK_WRITE ? F_WRLCK : F_UNLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)lock->start,
        .l_len = to_end ? 0 : (off_t)(lock->end - lock->start + 1),
        .l_pid = (pid_t)lock->pid,
    };
}

// Where the volume has no room for more locks, that is no full disk (fcntl(2), flock(2)).
static void answer_lock(fuse_req_t request, fs_result result)
{
    if (result == FS_LIMIT)
        fuse_reply_err(request, ENOLCK);
    else
        answer_result(request, result);
}

void op_getlk(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *range)
{
    struct fs_lock wanted = lock_of(range, file, request);
    struct fs_lock conflict = { .size = sizeof conflict };
    fs_result result = fs_lock_test(view_of(request), node, &wanted, &conflict);
    if (result != FS_OK) {
        answer_result(request, result);
        return;
    }
    struct flock answer;
    describe(&conflict, &answer);
    fuse_reply_lock(request, &answer);
}

// ---- waiting -----------------------------------------------------------------------------------------------------

// A request that waits for a lock. Several may hold it: who began the wait, core that ends it, and who cancels it. The last to let
// go frees it.
struct waiting {
    struct waiting *next;
    fuse_req_t request;
    struct mount *mount;
    struct fs_wait wait;
    bool known;        // `wait` is filled in
    bool interrupted;
    bool cancelled;
    bool ended;
    unsigned holders;
};

// All of them, of every mount. The mutex guards the list and what is in it; `changed`: one has gone.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct waiting *all;

// Called with the mutex held.
static void let_go(struct waiting *waiting)
{
    if (--waiting->holders > 0)
        return;
    struct waiting **link = &all;
    while (*link != waiting)
        link = &(*link)->next;
    *link = waiting->next;
    free(waiting);
    pthread_cond_broadcast(&changed);
}

static void wait_ended(void *context, fs_result result)
{
    struct waiting *waiting = context;
    // From here on libfuse does not call `interrupt` any more.
    fuse_req_interrupt_func(waiting->request, NULL, NULL);
    pthread_mutex_lock(&mutex);
    bool interrupted = waiting->interrupted;
    pthread_mutex_unlock(&mutex);
    // The kernel takes EINTR for a signal that has come; without one the program would see a number that no errno has.
    if (result == FS_CANCELLED)
        fuse_reply_err(waiting->request, interrupted ? EINTR : ENOLCK);
    else
        answer_lock(waiting->request, result);
    pthread_mutex_lock(&mutex);
    waiting->ended = true;
    let_go(waiting);
    pthread_mutex_unlock(&mutex);
}

static bool can_cancel(const struct waiting *waiting)
{
    return waiting->known && waiting->wait.number && !waiting->ended && !waiting->cancelled;
}

// Called with the mutex held, which is free while core ends the wait.
static void cancel(struct waiting *waiting)
{
    struct fs_wait wait = waiting->wait;
    waiting->cancelled = true;
    waiting->holders++;
    pthread_mutex_unlock(&mutex);
    fs_lock_cancel(waiting->mount->view, &wait);
    pthread_mutex_lock(&mutex);
    let_go(waiting);
}

static void *cancel_interrupted(void *context)
{
    struct waiting *waiting = context;
    pthread_mutex_lock(&mutex);
    if (can_cancel(waiting))
        cancel(waiting);
    let_go(waiting);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

// libfuse calls this with the request's lock held, which `wait_ended` needs: another thread cancels.
static void interrupt(fuse_req_t request, void *context)
{
    (void)request;
    struct waiting *waiting = context;
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    waiting->interrupted = true;
    if (can_cancel(waiting) && pthread_create(&thread, NULL, cancel_interrupted, waiting) == 0) {
        pthread_detach(thread);
        waiting->holders++;
    }
    pthread_mutex_unlock(&mutex);
}

static struct waiting *waiting_new(fuse_req_t request)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (!waiting)
        return NULL;
    *waiting = (struct waiting){ .request = request, .mount = mount_of(request), .holders = 2 };
    pthread_mutex_lock(&mutex);
    waiting->next = all;
    all = waiting;
    pthread_mutex_unlock(&mutex);
    fuse_req_interrupt_func(request, interrupt, waiting);
    return waiting;
}

static void wait_for(fuse_req_t request, fuse_ino_t node, const struct fs_lock *lock)
{
    struct waiting *waiting = waiting_new(request);
    if (!waiting) {
        fuse_reply_err(request, ENOLCK);
        return;
    }
    struct fs_wait wait = { .size = sizeof wait };
    fs_result result = fs_lock_wait(waiting->mount->view, node, lock, wait_ended, waiting, &wait);
    if (result != FS_OK || wait.number == 0)
        wait_ended(waiting, result);
    pthread_mutex_lock(&mutex);
    waiting->wait = wait;
    waiting->known = true;
    if (waiting->interrupted && can_cancel(waiting))
        cancel(waiting);
    let_go(waiting);
    pthread_mutex_unlock(&mutex);
}

static struct waiting *find(const struct mount *mount)
{
    struct waiting *waiting = all;
    while (waiting && waiting->mount != mount)
        waiting = waiting->next;
    return waiting;
}

void ops_end_waits(struct mount *mount)
{
    pthread_mutex_lock(&mutex);
    for (struct waiting *waiting; (waiting = find(mount));) {
        if (can_cancel(waiting))
            cancel(waiting);
        else
            pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

// ---- taking and giving up ----------------------------------------------------------------------------------------

static void set(fuse_req_t request, fuse_ino_t node, const struct fs_lock *lock, bool sleep)
{
    if (lock->kind == FS_LOCK_NONE)
        answer_lock(request, fs_lock_unlock(view_of(request), node, lock->space, lock->owner, lock->start, lock->end));
    else if (sleep)
        wait_for(request, node, lock);
    else
        answer_lock(request, fs_lock_set(view_of(request), node, lock));
}

void op_setlk(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *range, int sleep)
{
    struct fs_lock lock = lock_of(range, file, request);
    set(request, node, &lock, sleep);
}

void op_flock(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, int operation)
{
    int what = operation & ~LOCK_NB;
    struct fs_lock lock = {
        .size = sizeof lock,
        .space = FS_LOCK_WHOLE,
        .kind = what == LOCK_SH ? FS_LOCK_READ : what == LOCK_EX ? FS_LOCK_WRITE : FS_LOCK_NONE,
        .pid = (uint32_t)fuse_req_ctx(request)->pid,
        .owner = file->lock_owner,
        .end = UINT64_MAX,
    };
    set(request, node, &lock, !(operation & LOCK_NB));
}
