// The state directory: $BOUGH_STATE_DIR, else /run/bough for root, else $XDG_RUNTIME_DIR/bough, else /tmp/bough-UID. Nobody else may
// write in it: what is found there is trusted.

#include "state.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char *directory_path(void)
{
    const char *chosen = getenv("BOUGH_STATE_DIR");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *path = NULL;
    int length;
    if (chosen && *chosen)
        length = asprintf(&path, "%s", chosen);
    else if (geteuid() == 0)
        length = asprintf(&path, "/run/bough");
    else if (runtime && *runtime)
        length = asprintf(&path, "%s/bough", runtime);
    else
        length = asprintf(&path, "/tmp/bough-%u", (unsigned)geteuid());
    return length < 0 ? NULL : path;
}

static bool make_directory(const char *path)
{
    struct stat found;
    if (mkdir(path, 0700) == -1 && errno != EEXIST) {
        log_error("%s: cannot make the state directory: %s", path, strerror(errno));
        return false;
    }
    if (lstat(path, &found) == -1 || !S_ISDIR(found.st_mode)) {
        log_error("%s: the state directory is no directory", path);
        return false;
    }
    if (found.st_uid != geteuid() || (found.st_mode & 022)) {
        log_error("%s: the state directory must be ours, and writable by nobody else", path);
        return false;
    }
    return true;
}

char *state_socket_path(const char *volume)
{
    char *directory = directory_path();
    char *path = NULL;
    if (directory && make_directory(directory) && asprintf(&path, "%s/%s" SOCKET_ENDING, directory, volume) < 0)
        path = NULL;
    free(directory);
    if (path && strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        log_error("%s: too long for a socket; choose a shorter volume name or BOUGH_STATE_DIR", path);
        free(path);
        return NULL;
    }
    return path;
}
