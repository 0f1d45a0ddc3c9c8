/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is sent ahead of the state that lacks it: all of it is there in
 * the end, or the state is refused and nothing has changed.  Rings that have
 * wrapped are in test-shadow-history-ring.c.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* Envelopes of com1 with its default sizes, and of the state without output */
#define FULL_LEN (256 * 1024 + 128)
#define REST_LEN (8 * 1024 + 128)

typedef struct Hosts {
    QTestState *from;
    QTestState *to;
    int user;                   /* of the first */
} Hosts;

static Hosts hosts_start(void)
{
    return (Hosts) {
        .from = shadow_start_com1(),
        .to = shadow_start_incoming(",replay=history"),
        .user = user_connect("c0"),
    };
}

static void hosts_quit(Hosts *h)
{
    close(h->user);
    qtest_quit(h->from);
    qtest_quit(h->to);
}

/* Written by the guest, and read by the user */
static void say(Hosts *h, const char *text)
{
    uart_write(h->from, COM1, text);
    user_expect(h->user, text);
}

static GByteArray *envelope(QTestState *qts, uint64_t flags, size_t len)
{
    GByteArray *env = shadow_envelope_flags(qts, "vm1", flags);

    g_assert_cmpuint(env->len, ==, len);
    return env;
}

/* The guest goes on. */
static GByteArray *history(QTestState *qts)
{
    GByteArray *env = envelope(qts, ULTRACALL_SAVE_HISTORY, FULL_LEN);

    shadow_assert_state(qts, "vm1", "active");
    return env;
}

static GByteArray *rest(QTestState *qts, size_t len)
{
    GByteArray *env = envelope(qts, ULTRACALL_SAVE_REST, len);

    shadow_assert_state(qts, "vm1", "frozen");
    return env;
}

/* Kept, and nothing else */
static void taken(QTestState *qts, GByteArray *env)
{
    shadow_restore_unchanged(qts, env, 0);
}

/* It runs there, and a new user reads all of it. */
static void expect_whole(Hosts *h, GByteArray *env, const char *text)
{
    int user;

    g_assert_cmpint(shadow_restore_env(h->to, env), ==, 0);
    shadow_assert_state(h->to, "vm1", "restored");
    g_assert_cmpint(shadow_simple(h->from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_run(h->to);
    g_assert_cmpuint(shadow_count(h->to, "com1", "output-start"), ==, 0);
    user = user_connect("d0");
    user_expect(user, text);
    user_expect_nothing(user);
    close(user);
}

static void test_whole(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    say(&h, "once upon a time");
    ahead = history(h.from);
    taken(h.to, ahead);
    say(&h, ", there was");
    env = rest(h.from, REST_LEN);
    expect_whole(&h, env, "once upon a time, there was");
    hosts_quit(&h);
}

/* The newest one counts, and an earlier one does no harm. */
static void test_twice(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) first = NULL, second = NULL, env = NULL;

    say(&h, "once");
    first = history(h.from);
    say(&h, " upon");
    second = history(h.from);
    taken(h.to, second);
    taken(h.to, first);
    taken(h.to, second);
    say(&h, " a time");
    env = rest(h.from, REST_LEN);
    expect_whole(&h, env, "once upon a time");
    hosts_quit(&h);
}

/* What no user has been sent is in the rest, and is sent once. */
static void test_unsent(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) ahead = NULL, env = NULL;
    int user = user_connect("c0");

    uart_write(from, COM1, "sent, ");
    user_expect(user, "sent, ");
    close(user);
    shadow_wait_connected(from, "com1", false);
    uart_write(from, COM1, "unsent, ");
    ahead = history(from);
    uart_write(from, COM1, "and later");
    env = rest(from, REST_LEN);
    taken(to, ahead);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-start"), ==, 0);
    user = user_connect("d0");
    user_expect(user, "unsent, and later");
    user_expect_nothing(user);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* L1 can neither leave it out nor bring another. */
static void test_refused(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) first = NULL, second = NULL, env = NULL;

    say(&h, "once");
    first = history(h.from);
    say(&h, " upon");
    second = history(h.from);
    env = rest(h.from, REST_LEN);
    shadow_restore_unchanged(h.to, env, -EINVAL);
    taken(h.to, first);
    shadow_restore_unchanged(h.to, env, -EINVAL);
    taken(h.to, second);
    expect_whole(&h, env, "once upon");
    hosts_quit(&h);
}

/* Of a guest that goes on at two hosts: it would fit, but it is another's. */
static void test_fork(void)
{
    Hosts h = hosts_start();
    QTestState *fork = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1");
    g_autoptr(GByteArray) ahead = NULL, other = NULL, env = NULL;

    say(&h, "once");
    shadow_bind(fork, "vm1", SHADOW_PROCESS, 0);
    uart_write(fork, COM1, "ONCE");
    ahead = history(h.from);
    other = history(fork);
    env = rest(h.from, REST_LEN);
    taken(h.to, other);
    shadow_restore_unchanged(h.to, env, -EINVAL);
    taken(h.to, ahead);
    expect_whole(&h, env, "once");
    qtest_quit(fork);
    hosts_quit(&h);
}

/* After a refusal the source goes on, and the next migration is good. */
static void test_refused_and_again(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) ahead = NULL, env = NULL, again = NULL;

    say(&h, "once");
    ahead = history(h.from);
    env = rest(h.from, REST_LEN);
    shadow_restore_unchanged(h.to, env, -EINVAL);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_ABORT, "vm1"), ==, 0);
    say(&h, " upon");
    /* it was forgotten: this is all there is */
    again = rest(h.from, FULL_LEN);
    expect_whole(&h, again, "once upon");
    hosts_quit(&h);
}

static void test_altered(void)
{
    static const unsigned at[] = {
        0, 4, 5, 6, 7, 15, 16, 20, 24, 39, 40, 48, 56, 112, 4096, FULL_LEN - 1
    };
    Hosts h = hosts_start();
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    say(&h, "once");
    ahead = history(h.from);
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        ahead->data[at[i]] ^= 1;
        shadow_restore_unchanged(h.to, ahead, -EBADMSG);
        ahead->data[at[i]] ^= 1;
    }
    ahead->len--;
    shadow_restore_unchanged(h.to, ahead, -EBADMSG);
    ahead->len++;
    env = rest(h.from, REST_LEN);
    /* nothing of that was kept */
    shadow_restore_unchanged(h.to, env, -EINVAL);
    taken(h.to, ahead);
    expect_whole(&h, env, "once");
    hosts_quit(&h);
}

/* Old, this host's own, and another guest's */
static void test_not_for_here(void)
{
    Hosts h = hosts_start();
    QTestState *other = shadow_start("", "-object shadow-guest,id=vm2,"
                                     "secret=key0,incoming=on "
                                     "-device shadow-serial,id=com1,"
                                     "guest=vm2,chardev=c0 "
                                     "-chardev null,id=c0");
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    ahead = history(h.from);
    g_assert_cmpint(shadow_restore(other, "vm2", ahead->data, ahead->len),
                    ==, -EBADMSG);
    shadow_restore_unchanged(h.from, ahead, -EBUSY);
    env = rest(h.from, REST_LEN);
    shadow_restore_unchanged(h.from, ahead, -EBUSY);
    taken(h.to, ahead);
    g_assert_cmpint(shadow_restore_env(h.to, env), ==, 0);
    shadow_restore_unchanged(h.to, ahead, -EALREADY);
    g_assert_cmpint(shadow_simple(h.to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_restore_unchanged(h.to, ahead, -ESTALE);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_restore_unchanged(h.from, ahead, -EBADMSG);
    qtest_quit(other);
    hosts_quit(&h);
}

/* Too much has come since: then all of it goes, and nothing else is needed. */
static void test_too_much_since(void)
{
    Hosts h = hosts_start();
    g_autofree char *text = g_strnfill(9000, 'x');
    g_autofree char *all = g_strconcat("once", text, NULL);
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    say(&h, "once");
    ahead = history(h.from);
    say(&h, text);
    env = rest(h.from, FULL_LEN);
    expect_whole(&h, env, all);
    hosts_quit(&h);
}

static void forget_abort(QTestState *qts)
{
    g_assert_cmpint(shadow_save_flags(qts, "vm1", 0), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
}

static void forget_reset(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
}

static void forget_unbind(QTestState *qts)
{
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
}

static void forget_bind(QTestState *qts)
{
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
}

static void forget_device(QTestState *qts)
{
    qtest_qmp_device_add(qts, "shadow-serial", "com2",
                         "{'guest': 'vm1', 'iobase': 760}");
    qtest_qmp_device_del(qts, "com2");
}

static void (*const forgets[])(QTestState *qts) = {
    forget_abort, forget_reset, forget_unbind, forget_bind, forget_device,
};

static void test_source_forgets(void)
{
    QTestState *qts = shadow_start_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(forgets); i++) {
        g_autoptr(GByteArray) ahead = history(qts), env = NULL;

        forgets[i](qts);
        env = rest(qts, FULL_LEN);
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    }
    qtest_quit(qts);
}

static void test_destination_forgets(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    say(&h, "once");
    ahead = history(h.from);
    env = rest(h.from, REST_LEN);
    for (unsigned i = 2; i < ARRAY_SIZE(forgets); i++) {
        taken(h.to, ahead);
        forgets[i](h.to);
        shadow_restore_unchanged(h.to, env, -EINVAL);
    }
    shadow_bind(h.to, "vm1", SHADOW_PROCESS, 0);
    taken(h.to, ahead);
    expect_whole(&h, env, "once");
    hosts_quit(&h);
}

/* A guest that is removed while it keeps one, and a reset */
static void test_destination_ends(void)
{
    Hosts h = hosts_start();
    g_autoptr(GByteArray) ahead = NULL, env = NULL;

    ahead = history(h.from);
    env = rest(h.from, REST_LEN);
    taken(h.to, ahead);
    qtest_system_reset(h.to);
    shadow_restore_unchanged(h.to, env, -EINVAL);
    taken(h.to, ahead);
    qtest_qmp_device_del(h.to, "com1");
    shadow_object_del(h.to, "vm1");
    hosts_quit(&h);
}

static void test_flags(void)
{
    static const uint64_t bad[] = {
        3, 5, 6, 7, 9, 16, 1ull << 32, 1ull << 32 | 2, UINT64_MAX
    };
    QTestState *qts = shadow_start_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmpint(shadow_save_flags(qts, "vm1", bad[i]), ==, -EINVAL);
    }
    g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                FULL_LEN - 1, ULTRACALL_SAVE_HISTORY), ==,
                    -ENOSPC);
    g_assert_cmpuint(shadow_value(qts), ==, FULL_LEN);
    shadow_assert_state(qts, "vm1", "active");
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_REST), ==, 0);
    g_assert_cmpuint(shadow_value(qts), ==, FULL_LEN);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_REST), ==,
                    -EALREADY);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_HISTORY), ==,
                    -EBUSY);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmpint(shadow_save_flags(qts, "vm1", ULTRACALL_SAVE_HISTORY), ==,
                    -EBUSY);
    qtest_quit(qts);
}

/* A snapshot has all, whatever is ahead; it takes nothing from it either. */
static void test_snapshot(void)
{
    QTestState *from = shadow_start(",snapshots=on", SHADOW_COM1, shadow_dir);
    QTestState *to = shadow_start(",incoming=on,snapshots=on", SHADOW_CHARDEV
                                  "-device shadow-serial,id=com1,guest=vm1,"
                                  "chardev=c0,replay=history", shadow_dir);
    g_autoptr(GByteArray) ahead = NULL, snapshot = NULL, later = NULL;
    g_autoptr(GByteArray) env = NULL;

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    uart_write(from, COM1, "once");
    ahead = history(from);
    snapshot = envelope(from, ULTRACALL_SAVE_SNAPSHOT, FULL_LEN);
    later = history(from);
    env = rest(from, REST_LEN);
    g_assert_cmpint(shadow_restore_env(to, snapshot), ==, 0);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 4);
    shadow_run(to);
    /* active, and a host for snapshots: but not for what is ahead */
    shadow_restore_unchanged(to, ahead, -ESTALE);
    shadow_restore_unchanged(to, later, -EBUSY);
    qtest_quit(from);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-history/whole", test_whole);
    qtest_add_func("/shadow-history/twice", test_twice);
    qtest_add_func("/shadow-history/unsent", test_unsent);
    qtest_add_func("/shadow-history/refused/missing-or-other", test_refused);
    qtest_add_func("/shadow-history/refused/fork", test_fork);
    qtest_add_func("/shadow-history/refused/and-again",
                   test_refused_and_again);
    qtest_add_func("/shadow-history/refused/altered", test_altered);
    qtest_add_func("/shadow-history/refused/not-for-here", test_not_for_here);
    qtest_add_func("/shadow-history/too-much-since", test_too_much_since);
    qtest_add_func("/shadow-history/forgotten/source", test_source_forgets);
    qtest_add_func("/shadow-history/forgotten/destination",
                   test_destination_forgets);
    qtest_add_func("/shadow-history/forgotten/end", test_destination_ends);
    qtest_add_func("/shadow-history/flags", test_flags);
    qtest_add_func("/shadow-history/snapshot", test_snapshot);
    return shadow_test_run();
}
