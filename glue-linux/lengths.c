// What the kernel is told is what was so when we looked. If a program cuts the file short between the two, and is answered, the kernel takes the file
// to be as long as before: what is in memory of it beyond its end would be written back to it. So who sets the length of the file that it is being
// told of is answered afterwards, as the kernel believes what it was told last. The kernel lets only one at a time set the length of a file, and
// what it may wait for when it is told, those that read the file, does not wait for him.

#include "lengths.h"

#include "convert.h"
#include "mount.h"
#include "request.h"

// Nobody is put off from here on.
static struct put_off end_telling(struct lengths *lengths)
{
    pthread_mutex_lock(&lengths->mutex);
    struct put_off put_off = lengths->put_off;
    lengths->put_off.request = NULL;
    atomic_store(&lengths->telling, 0);
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
    if (put_off.request)
        fuse_reply_attr(put_off.request, &put_off.attributes, put_off.seconds);
}

static bool puts_off(struct lengths *lengths, fs_node node, const struct put_off *answer)
{
    // Changed, though to what it is: so either we see that it is told, or whoever tells it sees what was set.
    if (atomic_fetch_or(&lengths->telling, 0) != node)
        return false;
    pthread_mutex_lock(&lengths->mutex);
    bool told_still = atomic_load(&lengths->telling) == node && !lengths->put_off.request;
    if (told_still)
        lengths->put_off = *answer;
    pthread_mutex_unlock(&lengths->mutex);
    return told_still;
}

void lengths_answer(fuse_req_t request, fs_node node, const struct stat *attributes, double seconds)
{
    struct put_off answer = { .request = request, .attributes = *attributes, .seconds = seconds };
    if (!puts_off(&mount_of(request)->lengths, node, &answer))
        fuse_reply_attr(request, attributes, seconds);
}
