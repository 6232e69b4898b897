// The socket. A request is a number and a size (u32 each, this machine's order) and a message; the answer a result, a size and the message. A
// mounted /dev/fuse descriptor comes beside the first byte. Each connection has a thread of its own, so that nobody waits for a slow one.

#include "server.h"

#include "control.h"
#include "log.h"
#include "state.h"
#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS = 256, BACKLOG = 256, IDLE_SECONDS = 60, SLOW_SECONDS = 5, MOST_DESCRIPTORS = 4, NO_ROOM_PAUSE_MS = 100 };

struct server {
    struct volume *volume;
    struct sockaddr_un address;
    int listener;
    int wake;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int connections[CONNECTIONS]; // -1: free; under the mutex, as is the number of them
    unsigned used;
};

struct connection {
    struct server *server;
    int socket;
    unsigned slot;
    struct ucred peer;
};

struct request_header {
    uint32_t number, bytes;
};

// ---- one request -------------------------------------------------------------------------------------------------

// Keeps the first descriptor that came and closes the others.
static void take_descriptors(struct msghdr *message, int *descriptor)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int file;
            memcpy(&file, CMSG_DATA(part) + i * sizeof file, sizeof file);
            if (*descriptor == -1)
                *descriptor = file;
            else
                close(file);
        }
    }
}

static bool receive(int socket, void *into, size_t bytes, int *descriptor)
{
    for (size_t got = 0; got < bytes;) {
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
        } control;
        struct iovec part = { .iov_base = (char *)into + got, .iov_len = bytes - got };
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
        };
        ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        take_descriptors(&message, descriptor);
        got += (size_t)count;
    }
    return true;
}

static bool send_all(int socket, const void *from, size_t bytes)
{
    for (size_t sent = 0; sent < bytes;) {
        ssize_t count = send(socket, (const char *)from + sent, bytes - sent, MSG_NOSIGNAL);
        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

static fs_result attach(struct connection *connection, void *bytes, size_t count, int *descriptor)
{
    struct fs_control_attach message;
    if (count != sizeof message || *descriptor == -1)
        return FS_BAD_STRUCTURE;
    memcpy(&message, bytes, sizeof message);
    if (message.header.size != sizeof message || message.header.version != FS_CONTROL_VERSION)
        return FS_BAD_STRUCTURE;
    int device_file = *descriptor;
    *descriptor = -1;
    fs_result result = volume_attach(connection->server->volume, &message, device_file, connection->peer.pid);
    memcpy(bytes, &message, sizeof message);
    return result;
}

static fs_result pass_on(struct connection *connection, uint32_t request, void *bytes, size_t count)
{
    struct volume *volume = connection->server->volume;
    struct fs_caller caller = {
        .size = sizeof caller,
        .uid = connection->peer.uid,
        .gid = connection->peer.gid,
        .pid = (uint32_t)connection->peer.pid,
        .privileges = connection->peer.uid == 0 ? FS_PRIVILEGE_SUPERUSER : 0,
    };
    struct mount *mount = volume_borrow_mount(volume);
    if (mount) {
        fs_result result = control_answer(mount, &caller, request, bytes, count);
        volume_return_mount(volume, mount);
        return result;
    }
    // Nothing is mounted that may be asked: a view for this request.
    struct fs_view *view = NULL;
    control_prepare(volume, request);
    fs_result result = fs_view_open(volume->core, (struct fs_ref){ 0 }, NULL, 0, 0, &view);
    if (result == FS_OK)
        result = fs_control(view, &caller, request, bytes, count);
    fs_view_close(view);
    return result;
}

static bool answer(int socket, fs_result result, const void *bytes, uint32_t count)
{
    struct request_header header = { .number = result, .bytes = result == FS_OK ? count : 0 };
    return send_all(socket, &header, sizeof header) && send_all(socket, bytes, header.bytes);
}

static void set_patience(int socket, int option, int seconds)
{
    struct timeval time = { .tv_sec = seconds };
    setsockopt(socket, SOL_SOCKET, option, &time, sizeof time);
}

static bool serve_one(struct connection *connection, int *descriptor)
{
    struct request_header header;
    char message[CONTROL_BYTES];
    int socket = connection->socket;
    set_patience(socket, SO_RCVTIMEO, IDLE_SECONDS);
    if (!receive(socket, &header, sizeof header, descriptor))
        return false;
    set_patience(socket, SO_RCVTIMEO, SLOW_SECONDS);
    if (header.bytes > sizeof message) {
        answer(socket, FS_BAD_STRUCTURE, NULL, 0);
        return false;
    }
    if (!receive(socket, message, header.bytes, descriptor))
        return false;
    fs_result result = header.number == FS_CONTROL_ATTACH
        ? attach(connection, message, header.bytes, descriptor)
        : pass_on(connection, header.number, message, header.bytes);
    return answer(socket, result, message, header.bytes);
}

// ---- connections -------------------------------------------------------------------------------------------------

static void release_slot(struct server *server, unsigned slot)
{
    pthread_mutex_lock(&server->mutex);
    close(server->connections[slot]);
    server->connections[slot] = -1;
    server->used--;
    pthread_cond_broadcast(&server->ended);
    // Under the mutex: who stops the server frees it once it has seen that nobody is left.
    volume_tell_changed(server->volume);
    pthread_mutex_unlock(&server->mutex);
}

static void *serve(void *context)
{
    struct connection *connection = context;
    struct server *server = connection->server;
    unsigned slot = connection->slot;
    bool more = true;
    while (more) {
        int descriptor = -1;
        more = serve_one(connection, &descriptor);
        if (descriptor != -1)
            close(descriptor);
    }
    free(connection);
    release_slot(server, slot);
    return NULL;
}

bool server_is_idle(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool idle = server->used == 0;
    pthread_mutex_unlock(&server->mutex);
    return idle;
}

static bool may_speak(const struct server *server, const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == server->volume->owner;
}

static int free_slot(struct server *server, int socket)
{
    int found = -1;
    pthread_mutex_lock(&server->mutex);
    for (int slot = 0; slot < CONNECTIONS && found == -1; slot++)
        if (server->connections[slot] == -1)
            found = slot;
    if (found != -1) {
        server->connections[found] = socket;
        server->used++;
    }
    pthread_mutex_unlock(&server->mutex);
    return found;
}

static bool start_connection(struct connection *connection)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, connection) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

static void welcome(struct server *server, int socket)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    struct connection *connection = calloc(1, sizeof *connection);
    bool welcome = connection && getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && may_speak(server, &peer);
    int slot = welcome ? free_slot(server, socket) : -1;
    if (slot == -1) {
        free(connection);
        close(socket);
        return;
    }
    set_patience(socket, SO_SNDTIMEO, SLOW_SECONDS);
    *connection = (struct connection){ .server = server, .socket = socket, .slot = (unsigned)slot, .peer = peer };
    if (!start_connection(connection)) {
        free(connection);
        release_slot(server, (unsigned)slot);
    }
}

static void *listen_on(void *context)
{
    struct server *server = context;
    struct pollfd files[] = { { .fd = server->listener, .events = POLLIN }, { .fd = server->wake, .events = POLLIN } };
    for (;;) {
        if (poll(files, 2, -1) == -1 && errno != EINTR)
            return NULL;
        if (files[1].revents)
            return NULL;
        int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket != -1)
            welcome(server, socket);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            poll(files + 1, 1, NO_ROOM_PAUSE_MS);
    }
}

// ---- the socket --------------------------------------------------------------------------------------------------

// What connect(2) answers: 0, or why not. EAGAIN: somebody listens, who is busy.
static int probe(const struct sockaddr_un *address)
{
    int socket_file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_file == -1)
        return errno;
    int answer = connect(socket_file, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(socket_file);
    return answer;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int answer = probe(address);
    return answer == 0 || answer == EAGAIN;
}

static bool is_socket_name(const char *name)
{
    size_t length = strlen(name), ending = strlen(SOCKET_ENDING);
    return length > ending && strcmp(name + length - ending, SOCKET_ENDING) == 0;
}

// Sockets of volumes whose daemons died without a chance to clear up. Under the lock of the directory, so that none of them is just
// coming to life; whose connection is refused for certain, and no others.
static void clear_after_the_dead(int directory, const char *path)
{
    DIR *listing = directory == -1 ? NULL : opendir(path);
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat found;
        if (!is_socket_name(entry->d_name) || fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == -1)
            continue;
        int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", path, entry->d_name);
        if (S_ISSOCK(found.st_mode) && length < (int)sizeof address.sun_path && probe(&address) == ECONNREFUSED)
            unlinkat(directory, entry->d_name, 0);
    }
    if (listing)
        closedir(listing);
}

// Only the owner may speak to the socket, from its first moment.
static bool bind_privately(int listener, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    bool bound = bind(listener, (const struct sockaddr *)address, sizeof *address) == 0;
    umask(before);
    return bound && listen(listener, BACKLOG) == 0;
}

// Two daemons that begin at once must not both find the other's socket stale: one after the other, by a lock on the directory.
static int lock_directory(const char *path)
{
    char directory[sizeof((struct sockaddr_un *)0)->sun_path];
    snprintf(directory, sizeof directory, "%s", path);
    *strrchr(directory, '/') = '\0';
    int file = open(*directory ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file != -1)
        flock(file, LOCK_EX);
    clear_after_the_dead(file, directory);
    return file;
}

static enum exits open_listener(struct server *server)
{
    int directory = lock_directory(server->address.sun_path);
    enum exits verdict = EXIT_DONE;
    if (somebody_listens(&server->address)) {
        log_error("a volume named `%s` is alive already", server->volume->name);
        verdict = EXIT_SOCKET;
    } else {
        unlink(server->address.sun_path);
        server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server->listener == -1 || !bind_privately(server->listener, &server->address)) {
            log_error("%s: %s", server->address.sun_path, strerror(errno));
            verdict = EXIT_SOCKET;
        }
    }
    if (directory != -1)
        close(directory);
    return verdict;
}

static struct server *server_new(struct volume *volume)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->volume = volume;
    server->listener = -1;
    server->wake = eventfd(0, EFD_CLOEXEC);
    server->address.sun_family = AF_UNIX;
    snprintf(server->address.sun_path, sizeof server->address.sun_path, "%s", volume->endpoint);
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->ended, NULL);
    for (unsigned slot = 0; slot < CONNECTIONS; slot++)
        server->connections[slot] = -1;
    return server;
}

static void server_free(struct server *server)
{
    if (server->listener != -1)
        close(server->listener);
    if (server->wake != -1)
        close(server->wake);
    pthread_mutex_destroy(&server->mutex);
    pthread_cond_destroy(&server->ended);
    free(server);
}

enum exits server_start(struct volume *volume, struct server **started)
{
    struct server *server = server_new(volume);
    if (!server) {
        log_error("out of memory");
        return EXIT_OTHER;
    }
    enum exits verdict = open_listener(server);
    if (verdict == EXIT_DONE && pthread_create(&server->thread, NULL, listen_on, server) != 0) {
        log_error("cannot start a thread");
        unlink(server->address.sun_path);
        verdict = EXIT_OTHER;
    }
    if (verdict == EXIT_DONE)
        *started = server;
    else
        server_free(server);
    return verdict;
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    uint64_t one = 1;
    unlink(server->address.sun_path);
    if (write(server->wake, &one, sizeof one) == sizeof one)
        pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->mutex);
    for (unsigned slot = 0; slot < CONNECTIONS; slot++)
        if (server->connections[slot] != -1)
            shutdown(server->connections[slot], SHUT_RDWR);
    while (server->used > 0)
        pthread_cond_wait(&server->ended, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    server_free(server);
}
