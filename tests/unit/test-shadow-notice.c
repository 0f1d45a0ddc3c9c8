/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for a console's user: none is lost, doubled or torn, however little
 * the transport takes at a time.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-notice.h"

#define HELLO "hello\r\n"
#define SNAPSHOT "\r\n[shadow-serial s, input=1 output=2]\r\n"
#define BROKEN "\r\n[shadow-serial b, input=1 output=2]\r\n"
#define DETACHED "\r\n[shadow-serial d, input=1 output=2]\r\n"
#define MOVED "\r\n[shadow-serial m, input=1 output=2]\r\n"

/* A user who takes @step bytes at a time, and at most @max */
static char *told(ShadowNotices *n, size_t step, size_t max)
{
    GString *got = g_string_new("");
    const GString *line;

    while (got->len < max && (line = shadow_notices_next(n, 1, 2))) {
        size_t len = MIN(MIN(step, line->len), max - got->len);

        g_string_append_len(got, line->str, len);
        shadow_notices_written(n, len);
    }
    return g_string_free(got, false);
}

static void expect(ShadowNotices *n, size_t step, const char *text)
{
    g_autofree char *got = told(n, step, SIZE_MAX);

    g_assert_cmpstr(got, ==, text);
}

static void expect_part(ShadowNotices *n, size_t len, const char *text)
{
    g_autofree char *got = told(n, len, len);

    g_assert_cmpmem(got, strlen(got), text, len);
}

static void test_greeting(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    g_assert_cmpuint(shadow_notices_greet(&n), ==, 0);
    expect(&n, 1, "");
    shadow_notices_set_greeting(&n, HELLO);
    expect(&n, 1, "");
    for (size_t step = 1; step <= strlen(HELLO); step++) {
        shadow_notices_connect(&n);
        g_assert_cmpuint(shadow_notices_greet(&n), ==, strlen(HELLO));
        g_assert_false(shadow_notices_due(&n));
        expect(&n, step, HELLO);
        g_assert_false(n.parting);
    }
    shadow_notices_free(&n);
}

/* It was promised. */
static void test_greeting_stays(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    for (size_t part = 0; part < strlen(HELLO); part++) {
        shadow_notices_connect(&n);
        shadow_notices_set_greeting(&n, HELLO);
        shadow_notices_greet(&n);
        expect_part(&n, part, HELLO);
        shadow_notices_set_greeting(&n, NULL);
        shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "b");
        g_assert_false(n.parting);
        expect(&n, 3, HELLO BROKEN + part);
        g_assert_true(n.parting);
        g_assert_null(n.farewell[SHADOW_FAREWELL_BROKEN]);
        shadow_notices_connect(&n);
        g_assert_cmpuint(shadow_notices_greet(&n), ==, 0);
    }
    shadow_notices_free(&n);
}

static void test_order(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    for (size_t step = 1; step < 99; step++) {
        shadow_notices_connect(&n);
        shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "old");
        shadow_notices_add(&n, SHADOW_FAREWELL_MOVED, "m");
        shadow_notices_add(&n, SHADOW_FAREWELL_SNAPSHOT, "s");
        shadow_notices_add(&n, SHADOW_FAREWELL_DETACHED, "d");
        shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "b");
        g_assert_true(shadow_notices_due(&n));
        expect(&n, step, SNAPSHOT BROKEN DETACHED MOVED);
        g_assert_true(n.parting);
    }
    /* to all who come, but once to each */
    expect(&n, 1, "");
    shadow_notices_connect(&n);
    g_assert_true(shadow_notices_due(&n));
    expect(&n, 1, MOVED);
    shadow_notices_drop(&n, SHADOW_FAREWELL_MOVED);
    shadow_notices_connect(&n);
    g_assert_false(shadow_notices_due(&n));
    expect(&n, 1, "");
    shadow_notices_free(&n);
}

/* More becomes due in the midst of a line. */
static void test_in_the_midst(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    for (size_t part = 1; part < strlen(BROKEN); part++) {
        shadow_notices_connect(&n);
        shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "b");
        expect_part(&n, part, BROKEN);
        shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "other");
        shadow_notices_add(&n, SHADOW_FAREWELL_SNAPSHOT, "s");
        expect(&n, 2, BROKEN SNAPSHOT + part);
        g_assert_true(n.parting);
    }
    shadow_notices_free(&n);
}

/* What it says is not true any more; but the line is not torn. */
static void test_dropped(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    for (size_t part = 1; part < strlen(MOVED); part++) {
        shadow_notices_connect(&n);
        shadow_notices_add(&n, SHADOW_FAREWELL_MOVED, "m");
        expect_part(&n, part, MOVED);
        shadow_notices_drop(&n, SHADOW_FAREWELL_MOVED);
        g_assert_true(shadow_notices_due(&n));
        expect(&n, 1, MOVED + part);
        g_assert_true(n.parting);
    }
    shadow_notices_free(&n);
}

/* The user is gone before the end of the line: the next is told all of it. */
static void test_lost_connection(void)
{
    ShadowNotices n = { };

    shadow_notices_init(&n);
    n.type = "shadow-serial";
    shadow_notices_add(&n, SHADOW_FAREWELL_SNAPSHOT, "s");
    shadow_notices_add(&n, SHADOW_FAREWELL_BROKEN, "b");
    for (size_t part = 0; part < strlen(SNAPSHOT); part++) {
        shadow_notices_connect(&n);
        expect_part(&n, part, SNAPSHOT);
    }
    shadow_notices_connect(&n);
    expect_part(&n, strlen(SNAPSHOT BROKEN) - 1, SNAPSHOT BROKEN);
    shadow_notices_connect(&n);
    expect(&n, 1, BROKEN);
    shadow_notices_free(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow-notice/greeting", test_greeting);
    g_test_add_func("/shadow-notice/greeting-stays", test_greeting_stays);
    g_test_add_func("/shadow-notice/order", test_order);
    g_test_add_func("/shadow-notice/in-the-midst", test_in_the_midst);
    g_test_add_func("/shadow-notice/dropped", test_dropped);
    g_test_add_func("/shadow-notice/lost-connection", test_lost_connection);
    return g_test_run();
}
