// Takes a snapshot of the branch that a mount shows, through the mount itself.
//
//     cc -Iinclude -o snapshot_mount examples/c/snapshot_mount.c
//     ./snapshot_mount /mnt/point NAME
//
// Any file or directory of the mount will do. The library is not needed, only its header: the message is the interface.

#define _GNU_SOURCE

#include <bough.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int snapshot(int file, struct fs_control_snapshot *message, const char *name)
{
    memset(message, 0, sizeof *message);
    message->header.size = sizeof *message;
    message->header.version = FS_CONTROL_VERSION;
    if (strlen(name) >= sizeof message->name.bytes) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(message->name.bytes, name, strlen(name));
    // What programs have written and the kernel still holds belongs into the snapshot.
    if (syncfs(file) == -1)
        return -1;
    return ioctl(file, _IOWR('B', FS_CONTROL_SNAPSHOT, struct fs_control_snapshot), message);
}

int main(int count, char **words)
{
    struct fs_control_snapshot message;
    if (count != 3) {
        fprintf(stderr, "usage: %s PATH NAME\n", words[0]);
        return 2;
    }
    int file = open(words[1], O_RDONLY | O_CLOEXEC);
    if (file == -1 || snapshot(file, &message, words[2]) == -1) {
        fprintf(stderr, "%s: %s\n", words[1], errno == ENOTTY ? "not in a Bough mount" : strerror(errno));
        return 1;
    }
    close(file);
    if (message.header.result != FS_OK) {
        fprintf(stderr, "%s: %s\n", words[2], (const char *)message.header.text);
        return 1;
    }
    printf("%s\n", (const char *)message.name.bytes);
    return 0;
}
