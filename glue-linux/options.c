// The command line, read with libfuse's own option parser so that `-o a,b=c` behaves as with every FUSE daemon.

#include "options.h"

#include "log.h"

#include <bough.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION(text, field) { text, offsetof(struct options, field), 1 }

enum { KEY_IGNORED = 1 };

static const struct fuse_opt table[] = {
    OPTION("-h", help),
    OPTION("--help", help),
    OPTION("-V", version),
    OPTION("--version", version),
    OPTION("-f", foreground),
    OPTION("-d", debug),
    OPTION("debug", debug),
    OPTION("-s", single_thread),
    OPTION("volume=%s", volume),
    OPTION("branch=%s", branch),
    OPTION("snapshot=%s", snapshot),
    OPTION("memory=%s", memory),
    OPTION("spill_dir=%s", spill_dir),
    OPTION("spill_limit=%s", spill_limit),
    OPTION("spill_reserve=%s", spill_reserve),
    OPTION("no_spill", no_spill),
    OPTION("base=%s", base),
    OPTION("cross_mounts", cross_mounts),
    OPTION("freeze", freeze),
    OPTION("fsname=%s", fsname),
    OPTION("max_threads=%u", max_threads),
    OPTION("names=%s", names),
    OPTION("keep", keep),
    OPTION("unmounted", unmounted),
    OPTION("noatime", no_access_time),
    OPTION("ro", read_only),
    OPTION("locks", locks),
    OPTION("no_writeback", no_writeback),
    OPTION("no_io_uring", no_io_uring),
    OPTION("passthrough", passthrough),
    OPTION("default_permissions", default_permissions),
    OPTION("allow_other", allow_other),
    // What a mount has anyway.
    FUSE_OPT_KEY("relatime", KEY_IGNORED),
    FUSE_OPT_KEY("rw", KEY_IGNORED),
    FUSE_OPT_KEY("defaults", KEY_IGNORED),
    FUSE_OPT_KEY("subtype=", KEY_IGNORED),
    // These go on to libfuse as well, which tells the kernel.
    FUSE_OPT_KEY("-d", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_KEY("debug", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_KEY("ro", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_KEY("noatime", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_KEY("default_permissions", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_KEY("allow_other", FUSE_OPT_KEY_KEEP),
    FUSE_OPT_END,
};

static const char help_text[] =
    "usage: bough-fuse [options] MOUNTPOINT\n"
    "\n"
    "Mounts a new volume with one branch, empty or over a directory. `bough` takes snapshots of it and grows branches.\n"
    "\n"
    "    -h, --help             print this\n"
    "    -V, --version          print versions\n"
    "    -f                     stay in the foreground\n"
    "    -d                     stay in the foreground, print every request\n"
    "    -s                     one thread only\n"
    "    -o volume=NAME         name of the volume (default: vol-PID)\n"
    "    -o branch=NAME         branch to show (default: the first)\n"
    "    -o snapshot=NAME       snapshot to show, read-only\n"
    "    -o memory=SIZE         limit of memory: bytes, or with K, M, G, T, or N% of the machine's (default: 25%)\n"
    "    -o spill_dir=DIR       where content goes that memory has no room for (default: TMPDIR's disk, or /var/tmp)\n"
    "    -o spill_limit=SIZE    the most that goes there (default: what the disk has room for)\n"
    "    -o spill_reserve=SIZE  free space of the disk that is left to others (default: 256M)\n"
    "    -o no_spill            content stays in memory; a full volume answers ENOSPC\n"
    "    -o base=DIR            show what is in this directory; changes stay in the volume, nothing is ever written there\n"
    "    -o cross_mounts        with base: show other file systems mounted below it too\n"
    "    -o freeze              with base: copy what is read, so that a branch sees one state of it\n"
    "    -o names=RULES         rules of names: posix (default), posix-ignore-case, windows, macos\n"
    "    -o keep                live on after the last unmount, until SIGTERM\n"
    "    -o unmounted           no mount point: served by the socket, until the last branch but the first has gone\n"
    "    -o noatime, relatime   leave access times alone, or set them as mount(8) says (default)\n"
    "    -o ro                  read-only\n"
    "    -o locks               locks hold across mounts of the volume (default: in each mount)\n"
    "    -o no_writeback        every write(2) reaches the volume before it returns\n"
    "    -o no_io_uring         requests come through /dev/fuse, also where the kernel has io_uring for them\n"
    "    -o passthrough         with base: in snapshots the kernel reads the base's files by itself, where it can\n"
    "    -o default_permissions the kernel checks permissions: much faster\n"
    "    -o allow_other         other users may enter; needs default_permissions\n"
    "    -o max_threads=N       threads of one mount (default: twice the CPUs, at least 4)\n"
    "    -o fsname=NAME         source shown by mount(8) (default: the volume's name)\n"
    "    and the options of fuse(8) and mount(8): dev, suid, noexec, auto_unmount, ...\n"
    "\n"
    "Exit codes: 0 mounted, 2 usage, 3 to 6 the mount point (missing, not a directory, not empty, mounted already),\n"
    "7 no FUSE, 8 no permission, 9 no fusermount3, 10 the volume, 11 its socket, 1 anything else.\n";

static int take_argument(void *data, const char *argument, int key, struct fuse_args *rest)
{
    struct options *options = data;
    (void)rest;
    if (key == KEY_IGNORED)
        return 0;
    if (key != FUSE_OPT_KEY_NONOPT)
        return 1;
    if (options->mountpoint) {
        log_error("one mount point is enough: `%s` is a second (see --help)", argument);
        return -1;
    }
    options->mountpoint = strdup(argument);
    return options->mountpoint ? 0 : -1;
}

static int shift_of(char unit)
{
    switch (unit) {
    case '\0':
        return 0;
    case 'k': case 'K':
        return 10;
    case 'm': case 'M':
        return 20;
    case 'g': case 'G':
        return 30;
    case 't': case 'T':
        return 40;
    default:
        return -1;
    }
}

static bool parse_size(const char *text, uint64_t *bytes)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool digits = *text >= '0' && *text <= '9';
    int shift = digits && errno == 0 ? shift_of(*end) : -1;
    if (shift < 0 || (shift > 0 && end[1] != '\0') || number == 0 || number > UINT64_MAX >> shift)
        return false;
    *bytes = (uint64_t)number << shift;
    return true;
}

static bool parse_percent(const char *text, uint32_t *percent)
{
    char *end = NULL;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || strcmp(end, "%") != 0 || number == 0 || number > 100)
        return false;
    *percent = (uint32_t)number;
    return true;
}

static bool parse_sizes(struct options *options)
{
    const char *memory = options->memory;
    if (memory && !parse_size(memory, &options->memory_bytes) && !parse_percent(memory, &options->memory_percent)) {
        log_error("memory=%s is no size: a number of bytes, one with K, M, G or T, or N%%", memory);
        return false;
    }
    if (options->spill_limit && !parse_size(options->spill_limit, &options->spill_limit_bytes)) {
        log_error("spill_limit=%s is no size: a number of bytes, or one with K, M, G or T", options->spill_limit);
        return false;
    }
    if (options->spill_reserve && !parse_size(options->spill_reserve, &options->spill_reserve_bytes)) {
        log_error("spill_reserve=%s is no size: a number of bytes, or one with K, M, G or T", options->spill_reserve);
        return false;
    }
    if (options->no_spill && (options->spill_dir || options->spill_limit || options->spill_reserve)) {
        log_error("no_spill, and how to spill: one of the two");
        return false;
    }
    return true;
}

static bool parse_names(const char *text, uint32_t *rules)
{
    static const struct {
        const char *text;
        uint32_t rules;
    } known[] = {
        { "posix", FS_NAMES_POSIX },
        { "posix-ignore-case", FS_NAMES_POSIX_IGNORE_CASE },
        { "windows", FS_NAMES_WINDOWS },
        { "macos", FS_NAMES_MACOS },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i].text) == 0) {
            *rules = known[i].rules;
            return true;
        }
    }
    return false;
}

static bool is_consistent(struct options *options)
{
    if (options->unmounted && (options->mountpoint || !options->volume)) {
        log_error("an unmounted volume has a name and no mount point (see --help)");
        return false;
    }
    if (!options->mountpoint && !options->unmounted) {
        log_error("where? A mount point is missing (see --help)");
        return false;
    }
    if (!parse_sizes(options))
        return false;
    if (options->names && !parse_names(options->names, &options->name_rules)) {
        log_error("names=%s: no such rules; there are posix, posix-ignore-case, windows and macos", options->names);
        return false;
    }
    if (options->allow_other && !options->default_permissions) {
        log_error("allow_other needs default_permissions: without it nobody checks what other users do");
        return false;
    }
    if (!options->base && (options->cross_mounts || options->freeze || options->passthrough)) {
        log_error("cross_mounts, freeze and passthrough say how a base is used: base=DIR is missing");
        return false;
    }
    if (options->freeze && options->passthrough) {
        log_error("freeze or passthrough, not both: what is read of a frozen base is kept here");
        return false;
    }
    if (options->base && options->name_rules != FS_NAMES_POSIX) {
        log_error("names=%s or base, not both: the names in a directory are those of POSIX", options->names);
        return false;
    }
    if (options->branch && options->snapshot) {
        log_error("branch or snapshot, not both: a mount shows one of them");
        return false;
    }
    return true;
}

static void print_version(void)
{
    printf("bough-fuse %s\nFUSE library version %s\n", fs_version(), fuse_pkgversion());
    // The rest may come from another program.
    fflush(stdout);
    fuse_lowlevel_version();
}

enum options_verdict options_parse(struct options *options, struct fuse_args *rest)
{
    if (fuse_opt_parse(rest, options, table, take_argument) == -1)
        return OPTIONS_WRONG;
    if (options->help) {
        fputs(help_text, stdout);
        return OPTIONS_DONE;
    }
    if (options->version) {
        print_version();
        return OPTIONS_DONE;
    }
    options->foreground |= options->debug;
    if (options->single_thread)
        options->max_threads = 1;
    return is_consistent(options) ? OPTIONS_RUN : OPTIONS_WRONG;
}

void options_free(struct options *options)
{
    free(options->mountpoint);
    free(options->volume);
    free(options->branch);
    free(options->snapshot);
    free(options->spill_dir);
    free(options->spill_limit);
    free(options->spill_reserve);
    free(options->base);
    free(options->fsname);
    free(options->memory);
    free(options->names);
}
