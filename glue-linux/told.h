// What the kernel was told of listings, so that it keeps none that it would misread.
//
// The kernel keeps a listing that it was told to the end, part after part, whoever asked for the parts. Who is in the middle of one goes on in
// what is kept. Where the entry that he was told last is not in it, the kernel asks us about the rest; but where what is kept ends with its page,
// it takes that for the end of the directory (fuse_readdir_cached in fs/fuse/readdir.c, since Linux 4.20), and he misses the rest. And where
// somebody stopped in the middle, the directory changed and somebody else went on, what is kept never was in the directory.
//
// So one must know of a listing that all its parts are of one version of the directory, and how it fills pages.
#ifndef BOUGH_TOLD_H
#define BOUGH_TOLD_H

#include <bough.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct told;

/// One part of a listing. Entries are added as they are told.
struct told_part {
    fs_node node;
    uint64_t version;  // of the directory, before the part was listed
    uint64_t after;    // cookie of the entry before it; 0: the first part
    size_t used;       // bytes of the last page as the kernel keeps it
    size_t page_bytes;
};

/// NULL: no memory.
struct told *told_new(void);

/// NULL is fine.
void told_free(struct told *told);

/// A part is about to be listed.
struct told_part told_begin(struct told *told, fs_node node, uint64_t version, uint64_t after);

/// An entry of it, with a name of so many bytes.
void told_add(struct told_part *part, size_t name_bytes);

/// The part is all told, and `last` is its last entry's cookie.
void told_end(struct told *told, const struct told_part *part, uint64_t last);

/// There is nothing after the last part. Whether the kernel may keep the listing; if not, it is not to be told so before it was made to forget what it
/// holds.
bool told_all(struct told *told, const struct told_part *part);

/// It was.
void told_forgotten(struct told *told, fs_node node);

#endif
