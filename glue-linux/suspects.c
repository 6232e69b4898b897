// Nodes of which the kernel may believe what is not so: a small set.

#include "suspects.h"

#include <string.h>

// A file that is opened again and again is free for moments only: there must be many tries, and they cost little.
enum { FIRST_PAUSE_MS = 1, LONGEST_PAUSE_MS = 250, PAUSE_FACTOR = 2 };

static void take_out(struct suspects *suspects, size_t at)
{
    suspects->count--;
    memmove(suspects->nodes + at, suspects->nodes + at + 1, (suspects->count - at) * sizeof suspects->nodes[0]);
}

void suspects_remove(struct suspects *suspects, fs_node node)
{
    for (size_t at = 0; at < suspects->count; at++)
        if (suspects->nodes[at] == node)
            take_out(suspects, at);
}

void suspects_add(struct suspects *suspects, fs_node node)
{
    suspects_remove(suspects, node);
    if (suspects->count == SUSPECTS)
        take_out(suspects, 0);
    suspects->nodes[suspects->count++] = node;
    suspects->pause_ms = FIRST_PAUSE_MS;
}

uint32_t suspects_pause(const struct suspects *suspects)
{
    return suspects->count ? suspects->pause_ms : UINT32_MAX;
}

void suspects_tried(struct suspects *suspects)
{
    if (suspects->pause_ms < LONGEST_PAUSE_MS)
        suspects->pause_ms *= PAUSE_FACTOR;
}
