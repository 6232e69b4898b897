// How far files reach: what another mount made of them, and what a program of this one makes of them meanwhile.
#ifndef BOUGH_LENGTHS_H
#define BOUGH_LENGTHS_H

#include <bough.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

struct mount;

struct lengths {
    _Atomic fs_node telling; // the file of which the kernel is being told, or 0
    pthread_mutex_t mutex;   // guards what follows, and the end of `telling`
    pthread_cond_t told;
    // Who has set the length of that file, and is answered afterwards. `request` is NULL: nobody.
    struct put_off {
        fuse_req_t request;
        struct stat attributes;
        double seconds;
    } put_off;
};

/// Tells the kernel how far a file reaches now, if it knows it. By one thread at a time.
void lengths_tell(struct mount *mount, fs_node node);

/// Before the first use, and after the last.
void lengths_begin(struct lengths *lengths);
void lengths_end(struct lengths *lengths);

/// Answers a request that has set the length of a node.
void lengths_answer(fuse_req_t request, fs_node node, const struct stat *attributes, double seconds);

#endif
