/*
 * How much a guest is slowed down
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "shadow/hw/misc/shadow-agent-pace.h"

/* 10 MB/s, and 300 ms: 3 MB */
#define BOUND 3000000

static ShadowPace round_with(uint64_t rest)
{
    return (ShadowPace) {
        .sent = 20000000, .ms = 2000, .rest = rest, .limit_ms = 300,
    };
}

static int percent(uint64_t rest, int now)
{
    ShadowPace p = round_with(rest);

    return shadow_pace_percent(&p, now);
}

static void test_bound(void)
{
    ShadowPace p = round_with(0);

    g_assert_cmpuint(shadow_pace_bound(&p), ==, BOUND);
    p.limit_ms = 0;
    g_assert_cmpuint(shadow_pace_bound(&p), ==, 0);
    p = (ShadowPace) { UINT64_MAX, 1, UINT64_MAX, UINT64_MAX };
    g_assert_cmpuint(shadow_pace_bound(&p), ==, INT64_MAX);
}

/* What fits is sent: nobody is slowed down for that. */
static void test_fits(void)
{
    for (int now = 0; now <= 99; now++) {
        g_assert_cmpint(percent(0, now), ==, now);
        g_assert_cmpint(percent(BOUND, now), ==, now);
    }
}

/* Twice as much as fits: half of the time that it has */
static void test_proportion(void)
{
    g_assert_cmpint(percent(2 * BOUND, 0), ==, 50);
    g_assert_cmpint(percent(2 * BOUND, 50), ==, 75);
    g_assert_cmpint(percent(4 * BOUND, 0), ==, 75);
    g_assert_cmpint(percent(50 * BOUND, 0), ==, 98);
}

/* A little too much: enough more that rounds come to an end */
static void test_steps(void)
{
    int now = 0, rounds = 0;

    g_assert_cmpint(percent(BOUND + 1, 0), ==, SHADOW_PACE_STEP);
    g_assert_cmpint(percent(BOUND + 1, 30), ==, 30 + SHADOW_PACE_STEP);
    for (; now < 99; rounds++) {
        int next = percent(BOUND + 1, now);

        g_assert_cmpint(next, >, now);
        now = next;
    }
    g_assert_cmpint(rounds, <=, 100 / SHADOW_PACE_STEP);
}

/* It always has some of its time: whatever is said, and for as long as that */
static void test_most(void)
{
    ShadowPace none = { .sent = 0, .ms = 100, .rest = 1, .limit_ms = 300 };

    g_assert_cmpint(percent(UINT64_MAX, 0), ==, 99);
    g_assert_cmpint(percent(UINT64_MAX, 99), ==, 99);
    g_assert_cmpint(percent(BOUND + 1, 99), ==, 99);
    g_assert_cmpint(shadow_pace_percent(&none, 0), ==, 99);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/pace/bound", test_bound);
    g_test_add_func("/shadow/pace/fits", test_fits);
    g_test_add_func("/shadow/pace/proportion", test_proportion);
    g_test_add_func("/shadow/pace/steps", test_steps);
    g_test_add_func("/shadow/pace/most", test_most);
    return g_test_run();
}
