// Which listings the kernel may keep: those of one version that do not end with a page.

#include "told.h"

#include "../c_api/check.h"

#include <unistd.h>

enum { FOLDER = 70, LONG = 200 };

// Tells of so many entries after a cookie, and answers the last one's.
static uint64_t tell(struct told *told, fs_node node, uint64_t version, uint64_t after, size_t entries, size_t name_bytes)
{
    struct told_part part = told_begin(told, node, version, after);
    for (size_t i = 0; i < entries; i++)
        told_add(&part, name_bytes);
    told_end(told, &part, after + entries);
    return after + entries;
}

static bool end(struct told *told, fs_node node, uint64_t version, uint64_t after)
{
    struct told_part part = told_begin(told, node, version, after);
    return told_all(told, &part);
}

static void a_listing_of_one_version_is_kept(struct told *told)
{
    CHECK(end(told, FOLDER, 1, tell(told, FOLDER, 1, tell(told, FOLDER, 1, 0, 100, LONG), 50, 3)));
    CHECK(end(told, FOLDER, 2, tell(told, FOLDER, 2, 0, 100, LONG)));
    // Two at once, too, of the same version.
    uint64_t one = tell(told, FOLDER, 2, 0, 10, 3), other = tell(told, FOLDER, 2, 0, 10, 3);
    CHECK(end(told, FOLDER, 2, one) && end(told, FOLDER, 2, other));
}

static void one_that_changes_meanwhile_is_not(struct told *told)
{
    CHECK(!end(told, FOLDER, 2, tell(told, FOLDER, 2, tell(told, FOLDER, 1, 0, 10, 3), 10, 3)));
    told_forgotten(told, FOLDER);
    CHECK(!end(told, FOLDER, 3, tell(told, FOLDER, 2, 0, 10, 3)));
    told_forgotten(told, FOLDER);
    CHECK(end(told, FOLDER, 3, tell(told, FOLDER, 3, 0, 10, 3)));
}

static void one_that_ends_with_its_page_is_not(struct told *told)
{
    // 24 bytes and the name, in eights.
    size_t full = (size_t)sysconf(_SC_PAGESIZE) / 32;
    CHECK(!end(told, FOLDER, 1, tell(told, FOLDER, 1, 0, full, 8)));
    told_forgotten(told, FOLDER);
    CHECK(!end(told, FOLDER, 1, tell(told, FOLDER, 1, tell(told, FOLDER, 1, 0, full / 2, 1), full * 2 - full / 2, 7)));
    told_forgotten(told, FOLDER);
    CHECK(end(told, FOLDER, 1, tell(told, FOLDER, 1, 0, full + 1, 8)));
    CHECK(end(told, FOLDER, 1, tell(told, FOLDER, 1, 0, full, 9)));
}

// What somebody stopped in the middle of the kernel may go on with when the directory is another, until it has forgotten that.
static void one_that_was_begun_before_a_change_is_not(struct told *told)
{
    tell(told, FOLDER, 1, 0, 10, 3);
    uint64_t next = tell(told, FOLDER, 2, 0, 20, 3);
    CHECK(!end(told, FOLDER, 2, next));
    // Another begins before it is forgotten.
    next = tell(told, FOLDER, 2, 0, 20, 3);
    CHECK(!end(told, FOLDER, 2, next));
    told_forgotten(told, FOLDER);
    CHECK(end(told, FOLDER, 2, tell(told, FOLDER, 2, 0, 20, 3)));
}

// Nor where many others were listed meanwhile, however many of them have the same place.
static void what_was_begun_is_remembered(struct told *told)
{
    tell(told, FOLDER, 1, 0, 10, 3);
    for (fs_node node = FOLDER + 1; node < FOLDER + 100 * 4096; node++)
        end(told, node, 1, tell(told, node, 1, 0, 10, 3));
    CHECK(!end(told, FOLDER, 2, tell(told, FOLDER, 2, 0, 20, 3)));
    // Where there is no place for more, nothing is kept that one does not know.
    for (fs_node node = FOLDER; node < FOLDER + 8 * 4096; node++)
        tell(told, node, 1, 0, 10, 3);
    CHECK(!end(told, FOLDER + 9 * 4096, 1, tell(told, FOLDER + 9 * 4096, 1, 0, 10, 3)));
}

int main(void)
{
    void (*tests[])(struct told *told) = {
        a_listing_of_one_version_is_kept,          one_that_changes_meanwhile_is_not, one_that_ends_with_its_page_is_not,
        one_that_was_begun_before_a_change_is_not, what_was_begun_is_remembered,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        struct told *told = told_new();
        CHECK(told);
        tests[i](told);
        told_free(told);
    }
    return 0;
}
