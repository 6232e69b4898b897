// Exit codes; docs/linux.md lists them for users.
#ifndef BOUGH_EXITS_H
#define BOUGH_EXITS_H

enum exits {
    EXIT_DONE = 0,
    EXIT_OTHER = 1,          // anything not named below
    EXIT_USAGE = 2,          // the command line
    EXIT_MISSING = 3,        // the mount point does not exist
    EXIT_NOT_DIRECTORY = 4,  // the mount point is no directory
    EXIT_NOT_EMPTY = 5,      // the mount point has entries
    EXIT_MOUNTED = 6,        // the mount point is a Bough mount already
    EXIT_NO_FUSE = 7,        // the system has no /dev/fuse
    EXIT_PERMISSION = 8,     // not allowed to mount here, or to open /dev/fuse
    EXIT_NO_FUSERMOUNT = 9,  // an ordinary user, and fusermount3 is not installed
    EXIT_VOLUME = 10,        // the volume cannot be opened so, or has no such branch or snapshot
    EXIT_SOCKET = 11,        // the socket cannot be made: the volume's name is in use, or the state directory is not ours
};

#endif
