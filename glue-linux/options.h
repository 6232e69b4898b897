// The command line: what the daemon is asked to do.
#ifndef BOUGH_OPTIONS_H
#define BOUGH_OPTIONS_H

#include <fuse_opt.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    char *mountpoint;
    char *volume;        // NULL: a name made from the process id
    char *branch;        // NULL: the volume's first branch
    char *snapshot;
    char *spill_dir;     // NULL: core's default
    char *fsname;        // NULL: the volume's name
    char *base;          // NULL: the volume begins empty
    char *spill_limit;   // as given: a number with K, M, G or T
    char *spill_reserve; // the same
    char *memory;        // the same, or N%
    uint64_t memory_bytes; // 0: core's default, or as memory_percent says
    uint64_t spill_limit_bytes; // 0: core's default
    uint64_t spill_reserve_bytes; // 0: core's default
    uint32_t memory_percent; // 0: core's default
    char *names;           // as given: rules of names
    uint32_t name_rules;   // FS_NAMES_...
    unsigned max_threads;  // 0: by the number of CPUs
    int default_permissions;
    int allow_other;
    int read_only;
    int no_access_time;
    int locks;
    int no_writeback;
    int no_io_uring;
    int passthrough;     // of the base, in snapshots
    int no_spill;
    int cross_mounts;    // of the base
    int freeze;          // the base
    int keep;
    int unmounted;       // served by the socket alone, until its last branch has gone
    int foreground;
    int debug;
    int single_thread;
    int help;
    int version;
};

/// What `options_parse` found.
enum options_verdict { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/// Reads the command line. What it does not know stays in `rest` for libfuse, which mounts with it. Help and version are
/// printed here (`OPTIONS_DONE`), and so is what is wrong (`OPTIONS_WRONG`).
enum options_verdict options_parse(struct options *options, struct fuse_args *rest);

/// Gives back what `options_parse` allocated.
void options_free(struct options *options);

#endif
