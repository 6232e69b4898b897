// What the kernel is told is what was so when we looked. If a program cuts the file short between the two, and is answered, the kernel takes the file
// to be as long as before: what is in memory of it beyond its end would be written back to it. So who sets the length of the file that it is being
// told of is answered afterwards, as the kernel believes what it was told last. The kernel lets only one at a time set the length of a file.
//
// The kernel takes the length at once; then it may wait for the file's last page, and that for who writes through a mapping while the page is
// written back, and that for him who sets the length. So he waits for some seconds at most.

#include "lengths.h"

#include "clock.h"
#include "convert.h"
#include "forgetter.h"
#include "mount.h"
#include "request.h"

enum { PATIENCE_SECONDS = 10 };

void lengths_begin(struct lengths *lengths)
{
    pthread_mutex_init(&lengths->mutex, NULL);
    clock_condition(&lengths->told);
}

void lengths_end(struct lengths *lengths)
{
    pthread_cond_destroy(&lengths->told);
    pthread_mutex_destroy(&lengths->mutex);
}

static void answer(const struct put_off *put_off)
{
    if (put_off->request)
        fuse_reply_attr(put_off->request, &put_off->attributes, put_off->seconds);
}

// Nobody is put off from here on.
static struct put_off end_telling(struct lengths *lengths)
{
    pthread_mutex_lock(&lengths->mutex);
    struct put_off put_off = lengths->put_off;
    lengths->put_off.request = NULL;
    atomic_store(&lengths->telling, 0);
    pthread_cond_broadcast(&lengths->told);
    pthread_mutex_unlock(&lengths->mutex);
    return put_off;
}

void lengths_tell(struct mount *mount, fs_node node)
{
    struct fs_attr attr = { .size = sizeof attr };
    // What was set by him who is not put off we see: `puts_off` has changed it before us.
    atomic_exchange(&mount->lengths.telling, node);
    if (fs_getattr(mount->view, node, &attr) == FS_OK && attr.kind == FS_KIND_FILE && attr.length > 0)
        request_tell_length(mount->session, node, attr.length);
    struct put_off put_off = end_telling(&mount->lengths);
    answer(&put_off);
}

// By a thread that may wait: answers who is put off when it has taken too long.
static void lose_patience(struct mount *mount)
{
    struct lengths *lengths = &mount->lengths;
    struct timespec until = clock_in(PATIENCE_SECONDS);
    pthread_mutex_lock(&lengths->mutex);
    while (lengths->put_off.request && pthread_cond_timedwait(&lengths->told, &lengths->mutex, &until) == 0)
        ;
    struct put_off put_off = lengths->put_off;
    lengths->put_off.request = NULL;
    pthread_mutex_unlock(&lengths->mutex);
    answer(&put_off);
}

static bool puts_off(struct lengths *lengths, fs_node node, const struct put_off *given)
{
    // Changed, though to what it is: so either we see that it is told, or whoever tells it sees what was set.
    if (atomic_fetch_or(&lengths->telling, 0) != node)
        return false;
    pthread_mutex_lock(&lengths->mutex);
    bool told_still = atomic_load(&lengths->telling) == node && !lengths->put_off.request;
    if (told_still)
        lengths->put_off = *given;
    pthread_mutex_unlock(&lengths->mutex);
    return told_still;
}

void lengths_answer(fuse_req_t request, fs_node node, const struct stat *attributes, double seconds)
{
    struct mount *mount = mount_of(request);
    struct put_off given = { .request = request, .attributes = *attributes, .seconds = seconds };
    if (!puts_off(&mount->lengths, node, &given))
        answer(&given);
    else if (mount->listing_ends)
        forgetter_act(mount->listing_ends, lose_patience);
}
