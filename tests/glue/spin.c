// Which way a leader waits for requests, with a clock of the test's own: the one that takes less time, tried again now and then.

#include "spin.h"

#include "../c_api/check.h"

#include "clock.h"

enum { CLIENT = 7, OTHER = 8, MANY = 1 << 16 };

static int64_t moment;

int64_t clock_now(void) { return moment; }

// So many requests, of which each takes one time or another, by the way in which the leader waits; how many it slept before.
static int ask(struct spin *spin, int requests, int64_t by_looking, int64_t by_sleeping)
{
    int slept = 0;
    for (int i = 0; i < requests; i++) {
        slept += spin->sleeps;
        moment += spin->sleeps ? by_sleeping : by_looking;
        spin_served(spin, CLIENT);
    }
    return slept;
}

// Most of the time but for trials.
static void the_way_that_takes_less_is_kept(void)
{
    struct spin spin = { 0 };
    ask(&spin, MANY, 20000, 10000);
    CHECK(ask(&spin, MANY, 20000, 10000) > MANY * 9 / 10);
    CHECK(spin_goes_near(&spin) == spin.sleeps);
    // It becomes the slower one, and the other is found again.
    ask(&spin, MANY, 10000, 20000);
    CHECK(ask(&spin, MANY, 10000, 20000) < MANY / 10);
}

static void what_is_hardly_faster_changes_nothing(void)
{
    struct spin spin = { 0 };
    ask(&spin, MANY, 10000, 9900);
    int slept = ask(&spin, MANY, 10000, 9900);
    CHECK(slept > 0 && slept < MANY / 10);
}

static void a_client_that_does_something_else_says_nothing(void)
{
    struct spin spin = { 0 };
    CHECK(ask(&spin, 4096, 1000000, 10000) == 0);
}

static void several_clients_are_not_looked_for(void)
{
    struct spin spin = { 0 };
    for (int i = 0; i < MANY; i++) {
        moment += 10000;
        spin_served(&spin, i % 2 ? CLIENT : OTHER);
        CHECK(!spin_may(&spin, moment) && spin_goes_near(&spin) && !spin.sleeps);
    }
    spin_served(&spin, 0);
    CHECK(spin.client == CLIENT);
}

int main(void)
{
    the_way_that_takes_less_is_kept();
    what_is_hardly_faster_changes_nothing();
    a_client_that_does_something_else_says_nothing();
    several_clients_are_not_looked_for();
    return 0;
}
