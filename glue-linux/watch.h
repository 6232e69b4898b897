// A thread that looks now and then, while there is something to look after: for what a thread that hangs cannot do itself.
#ifndef BOUGH_WATCH_H
#define BOUGH_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

struct watch;

/// Starts it. It calls `look` every few milliseconds until that answers that there is nothing to look after, and again after `watch_begin`.
/// NULL: no memory, or the system refuses.
struct watch *watch_new(bool (*look)(void *context), void *context);

/// There is something to look after now. By any thread; costs next to nothing while it looks anyway. NULL is fine.
void watch_begin(struct watch *watch);

/// Ends the thread, and waits for it. NULL is fine.
void watch_free(struct watch *watch);

/// Whether a thread of this process sleeps, for whatever reason; not when it waits for a processor.
bool watch_is_asleep(pid_t thread);

#endif
