/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator of the outer QEMU, as the tests of the shadow devices play him:
 * queries, events, and commands.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "shadow-common.h"

static QDict *shadow_find(QList *list, const char *id)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *d = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(d, "id"), id)) {
            return qobject_ref(d);
        }
    }
    return NULL;
}

QDict *shadow_query(QTestState *qts, const char *guest)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'query-shadow-guests'}");
    QDict *d = shadow_find(qdict_get_qlist(rsp, "return"), guest);

    qobject_unref(rsp);
    return d;
}

unsigned shadow_count_guests(QTestState *qts)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'query-shadow-guests'}");
    unsigned n = qlist_size(qdict_get_qlist(rsp, "return"));

    qobject_unref(rsp);
    return n;
}

QDict *shadow_view(QTestState *qts)
{
    QDict *g = shadow_query(qts, "vm1");

    qdict_del(g, "calls");
    qdict_del(g, "refusals");
    return g;
}

void shadow_assert_same(QTestState *qts, QDict *before)
{
    QDict *now = shadow_view(qts);

    g_assert_true(qobject_is_equal(QOBJECT(now), QOBJECT(before)));
    qobject_unref(now);
}

QDict *shadow_query_device(QTestState *qts, const char *device)
{
    QDict *g = shadow_query(qts, "vm1");
    QDict *d = shadow_find(qdict_get_qlist(g, "devices"), device);

    g_assert_nonnull(d);
    qobject_unref(g);
    return d;
}

uint64_t shadow_guest_count(QTestState *qts, const char *key)
{
    QDict *g = shadow_query(qts, "vm1");
    uint64_t val = qdict_get_int(g, key);

    qobject_unref(g);
    return val;
}

uint64_t shadow_count(QTestState *qts, const char *device, const char *key)
{
    QDict *d = shadow_query_device(qts, device);
    uint64_t val = qdict_get_int(d, key);

    qobject_unref(d);
    return val;
}

void shadow_wait_count(QTestState *qts, const char *device, const char *key,
                       uint64_t val)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;

    while (shadow_count(qts, device, key) != val) {
        if (g_get_monotonic_time() > end) {
            g_assert_cmpuint(shadow_count(qts, device, key), ==, val);
        }
        g_usleep(1000);
    }
}

void shadow_wait_connected(QTestState *qts, const char *device, bool val)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    bool is;

    do {
        QDict *d = shadow_query_device(qts, device);

        is = qdict_get_bool(d, "connected");
        qobject_unref(d);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (is != val);
}

void shadow_assert_state(QTestState *qts, const char *guest,
                         const char *state)
{
    QDict *g = shadow_query(qts, guest);

    g_assert_nonnull(g);
    g_assert_cmpstr(qdict_get_str(g, "state"), ==, state);
    qobject_unref(g);
}

void shadow_assert_bound(QTestState *qts, const char *guest, bool by_process,
                         bool by_tag)
{
    QDict *g = shadow_query(qts, guest);

    g_assert_cmpint(qdict_get_bool(g, "bound-by-process"), ==, by_process);
    g_assert_cmpint(qdict_get_bool(g, "bound-by-tag"), ==, by_tag);
    qobject_unref(g);
}

void shadow_assert_protection(QTestState *qts, const char *protection,
                              unsigned breaks)
{
    QDict *g = shadow_query(qts, "vm1");

    g_assert_cmpstr(qdict_get_str(g, "protection"), ==, protection);
    g_assert_cmpint(qdict_get_int(g, "breaks"), ==, breaks);
    qobject_unref(g);
}

unsigned shadow_memory(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup",
                                            qtest_pid(qts));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "\nAnonymous:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("\nAnonymous:"), NULL, 10);
}

void shadow_assert_memory(QTestState *qts, unsigned before, unsigned kib)
{
    unsigned now = shadow_memory(qts);

    g_test_message("%u KiB, before %u", now, before);
    /* a sanitizer has memory of its own, and keeps what is freed */
    if (!g_getenv("ASAN_OPTIONS")) {
        g_assert_cmpuint(now, <=, before + kib);
    }
}

QDict *shadow_event(QTestState *qts, const char *name)
{
    QDict *event = qtest_qmp_eventwait_ref(qts, name);
    QDict *data = qobject_ref(qdict_get_qdict(event, "data"));

    qobject_unref(event);
    return data;
}

void shadow_expect_bound(QTestState *qts, bool by_tag)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_BOUND");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    g_assert_cmpint(qdict_get_bool(data, "by-tag"), ==, by_tag);
    qobject_unref(data);
}

void shadow_expect_unbound(QTestState *qts, const char *guest,
                           const char *reason)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_UNBOUND");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, guest);
    g_assert_cmpstr(qdict_get_str(data, "reason"), ==, reason);
    qobject_unref(data);
}

void shadow_expect_connected_told(QTestState *qts, uint64_t input,
                                  uint64_t output, const char *notice)
{
    QDict *data = shadow_event(qts, "SHADOW_CONSOLE_CONNECTED");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "com1");
    g_assert_cmpint(qdict_get_int(data, "input-accepted"), ==, input);
    g_assert_cmpint(qdict_get_int(data, "output-offset"), ==, output);
    g_assert_cmpint(qdict_get_int(data, "notice"), ==, strlen(notice));
    qobject_unref(data);
}

void shadow_expect_connected(QTestState *qts, uint64_t input, uint64_t output)
{
    shadow_expect_connected_told(qts, input, output, "");
}

static void assert_contains(const char *text, const char *what)
{
    if (!strstr(text, what)) {
        g_assert_cmpstr(text, ==, what);
    }
}

void shadow_expect_refused(QTestState *qts, const char *guest,
                           const char *what)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_REFUSED");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, guest);
    assert_contains(qdict_get_str(data, "reason"), what);
    qobject_unref(data);
}

void shadow_add_guest(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': %s, "
                             "'secret': 'key0'}}", id);
}

void shadow_add_port(QTestState *qts, const char *id, const char *guest,
                     unsigned iobase)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': %s, 'guest': "
                             "%s, 'iobase': %u}}", id, guest, iobase);
}

void shadow_object_del(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-del', 'arguments': "
                             "{'id': %s}}", id);
}

void shadow_add_host(QTestState *qts, const char *secret)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'secret', 'id': 'hk', 'data': %s}}",
                             secret);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'shadow-host', 'id': 'h0', "
                             "'secret': 'hk'}}");
}

char *shadow_host_key(QTestState *qts, const char *which)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'query-shadow-hosts'}");
    const QListEntry *entry = qlist_first(qdict_get_qlist(rsp, "return"));
    QDict *host = qobject_to(QDict, qlist_entry_obj(entry));
    char *key = g_strdup(qdict_get_str(host, which));

    g_assert_cmpstr(qdict_get_str(host, "id"), ==, "h0");
    qobject_unref(rsp);
    return key;
}

void shadow_set_destination(QTestState *from, const char *guest,
                            QTestState *to)
{
    g_autofree char *key = shadow_host_key(to, "encryption-key");

    qtest_qmp_assert_success(from, "{'execute': "
                             "'shadow-guest-set-destination', 'arguments': "
                             "{'guest': %s, 'encryption-key': %s}}", guest,
                             key);
}

void shadow_trust(QTestState *to, QTestState *from)
{
    g_autofree char *key = shadow_host_key(from, "signing-key");

    qtest_qmp_assert_success(to, "{'execute': 'qom-set', 'arguments': "
                             "{'path': '/objects/h0', 'property': "
                             "'trusted-hosts', 'value': [%s]}}", key);
}

void shadow_qmp_refused(QTestState *qts, const char *what,
                        const char *fmt, ...)
{
    QDict *err;
    va_list ap;

    va_start(ap, fmt);
    err = qtest_vqmp_assert_failure_ref(qts, fmt, ap);
    va_end(ap);
    assert_contains(qdict_get_str(err, "desc"), what);
    qobject_unref(err);
}
