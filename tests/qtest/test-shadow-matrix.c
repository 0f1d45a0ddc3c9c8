/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole ranges of envelopes that must not be accepted: every byte altered,
 * every length, every old one, every guest's to every other.  What each is
 * answered with stands in a table.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* Queues so small that the envelope has the smallest size */
#define SMALL_QUEUES ",input-size=512,output-size=512"
#define SMALL_COM1 "-device shadow-serial,id=com1,guest=vm1" SMALL_QUEUES

#define HEADER_LEN 112
#define BODY_LEN 4096
#define ENVELOPE_LEN (HEADER_LEN + BODY_LEN + 16)
#define ENVELOPE_MAX (16 * 1024 * 1024 + HEADER_LEN + 16 + 128)

static QTestState *start_small(const char *guest_props)
{
    return shadow_start(guest_props, SMALL_COM1);
}

/* An envelope in a guest's memory, that is not accepted as it is */
typedef struct Target {
    QTestState *qts;
    GByteArray *env;
    QDict *before;
} Target;

static Target target_prepare(void)
{
    QTestState *from = start_small("");
    Target t = { .qts = start_small(",incoming=on") };

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    uart_write(from, COM1, "kept");
    port_out(from, COM1 + UART_SCR, 0x5a);
    t.env = shadow_envelope(from, "vm1");
    g_assert_cmpuint(t.env->len, ==, ENVELOPE_LEN);
    qtest_quit(from);
    shadow_bind(t.qts, "vm1", SHADOW_PROCESS, 0);
    qtest_bufwrite(t.qts, SHADOW_BUF, t.env->data, t.env->len);
    t.before = shadow_view(t.qts);
    return t;
}

static void target_refuses(Target *t, size_t len, int err)
{
    g_assert_cmpint(shadow_call(t->qts, ULTRACALL_RESTORE, "vm1", SHADOW_BUF,
                                len, 0), ==, err);
    g_assert_cmpuint(shadow_value(t->qts), ==, 0);
}

/* Nothing has happened, and the same bytes are still good. */
static void target_finish(Target *t)
{
    shadow_assert_same(t->qts, t->before);
    g_assert_cmpint(shadow_call(t->qts, ULTRACALL_RESTORE, "vm1", SHADOW_BUF,
                                t->env->len, 0), ==, 0);
    shadow_run(t->qts);
    g_assert_cmphex(port_in(t->qts, COM1 + UART_SCR), ==, 0x5a);
    g_assert_cmpuint(shadow_count(t->qts, "com1", "output-produced"), ==, 4);
    qobject_unref(t->before);
    g_byte_array_unref(t->env);
    qtest_quit(t->qts);
}

/* docs/envelope.rst, "Layout" */
static const struct {
    const char *name;
    size_t len;
    int err;
} regions[] = {
    { "magic", 4, -EBADMSG },
    { "format version", 1, -EBADMSG },
    { "suite", 1, -EBADMSG },
    { "purpose", 1, -EBADMSG },
    { "VM tag length", 1, -EBADMSG },
    { "epoch", 8, -EBADMSG },
    { "padded length", 4, -EBADMSG },
    { "reserved", 4, -EBADMSG },
    { "salt", 16, -EBADMSG },
    { "key id", 8, -EBADMSG },
    { "sealer id", 8, -EBADMSG },
    { "VM tag", 56, -EBADMSG },
    { "ciphertext", BODY_LEN, -EBADMSG },
    { "GCM tag", 16, -EBADMSG },
};

static void test_flips(void)
{
    Target t = target_prepare();
    size_t off = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
        size_t end = off + regions[i].len;

        for (; off < end; off++) {
            uint8_t good = t.env->data[off];

            qtest_writeb(t.qts, SHADOW_BUF + off, good ^ (1 << off % 8));
            target_refuses(&t, ENVELOPE_LEN, regions[i].err);
            qtest_writeb(t.qts, SHADOW_BUF + off, good);
        }
        shadow_assert_same(t.qts, t.before);
        g_test_message("%s: %zu bytes", regions[i].name, regions[i].len);
    }
    g_assert_cmpuint(off, ==, ENVELOPE_LEN);
    g_assert_cmpuint(shadow_guest_count(t.qts, "refusals"), ==, ENVELOPE_LEN);
    target_finish(&t);
}

static const struct {
    uint64_t from, to;
    int err;
} lengths[] = {
    { 0, ENVELOPE_LEN - 1, -EBADMSG },
    { ENVELOPE_LEN + 1, ENVELOPE_LEN + 16, -EBADMSG },
    { HEADER_LEN + 2 * BODY_LEN + 16, HEADER_LEN + 2 * BODY_LEN + 16,
      -EBADMSG },
    { ENVELOPE_MAX - 1, ENVELOPE_MAX, -EBADMSG },
    { ENVELOPE_MAX + 1, ENVELOPE_MAX + 1, -EINVAL },
    { INT64_MAX, INT64_MAX, -EINVAL },
    { UINT64_MAX, UINT64_MAX, -EINVAL },
};

static void test_lengths(void)
{
    Target t = target_prepare();

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        for (uint64_t n = 0; n <= lengths[i].to - lengths[i].from; n++) {
            target_refuses(&t, lengths[i].from + n, lengths[i].err);
        }
        shadow_assert_same(t.qts, t.before);
    }
    target_finish(&t);
}

/*
 * Eight migrations between two hosts, then each envelope once more.  Its own
 * a host tells first by who sealed it.
 */
#define HOSTS 2
#define MIGRATIONS 8

static const int replayed[HOSTS][HOSTS] = {
    /*  sealed by: 0,        1 */
    [0] =     { -EBADMSG, -ESTALE },
    [1] =     { -ESTALE, -EBADMSG },
};

static void replay_all(QTestState *qts, GPtrArray *envs, const int err[HOSTS])
{
    QDict *before = shadow_view(qts);

    for (unsigned i = 0; i < envs->len; i++) {
        GByteArray *env = g_ptr_array_index(envs, i);

        g_assert_cmpint(shadow_restore_env(qts, env), ==, err[i % HOSTS]);
        shadow_assert_same(qts, before);
    }
    qobject_unref(before);
}

static void test_replay(void)
{
    static const int busy[HOSTS] = { -EBUSY, -EBUSY };
    QTestState *hosts[HOSTS] = {
        start_small(""), start_small(",incoming=on")
    };
    g_autoptr(GPtrArray) envs =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    g_autoptr(GByteArray) last = NULL;

    shadow_bind(hosts[0], "vm1", SHADOW_PROCESS, 0);
    shadow_bind(hosts[1], "vm1", SHADOW_PROCESS, 0);
    for (unsigned i = 0; i < MIGRATIONS; i++) {
        QTestState *from = hosts[i % HOSTS], *to = hosts[(i + 1) % HOSTS];
        GByteArray *env;

        uart_write(from, COM1, "x");
        env = shadow_envelope(from, "vm1");
        g_ptr_array_add(envs, env);
        g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
        g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
        shadow_run(to);
    }
    shadow_assert_state(hosts[1], "vm1", "gone");
    replay_all(hosts[1], envs, replayed[1]);
    replay_all(hosts[0], envs, busy);

    /* on its way to host 1, which has not got it yet */
    last = shadow_envelope(hosts[0], "vm1");
    replay_all(hosts[0], envs, busy);
    g_assert_cmpint(shadow_simple(hosts[0], ULTRACALL_COMMIT, "vm1"), ==, 0);
    replay_all(hosts[0], envs, replayed[0]);
    replay_all(hosts[1], envs, replayed[1]);

    g_assert_cmpint(shadow_restore_env(hosts[1], last), ==, 0);
    shadow_run(hosts[1]);
    g_assert_cmpuint(shadow_count(hosts[1], "com1", "output-produced"), ==,
                     MIGRATIONS);
    qtest_quit(hosts[0]);
    qtest_quit(hosts[1]);
}

/* Envelopes of two guests on one host, to two on another */

static const char *const guests[] = { "vm1", "vm2" };

/* One after the other: a guest that has accepted one takes no second. */
static const struct {
    unsigned of, to;
    int err;
} exchanges[] = {
    { 0, 1, -EBADMSG },
    { 1, 0, -EBADMSG },
    { 0, 0, 0 },
    { 1, 1, 0 },
};

static QTestState *start_two(const char *secret2, const char *props)
{
    return qtest_initf("-machine q35 -nodefaults -m 128M "
                       "-object secret,id=key0,data=" SHADOW_KEY " "
                       "-object secret,id=key1,data=x" SHADOW_KEY " "
                       "-object shadow-guest,id=vm1,secret=key0%s "
                       "-object shadow-guest,id=vm2,secret=%s%s "
                       "-device ultracall -device shadow-testdev "
                       SMALL_COM1 " -device shadow-serial,id=com1b,guest=vm2"
                       SMALL_QUEUES, props, secret2, props);
}

static void check_exchanges(QTestState *from, QTestState *to)
{
    g_autoptr(GByteArray) env1 = shadow_envelope(from, guests[0]);
    g_autoptr(GByteArray) env2 = shadow_envelope(from, guests[1]);
    const GByteArray *env[] = { env1, env2 };

    for (unsigned i = 0; i < ARRAY_SIZE(exchanges); i++) {
        const GByteArray *e = env[exchanges[i].of];

        g_assert_cmpint(shadow_restore(to, guests[exchanges[i].to], e->data,
                                       e->len), ==, exchanges[i].err);
    }
    qtest_quit(from);
    qtest_quit(to);
}

static void test_exchange_same_secret(void)
{
    check_exchanges(start_two("key0", ""), start_two("key0", ",incoming=on"));
}

static void test_exchange_other_secret(void)
{
    check_exchanges(start_two("key1", ""), start_two("key1", ",incoming=on"));
}

/* Each may open with the other's secret, but that does not make it one. */
static void test_exchange_listed_secret(void)
{
    QTestState *to = start_two("key1", ",incoming=on");

    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm1', 'property': "
                             "'old-secrets', 'value': ['key1']}}");
    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/vm2', 'property': "
                             "'old-secrets', 'value': ['key0']}}");
    check_exchanges(start_two("key1", ""), to);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-matrix/flips", test_flips);
    qtest_add_func("/shadow-matrix/lengths", test_lengths);
    qtest_add_func("/shadow-matrix/replay", test_replay);
    qtest_add_func("/shadow-matrix/exchange/same-secret",
                   test_exchange_same_secret);
    qtest_add_func("/shadow-matrix/exchange/other-secret",
                   test_exchange_other_secret);
    qtest_add_func("/shadow-matrix/exchange/listed-secret",
                   test_exchange_listed_secret);
    return shadow_test_run();
}
