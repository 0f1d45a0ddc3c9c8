/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device with more than one range of ports and more than one interrupt line,
 * of which the core holds the accesses: shadow-testpair.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "shadow-common.h"

#define PAIR "-device shadow-testpair,id=pair,guest=vm1"
#define DATA 0x60
#define CONTROL 0x64
#define LEVELS CONTROL
#define READS (CONTROL + 1)
#define WRITES (CONTROL + 2)
#define LOST (CONTROL + 3)

/* Longer than an edge of its moderated line is put off */
#define LATE_NS (100 * 1000 * 1000)

static QTestState *start(const char *guest, const char *more)
{
    QTestState *qts = shadow_start(guest, PAIR "%s", more);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static uint16_t word_in(QTestState *qts)
{
    return qtest_readw(qts, TESTDEV_BASE + DATA);
}

static void word_out(QTestState *qts, uint16_t val)
{
    qtest_writew(qts, TESTDEV_BASE + DATA, val);
}

static void expect_line(QTestState *qts, unsigned n, unsigned irq,
                        unsigned level, uint32_t edges)
{
    struct ultracall_device line = shadow_irq_poll(qts, "vm1", n);

    g_assert_cmphex(le16_to_cpu(line.iobase), ==, DATA);
    g_assert_cmpuint(line.irq, ==, irq);
    g_assert_cmpuint(line.level, ==, level);
    g_assert_cmpuint(le32_to_cpu(line.edges), ==, edges);
}

static void test_edges(void)
{
    QTestState *qts = start("", "");
    uint32_t edges = le32_to_cpu(shadow_irq_poll(qts, "vm1", 0).edges);

    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     2);
    port_out(qts, LEVELS, 1);
    expect_line(qts, 0, 1, 1, edges + 1);
    expect_line(qts, 1, 12, 0, edges);
    port_out(qts, LEVELS, 0);
    port_out(qts, LEVELS, 1);
    expect_line(qts, 0, 1, 1, edges + 2);
    /* the other one comes later; the first has risen before */
    port_out(qts, LEVELS, 3);
    expect_line(qts, 1, 12, 1, edges);
    qtest_clock_step(qts, LATE_NS);
    expect_line(qts, 1, 12, 1, edges + 1);
    expect_line(qts, 0, 1, 1, edges + 2);
    g_assert_cmphex(port_in(qts, LEVELS), ==, 3);
    qtest_quit(qts);
}

/* Words reach it; one that straddles a range's end is cut there. */
static void test_ranges(void)
{
    QTestState *qts = start("", "");

    word_out(qts, 0x1234);
    g_assert_cmphex(word_in(qts), ==, 0x1234);
    g_assert_cmpuint(port_in(qts, READS), ==, 1);
    g_assert_cmphex(qtest_readw(qts, TESTDEV_BASE + DATA + 1), ==, 0xff12);
    g_assert_cmphex(port_in(qts, DATA + 2), ==, 0xff);
    qtest_quit(qts);
}

/*
 * While it is held reads have no effect, and writes are done afterwards, as
 * they were made.  The device has nothing to do with it.
 */
static void test_held(void)
{
    QTestState *qts = start("", "");
    uint32_t edges;

    word_out(qts, 0x1111);
    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    edges = le32_to_cpu(shadow_irq_poll(qts, "vm1", 0).edges);
    word_out(qts, 0x2222);
    port_out(qts, DATA, 0x33);
    port_out(qts, LEVELS, 1);
    g_assert_cmphex(word_in(qts), ==, 0xffff);
    expect_line(qts, 0, 1, 0, edges);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    g_assert_cmpuint(port_in(qts, READS), ==, 0);
    g_assert_cmpuint(port_in(qts, WRITES), ==, 3);
    g_assert_cmpuint(port_in(qts, LOST), ==, 0);
    g_assert_cmphex(word_in(qts), ==, 0x2233);
    /* what was written, and what may have been taken in vain meanwhile */
    expect_line(qts, 0, 1, 1, edges + 2);
    expect_line(qts, 1, 12, 0, edges + 1);
    qtest_quit(qts);
}

/* Who writes too much is told so, once. */
static void test_lost(void)
{
    QTestState *qts = start("", "");

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    for (unsigned i = 0; i < 4100; i++) {
        word_out(qts, i);
    }
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_ABORT, "vm1"), ==, 0);
    g_assert_cmpuint(port_in(qts, LOST), ==, 1);
    g_assert_cmphex(word_in(qts), ==, 4095);
    qtest_quit(qts);
}

/* What was written before the state came, or after it left, is not done. */
static void test_moves(void)
{
    QTestState *from = start("", ""), *to = start(",incoming=on", "");
    g_autoptr(GByteArray) env = NULL;
    uint32_t edges[2];

    word_out(from, 0x1234);
    port_out(from, LEVELS, 1);
    for (unsigned i = 0; i < 2; i++) {
        edges[i] = le32_to_cpu(shadow_irq_poll(from, "vm1", i).edges);
    }
    word_out(to, 0x6666);
    env = shadow_envelope(from, "vm1");
    word_out(from, 0x5555);
    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    qtest_qmp_assert_success(from, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
    g_assert_cmphex(word_in(from), ==, 0x1234);
    g_assert_cmphex(word_in(to), ==, 0x1234);
    g_assert_cmphex(port_in(to, LEVELS), ==, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct ultracall_device line = shadow_irq_poll(to, "vm1", i);

        g_assert_cmpuint(line.level, ==, !i);
        g_assert_cmpuint(le32_to_cpu(line.edges), >, edges[i]);
    }
    qtest_quit(from);
    qtest_quit(to);
}

static void expect_does_not_fit(const char *from_more, const char *to_more)
{
    QTestState *from = start("", from_more);
    QTestState *to = start(",incoming=on", to_more);
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==,
                    -EINVAL);
    qtest_quit(from);
    qtest_quit(to);
}

/* Of each line the number is part of the state. */
static void test_other_lines(void)
{
    expect_does_not_fit("", ",irq2=11");
    expect_does_not_fit(" -device shadow-serial,id=com1,guest=vm1",
                        " -device shadow-serial,id=com1,guest=vm1,irq=3");
}

/* Layout */

static unsigned get_layout(QTestState *qts,
                           struct ultracall_resource r[ULTRACALL_RESOURCES_MAX])
{
    g_assert_cmpint(shadow_call(qts, ULTRACALL_LAYOUT, "vm1", SHADOW_BUF,
                                ULTRACALL_RESOURCES_MAX * sizeof(*r), 0),
                    ==, 0);
    qtest_memread(qts, SHADOW_BUF, r, shadow_value(qts));
    return shadow_value(qts) / sizeof(*r);
}

/*
 * Whether a cloud VM finds @line: among those of the device whose first ports
 * in the list begin where the line's do
 */
static bool layout_has(const struct ultracall_resource *r, unsigned n,
                       const struct ultracall_device *line)
{
    const struct ultracall_resource *of = r;

    for (unsigned i = 0; i < n; i++) {
        of = r[i].device == of->device ? of : &r[i];
        if (le16_to_cpu(r[i].kind) == ULTRACALL_LINE &&
            le32_to_cpu(r[i].number) == line->irq &&
            le16_to_cpu(of->kind) == ULTRACALL_PORTS &&
            le32_to_cpu(of->first) == le16_to_cpu(line->iobase)) {
            return true;
        }
    }
    return false;
}

static void expect_layout(const char *properties, const unsigned first[3])
{
    g_autofree char *more = g_strdup_printf(
        "%s -device shadow-serial,id=com1,guest=vm1", properties);
    QTestState *qts = start("", more);
    struct ultracall_resource r[ULTRACALL_RESOURCES_MAX];
    unsigned n = get_layout(qts, r), ports = 0;

    g_assert_cmpuint(n, ==, 2 + 2 + 1 + 1 + 1);
    for (unsigned i = 0; i < n; i++) {
        if (le16_to_cpu(r[i].kind) == ULTRACALL_PORTS) {
            g_assert_cmphex(le32_to_cpu(r[i].first), ==, first[ports++]);
        }
    }
    g_assert_cmpuint(ports, ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct ultracall_device line = shadow_irq_poll(qts, "vm1", i);

        g_assert_true(layout_has(r, n, &line));
    }
    qtest_quit(qts);
}

/* The lowest port names a device, and comes first, whichever that is. */
static void test_layout(void)
{
    expect_layout("", (unsigned[]) { DATA, CONTROL, COM1 });
    expect_layout(",iobase=0x80", (unsigned[]) { CONTROL, 0x80, COM1 });
    expect_layout(",iobase=0x500", (unsigned[]) { CONTROL, 0x500, COM1 });
}

static void test_query(void)
{
    QTestState *qts = start("", "");
    QDict *d = shadow_query_device(qts, "pair");
    QList *irqs = qdict_get_qlist(d, "irqs");
    g_autofree char *text = qtest_hmp(qts, "info shadow");

    g_assert_cmpuint(qdict_get_int(d, "iobase"), ==, DATA);
    g_assert_cmpuint(qdict_get_int(d, "irq"), ==, 1);
    g_assert_cmpuint(qlist_size(irqs), ==, 2);
    qobject_unref(qlist_pop(irqs));
    g_assert_cmpuint(qnum_get_uint(qobject_to(QNum, qlist_peek(irqs))), ==,
                     12);
    g_assert_nonnull(strstr(text, "pair: port 0x60 irq 1 irq 12"));
    qobject_unref(d);
    qtest_quit(qts);
}

static void expect_refused(QTestState *qts, unsigned iobase, unsigned iobase2,
                           unsigned irq2, unsigned spare, const char *why)
{
    shadow_qmp_refused(qts, why, "{'execute': 'device_add', 'arguments': "
                       "{'driver': 'shadow-testpair', 'guest': 'vm1', "
                       "'id': 'refused', 'iobase': %u, 'iobase2': %u, "
                       "'irq2': %u, 'spare': %u}}", iobase, iobase2, irq2,
                       spare);
}

/* What is wrong with one device */
static void test_refused(void)
{
    QTestState *qts = start("", ",spare=3");

    expect_refused(qts, 0x400, 0x404, 16, 0, "irq 16 is not an ISA interrupt");
    expect_refused(qts, 0x400, 0x404, 1, 0, "irq 1 stands for two lines");
    expect_refused(qts, 0x400, 0x401, 12, 0, "to device 'refused' already");
    expect_refused(qts, 0x400, CONTROL, 12, 0, "to device 'pair' already");
    expect_refused(qts, 0x400, 0x404, 12, 4, "ranges and interrupts than 7");
    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     2);
    qtest_quit(qts);
}

/* As many lines as there is room for in a reply, and not one more */
static void test_many(void)
{
    g_autoptr(GString) many = g_string_new("");
    QTestState *qts;

    for (unsigned i = 1; i < 8; i++) {
        g_string_append_printf(many, " -device shadow-testpair,id=p%u,"
                               "guest=vm1,iobase=0x%x,iobase2=0x%x", i,
                               0x400 + 16 * i, 0x408 + 16 * i);
    }
    qts = start("", many->str);
    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, "vm1").devices), ==,
                     16);
    expect_refused(qts, 0x500, 0x504, 12, 0, "has 16 interrupts already");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-lines/edges", test_edges);
    qtest_add_func("/shadow-lines/ranges", test_ranges);
    qtest_add_func("/shadow-lines/held", test_held);
    qtest_add_func("/shadow-lines/lost", test_lost);
    qtest_add_func("/shadow-lines/moves", test_moves);
    qtest_add_func("/shadow-lines/other-lines", test_other_lines);
    qtest_add_func("/shadow-lines/layout", test_layout);
    qtest_add_func("/shadow-lines/query", test_query);
    qtest_add_func("/shadow-lines/refused", test_refused);
    qtest_add_func("/shadow-lines/many", test_many);
    return shadow_test_run();
}
