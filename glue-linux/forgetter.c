// Requests in the order in which they came, and the thread that answers them. There are never more than threads of programs that wait for an
// answer.

#include "forgetter.h"

#include "convert.h"
#include "mount.h"
#include "told.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct question {
    struct question *next;
    fuse_req_t request;
    fs_node node;
    uint64_t offset;
    uint32_t what;
    bool ends_listing;   // instead of asking for what follows the offset
    void (*act)(struct mount *mount); // to be done instead of answering a request
};

enum { MOST_ENDS = 2 };   // of listings: over io_uring each keeps a place that what is to be written back may need

struct forgetter {
    struct mount *mount;
    pthread_t thread;
    pthread_mutex_t mutex;   // guards what follows
    pthread_cond_t changed;
    struct question *first;
    struct question **end;   // where the next goes
    unsigned ends;           // ends of listings that wait, or are being answered
    bool stopping;
    bool ended;              // the thread has; whoever ends it knows
};

// ---- questions ---------------------------------------------------------------------------------------------------

void answer_seek(fuse_req_t request, fs_node node, uint64_t offset, uint32_t what)
{
    uint64_t found = 0;
    fs_result result = fs_lseek(view_of(request), node, offset, what, &found);
    if (result == FS_OK)
        fuse_reply_lseek(request, (off_t)found);
    else
        answer_result(request, result);
}

static void add(struct forgetter *forgetter, struct question *question)
{
    *forgetter->end = question;
    forgetter->end = &question->next;
    pthread_cond_signal(&forgetter->changed);
}

static bool ask(struct forgetter *forgetter, struct question asked)
{
    struct question *question = malloc(sizeof *question);
    if (!question)
        return false;
    *question = asked;
    pthread_mutex_lock(&forgetter->mutex);
    bool taken = !forgetter->stopping && !(asked.ends_listing && forgetter->ends >= MOST_ENDS);
    if (taken) {
        forgetter->ends += asked.ends_listing;
        add(forgetter, question);
    }
    pthread_mutex_unlock(&forgetter->mutex);
    if (!taken)
        free(question);
    return taken;
}

void forgetter_seek(struct forgetter *forgetter, fuse_req_t request, fs_node node, uint64_t offset, uint32_t what)
{
    if (!ask(forgetter, (struct question){ .request = request, .node = node, .offset = offset, .what = what }))
        fuse_reply_err(request, ENOMEM);
}

bool forgetter_end_listing(struct forgetter *forgetter, fuse_req_t request, fs_node node)
{
    return ask(forgetter, (struct question){ .request = request, .node = node, .ends_listing = true });
}

void forgetter_act(struct forgetter *forgetter, void (*act)(struct mount *mount))
{
    ask(forgetter, (struct question){ .act = act });
}

// Waits for the next. NULL: the end, and none is left.
static struct question *take(struct forgetter *forgetter, bool *stopping)
{
    pthread_mutex_lock(&forgetter->mutex);
    while (!forgetter->first && !forgetter->stopping)
        pthread_cond_wait(&forgetter->changed, &forgetter->mutex);
    struct question *question = forgetter->first;
    if (question)
        forgetter->first = question->next;
    if (!forgetter->first)
        forgetter->end = &forgetter->first;
    *stopping = forgetter->stopping;
    pthread_mutex_unlock(&forgetter->mutex);
    return question;
}

// ---- the thread --------------------------------------------------------------------------------------------------

// Where we know a hole, or no end yet, the kernel may hold data. A listing that ends it goes on to hold, but without its first page it is of no
// use, and is begun anew.
static void answer(struct forgetter *forgetter, const struct question *question)
{
    fuse_lowlevel_notify_inval_inode(forgetter->mount->session, question->node, (off_t)question->offset, 0);
    if (!question->ends_listing) {
        answer_seek(question->request, question->node, question->offset, question->what);
        return;
    }
    told_forgotten(forgetter->mount->told, question->node);
    fuse_reply_buf(question->request, NULL, 0);
    pthread_mutex_lock(&forgetter->mutex);
    forgetter->ends--;
    pthread_mutex_unlock(&forgetter->mutex);
}

static void *run(void *context)
{
    struct forgetter *forgetter = context;
    bool stopping = false;
    for (struct question *question; (question = take(forgetter, &stopping)); free(question)) {
        if (question->act)
            question->act(forgetter->mount);
        else if (stopping)
            fuse_reply_err(question->request, ENOTCONN);
        else
            answer(forgetter, question);
    }
    return NULL;
}

struct forgetter *forgetter_start(struct mount *mount)
{
    struct forgetter *forgetter = calloc(1, sizeof *forgetter);
    if (!forgetter)
        return NULL;
    forgetter->mount = mount;
    forgetter->end = &forgetter->first;
    pthread_mutex_init(&forgetter->mutex, NULL);
    pthread_cond_init(&forgetter->changed, NULL);
    if (pthread_create(&forgetter->thread, NULL, run, forgetter) == 0)
        return forgetter;
    forgetter->ended = true;
    forgetter_free(forgetter);
    return NULL;
}

void forgetter_end(struct forgetter *forgetter)
{
    if (!forgetter || forgetter->ended)
        return;
    pthread_mutex_lock(&forgetter->mutex);
    forgetter->stopping = true;
    pthread_cond_signal(&forgetter->changed);
    pthread_mutex_unlock(&forgetter->mutex);
    pthread_join(forgetter->thread, NULL);
    forgetter->ended = true;
}

void forgetter_free(struct forgetter *forgetter)
{
    if (!forgetter)
        return;
    forgetter_end(forgetter);
    pthread_cond_destroy(&forgetter->changed);
    pthread_mutex_destroy(&forgetter->mutex);
    free(forgetter);
}
