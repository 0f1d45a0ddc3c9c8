/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envelopes that must not be accepted, and that leave everything as it was.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define HEADER_LEN 112
#define NO_USER_COM1 "-device shadow-serial,id=com1,guest=vm1"

/* What can be observed of vm1, apart from counters of calls and refusals */
typedef struct View {
    QDict *device;
    uint8_t reg[7];
    char state[16];
    uint64_t epoch;
} View;

static View view_take(QTestState *qts)
{
    QDict *g = shadow_query(qts, "vm1");
    View v = {
        .device = shadow_query_device(qts, "com1"),
        .epoch = qdict_get_int(g, "epoch"),
    };

    g_strlcpy(v.state, qdict_get_str(g, "state"), sizeof(v.state));
    /* the port is held, so that these have no side effect */
    for (unsigned i = 0; i < ARRAY_SIZE(v.reg); i++) {
        v.reg[i] = port_in(qts, COM1 + UART_IER + i);
    }
    qobject_unref(g);
    return v;
}

static void view_free(View *v)
{
    qobject_unref(v->device);
}

static void view_assert_same(QTestState *qts, const View *before)
{
    View now = view_take(qts);

    g_assert_true(qobject_is_equal(QOBJECT(now.device),
                                   QOBJECT(before->device)));
    g_assert_cmpmem(now.reg, sizeof(now.reg), before->reg,
                    sizeof(before->reg));
    g_assert_cmpstr(now.state, ==, before->state);
    g_assert_cmpuint(now.epoch, ==, before->epoch);
    view_free(&now);
}

static void refuse(QTestState *qts, const View *before, const void *env,
                   size_t len, int err)
{
    g_assert_cmpint(shadow_restore(qts, "vm1", env, len), ==, err);
    view_assert_same(qts, before);
}

/* Registers, input, history and unsent output that are not the default */
static void give_a_past(QTestState *qts, const char *socket)
{
    int user = user_connect(socket);

    port_out(qts, COM1 + UART_LCR, 0x1b);
    port_out(qts, COM1 + UART_FCR, 0x81);
    port_out(qts, COM1 + UART_IER, 0x05);
    port_out(qts, COM1 + UART_SCR, 0x5a);
    uart_write(qts, COM1, "history,");
    user_expect(user, "history,");
    user_send(user, "a line of input");
    uart_expect(qts, COM1, "a line");
    close(user);
    shadow_wait_connected(qts, "com1", false);
    uart_write(qts, COM1, "unsent");
}

/*
 * A host that is "gone" with a past, and the envelope with which the guest
 * comes back to it; @own is the envelope with which it went.
 */
typedef struct Return {
    QTestState *qts;
    QTestState *other;
    GByteArray *own;
    GByteArray *env;
    View before;
} Return;

static Return return_prepare(void)
{
    Return r = {
        .qts = shadow_start_com1(),
        .other = shadow_start_incoming(""),
    };

    give_a_past(r.qts, "c0");
    r.own = shadow_envelope(r.qts, "vm1");
    g_assert_cmpint(shadow_restore_env(r.other, r.own), ==, 0);
    g_assert_cmpint(shadow_simple(r.qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_run(r.other);
    port_out(r.other, COM1 + UART_SCR, 0xa5);
    uart_write(r.other, COM1, "more");
    r.env = shadow_envelope(r.other, "vm1");
    r.before = view_take(r.qts);
    g_assert_cmpstr(r.before.state, ==, "gone");
    return r;
}

/* After all that was refused the right envelope still works. */
static void return_finish(Return *r)
{
    g_assert_cmpint(shadow_restore_env(r->qts, r->env), ==, 0);
    shadow_run(r->qts);
    g_assert_cmphex(port_in(r->qts, COM1 + UART_SCR), ==, 0xa5);
    uart_expect(r->qts, COM1, " of input");
    g_assert_cmpuint(shadow_count(r->qts, "com1", "output-produced"), ==, 18);
    view_free(&r->before);
    g_byte_array_unref(r->own);
    g_byte_array_unref(r->env);
    qtest_quit(r->qts);
    qtest_quit(r->other);
}

/* Every byte of the header, and a sample of the rest */
static void test_bit_flips(void)
{
    Return r = return_prepare();
    size_t step = 1;

    for (size_t i = 0; i < r.env->len; i += step) {
        uint8_t bit = 1 << i % 8;
        uint64_t addr = SHADOW_BUF + i;

        if (i == 0) {
            qtest_bufwrite(r.qts, SHADOW_BUF, r.env->data, r.env->len);
        }
        qtest_writeb(r.qts, addr, r.env->data[i] ^ bit);
        g_assert_cmpint(shadow_call(r.qts, ULTRACALL_RESTORE, "vm1",
                                    SHADOW_BUF, r.env->len, 0), ==, -EBADMSG);
        qtest_writeb(r.qts, addr, r.env->data[i]);
        if (i % 16 == 0) {
            view_assert_same(r.qts, &r.before);
        }
        if (i >= HEADER_LEN + 16 && i + 32 + 9973 < r.env->len) {
            step = 9973;
        } else {
            step = 1;
        }
    }
    view_assert_same(r.qts, &r.before);
    return_finish(&r);
}

static void test_lengths(void)
{
    Return r = return_prepare();
    const size_t lengths[] = {
        0, 1, 4, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + 1, HEADER_LEN + 16,
        4096, r.env->len / 2, r.env->len - 16, r.env->len - 1,
        r.env->len + 1, r.env->len + 16, r.env->len * 2,
    };

    qtest_memset(r.qts, SHADOW_BUF, 0, r.env->len * 2);
    qtest_bufwrite(r.qts, SHADOW_BUF, r.env->data, r.env->len);
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_assert_cmpint(shadow_call(r.qts, ULTRACALL_RESTORE, "vm1",
                                    SHADOW_BUF, lengths[i], 0), ==, -EBADMSG);
        view_assert_same(r.qts, &r.before);
    }
    return_finish(&r);
}

/* Back to the one that sealed it */
static void test_reflected(void)
{
    Return r = return_prepare();

    refuse(r.qts, &r.before, r.own->data, r.own->len, -EBADMSG);
    return_finish(&r);
}

/* Two envelopes mixed: the header of one, the rest of the other */
static void test_spliced(void)
{
    Return r = return_prepare();
    g_autofree uint8_t *mix = g_memdup2(r.env->data, r.env->len);

    g_assert_cmpuint(r.own->len, ==, r.env->len);
    memcpy(mix, r.own->data, HEADER_LEN);
    refuse(r.qts, &r.before, mix, r.env->len, -EBADMSG);
    memcpy(mix, r.env->data, r.env->len);
    memcpy(mix + r.env->len / 2, r.own->data + r.env->len / 2,
           r.env->len - r.env->len / 2);
    refuse(r.qts, &r.before, mix, r.env->len, -EBADMSG);
    return_finish(&r);
}

static void test_stale(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming("");
    g_autoptr(GByteArray) first = shadow_envelope(from, "vm1");
    g_autoptr(GByteArray) second = NULL;
    View before;

    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    give_a_past(from, "c0");
    second = shadow_envelope(from, "vm1");
    g_assert_cmpint(shadow_restore_env(to, second), ==, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    before = view_take(to);
    g_assert_cmpstr(before.state, ==, "incoming");
    refuse(to, &before, second->data, second->len, -ESTALE);
    refuse(to, &before, first->data, first->len, -ESTALE);
    view_free(&before);
    qtest_quit(from);
    qtest_quit(to);
}

/* An envelope of vm1 for hosts that should not take it */

static void check_refused_by(QTestState *to, const GByteArray *env, int err)
{
    View before;

    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    before = view_take(to);
    refuse(to, &before, env->data, env->len, err);
    view_free(&before);
    qtest_quit(to);
}

static void test_other_guest(void)
{
    QTestState *from, *to = shadow_start(",incoming=on", NO_USER_COM1);
    g_autoptr(GByteArray) env = NULL;

    from = shadow_start("", "-object shadow-guest,id=vm2,secret=key0 "
                        "-device shadow-serial,id=com1,guest=vm2");
    env = shadow_envelope(from, "vm2");
    check_refused_by(to, env, -EBADMSG);
    qtest_quit(from);
}

static void test_other_key(void)
{
    QTestState *from = shadow_start_com1(), *to;
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    to = qtest_init("-machine q35 -nodefaults -m 128M "
                    "-object secret,id=key0,data=" SHADOW_KEY "x "
                    "-object shadow-guest,id=vm1,secret=key0,incoming=on "
                    "-device ultracall -device shadow-testdev "
                    NO_USER_COM1);
    check_refused_by(to, env, -EBADMSG);
    qtest_quit(from);
}

/* Typed input, and output that nobody has seen, must not be cut off. */
static void test_smaller_queues(void)
{
    QTestState *from = shadow_start_com1();
    g_autofree char *text = g_strnfill(100, 'x');
    g_autoptr(GByteArray) env = NULL;
    int user = user_connect("c0");

    user_send(user, text);
    shadow_wait_count(from, "com1", "input-accepted", 100);
    env = shadow_envelope(from, "vm1");
    check_refused_by(shadow_start_incoming(",input-size=80"), env, -EINVAL);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    close(user);

    shadow_wait_connected(from, "com1", false);
    uart_expect(from, COM1, text);
    uart_write(from, COM1, text);
    g_byte_array_unref(env);
    env = shadow_envelope(from, "vm1");
    check_refused_by(shadow_start_incoming(",output-size=99"), env, -EINVAL);
    qtest_quit(from);
}

/* History may be: the rest arrives, and the counters say from where on */
static void test_smaller_history(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = shadow_start_incoming(",output-size=10");
    int user = user_connect("c0");

    uart_write(from, COM1, "0123456789abcdef");
    user_expect(user, "0123456789abcdef");
    shadow_move(from, to);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-start"), ==, 6);
    g_assert_cmpuint(shadow_count(to, "com1", "output-sent"), ==, 16);
    g_assert_cmpuint(shadow_count(to, "com1", "output-dropped"), ==, 0);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_other_devices(void)
{
    static const char *const devices[] = {
        "-device shadow-serial,id=com1,guest=vm1,iobase=0x3f0",
        "-device shadow-serial,id=com1,guest=vm1,irq=3",
        "-device shadow-serial,id=com1,guest=vm1,iobase=0x2f8 "
        "-device shadow-serial,id=com2,guest=vm1",
        NO_USER_COM1 " -device shadow-serial,id=com2,guest=vm1,iobase=0x2f8",
        NO_USER_COM1 " -device shadow-serial,id=com2,guest=vm1,iobase=0x4f8",
    };
    QTestState *from = shadow_start_com1();
    g_autoptr(GByteArray) env = NULL;

    give_a_past(from, "c0");
    env = shadow_envelope(from, "vm1");
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
        check_refused_by(shadow_start(",incoming=on", "%s", devices[i]), env,
                         -EINVAL);
    }
    qtest_quit(from);
}

/* The first device of two fits, the second does not: neither is loaded. */
static void test_half_fitting(void)
{
    QTestState *from, *to;
    g_autoptr(GByteArray) env = NULL;

    from = shadow_start("", NO_USER_COM1 " -device shadow-serial,id=com2,"
                        "guest=vm1,iobase=0x4f8");
    to = shadow_start(",incoming=on", NO_USER_COM1 " -device shadow-serial,"
                      "id=com3,guest=vm1,iobase=0x4f8");
    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    port_out(from, COM1 + UART_IER, 0x02);
    port_out(from, COM1 + UART_SCR, 0x5a);
    uart_write(from, COM1, "text");
    env = shadow_envelope(from, "vm1");
    check_refused_by(to, env, -EINVAL);
    qtest_quit(from);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-refused/bit-flips", test_bit_flips);
    qtest_add_func("/shadow-refused/lengths", test_lengths);
    qtest_add_func("/shadow-refused/reflected", test_reflected);
    qtest_add_func("/shadow-refused/spliced", test_spliced);
    qtest_add_func("/shadow-refused/stale", test_stale);
    qtest_add_func("/shadow-refused/other-guest", test_other_guest);
    qtest_add_func("/shadow-refused/other-key", test_other_key);
    qtest_add_func("/shadow-refused/smaller-queues", test_smaller_queues);
    qtest_add_func("/shadow-refused/smaller-history", test_smaller_history);
    qtest_add_func("/shadow-refused/other-devices", test_other_devices);
    qtest_add_func("/shadow-refused/half-fitting", test_half_fitting);
    return shadow_test_run();
}
