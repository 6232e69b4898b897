// Where a mount goes. Nothing here talks to a file system that may be ours: a daemon that waited for itself would wait for ever.

#include "mountpoint.h"

#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define BOUGH_TYPE "fuse.bough"
static const char device_path[] = "/dev/fuse";
static const char helper[] = "fusermount3";

// The path without a look at its last component, which may be a mount that answers nothing any more.
static char *absolute_path(const char *path)
{
    char whole[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0 || length >= sizeof whole) {
        errno = length ? ENAMETOOLONG : ENOENT;
        return NULL;
    }
    memcpy(whole, path, length);
    whole[length] = '\0';
    char *slash = strrchr(whole, '/');
    const char *name = slash ? slash + 1 : whole;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return realpath(whole, NULL);
    char folder[PATH_MAX + 2];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - whole) + 1 : 1, slash ? whole : ".");
    char *parent = realpath(folder, NULL);
    char *joined = NULL;
    if (parent && asprintf(&joined, "%s/%s", strcmp(parent, "/") ? parent : "", name) < 0)
        joined = NULL;
    free(parent);
    return joined;
}

// Mount points in mountinfo(5) have blanks and backslashes as \ooo.
static void unescape(char *text)
{
    char *out = text;
    for (char *in = text; *in; in++, out++) {
        unsigned code = 0;
        if (*in == '\\' && sscanf(in + 1, "%3o", &code) == 1) {
            *out = (char)code;
            in += 3;
        } else {
            *out = *in;
        }
    }
    *out = '\0';
}

// One line of mountinfo(5): whether it is a Bough mount at `absolute`, and what else it says.
static bool line_matches(char *line, const char *absolute, struct mountpoint_facts *facts)
{
    unsigned number = 0, minor_number = 0;
    char point[PATH_MAX * 4], type[64];
    if (sscanf(line, "%*d %*d %u:%u %*s %16383s", &number, &minor_number, point) != 3)
        return false;
    const char *after = strstr(line, " - ");
    if (!after || sscanf(after, " - %63s", type) != 1 || strcmp(type, BOUGH_TYPE) != 0)
        return false;
    unescape(point);
    if (strcmp(point, absolute) != 0)
        return false;
    facts->device = makedev(number, minor_number);
    // The last field holds the options; the source before it may be called anything.
    const char *options = strrchr(after, ' ');
    facts->checked = options && strstr(options, "default_permissions") != NULL;
    return true;
}

bool mountpoint_find(const char *absolute, pid_t process, struct mountpoint_facts *facts)
{
    char path[64] = "/proc/self/mountinfo";
    if (process != getpid())
        snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)process);
    FILE *mounts = fopen(path, "re");
    if (!mounts)
        return false;
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (getline(&line, &room, mounts) > 0)
        found |= line_matches(line, absolute, facts);
    free(line);
    fclose(mounts);
    return found;
}

bool mountpoint_shared(pid_t process)
{
    char path[64];
    struct stat ours, theirs;
    if (process == getpid())
        return true;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)process);
    return stat("/proc/self/ns/mnt", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

static bool run_helper(const char *absolute, bool lazily)
{
    char *arguments[] = { (char *)helper, "-u", "-q", "--", (char *)absolute, NULL, NULL };
    if (lazily) {
        arguments[3] = "-z";
        arguments[4] = "--";
        arguments[5] = (char *)absolute;
    }
    pid_t child;
    if (posix_spawnp(&child, helper, NULL, NULL, arguments, environ) != 0)
        return false;
    int status = 0;
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool mountpoint_detach(const char *absolute, bool lazily)
{
    if (umount2(absolute, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) == 0)
        return true;
    return errno == EPERM && run_helper(absolute, lazily);
}

static enum exits detach_stale(const char *absolute)
{
    if (!mountpoint_detach(absolute, true)) {
        log_error("%s: the daemon of the mount there has ended, and it cannot be detached: %s", absolute, strerror(errno));
        return EXIT_PERMISSION;
    }
    log_error("%s: the daemon of the mount there had ended without unmounting, and its volume is gone; detached it",
              absolute);
    return EXIT_DONE;
}

static enum exits check_directory(const char *absolute)
{
    struct stat stat_buffer;
    if (stat(absolute, &stat_buffer) == -1) {
        log_error("%s: %s", absolute, strerror(errno));
        return errno == ENOENT ? EXIT_MISSING : errno == EACCES ? EXIT_PERMISSION : EXIT_NOT_DIRECTORY;
    }
    if (!S_ISDIR(stat_buffer.st_mode)) {
        log_error("%s: not a directory", absolute);
        return EXIT_NOT_DIRECTORY;
    }
    return EXIT_DONE;
}

static enum exits check_empty(const char *absolute)
{
    DIR *directory = opendir(absolute);
    if (!directory) {
        log_error("%s: %s", absolute, strerror(errno));
        return EXIT_PERMISSION;
    }
    int entries = 0;
    while (entries <= 2 && readdir(directory))
        entries++;
    closedir(directory);
    if (entries <= 2)
        return EXIT_DONE;
    log_error("%s: not empty; a mount would hide what is in it", absolute);
    return EXIT_NOT_EMPTY;
}

static bool is_same_directory(const char *path, const char *other)
{
    struct stat a, b;
    return other && stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

enum exits mountpoint_check(const char *path, const char *base, char **absolute)
{
    *absolute = absolute_path(path);
    if (!*absolute) {
        log_error("%s: %s", path, strerror(errno));
        return errno == ENOTDIR ? EXIT_NOT_DIRECTORY : errno == EACCES ? EXIT_PERMISSION : EXIT_MISSING;
    }
    struct mountpoint_facts facts;
    enum exits verdict = EXIT_DONE;
    struct stat stat_buffer;
    if (mountpoint_find(*absolute, getpid(), &facts)) {
        // ECONNABORTED: the first to ask after it has ended.
        if (stat(*absolute, &stat_buffer) == 0 || (errno != ENOTCONN && errno != ECONNABORTED)) {
            log_error("%s: a Bough volume is mounted there already", *absolute);
            return EXIT_MOUNTED;
        }
        verdict = detach_stale(*absolute);
    }
    if (verdict == EXIT_DONE)
        verdict = check_directory(*absolute);
    if (verdict == EXIT_DONE && !is_same_directory(*absolute, base))
        verdict = check_empty(*absolute);
    return verdict;
}

static bool helper_is_installed(void)
{
    const char *path = getenv("PATH");
    char *list = strdup(path ? path : "/usr/bin:/bin");
    bool found = false;
    char *rest = NULL;
    for (char *folder = list ? strtok_r(list, ":", &rest) : NULL; folder && !found; folder = strtok_r(NULL, ":", &rest)) {
        char whole[PATH_MAX];
        int length = snprintf(whole, sizeof whole, "%s/%s", folder, helper);
        found = length > 0 && (size_t)length < sizeof whole && access(whole, X_OK) == 0;
    }
    free(list);
    return found;
}

enum exits fuse_check(void)
{
    int device = open(device_path, O_RDWR | O_CLOEXEC);
    if (device >= 0)
        close(device);
    else if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
        log_error("%s is missing: this system has no FUSE (is the kernel module `fuse` loaded?)", device_path);
        return EXIT_NO_FUSE;
    } else if (geteuid() == 0 || (errno != EACCES && errno != EPERM)) {
        log_error("%s: %s", device_path, strerror(errno));
        return EXIT_PERMISSION;
    } else {
        log_error("%s: no permission to open it; usually everybody may (`chmod 0666 %s` as root)", device_path, device_path);
        return EXIT_PERMISSION;
    }
    if (geteuid() == 0 || helper_is_installed())
        return EXIT_DONE;
    log_error("%s is not installed (Debian: package fuse3), and only root can mount without it", helper);
    return EXIT_NO_FUSERMOUNT;
}
