/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: what they answer, and that nothing that is passed to them does
 * harm.  Bindings have a test of their own.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "shadow-common.h"

#define NR_CALLS ULTRACALL__MAX
/* The last ones name no guest. */
#define NR_NAMED ULTRACALL_ADMIT

static void test_pci_function(void)
{
    QTestState *qts = shadow_start("", " ");
    uint32_t config = 0x80000000 | 5 << 11;

    qtest_outl(qts, 0xcf8, config | PCI_VENDOR_ID);
    g_assert_cmphex(qtest_inl(qts, 0xcfc), ==, 0x53481234);
    qtest_outl(qts, 0xcf8, config | PCI_CLASS_REVISION);
    g_assert_cmphex(qtest_inb(qts, 0xcfc), ==, ULTRACALL_VERSION);
    qtest_outl(qts, 0xcf8, config | PCI_INTERRUPT_LINE);
    g_assert_cmphex(qtest_inb(qts, 0xcfd), ==, 1);
    qtest_outl(qts, 0xcf8, config | PCI_BASE_ADDRESS_0);
    qtest_outl(qts, 0xcfc, 0xffffffff);
    g_assert_cmphex(qtest_inl(qts, 0xcfc), ==, (uint32_t)-ULTRACALL_BAR_SIZE |
                                               PCI_BASE_ADDRESS_SPACE_IO);
    qtest_quit(qts);
}

/* Written by something that is not a CPU, it does nothing. */
static void test_doorbell_without_cpu(void)
{
    QTestState *qts = shadow_start("", " ");
    uint32_t config = 0x80000000 | 5 << 11;

    qtest_outl(qts, 0xcf8, config | PCI_BASE_ADDRESS_0);
    qtest_outl(qts, 0xcfc, 0xc000);
    qtest_outl(qts, 0xcf8, config | PCI_COMMAND);
    qtest_outw(qts, 0xcfc, PCI_COMMAND_IO);
    for (unsigned port = 0xc000; port < 0xc010; port += 4) {
        qtest_outl(qts, port, ULTRACALL_MAGIC);
        g_assert_cmphex(qtest_inl(qts, port), ==, 0);
    }
    qtest_quit(qts);
}

static void test_probe(void)
{
    QTestState *qts = shadow_start("", " ");
    struct ultracall_probe probe;

    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, SHADOW_BUF,
                                     sizeof(probe), 0, 0, 0), ==, 0);
    g_assert_cmpuint(shadow_value(qts), ==, sizeof(probe));
    qtest_memread(qts, SHADOW_BUF, &probe, sizeof(probe));
    g_assert_cmpuint(le32_to_cpu(probe.version), ==, 1);
    g_assert_cmpuint(le32_to_cpu(probe.id_max), ==, ULTRACALL_ID_MAX);
    g_assert_cmpuint(le64_to_cpu(probe.envelope_max), >=, 0x1000000);
    g_assert_cmpuint(le32_to_cpu(probe.reserved), ==, 0);
    qtest_quit(qts);
}

static void test_query(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    struct {
        struct ultracall_guest guest;
        struct ultracall_device dev;
    } reply;

    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY, "vm1", SHADOW_BUF,
                                sizeof(reply), 0), ==, 0);
    g_assert_cmpuint(shadow_value(qts), ==, sizeof(reply));
    qtest_memread(qts, SHADOW_BUF, &reply, sizeof(reply));
    g_assert_cmpuint(le32_to_cpu(reply.guest.state), ==, ULTRACALL_ACTIVE);
    g_assert_cmpuint(le16_to_cpu(reply.guest.devices), ==, 1);
    g_assert_cmpuint(le64_to_cpu(reply.guest.epoch), ==, 0);
    g_assert_cmphex(le16_to_cpu(reply.dev.iobase), ==, COM1);
    g_assert_cmpuint(reply.dev.irq, ==, 4);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    reply.guest = shadow_query_call(qts, "vm1");
    g_assert_cmpuint(le32_to_cpu(reply.guest.state), ==, ULTRACALL_FROZEN);
    g_assert_cmpuint(le64_to_cpu(reply.guest.epoch), ==, 1);
    qtest_quit(qts);
}

static void test_unknown_number(void)
{
    static const unsigned nr[] = { NR_CALLS, NR_CALLS + 1, 0x7f, 0x80, 0xff };
    QTestState *qts = shadow_start("", " ");

    for (unsigned i = 0; i < ARRAY_SIZE(nr); i++) {
        g_assert_cmpint(shadow_simple(qts, nr[i], "vm1"), ==, -ENOSYS);
    }
    qtest_quit(qts);
}

/* Today's callers cannot use what tomorrow's release gives a meaning. */
static void test_unknown_flags(void)
{
    static const uint64_t flags[] = { 1 << 17, 1ULL << 32, 1ULL << 63 };
    QTestState *qts = shadow_start_com1();
    QDict *before = shadow_view(qts);

    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, SHADOW_BUF,
                                         sizeof(struct ultracall_probe),
                                         flags[i], 0, 0), ==, -EINVAL);
        for (unsigned nr = ULTRACALL_BIND; nr < NR_CALLS; nr++) {
            g_assert_cmpint(shadow_call(qts, nr, "vm1", SHADOW_BUF,
                                        SHADOW_BUF_SIZE, flags[i]), ==,
                            -EINVAL);
        }
    }
    shadow_assert_same(qts, before);
    qtest_quit(qts);
}

static void test_tag(void)
{
    static const uint64_t lengths[] = {
        0, ULTRACALL_ID_MAX + 1, 1ULL << 32, 1ULL << 40, UINT64_MAX,
    };
    QTestState *qts = shadow_start("", " ");

    for (unsigned nr = ULTRACALL_BIND; nr < NR_NAMED; nr++) {
        for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
            g_assert_cmpint(shadow_call_args(qts, nr, SHADOW_TAG, lengths[i],
                                             SHADOW_BUF, 8, 0), ==, -EINVAL);
        }
        g_assert_cmpint(shadow_call(qts, nr, "vm2", SHADOW_BUF, 8, 0), ==,
                        -ENOENT);
        g_assert_cmpint(shadow_call(qts, nr, "vm", SHADOW_BUF, 8, 0), ==,
                        -ENOENT);
        /* an object, but no guest */
        g_assert_cmpint(shadow_call(qts, nr, "key0", SHADOW_BUF, 8, 0), ==,
                        -ENOENT);
        qtest_memwrite(qts, SHADOW_TAG, "vm1", 4);
        g_assert_cmpint(shadow_call_args(qts, nr, SHADOW_TAG, 4, SHADOW_BUF, 8,
                                         0), ==, -EINVAL);
        g_assert_cmpint(shadow_call_args(qts, nr, SHADOW_HOLE, 3, SHADOW_BUF,
                                         8, 0), ==, -EFAULT);
        g_assert_cmphex(shadow_value(qts), ==, SHADOW_HOLE);
    }
    qtest_quit(qts);
}

/* The size that is needed is told; then that size is enough. */
static void test_short_buffers(void)
{
    static const struct {
        unsigned nr;
        uint64_t size;
    } calls[] = {
        { ULTRACALL_BIND, 8 },
        { ULTRACALL_IRQ_POLL, sizeof(struct ultracall_device) },
        { ULTRACALL_QUERY, sizeof(struct ultracall_guest) +
                           sizeof(struct ultracall_device) },
    };
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    uint64_t size = sizeof(struct ultracall_probe);

    for (uint64_t len = 0; len < size; len++) {
        g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, SHADOW_BUF, len,
                                         0, 0, 0), ==, -ENOSPC);
        g_assert_cmpuint(shadow_value(qts), ==, size);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        for (uint64_t len = 0; len < calls[i].size; len++) {
            g_assert_cmpint(shadow_call(qts, calls[i].nr, "vm1", SHADOW_BUF,
                                        len, 0), ==, -ENOSPC);
            g_assert_cmpuint(shadow_value(qts), ==, calls[i].size);
        }
        g_assert_cmpint(shadow_call(qts, calls[i].nr, "vm1", SHADOW_BUF,
                                    calls[i].size, 0), ==, 0);
    }
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_STATE_SIZE, "vm1"), ==, 0);
    size = shadow_value(qts);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", SHADOW_BUF,
                                size - 1, 0), ==, -ENOSPC);
    g_assert_cmpuint(shadow_value(qts), ==, size);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* More than is needed is no error, and is not looked at. */
static void test_long_buffers(void)
{
    static const unsigned calls[] = {
        ULTRACALL_BIND, ULTRACALL_IRQ_POLL, ULTRACALL_QUERY,
    };
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        g_assert_cmpint(shadow_call(qts, calls[i], "vm1", SHADOW_BUF,
                                    UINT64_MAX, 0), ==, 0);
    }
    qtest_quit(qts);
}

static void test_bad_buffers(void)
{
    static const uint64_t bad[] = {
        SHADOW_HOLE, 0xfe000000, 0xfee00000, 1ULL << 40, SHADOW_ROM,
        SHADOW_RAM_SIZE, SHADOW_RAM_SIZE - 4, UINT64_MAX - 3, UINT64_MAX,
        1ULL << 63,
    };
    static const unsigned calls[] = {
        ULTRACALL_BIND, ULTRACALL_IRQ_POLL, ULTRACALL_QUERY,
    };
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    qtest_writel(qts, SHADOW_RAM_SIZE - 4, 0x12345678);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, bad[i], 24, 0,
                                         0, 0), ==, -EFAULT);
        g_assert_cmphex(shadow_value(qts), ==, bad[i] == SHADOW_RAM_SIZE - 4
                                               ? SHADOW_RAM_SIZE : bad[i]);
        for (unsigned j = 0; j < ARRAY_SIZE(calls); j++) {
            g_assert_cmpint(shadow_call(qts, calls[j], "vm1", bad[i], 24, 0),
                            ==, -EFAULT);
        }
        g_assert_cmpint(shadow_call(qts, ULTRACALL_SAVE, "vm1", bad[i],
                                    SHADOW_BUF_SIZE, 0), ==, -EFAULT);
        if (bad[i] != SHADOW_ROM) {
            g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1", bad[i],
                                        4096, 0), ==, -EFAULT);
        }
    }
    g_assert_cmphex(qtest_readl(qts, SHADOW_RAM_SIZE - 4), ==, 0x12345678);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* Data may be read from ROM; only writing there is refused. */
static void test_rom(void)
{
    QTestState *qts = shadow_start(",incoming=on", SHADOW_COM1, shadow_dir);

    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1", SHADOW_ROM,
                                4096, 0), ==, -EBADMSG);
    qtest_quit(qts);
}

static void test_huge_envelope(void)
{
    static const uint64_t lengths[] = {
        SHADOW_BUF_SIZE, 1ULL << 32, 1ULL << 63, UINT64_MAX,
    };
    QTestState *qts = shadow_start(",incoming=on", SHADOW_COM1, shadow_dir);

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1", SHADOW_BUF,
                                    lengths[i], 0), ==, -EINVAL);
    }
    g_assert_cmpint(shadow_call(qts, ULTRACALL_RESTORE, "vm1", SHADOW_BUF,
                                0, 0), ==, -EBADMSG);
    shadow_assert_state(qts, "vm1", "incoming");
    qtest_quit(qts);
}

/* What a nested guest may call */
static void test_nested(void)
{
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, SHADOW_PROCESS, 0x2000, 0x3000);
    for (unsigned nr = 0; nr < NR_CALLS; nr++) {
        int ret = shadow_call(qts, nr | TESTDEV_NESTED, "vm1", SHADOW_BUF,
                              SHADOW_BUF_SIZE, 0);

        switch (nr) {
        case ULTRACALL_PROBE:
            /* takes no tag: flags are where the buffer would be */
            g_assert_cmpint(ret, ==, -EINVAL);
            ret = shadow_call_args(qts, nr | TESTDEV_NESTED, SHADOW_BUF, 24, 0,
                                   0, 0);
            /* fall through */
        case ULTRACALL_REGISTER:
        case ULTRACALL_QUERY:
            g_assert_cmpint(ret, ==, 0);
            break;
        case ULTRACALL_LAUNCH:
            /* the same; and what stands in for a CPU cannot begin anew */
            g_assert_cmpint(ret, ==, -EINVAL);
            ret = shadow_call_args(qts, nr | TESTDEV_NESTED, SHADOW_BUF, 20, 0,
                                   0, 0);
            g_assert_cmpint(ret, ==, -EOPNOTSUPP);
            break;
        default:
            g_assert_cmpint(ret, ==, -EPERM);
        }
    }
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_REGISTER, "vm1"), ==, -EPERM);
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* Which call is possible when */

typedef struct StateCalls {
    const char *state;
    int reset, save, restore, commit, abort;
} StateCalls;

/* 1: possible, and tested elsewhere */
static const StateCalls state_calls[] = {
    { "active", 1, 1, -EBUSY, -EBUSY, -EALREADY },
    { "frozen", -EBUSY, -EALREADY, -EBUSY, 1, 1 },
    { "gone", -EBUSY, -EBUSY, -EBADMSG, -EALREADY, 1 },
    { "incoming", -EBUSY, -EBUSY, -EBADMSG, -EBUSY, -EBUSY },
    { "restored", -EBUSY, -EBUSY, -EALREADY, -EBUSY, -EBUSY },
};

static void check_call(QTestState *qts, const char *state, unsigned nr,
                       int expect)
{
    QDict *before = shadow_query_device(qts, "com1"), *after;
    uint64_t epoch = le64_to_cpu(shadow_query_call(qts, "vm1").epoch);

    if (expect == 1) {
        qobject_unref(before);
        return;
    }
    qtest_memset(qts, SHADOW_BUF, 0x5a, 4096);
    /* a cookie that other calls overwrite is that of a process that died */
    g_assert_cmpint(shadow_call(qts, nr, "vm1", nr == ULTRACALL_BIND ?
                                SHADOW_COOKIES : SHADOW_BUF,
                                SHADOW_BUF_SIZE / 4, 0), ==, expect);
    shadow_assert_state(qts, "vm1", state);
    after = shadow_query_device(qts, "com1");
    g_assert_true(qobject_is_equal(QOBJECT(before), QOBJECT(after)));
    g_assert_cmpuint(le64_to_cpu(shadow_query_call(qts, "vm1").epoch), ==,
                     epoch);
    qobject_unref(before);
    qobject_unref(after);
}

static void check_calls(QTestState *qts, const StateCalls *c)
{
    shadow_assert_state(qts, "vm1", c->state);
    check_call(qts, c->state, ULTRACALL_RESET, c->reset);
    check_call(qts, c->state, ULTRACALL_SAVE, c->save);
    check_call(qts, c->state, ULTRACALL_RESTORE, c->restore);
    check_call(qts, c->state, ULTRACALL_COMMIT, c->commit);
    check_call(qts, c->state, ULTRACALL_ABORT, c->abort);
    check_call(qts, c->state, ULTRACALL_STATE_SIZE, 0);
    check_call(qts, c->state, ULTRACALL_IRQ_POLL, 0);
    check_call(qts, c->state, ULTRACALL_BIND, 0);
}

static void test_states(void)
{
    g_autoptr(GByteArray) env = NULL;
    QTestState *from, *to;

    from = shadow_start("", "-device shadow-serial,id=com1,guest=vm1");
    to = shadow_start(",incoming=on", "-device shadow-serial,id=com1,"
                      "guest=vm1");
    check_calls(from, &state_calls[0]);
    env = shadow_envelope(from, "vm1");
    check_calls(from, &state_calls[1]);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    check_calls(from, &state_calls[2]);
    check_calls(to, &state_calls[3]);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    check_calls(to, &state_calls[4]);
    qtest_quit(from);
    qtest_quit(to);
}

/* Refusals are counted; the cloud VM cannot flood the monitor with them. */

static bool count_refusals(QTestState *qts, const char *name, QDict *event,
                           void *opaque)
{
    unsigned *n = opaque;

    *n += g_str_equal(name, "SHADOW_GUEST_REFUSED");
    return true;
}

static void test_refusals(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    int64_t start = g_get_monotonic_time();
    unsigned events = 0, most;
    QDict *g;

    qtest_qmp_set_event_callback(qts, count_refusals, &events);
    for (unsigned i = 0; i < 1000; i++) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==,
                        -EBUSY);
    }
    g = shadow_query(qts, "vm1");
    g_assert_cmpint(qdict_get_int(g, "refusals"), ==, 1000);
    g_assert_cmpint(qdict_get_int(g, "calls"), ==, 1000);
    qobject_unref(g);
    most = 100 + 50 * (1 + (g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    g_assert_cmpuint(events, >=, 100);
    g_assert_cmpuint(events, <=, most);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/ultracall/pci-function", test_pci_function);
    qtest_add_func("/ultracall/doorbell", test_doorbell_without_cpu);
    qtest_add_func("/ultracall/probe", test_probe);
    qtest_add_func("/ultracall/query", test_query);
    qtest_add_func("/ultracall/unknown-number", test_unknown_number);
    qtest_add_func("/ultracall/unknown-flags", test_unknown_flags);
    qtest_add_func("/ultracall/tag", test_tag);
    qtest_add_func("/ultracall/buffer/short", test_short_buffers);
    qtest_add_func("/ultracall/buffer/long", test_long_buffers);
    qtest_add_func("/ultracall/buffer/bad", test_bad_buffers);
    qtest_add_func("/ultracall/buffer/rom", test_rom);
    qtest_add_func("/ultracall/buffer/huge", test_huge_envelope);
    qtest_add_func("/ultracall/nested", test_nested);
    qtest_add_func("/ultracall/states", test_states);
    qtest_add_func("/ultracall/refusals", test_refusals);
    return shadow_test_run();
}
