// The kernel keeps a thread on the processor that it was last on when all others sleep or work, so to go there once is enough until
// something else comes between.
//
// A thread of the process looks where a client is, and nobody waits for it: /proc/PID/stat makes its reader wait while the program is in
// execve(2), which may close files of ours and so wait for an answer.

#include "near.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SHORTEST_NANOSECONDS = 2 * 1000 * 1000,    // between two looks, of which one costs some ten microseconds
    LONGEST_NANOSECONDS = 16 * 1000 * 1000,    // the same, after the client was found here several times
    PROCESSOR_FIELD = 39,                      // of /proc/PID/stat, from 1: proc_pid_stat(5)
};

// The second field is a program's name, in parentheses, and may hold anything.
static int processor_in(const char *text)
{
    const char *field = strrchr(text, ')');
    for (int number = 2; field && number < PROCESSOR_FIELD; number++) {
        field = strchr(field, ' ');
        field = field ? field + 1 : NULL;
    }
    return field ? atoi(field) : -1;
}

// The processor that a thread was last on, or -1.
static int processor_of(uint32_t thread)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%u/task/%u/stat", (unsigned)thread, (unsigned)thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        return -1;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    return processor_in(text);
}

static void go_to(int processor)
{
    cpu_set_t allowed, there;
    if (processor >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) == -1 || !CPU_ISSET(processor, &allowed))
        return;
    CPU_ZERO(&there);
    CPU_SET(processor, &there);
    if (sched_setaffinity(0, sizeof there, &there) == 0 && sched_setaffinity(0, sizeof allowed, &allowed) == -1)
        log_error("a thread stays on processor %d: %s", processor, strerror(errno));
}

// ---- the thread that looks ---------------------------------------------------------------------------------------

static sem_t asked;
static atomic_bool busy = true;     // until there is a thread
static atomic_uint question;        // a client
static atomic_ullong answer;        // the client asked for, in the upper half; its processor and 1, or 0

static void *look_out(void *nothing)
{
    for (;;) {
        if (sem_wait(&asked) == -1)
            continue;
        unsigned client = atomic_load(&question);
        atomic_store(&answer, (unsigned long long)client << 32 | (unsigned)(processor_of(client) + 1));
        atomic_store(&busy, false);
    }
    return nothing;
}

// Without the thread nobody is asked, and the kernel alone chooses.
static void start_looking(void)
{
    pthread_t thread;
    if (sem_init(&asked, 0, 0) == -1 || pthread_create(&thread, NULL, look_out, NULL) != 0)
        return;
    pthread_detach(thread);
    atomic_store(&busy, false);
}

static void ask(struct near *near)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_looking);
    if (atomic_exchange(&busy, true))
        return;
    atomic_store(&question, near->client);
    near->asked = true;
    sem_post(&asked);
}

static void follow(struct near *near, int processor)
{
    bool apart = processor >= 0 && processor != sched_getcpu();
    if (apart)
        go_to(processor);
    near->asked = false;
    near->interval = apart || near->interval == 0 ? SHORTEST_NANOSECONDS : near->interval * 2;
    if (near->interval > LONGEST_NANOSECONDS)
        near->interval = LONGEST_NANOSECONDS;
}

void near_client(struct near *near)
{
    if (near->client == 0)
        return;
    unsigned long long known = atomic_load(&answer);
    if (near->asked && known >> 32 == near->client && !atomic_load(&busy))
        follow(near, (int)(known & UINT32_MAX) - 1);
    int64_t now = clock_tick();
    if (now < near->look_at)
        return;
    ask(near);
    near->look_at = now + near->interval;
}
