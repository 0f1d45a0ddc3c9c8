/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator is told when a cloud VM does a thing very often: less,
 * but never nothing, and in the right order.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define TIMEOUT_US (20 * G_USEC_PER_SEC)

typedef struct Told {
    char *name;             /* without SHADOW_GUEST_ */
    QDict *data;
    uint64_t n;             /* how many it stands for */
} Told;

static void told_free(void *opaque)
{
    Told *t = opaque;

    qobject_unref(t->data);
    g_free(t->name);
    g_free(t);
}

static bool told_add(QTestState *qts, const char *name, QDict *event,
                     void *opaque)
{
    GPtrArray *log = opaque;
    Told *t;

    if (!g_str_has_prefix(name, "SHADOW_GUEST_")) {
        return false;
    }
    t = g_new0(Told, 1);
    t->name = g_strdup(name + strlen("SHADOW_GUEST_"));
    t->data = qobject_ref(qdict_get_qdict(event, "data"));
    t->n = 1 + qdict_get_try_int(t->data, "merged", 0);
    g_ptr_array_add(log, t);
    return true;
}

static GPtrArray *told_start(QTestState *qts)
{
    GPtrArray *log = g_ptr_array_new_with_free_func(told_free);

    qtest_qmp_set_event_callback(qts, told_add, log);
    return log;
}

/* Takes in what has been sent until now. */
static void told_read(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'query-status'}");
}

static Told *told_at(GPtrArray *log, guint i)
{
    return g_ptr_array_index(log, i);
}

/* How many events of this name there were, from number @from on */
static uint64_t told_count(GPtrArray *log, guint from, const char *name)
{
    uint64_t n = 0;

    for (guint i = from; i < log->len; i++) {
        n += g_str_equal(told_at(log, i)->name, name) ? told_at(log, i)->n : 0;
    }
    return n;
}

static void told_wait(QTestState *qts, GPtrArray *log, const char *name,
                      uint64_t n)
{
    int64_t end = g_get_monotonic_time() + TIMEOUT_US;

    do {
        told_read(qts);
        if (told_count(log, 0, name) == n) {
            return;
        }
        g_usleep(1000);
    } while (g_get_monotonic_time() < end);
    g_assert_cmpuint(told_count(log, 0, name), ==, n);
}

/* Where the first event of this name is, from number @i on */
static guint told_next(GPtrArray *log, guint i, const char *name)
{
    while (!g_str_equal(told_at(log, i)->name, name)) {
        g_assert_cmpuint(++i, <, log->len);
    }
    return i;
}

/* Where the last event of this name is */
static guint told_last(GPtrArray *log, const char *name)
{
    for (guint i = log->len; i-- > 0; ) {
        if (g_str_equal(told_at(log, i)->name, name)) {
            return i;
        }
    }
    g_assert_not_reached();
}

/* There were @n events of this name, each of which was sent by itself. */
static void told_each(GPtrArray *log, guint from, const char *name,
                      uint64_t n)
{
    for (guint i = from; i < log->len; i++) {
        g_assert_true(!g_str_equal(told_at(log, i)->name, name) ||
                      !qdict_haskey(told_at(log, i)->data, "merged"));
    }
    g_assert_cmpuint(told_count(log, from, name), ==, n);
}

static void refuse(QTestState *qts, unsigned n)
{
    while (n--) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==,
                        -EBUSY);
    }
}

static void bind_and_unbind(QTestState *qts, unsigned n)
{
    while (n--) {
        shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    }
}

static void reset(QTestState *qts, unsigned n)
{
    while (n--) {
        g_assert_cmpint(shadow_simple(qts, ULTRACALL_RESET, "vm1"), ==, 0);
    }
}

/* Whoever wants to act unseen has itself refused very often before. */
static void test_refusals(void)
{
    QTestState *qts = shadow_start_com1_with(",snapshots=on");
    g_autoptr(GByteArray) env = shadow_snapshot(qts);
    g_autoptr(GPtrArray) log = NULL;
    guint restored, unbound;

    qobject_unref(shadow_event(qts, "SHADOW_GUEST_SAVED"));

    log = told_start(qts);
    refuse(qts, 1000);
    g_assert_cmpint(shadow_restore_env(qts, env), ==, 0);
    refuse(qts, 300);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    refuse(qts, 1);
    bind_and_unbind(qts, 10);
    told_wait(qts, log, "REFUSED", 1301);

    told_each(log, 0, "RESTORED", 1);
    told_each(log, 0, "BOUND", 10);
    told_each(log, 0, "UNBOUND", 11);
    restored = told_next(log, 0, "RESTORED");
    unbound = told_next(log, restored, "UNBOUND");
    g_assert_true(qdict_get_bool(told_at(log, restored)->data, "snapshot"));
    g_assert_cmpuint(told_count(log, restored, "REFUSED"), ==, 301);
    g_assert_cmpuint(told_count(log, unbound, "REFUSED"), ==, 1);
    qtest_quit(qts);
}

/* Changes are merged, so that the last word is always told. */
static void test_changes(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    g_autoptr(GPtrArray) log = told_start(qts);
    int64_t start = g_get_monotonic_time();
    guint most;

    bind_and_unbind(qts, 500);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    told_wait(qts, log, "UNBOUND", 500);
    told_wait(qts, log, "BOUND", 501);
    g_assert_cmpuint(told_last(log, "UNBOUND"), <, told_last(log, "BOUND"));
    most = 110 + 50 * (1 + (g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    g_assert_cmpuint(log->len, <=, most);
    qtest_quit(qts);
}

/* The same for what is refused or reset, and among all of them. */
static void test_order(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    g_autoptr(GPtrArray) log = told_start(qts);

    bind_and_unbind(qts, 200);
    refuse(qts, 200);
    reset(qts, 200);
    told_wait(qts, log, "BOUND", 200);
    told_wait(qts, log, "UNBOUND", 200);
    told_wait(qts, log, "REFUSED", 200);
    told_wait(qts, log, "RESET", 200);
    g_assert_cmpuint(told_last(log, "BOUND"), <, told_last(log, "UNBOUND"));
    g_assert_cmpuint(told_last(log, "UNBOUND"), <, told_last(log, "REFUSED"));
    g_assert_cmpuint(told_last(log, "REFUSED"), <, told_last(log, "RESET"));
    qtest_quit(qts);
}

/* Any nested guest, another tenant's too, can call REGISTER of this one. */
static void test_nested(void)
{
    QTestState *qts = shadow_start(",bind-secret=key0", "%s", "");
    g_autoptr(GPtrArray) log = told_start(qts);
    guint from;

    for (unsigned i = 0; i < 500; i++) {
        g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                    "vm1", 0, 0, 0), ==, -EACCES);
    }
    told_read(qts);
    from = log->len;
    refuse(qts, 20);
    bind_and_unbind(qts, 20);
    told_read(qts);
    for (guint i = from; i < log->len; i++) {
        if (strstr(qdict_get_try_str(told_at(log, i)->data, "reason") ?: "",
                   "commit")) {
            g_assert_cmpuint(told_at(log, i)->n, ==, 1);
        }
    }
    told_each(log, from, "BOUND", 20);
    told_each(log, from, "UNBOUND", 20);
    told_wait(qts, log, "REFUSED", 520);
    qtest_quit(qts);
}

/* Nothing that waits is forgotten with the guest. */
static void test_removed(void)
{
    QTestState *qts = shadow_start("", "%s", "");
    g_autoptr(GPtrArray) log = told_start(qts);

    bind_and_unbind(qts, 300);
    refuse(qts, 300);
    shadow_object_del(qts, "vm1");
    g_assert_cmpuint(told_count(log, 0, "BOUND"), ==, 300);
    g_assert_cmpuint(told_count(log, 0, "UNBOUND"), ==, 300);
    g_assert_cmpuint(told_count(log, 0, "REFUSED"), ==, 300);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-tell/refusals", test_refusals);
    qtest_add_func("/shadow-tell/changes", test_changes);
    qtest_add_func("/shadow-tell/order", test_order);
    qtest_add_func("/shadow-tell/nested", test_nested);
    qtest_add_func("/shadow-tell/removed", test_removed);
    return shadow_test_run();
}
