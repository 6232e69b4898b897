// bough-fuse: a volume, mounted with FUSE.
//
// Everything that has threads begins after the fork; the parent waits until the volume is mounted and served, and exits as that went.

#include "exits.h"
#include "log.h"
#include "mountpoint.h"
#include "options.h"
#include "server.h"
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_PATIENCE_MS = 10000, IDLE_PATIENCE_MS = 2000 };

// As the core's own threads have. The usual 8 MiB each would use a limited address space up.
enum { STACK_BYTES = 2 << 20 };

// More than this is asked of the system for itself.
enum { LARGE_BYTES = 256 << 10 };

// ---- living ------------------------------------------------------------------------------------------------------

static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    // Threads that begin after this do not get them either.
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

// Until the last mount has gone, or somebody asks for an end.
static void live(struct volume *volume, bool keep, int signals)
{
    struct pollfd files[] = { { .fd = signals, .events = POLLIN }, { .fd = volume->changed, .events = POLLIN } };
    for (;;) {
        if (poll(files, 2, -1) == -1 && errno != EINTR)
            return;
        if (files[0].revents)
            return;
        uint64_t ended;
        if (!files[1].revents || read(volume->changed, &ended, sizeof ended) == -1)
            continue;
        if (volume_reap(volume) == 0 && !keep)
            return;
    }
}

// Without a mount point of its own: until nobody speaks to it and its last branch has been gone for a moment. The moment spares whoever
// comes next a beginning, and gives the first the time to come.
static void live_unmounted(struct volume *volume, int signals)
{
    struct pollfd files[] = { { .fd = signals, .events = POLLIN }, { .fd = volume->changed, .events = POLLIN } };
    int patience = FIRST_PATIENCE_MS;
    for (;;) {
        int ready = poll(files, 2, patience);
        if ((ready == -1 && errno != EINTR) || (ready > 0 && files[0].revents))
            return;
        uint64_t ended;
        if (ready > 0 && files[1].revents && read(volume->changed, &ended, sizeof ended) == -1)
            log_error("cannot tell what has ended");
        bool idle = volume_reap(volume) == 0 && volume_is_bare(volume) && server_is_idle(volume->server);
        if (idle && ready == 0)
            return;
        patience = idle ? IDLE_PATIENCE_MS : -1;
    }
}

// Whoever asks for a log by BOUGH_LOG gets it where he is.
static bool logs_to_stderr(const struct options *options)
{
    return options->foreground || getenv("BOUGH_LOG");
}

static void let_go_of_terminal(bool keep_stderr)
{
    int nothing = open("/dev/null", O_RDWR);
    if (nothing == -1 && errno == EMFILE) {
        // Whoever started us waits for the end of our output: its place will do.
        close(STDIN_FILENO);
        nothing = open("/dev/null", O_RDWR);
    }
    for (int file = 0; file <= (keep_stderr ? 1 : 2) && nothing != -1; file++)
        dup2(nothing, file);
    if (nothing > 2)
        close(nothing);
    if (chdir("/") == -1)
        log_error("cannot leave the working directory: %s", strerror(errno));
}

static void report(int pipe_end, enum exits verdict)
{
    unsigned char code = (unsigned char)verdict;
    if (pipe_end != -1 && write(pipe_end, &code, 1) == -1)
        log_error("nobody waits for this daemon to begin");
}

// The options for the kernel that we add: what the mount is called.
static enum exits name_mount(const struct options *options, const struct volume *volume, struct fuse_args *arguments)
{
    char *words = NULL, *source = NULL;
    bool named = asprintf(&source, "fsname=%s", options->fsname ? options->fsname : volume->name) > 0 &&
                 fuse_opt_add_opt(&words, "subtype=bough") == 0 && fuse_opt_add_opt_escaped(&words, source) == 0 &&
                 fuse_opt_add_arg(arguments, "-o") == 0 && fuse_opt_add_arg(arguments, words) == 0;
    free(words);
    free(source);
    return named ? EXIT_DONE : EXIT_OTHER;
}

// For all threads to come, libfuse's among them.
static void bound_stacks(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0)
        pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

static enum exits serve(const struct options *options, const char *path, struct fuse_args *arguments, int parent)
{
    struct volume volume;
    bound_stacks();
    int signals = open_signals();
    enum exits verdict = volume_open(&volume, options);
    if (verdict == EXIT_DONE)
        verdict = name_mount(options, &volume, arguments);
    if (verdict == EXIT_DONE && !options->unmounted)
        verdict = volume_mount_first(&volume, options, path, arguments);
    if (verdict == EXIT_DONE) {
        log_begin(logs_to_stderr(options));
        report(parent, verdict);
        if (!options->foreground)
            let_go_of_terminal(logs_to_stderr(options));
        if (options->unmounted)
            live_unmounted(&volume, signals);
        else
            live(&volume, options->keep, signals);
    }
    volume_close(&volume);
    close(signals);
    return verdict;
}

// ---- beginning ---------------------------------------------------------------------------------------------------

// What the child reports; how it ended if it does not.
static enum exits wait_for_report(int pipe_end, pid_t child)
{
    unsigned char code;
    int status = 0;
    ssize_t got;
    while ((got = read(pipe_end, &code, 1)) == -1 && errno == EINTR)
        ;
    if (got == 1)
        return code;
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) ? (enum exits)WEXITSTATUS(status) : EXIT_OTHER;
}

static enum exits serve_in_background(const struct options *options, const char *path, struct fuse_args *arguments)
{
    int ends[2];
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) == -1 || (child = fork()) == -1) {
        log_error("cannot go to the background: %s", strerror(errno));
        return EXIT_OTHER;
    }
    if (child > 0) {
        close(ends[1]);
        return wait_for_report(ends[0], child);
    }
    close(ends[0]);
    setsid();
    return serve(options, path, arguments, ends[1]);
}

static enum exits run(struct options *options, struct fuse_args *arguments)
{
    switch (options_parse(options, arguments)) {
    case OPTIONS_DONE:
        return EXIT_DONE;
    case OPTIONS_WRONG:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    char *path = NULL;
    enum exits verdict =
        options->unmounted ? EXIT_DONE : mountpoint_check(options->mountpoint, options->base, &path);
    if (verdict == EXIT_DONE)
        verdict = fuse_check();
    if (verdict == EXIT_DONE)
        verdict = options->foreground ? serve(options, path, arguments, -1) : serve_in_background(options, path, arguments);
    free(path);
    return verdict;
}

// Buffers of requests go back to the system when they are freed, however many mounts come and go. By itself the allocator learns from
// the first that is freed to keep such in its heaps.
static void bound_heap(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
#endif
}

int main(int count, char **words)
{
    bound_heap();
    struct options options = { 0 };
    struct fuse_args arguments = FUSE_ARGS_INIT(count, words);
    enum exits verdict = run(&options, &arguments);
    options_free(&options);
    fuse_opt_free_args(&arguments);
    return (int)verdict;
}
