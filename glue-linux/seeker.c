// Where data and holes lie: requests in the order in which they came, and the thread that answers them. There are never more than
// threads of programs that wait for an answer.

#include "seeker.h"

#include "convert.h"
#include "mount.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct question {
    struct question *next;
    fuse_req_t request;
    fs_node node;
    uint64_t offset;
    uint32_t what;
};

struct seeker {
    struct mount *mount;
    pthread_t thread;
    pthread_mutex_t mutex;   // guards what follows
    pthread_cond_t changed;
    struct question *first;
    struct question **end;   // where the next goes
    bool stopping;
    bool ended;              // the thread has; whoever ends it knows
};

// ---- questions ---------------------------------------------------------------------------------------------------

void seeker_answer(fuse_req_t request, fs_node node, uint64_t offset, uint32_t what)
{
    uint64_t found = 0;
    fs_result result = fs_lseek(view_of(request), node, offset, what, &found);
    if (result == FS_OK)
        fuse_reply_lseek(request, (off_t)found);
    else
        answer_result(request, result);
}

static void add(struct seeker *seeker, struct question *question)
{
    *seeker->end = question;
    seeker->end = &question->next;
    pthread_cond_signal(&seeker->changed);
}

void seeker_ask(struct seeker *seeker, fuse_req_t request, fs_node node, uint64_t offset, uint32_t what)
{
    struct question *question = malloc(sizeof *question);
    if (!question) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    *question = (struct question){ .request = request, .node = node, .offset = offset, .what = what };
    pthread_mutex_lock(&seeker->mutex);
    bool taken = !seeker->stopping;
    if (taken)
        add(seeker, question);
    pthread_mutex_unlock(&seeker->mutex);
    if (taken)
        return;
    free(question);
    fuse_reply_err(request, ENOTCONN);
}

// Waits for the next. NULL: the end, and none is left.
static struct question *take(struct seeker *seeker, bool *stopping)
{
    pthread_mutex_lock(&seeker->mutex);
    while (!seeker->first && !seeker->stopping)
        pthread_cond_wait(&seeker->changed, &seeker->mutex);
    struct question *question = seeker->first;
    if (question)
        seeker->first = question->next;
    if (!seeker->first)
        seeker->end = &seeker->first;
    *stopping = seeker->stopping;
    pthread_mutex_unlock(&seeker->mutex);
    return question;
}

// ---- the thread --------------------------------------------------------------------------------------------------

// Where we know a hole, or no end yet, the kernel may hold data.
static void *run(void *context)
{
    struct seeker *seeker = context;
    bool stopping = false;
    for (struct question *question; (question = take(seeker, &stopping)); free(question)) {
        if (stopping) {
            fuse_reply_err(question->request, ENOTCONN);
            continue;
        }
        fuse_lowlevel_notify_inval_inode(seeker->mount->session, question->node, (off_t)question->offset, 0);
        seeker_answer(question->request, question->node, question->offset, question->what);
    }
    return NULL;
}

struct seeker *seeker_start(struct mount *mount)
{
    struct seeker *seeker = calloc(1, sizeof *seeker);
    if (!seeker)
        return NULL;
    seeker->mount = mount;
    seeker->end = &seeker->first;
    pthread_mutex_init(&seeker->mutex, NULL);
    pthread_cond_init(&seeker->changed, NULL);
    if (pthread_create(&seeker->thread, NULL, run, seeker) == 0)
        return seeker;
    seeker->ended = true;
    seeker_free(seeker);
    return NULL;
}

void seeker_end(struct seeker *seeker)
{
    if (!seeker || seeker->ended)
        return;
    pthread_mutex_lock(&seeker->mutex);
    seeker->stopping = true;
    pthread_cond_signal(&seeker->changed);
    pthread_mutex_unlock(&seeker->mutex);
    pthread_join(seeker->thread, NULL);
    seeker->ended = true;
}

void seeker_free(struct seeker *seeker)
{
    if (!seeker)
        return;
    seeker_end(seeker);
    pthread_cond_destroy(&seeker->changed);
    pthread_mutex_destroy(&seeker->mutex);
    free(seeker);
}
