/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every order of four of the things that can happen to a guest, from each of
 * its two beginnings: what each call answers, and where the guest then is.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define ORDER_LEN 4

/* Buffers besides the one that SAVE writes to, SHADOW_BUF */
#define FOREIGN (SHADOW_BUF + 0x10000)  /* of another host, and newest */
#define OWN     (SHADOW_BUF + 0x20000)  /* sealed by this host */
#define QUERY   (SHADOW_BUF + 0x30000)
#define FOREIGN_EPOCH 10

/* So little that the envelope is of the smallest size */
#define SMALL_QUEUES "input-size=512,output-size=512"
#define SMALL_ENVELOPE 4224

typedef enum Op {
    BIND, SAVE, RESTORE, COMMIT, ABORT, UNBIND, REMOVE, RESET, N_OPS,
    /* RESTORE of OWN; changes nothing anywhere, so it is tried after each */
    REFLECT = N_OPS, N_COLUMNS
} Op;

static const struct {
    const char *name;
    unsigned nr;
    uint64_t buf;
} ops[N_COLUMNS] = {
    [BIND] = { "BIND", ULTRACALL_BIND, SHADOW_COOKIES },
    [SAVE] = { "SAVE", ULTRACALL_SAVE, SHADOW_BUF },
    [RESTORE] = { "RESTORE", ULTRACALL_RESTORE, FOREIGN },
    [COMMIT] = { "COMMIT", ULTRACALL_COMMIT },
    [ABORT] = { "ABORT", ULTRACALL_ABORT },
    [UNBIND] = { "UNBIND", ULTRACALL_UNBIND },
    [REMOVE] = { "REMOVE" },
    [RESET] = { "RESET" },
    [REFLECT] = { "REFLECT", ULTRACALL_RESTORE, OWN },
};

/*
 * Where a guest is: its state, with _B if it is bound.  SEEN is incoming too,
 * but has once accepted FOREIGN; BACK is restored, having been gone before, and
 * LEFT is gone, having been BACK; GIVEN_B is gone, and bound to who has made
 * COMMIT; NONE is no guest.
 */
typedef enum State {
    NONE, ACTIVE, ACTIVE_B, FROZEN, FROZEN_B, GONE, GONE_B, WAITS, WAITS_B,
    RESTORED, RESTORED_B, SEEN, SEEN_B, BACK, BACK_B, LEFT, LEFT_B, GIVEN_B,
    N_STATES
} State;

static const struct {
    const char *name;
    unsigned number;
    bool bound;
} states[N_STATES] = {
    [ACTIVE] = { "active", ULTRACALL_ACTIVE },
    [ACTIVE_B] = { "active", ULTRACALL_ACTIVE, true },
    [FROZEN] = { "frozen", ULTRACALL_FROZEN },
    [FROZEN_B] = { "frozen", ULTRACALL_FROZEN, true },
    [GONE] = { "gone", ULTRACALL_GONE },
    [GONE_B] = { "gone", ULTRACALL_GONE, true },
    [WAITS] = { "incoming", ULTRACALL_INCOMING },
    [WAITS_B] = { "incoming", ULTRACALL_INCOMING, true },
    [RESTORED] = { "restored", ULTRACALL_RESTORED },
    [RESTORED_B] = { "restored", ULTRACALL_RESTORED, true },
    [SEEN] = { "incoming", ULTRACALL_INCOMING },
    [SEEN_B] = { "incoming", ULTRACALL_INCOMING, true },
    [BACK] = { "restored", ULTRACALL_RESTORED },
    [BACK_B] = { "restored", ULTRACALL_RESTORED, true },
    [LEFT] = { "gone", ULTRACALL_GONE },
    [LEFT_B] = { "gone", ULTRACALL_GONE, true },
    [GIVEN_B] = { "gone", ULTRACALL_GONE, true },
};

/* Shorter, so that a row of the table fits a line */
#define NOENT (-ENOENT)
#define BUSY  (-EBUSY)
#define ALRDY (-EALREADY)
#define STALE (-ESTALE)
#define BAD   (-EBADMSG)

/*
 * The table: from a state (row), the state that a call leads to, its status
 * being 0; or its status, nothing having changed.
 */
static const int table[N_STATES][N_COLUMNS] = {
    /*  BIND, SAVE, RESTORE, COMMIT, ABORT, UNBIND, REMOVE, RESET, REFLECT */
    [NONE] = {
        NOENT, NOENT, NOENT, NOENT, NOENT, NOENT, NOENT, NONE, NOENT
    },
    [ACTIVE] = {
        ACTIVE_B, FROZEN, BUSY, BUSY, ALRDY, ALRDY, NONE, ACTIVE, BUSY
    },
    [ACTIVE_B] = {
        ACTIVE_B, FROZEN_B, BUSY, BUSY, ALRDY, ACTIVE, NONE, ACTIVE, BUSY
    },
    [FROZEN] = {
        FROZEN_B, ALRDY, BUSY, GONE, ACTIVE, ALRDY, NONE, FROZEN, BUSY
    },
    [FROZEN_B] = {
        FROZEN_B, ALRDY, BUSY, GIVEN_B, ACTIVE_B, FROZEN, NONE, FROZEN, BUSY
    },
    [GONE] = {
        GONE_B, BUSY, BACK, ALRDY, BUSY, ALRDY, NONE, GONE, BAD
    },
    [GONE_B] = {
        GONE_B, BUSY, BACK_B, ALRDY, BUSY, GONE, NONE, GONE, BAD
    },
    [WAITS] = {
        WAITS_B, BUSY, RESTORED, BUSY, BUSY, ALRDY, NONE, WAITS, BAD
    },
    [WAITS_B] = {
        WAITS_B, BUSY, RESTORED_B, BUSY, BUSY, WAITS, NONE, WAITS, BAD
    },
    [RESTORED] = {
        RESTORED_B, BUSY, ALRDY, BUSY, BUSY, SEEN, NONE, SEEN, ALRDY
    },
    [RESTORED_B] = {
        RESTORED_B, BUSY, ALRDY, BUSY, BUSY, SEEN, NONE, SEEN, ALRDY
    },
    [SEEN] = {
        SEEN_B, BUSY, STALE, BUSY, BUSY, ALRDY, NONE, SEEN, BAD
    },
    [SEEN_B] = {
        SEEN_B, BUSY, STALE, BUSY, BUSY, SEEN, NONE, SEEN, BAD
    },
    [BACK] = {
        BACK_B, BUSY, ALRDY, BUSY, BUSY, LEFT, NONE, LEFT, ALRDY
    },
    [BACK_B] = {
        BACK_B, BUSY, ALRDY, BUSY, BUSY, LEFT, NONE, LEFT, ALRDY
    },
    [LEFT] = {
        LEFT_B, BUSY, STALE, ALRDY, BUSY, ALRDY, NONE, LEFT, BAD
    },
    [LEFT_B] = {
        LEFT_B, BUSY, STALE, ALRDY, BUSY, LEFT, NONE, LEFT, BAD
    },
    [GIVEN_B] = {
        GONE_B, BUSY, BACK_B, ALRDY, ACTIVE_B, GONE, NONE, GONE, BAD
    },
};

/* A guest, and what it should be like */
typedef struct Run {
    QTestState *qts;
    GString *trail;
    State state;
    uint64_t epoch;
    bool restored;
} Run;

static void check(Run *r, const char *what, int64_t is, int64_t should_be)
{
    if (is != should_be) {
        g_test_message("%s of%s", what, r->trail->str);
        g_assert_cmpint(is, ==, should_be);
    }
}

static void guest_add(Run *r, State start)
{
    r->state = start;
    r->epoch = 0;
    r->restored = false;
    qtest_qmp_assert_success(r->qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': 'vm1', "
                             "'secret': 'key0', 'incoming': %i}}",
                             start == WAITS);
    qtest_qmp_assert_success(r->qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': 'com1', "
                             "'guest': 'vm1', 'chardev': 'c0', "
                             "'input-size': 512, 'output-size': 512}}");
}

static int guest_remove(Run *r)
{
    QDict *rsp;
    bool ok;

    if (r->state != NONE) {
        /* its ports are free at once; DEVICE_DELETED takes its time */
        qtest_qmp_device_del_send(r->qts, "com1");
    }
    rsp = qtest_qmp(r->qts, "{'execute': 'object-del', "
                    "'arguments': {'id': 'vm1'}}");
    ok = qdict_haskey(rsp, "return");
    qobject_unref(rsp);
    return ok ? 0 : -ENOENT;
}

/* The other arguments are the same in all calls, see test_orders(). */
static int call(Run *r, unsigned nr, uint64_t buf)
{
    if (buf) {
        qtest_writeq(r->qts, TESTDEV_BASE + TESTDEV_ARG(2), buf);
    }
    return shadow_call_again(r->qts, nr);
}

static int op_do(Run *r, Op op)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    int ret;

    switch (op) {
    case REMOVE:
        return guest_remove(r);
    case RESET:
        qtest_system_reset(r->qts);
        return 0;
    default:
        ret = call(r, ops[op].nr, ops[op].buf);
        while (ret == -EAGAIN) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            ret = shadow_call_again(r->qts, ops[op].nr);
        }
        return ret;
    }
}

/* As L1 sees it: quicker than QMP */
static void check_state(Run *r)
{
    struct ultracall_guest g;
    int ret = call(r, ULTRACALL_QUERY, QUERY);

    check(r, "QUERY", ret, r->state == NONE ? -ENOENT : 0);
    if (!ret) {
        qtest_memread(r->qts, QUERY, &g, sizeof(g));
        check(r, "state", le32_to_cpu(g.state), states[r->state].number);
        check(r, "epoch", le64_to_cpu(g.epoch), r->epoch);
    }
}

/* As L0's operator sees it */
static void check_state_qmp(Run *r)
{
    QDict *g = shadow_query(r->qts, "vm1");

    check(r, "existence", g != NULL, r->state != NONE);
    if (g) {
        check(r, "state", !strcmp(qdict_get_str(g, "state"),
                                  states[r->state].name), true);
        check(r, "binding", qdict_get_bool(g, "bound-by-process"),
              states[r->state].bound);
        check(r, "epoch", qdict_get_int(g, "epoch"), r->epoch);
    }
    qobject_unref(g);
}

static void step(Run *r, Op op)
{
    int cell = table[r->state][op];

    g_string_append_printf(r->trail, " %s", ops[op].name);
    check(r, "status", op_do(r, op), MIN(cell, 0));
    if (cell >= 0) {
        r->state = cell;
        if (op == SAVE) {
            r->epoch++;
        } else if (op == RESTORE) {
            r->epoch = FOREIGN_EPOCH;
            r->restored = true;
        }
    }
    check_state(r);
}

/* What com1 is like when its user has gone */
static QDict *wait_disconnected(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    QDict *d;

    while (d = shadow_query_device(qts, "com1"),
           qdict_get_bool(d, "connected")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        qobject_unref(d);
    }
    return d;
}

/* What is typed arrives once, what is written arrives once, and no more. */
static void check_console_works(Run *r)
{
    int user = user_connect("c0");
    QDict *d;

    user_send(user, "i");
    uart_expect(r->qts, COM1, "i");
    check(r, "LSR", port_in(r->qts, COM1 + UART_LSR) & LSR_DR, 0);
    port_out(r->qts, COM1, 'o');
    /* "f" was written on the other host, and came in FOREIGN */
    user_expect(user, r->restored ? "fo" : "o");
    close(user);
    d = wait_disconnected(r->qts);
    check(r, "input", qdict_get_int(d, "input-accepted"), 1);
    check(r, "output", qdict_get_int(d, "output-sent"), r->restored ? 2 : 1);
    qobject_unref(d);
}

/* Where it is active, or becomes so by running, and nowhere else */
static void check_console(Run *r)
{
    if (r->state == NONE) {
        return;
    }
    step(r, BIND);
    if (r->state == RESTORED_B || r->state == BACK_B) {
        port_in(r->qts, COM1 + UART_SCR);
        r->state = ACTIVE_B;
        check_state(r);
    }
    if (r->state == ACTIVE_B) {
        check_console_works(r);
    } else {
        check(r, "LSR", port_in(r->qts, COM1 + UART_LSR), 0);
    }
}

static void run_order(Run *r, State start, unsigned order)
{
    g_string_printf(r->trail, " %s:", states[start].name);
    guest_add(r, start);
    for (unsigned i = 0; i < ORDER_LEN; i++, order /= N_OPS) {
        step(r, order % N_OPS);
    }
    check_state_qmp(r);
    step(r, REFLECT);
    check_console(r);
    if (r->state != NONE) {
        step(r, REMOVE);
    }
}

/* Written on another host, and the newest that the guest ever gets */
static void foreign_envelope(QTestState *to)
{
    QTestState *from = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1," SMALL_QUEUES);
    g_autoptr(GByteArray) env = NULL;

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    uart_write(from, COM1, "f");
    for (unsigned i = 1; i < FOREIGN_EPOCH; i++) {
        g_assert_cmpint(shadow_save(from, "vm1"), ==, 0);
        g_assert_cmpint(shadow_simple(from, ULTRACALL_ABORT, "vm1"), ==, 0);
    }
    env = shadow_envelope(from, "vm1");
    g_assert_cmpuint(env->len, ==, SMALL_ENVELOPE);
    qtest_bufwrite(to, FOREIGN, env->data, env->len);
    qtest_quit(from);
}

static void own_envelope(QTestState *qts)
{
    g_autoptr(GByteArray) env = shadow_envelope(qts, "vm1");

    g_assert_cmpuint(env->len, ==, SMALL_ENVELOPE);
    qtest_bufwrite(qts, OWN, env->data, env->len);
}

static void test_orders(const void *opaque)
{
    State start = GPOINTER_TO_INT(opaque);
    g_autoptr(GString) trail = g_string_new(NULL);
    Run r = {
        .qts = shadow_start("", SHADOW_COM1 "," SMALL_QUEUES, shadow_dir),
        .trail = trail,
        .state = ACTIVE,
    };
    unsigned n = 1;

    for (unsigned i = 0; i < ORDER_LEN; i++) {
        n *= N_OPS;
    }
    shadow_bind(r.qts, "vm1", SHADOW_PROCESS, 0);
    foreign_envelope(r.qts);
    own_envelope(r.qts);
    shadow_call(r.qts, ULTRACALL_QUERY, "vm1", QUERY, SMALL_ENVELOPE, 0);
    g_assert_cmpint(guest_remove(&r), ==, 0);
    for (unsigned order = 0; order < n; order++) {
        run_order(&r, start, order);
    }
    g_test_message("%u orders", n);
    qtest_quit(r.qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_data_func("/shadow-orders/active", GINT_TO_POINTER(ACTIVE),
                        test_orders);
    qtest_add_data_func("/shadow-orders/incoming", GINT_TO_POINTER(WAITS),
                        test_orders);
    return shadow_test_run();
}
