/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SAVE and RESTORE ask of the C library: counts, not times, each with its
 * bound.  A state's way is short because none of it is copied more often than
 * needed, and because no memory is new; see docs/performance.rst.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "shadow-common.h"
#include "shadow-count.h"

#define INPUT_SIZE  (16 * KiB)
#define OUTPUT_SIZE (64 * KiB)
#define QUEUES      (INPUT_SIZE + OUTPUT_SIZE)
#define ENVELOPE    (128 * KiB + 128)

/* with queues as above */
#define COM1_QUEUES \
    "-device shadow-serial,id=com1,guest=vm1,input-size=16384,output-size=65536"

/*
 * An event, and a QEMUFile, which has 32 KiB of its own, for each pass over the
 * devices.  One more piece of memory for a state or an envelope is too much.
 */
#define ALLOCATIONS_MAX       220
#define SAVE_ALLOCATED_MAX    (80 * KiB)
#define RESTORE_ALLOCATED_MAX (120 * KiB)

/* Bytes that are not the console's or the envelope's */
#define SMALL_COPIES          (16 * KiB)

static ShadowCount *count;

/* What a call through the test device costs that does next to nothing */
static ShadowCount nothing;

static QTestState *start_counted(const char *guest_props)
{
    QTestState *qts;

    g_setenv("LD_PRELOAD", SHADOW_COUNT_LIBRARY, true);
    g_setenv("G_SLICE", "always-malloc", true);
    qts = shadow_start(guest_props, COM1_QUEUES);
    g_unsetenv("LD_PRELOAD");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static ShadowCount since(const ShadowCount *before)
{
    return (ShadowCount) {
        .allocations = count->allocations - before->allocations,
        .allocated = count->allocated - before->allocated,
        .copied = count->copied - before->copied,
    };
}

/* The call whose arguments are in place */
static int counted_call(QTestState *qts, unsigned nr, ShadowCount *cost)
{
    ShadowCount before = *count;
    int ret = shadow_call_again(qts, nr);

    *cost = since(&before);
    return ret;
}

static void prepare(QTestState *qts, uint64_t len)
{
    g_assert_cmpint(shadow_call(qts, ULTRACALL_STATE_SIZE, "vm1", SHADOW_BUF,
                                len, 0), ==, 0);
    g_assert_cmpint(counted_call(qts, ULTRACALL_STATE_SIZE, &nothing), ==, 0);
}

static void check(const char *what, const ShadowCount *cost,
                  uint64_t allocated_max, uint64_t copied_max)
{
    uint64_t allocations = cost->allocations - nothing.allocations;
    uint64_t allocated = cost->allocated - nothing.allocated;
    uint64_t copied = cost->copied - nothing.copied;

    g_test_message("%s: %" PRIu64 " allocations of %" PRIu64 " bytes, %" PRIu64
                   " bytes copied", what, allocations, allocated, copied);
    g_assert_cmpuint(allocations, >, 0);    /* it does count */
    g_assert_cmpuint(copied, >, QUEUES);
    g_assert_cmpuint(allocations, <=, ALLOCATIONS_MAX);
    g_assert_cmpuint(allocated, <=, allocated_max);
    g_assert_cmpuint(copied, <=, copied_max + SMALL_COPIES);
}

static void fill_history(QTestState *qts)
{
    for (unsigned i = 0; i < OUTPUT_SIZE; i++) {
        port_out(qts, COM1 + UART_DATA, 'x');
    }
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==,
                     OUTPUT_SIZE);
}

/* The costs of the one that was not told to call again */
static ShadowCount save(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    ShadowCount cost;
    int ret;

    while ((ret = counted_call(qts, ULTRACALL_SAVE, &cost)) == -EAGAIN) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpint(shadow_call_again(qts, ULTRACALL_ABORT), ==, 0);
    return cost;
}

static void test_save(void)
{
    QTestState *qts = start_counted("");
    ShadowCount cost;

    fill_history(qts);
    prepare(qts, SHADOW_BUF_SIZE);
    save(qts);
    cost = save(qts);
    /* into the envelope, and out of it */
    check("SAVE", &cost, SAVE_ALLOCATED_MAX, QUEUES + ENVELOPE);
    qtest_quit(qts);
}

static ShadowCount restore(QTestState *qts, const GByteArray *env)
{
    ShadowCount cost;

    qtest_bufwrite(qts, SHADOW_BUF, env->data, env->len);
    g_assert_cmpint(counted_call(qts, ULTRACALL_RESTORE, &cost), ==, 0);
    g_assert_cmpint(shadow_call_again(qts, ULTRACALL_UNBIND), ==, 0);
    return cost;
}

static void test_restore(void)
{
    QTestState *from = shadow_start("", COM1_QUEUES);
    QTestState *to = start_counted(",incoming=on");
    ShadowCount cost;

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    fill_history(from);
    prepare(to, ENVELOPE);
    /* the first also makes the memory for it, the second has a full history */
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

        g_assert_cmpuint(env->len, ==, ENVELOPE);
        cost = restore(to, env);
        g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    }
    /* out of the buffer, into a QEMUFile, out of it; what was there before */
    check("RESTORE", &cost, RESTORE_ALLOCATED_MAX,
          ENVELOPE + 3 * QUEUES);
    qtest_quit(from);
    qtest_quit(to);
}

static void map_count(void)
{
    g_autofree char *path = shadow_path("count");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    g_assert_cmpint(ftruncate(fd, sizeof(*count)), ==, 0);
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 0);
    g_assert_true(count != MAP_FAILED);
    close(fd);
    g_setenv("SHADOW_COUNT_FILE", path, true);
}

/* A ring that is empty, half full, full, and one that has wrapped */
static void test_fill(void)
{
    static const unsigned written[] = {
        0, OUTPUT_SIZE / 2, OUTPUT_SIZE, OUTPUT_SIZE + OUTPUT_SIZE / 3
    };
    uint64_t least = UINT64_MAX, most = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(written); i++) {
        QTestState *qts = start_counted("");
        uint64_t copied;

        for (unsigned j = 0; j < written[i]; j++) {
            port_out(qts, COM1 + UART_DATA, 'x');
        }
        prepare(qts, SHADOW_BUF_SIZE);
        copied = save(qts).copied - nothing.copied;
        g_test_message("%u bytes of output: %" PRIu64 " copied", written[i],
                       copied);
        least = MIN(least, copied);
        most = MAX(most, copied);
        qtest_quit(qts);
    }
    g_assert_cmpuint(least, >, QUEUES);
    /* of what else the process does meanwhile */
    g_assert_cmpuint(most - least, <, 4 * KiB);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    map_count();
    qtest_add_func("/shadow/cost/save", test_save);
    qtest_add_func("/shadow/cost/fill", test_fill);
    qtest_add_func("/shadow/cost/restore", test_restore);
    return shadow_test_run();
}
