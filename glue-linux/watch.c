#include "watch.h"

#include "clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAUSE_MILLISECONDS = 10 };

struct watch {
    bool (*look)(void *context);
    void *context;
    pthread_t thread;
    atomic_bool asleep;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ending;
};

// Whether it is to go on.
static bool pause_for_a_moment(struct watch *watch)
{
    struct timespec until = clock_in_milliseconds(PAUSE_MILLISECONDS);
    pthread_mutex_lock(&watch->mutex);
    while (!watch->ending && pthread_cond_timedwait(&watch->changed, &watch->mutex, &until) == 0)
        ;
    bool goes_on = !watch->ending;
    pthread_mutex_unlock(&watch->mutex);
    return goes_on;
}

static bool sleep_until_begun(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    while (!watch->ending && atomic_load(&watch->asleep))
        pthread_cond_wait(&watch->changed, &watch->mutex);
    bool goes_on = !watch->ending;
    pthread_mutex_unlock(&watch->mutex);
    return goes_on;
}

static void *run(void *argument)
{
    struct watch *watch = argument;
    bool goes_on = true;
    while (goes_on) {
        // Once more after it is to be woken: what began before that did not wake it.
        bool busy = watch->look(watch->context);
        atomic_store(&watch->asleep, !busy);
        if (busy || watch->look(watch->context)) {
            atomic_store(&watch->asleep, false);
            goes_on = pause_for_a_moment(watch);
        } else
            goes_on = sleep_until_begun(watch) && pause_for_a_moment(watch);
    }
    return NULL;
}

struct watch *watch_new(bool (*look)(void *context), void *context)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->look = look;
    watch->context = context;
    pthread_mutex_init(&watch->mutex, NULL);
    clock_condition(&watch->changed);
    if (pthread_create(&watch->thread, NULL, run, watch) == 0)
        return watch;
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
    return NULL;
}

void watch_begin(struct watch *watch)
{
    if (!watch || !atomic_load(&watch->asleep))
        return;
    pthread_mutex_lock(&watch->mutex);
    atomic_store(&watch->asleep, false);
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->mutex);
    watch->ending = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

// The field after the name of the program, which is in parentheses: proc_pid_stat(5).
bool watch_is_asleep(pid_t thread)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        return false;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && (strncmp(name_end, ") S", 3) == 0 || strncmp(name_end, ") D", 3) == 0);
}
