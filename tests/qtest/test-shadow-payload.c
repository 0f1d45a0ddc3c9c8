/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * States that another version, or a host gone bad, could seal: by the rules
 * of docs/envelope.rst, "The state inside", they load or change nothing.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "shadow-payload.h"

static GByteArray *idle(void)
{
    return golden_read("state-1-idle.bin");
}

/* Where @what is in @payload, that must have it once */
static size_t find(const GByteArray *payload, const void *what, size_t len)
{
    uint8_t *at = memmem(payload->data, payload->len, what, len);
    uint8_t *end = payload->data + payload->len;

    g_assert_nonnull(at);
    g_assert_null(memmem(at + 1, end - at - 1, what, len));
    return at - payload->data;
}

static void insert(GByteArray *payload, size_t at, const void *what,
                   size_t len)
{
    guint old = payload->len;

    g_byte_array_set_size(payload, old + len);
    memmove(payload->data + at + len, payload->data + at, old - at);
    memcpy(payload->data + at, what, len);
    /* what the padding's end was */
    g_byte_array_set_size(payload, old);
}

static void refused(const GByteArray *payload, const char *reason)
{
    QTestState *qts = payload_start(",incoming=on", "d0");
    QDict *before = shadow_query_device(qts, "com1"), *after;
    g_autoptr(GByteArray) good = idle();

    g_assert_cmpint(payload_restore(qts, payload), ==, -EINVAL);
    shadow_expect_refused(qts, "vm1", reason);
    shadow_assert_state(qts, "vm1", "incoming");
    after = shadow_query_device(qts, "com1");
    g_assert_true(qobject_is_equal(QOBJECT(before), QOBJECT(after)));
    /* of the same epoch: the one that was refused has not used it up */
    g_assert_cmpint(payload_restore(qts, good), ==, 0);
    qobject_unref(before);
    qobject_unref(after);
    qtest_quit(qts);
}

/* The subsection that every state of SerialState has */
#define POLL "\5\13serial/poll\0\0\0\1"
#define POLL_LEN (sizeof(POLL) - 1 + 12)

/* A later version's SerialState has something that matters. */
static void test_unknown_subsection_of_uart(void)
{
    g_autoptr(GByteArray) payload = idle();

    payload->data[find(payload, "serial/poll", 11) + 7] = 'x';
    refused(payload, "subsection");
}

/* The console's state is the last of a device's, and ends it. */
static void test_unknown_subsection_of_console(void)
{
    static const char sub[] = "\5\24shadow-console/later\0\0\0\1";
    g_autoptr(GByteArray) payload = idle();
    size_t at = find(payload, POLL, sizeof(POLL) - 1) + POLL_LEN;

    /* two rings of a start and a length, two counts, two flags */
    insert(payload, at + 2 * 12 + 2 * 8 + 2, sub, sizeof(sub) - 1);
    refused(payload, "subsection");
}

/* Neither a device nor a subsection, behind the last device */
static void test_unknown_end(void)
{
    g_autoptr(GByteArray) payload = idle();

    payload->data[payload->len - 1] = 1;
    refused(payload, "end");
}

/* An earlier version's has less: the rest is as after power-on. */
static void test_no_subsection(void)
{
    QTestState *qts = payload_start(",incoming=on", "d0");
    g_autoptr(GByteArray) payload = idle();
    int user = user_connect("d0");

    g_byte_array_remove_range(payload, find(payload, POLL, sizeof(POLL) - 1),
                              POLL_LEN);
    g_assert_cmpint(payload_restore(qts, payload), ==, 0);
    shadow_run(qts);
    user_send(user, "in");
    uart_expect(qts, COM1, "in");
    uart_write(qts, COM1, "out");
    user_expect(user, "out");
    close(user);
    qtest_quit(qts);
}

static void test_later_version(void)
{
    static const char id[] = "\4com1\0\0\0";
    g_autoptr(GByteArray) payload = idle();

    payload->data[find(payload, id, sizeof(id) - 1) + sizeof(id) - 1] = 2;
    refused(payload, "version 2 of 'shadow-serial' is not known here");
}

static void test_earlier_version(void)
{
    static const char id[] = "\4com1\0\0\0";
    g_autoptr(GByteArray) payload = idle();

    payload->data[find(payload, id, sizeof(id) - 1) + sizeof(id) - 1] = 0;
    refused(payload, "version 0 of 'shadow-serial' is not known here");
}

/* Cut off at every length at which no padding is left */
static void test_cut(void)
{
    QTestState *qts = payload_start(",incoming=on", "d0");
    g_autoptr(GByteArray) payload = idle();
    size_t used = find(payload, POLL, sizeof(POLL) - 1) + POLL_LEN + 42;

    for (size_t len = 0; len <= used; len++) {
        g_autoptr(GByteArray) cut = g_byte_array_new();

        g_byte_array_append(cut, payload->data, len);
        /* so many that do not fit are loaded only in the course of time */
        qtest_clock_step(qts, 10 * NANOSECONDS_PER_SECOND);
        g_assert_cmpint(payload_restore(qts, cut), ==, -EINVAL);
    }
    g_byte_array_set_size(payload, used + 1);
    g_assert_cmpint(payload_restore(qts, payload), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-payload/unknown/subsection-of-uart",
                   test_unknown_subsection_of_uart);
    qtest_add_func("/shadow-payload/unknown/subsection-of-console",
                   test_unknown_subsection_of_console);
    qtest_add_func("/shadow-payload/unknown/end", test_unknown_end);
    qtest_add_func("/shadow-payload/no-subsection", test_no_subsection);
    qtest_add_func("/shadow-payload/version/later", test_later_version);
    qtest_add_func("/shadow-payload/version/earlier", test_earlier_version);
    qtest_add_func("/shadow-payload/cut", test_cut);
    return shadow_test_run();
}
