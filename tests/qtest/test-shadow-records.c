/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of private memory between two hosts: all come, each once, in their
 * order, or the guest does not.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "shadow-records.h"

/* Where the fields of a record are, as docs/envelope.rst says */
#define AT_LENGTH   4
#define AT_SESSION  8
#define AT_NUMBER   16
#define AT_BODY     24

#define IMPORT ULTRACALL_PAGES_IMPORT
#define EXPORT ULTRACALL_PAGES_EXPORT

/* One that has vm1, active, with @image; and one that waits for it */
typedef struct Hosts {
    QTestState *from, *to;
    uint8_t *image;
} Hosts;

static Hosts hosts_start(void)
{
    Hosts h = {
        .from = records_start(""),
        .to = records_start(""),
        .image = records_image(1),
    };

    records_bring(h.from, h.image);
    return h;
}

static void hosts_end(Hosts *h)
{
    qtest_quit(h->from);
    qtest_quit(h->to);
    g_free(h->image);
}

static GByteArray *record_of(const RecordsMove *m, unsigned i)
{
    g_assert_cmpuint(i, <, m->records->len);
    return g_ptr_array_index(m->records, i);
}

static char *measurement(QTestState *qts)
{
    QDict *guest = shadow_query(qts, "vm1");
    char *text = g_strdup(qdict_get_str(qdict_get_qdict(guest, "memory"),
                                        "measurement"));

    qobject_unref(guest);
    return text;
}

/* There and back and there; the memory is the same each time. */
static void test_there_and_back(void)
{
    Hosts h = hosts_start();
    g_autofree char *before = measurement(h.from);

    for (int i = 0; i < 3; i++) {
        g_autoptr(RecordsMove) m = records_leave(h.from, i ? RECORDS_SHORT :
                                                 ULTRACALL_RECORD_MAX);
        g_autofree char *after = NULL;
        QTestState *to = h.to;

        g_assert_cmpuint(m->records->len, >, i ? 4 : 0);
        records_assert_same(m, h.image);
        records_arrive(to, m);
        after = measurement(to);
        g_assert_cmpstr(before, ==, after);
        g_assert_cmpint(shadow_simple(h.from, ULTRACALL_COMMIT, "vm1"), ==, 0);
        g_assert_cmpint(shadow_simple(h.from, ULTRACALL_UNBIND, "vm1"), ==, 0);
        records_assert_launched(h.from, false);
        shadow_bind(h.from, "vm1", SHADOW_PROCESS, 0);
        h.to = h.from;
        h.from = to;
    }
    hosts_end(&h);
}

static void refused(QTestState *qts, GByteArray *record)
{
    g_assert_cmpint(records_import(qts, record), ==, -EBADMSG);
    g_assert_cmpuint(shadow_value(qts), ==, 0);
}

/* Each bit of what is around the body, some of it, and lengths */
static void test_flips(void)
{
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) m = records_leave(h.from, RECORDS_SHORT);
    QDict *before;

    g_assert_cmpint(shadow_restore_env(h.to, m->session), ==, 0);
    before = shadow_view(h.to);
    for (unsigned i = 0; i < m->records->len; i++) {
        GByteArray *record = record_of(m, i);

        for (size_t at = 0; i < 2 && at < record->len; at++) {
            bool around = at < AT_BODY || at >= record->len - 16;

            for (int bit = 0; bit < 8 && (around || at % 9001 == 0); bit++) {
                record->data[at] ^= 1 << bit;
                refused(h.to, record);
                record->data[at] ^= 1 << bit;
            }
        }
        for (int shorter = 1; i < 2 && shorter < 100; shorter += 7) {
            g_assert_cmpint(records_call(h.to, "vm1", IMPORT,
                                         record->len - shorter), ==, -EBADMSG);
        }
        g_assert_cmpint(records_call(h.to, "vm1", IMPORT, 0), ==, -EBADMSG);
        g_assert_cmpint(records_import(h.to, record), ==, 0);
        refused(h.to, record);
    }
    shadow_assert_same(h.to, before);
    g_assert_cmpint(shadow_restore_env(h.to, m->state), ==, 0);
    records_run(h.to);
    qobject_unref(before);
    hosts_end(&h);
}

/*
 * Of all orders of four records, with some left out or doubled, one brings the
 * guest.  Whatever was tried before, the session can be begun anew.
 */
#define RECORDS 4

static bool try_order(QTestState *qts, const RecordsMove *m, unsigned order)
{
    unsigned taken = 0;
    int ret;

    g_assert_cmpint(shadow_restore_env(qts, m->session), ==, 0);
    for (int i = 0; i < RECORDS; i++) {
        unsigned which = order >> (2 * i) & 3;

        if (which == taken) {
            g_assert_cmpint(records_import(qts, record_of(m, which)), ==, 0);
            taken++;
        } else {
            refused(qts, record_of(m, which));
        }
    }
    /* so many states that do not fit are looked at in the course of time */
    qtest_clock_step(qts, 10 * NANOSECONDS_PER_SECOND);
    ret = shadow_restore_env(qts, m->state);
    g_assert_cmpint(ret, ==, taken == RECORDS ? 0 : -EINVAL);
    return !ret;
}

static void test_orders(void)
{
    const unsigned right = 0 | 1 << 2 | 2 << 4 | 3 << 6;
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) m = NULL;

    for (unsigned page = 0; page < RECORDS_PAGES; page++) {
        /* 13 fit into one */
        memset(h.image + page * SHADOW_PAGE, page < 13 * RECORDS, SHADOW_PAGE);
    }
    qtest_quit(h.from);
    h.from = records_start("");
    records_bring(h.from, h.image);
    m = records_leave(h.from, RECORDS_SHORT);
    g_assert_cmpuint(m->records->len, ==, RECORDS);
    for (unsigned order = 0; order < 256; order++) {
        g_assert_true(order == right || !try_order(h.to, m, order));
    }
    g_assert_true(try_order(h.to, m, right));
    records_run(h.to);
    hosts_end(&h);
}

/* Of an older session of the same guest: neither its records, nor its key */
static void test_older_session(void)
{
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) old = records_leave(h.from, RECORDS_SHORT);
    g_autoptr(RecordsMove) m = NULL;

    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_ABORT, "vm1"), ==, 0);
    m = records_leave(h.from, RECORDS_SHORT);
    g_assert_cmpuint(m->records->len, ==, old->records->len);

    g_assert_cmpint(shadow_restore_env(h.to, m->session), ==, 0);
    refused(h.to, record_of(old, 0));
    g_assert_cmpint(records_import(h.to, record_of(m, 0)), ==, 0);
    refused(h.to, record_of(old, 1));
    /* all of the older one, and the newer state */
    g_assert_cmpint(shadow_restore_env(h.to, old->session), ==, 0);
    for (unsigned i = 0; i < old->records->len; i++) {
        g_assert_cmpint(records_import(h.to, record_of(old, i)), ==, 0);
    }
    g_assert_cmpint(shadow_restore_env(h.to, m->state), ==, -EINVAL);
    shadow_assert_state(h.to, "vm1", "incoming");
    records_assert_launched(h.to, false);
    /* and the other way round */
    g_assert_cmpint(shadow_restore_env(h.to, m->session), ==, 0);
    for (unsigned i = 0; i < m->records->len; i++) {
        g_assert_cmpint(records_import(h.to, record_of(m, i)), ==, 0);
    }
    g_assert_cmpint(shadow_restore_env(h.to, old->state), ==, -EINVAL);
    g_assert_cmpint(shadow_restore_env(h.to, m->state), ==, 0);
    records_run(h.to);
    /* what was once accepted is never again */
    g_assert_cmpint(shadow_restore_env(h.to, old->session), ==, -EBUSY);
    hosts_end(&h);
}

/* No session begins with an envelope that is older than what has arrived. */
static void test_rolled_back(void)
{
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) first = records_leave(h.from, RECORDS_SHORT);
    g_autoptr(RecordsMove) second = NULL;

    records_arrive(h.to, first);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(h.from, ULTRACALL_UNBIND, "vm1"), ==, 0);
    second = records_leave(h.to, RECORDS_SHORT);
    g_assert_cmpint(shadow_simple(h.to, ULTRACALL_COMMIT, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(h.to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(shadow_restore_env(h.to, first->session), ==, -ESTALE);
    g_assert_cmpint(shadow_restore_env(h.to, first->state), ==, -ESTALE);
    /* a host's own come back to it neither */
    g_assert_cmpint(shadow_restore_env(h.from, first->session), ==, -EBADMSG);
    shadow_bind(h.from, "vm1", SHADOW_PROCESS, 0);
    records_arrive(h.from, second);
    hosts_end(&h);
}

/* Nor what is another guest's, which has the same secret */
static void test_another_guest(void)
{
    Hosts h = hosts_start();
    const RecordsKey key = records_key(9);
    g_autoptr(ShadowStream) s = shadow_stream_new(key.key, key.id);
    g_autoptr(GByteArray) session = records_session(&key, "vm2", 100);
    g_autoptr(GByteArray) record = NULL;
    g_autoptr(RecordsMove) m = records_leave(h.from, RECORDS_SHORT);
    uint8_t body[12] = { 0, 0, 0, 1, 0, 0, 0, 5, 0, 1, 0, 1 };

    record = records_seal(s, body, sizeof(body));
    g_assert_cmpint(shadow_restore_env(h.to, session), ==, -EBADMSG);
    g_assert_cmpint(shadow_restore_env(h.to, m->session), ==, 0);
    refused(h.to, record);
    memcpy(record->data + AT_SESSION, record_of(m, 0)->data + AT_SESSION, 8);
    refused(h.to, record);
    records_arrive(h.to, m);
    hosts_end(&h);
}

/* Dropped, and cut off at any place: what there is is not enough. */
static void test_missing(void)
{
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) m = records_leave(h.from, RECORDS_SHORT);

    for (unsigned n = 0; n < m->records->len; n++) {
        if (n) {
            g_assert_cmpint(shadow_restore_env(h.to, m->session), ==, 0);
        }
        for (unsigned i = 0; i < n; i++) {
            g_assert_cmpint(records_import(h.to, record_of(m, i)), ==, 0);
        }
        if (n + 1 < m->records->len) {
            qtest_bufwrite(h.to, SHADOW_BUF, record_of(m, n + 1)->data,
                           record_of(m, n + 1)->len);
            g_assert_cmpint(records_call(h.to, "vm1", IMPORT,
                                         record_of(m, n + 1)->len), ==,
                            n ? -EBADMSG : -EBUSY);
        }
        qtest_clock_step(h.to, 10 * NANOSECONDS_PER_SECOND);
        g_assert_cmpint(shadow_restore_env(h.to, m->state), ==, -EINVAL);
        shadow_assert_state(h.to, "vm1", "incoming");
    }
    records_arrive(h.to, m);
    hosts_end(&h);
}

/* Buffers of any length; a page is not lost by one that is too short. */
static void test_lengths(void)
{
    static const uint64_t lens[] = {
        0, 1, 39, 40, 41, 65535, 65536, 65575, UINT32_MAX, UINT64_MAX,
    };
    Hosts h = hosts_start();
    g_autoptr(RecordsMove) m = g_new0(RecordsMove, 1);
    GByteArray *record;
    unsigned n = 0;

    m->session = records_begin(h.from, "vm1");
    m->records =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    do {
        for (unsigned i = 0; i < ARRAY_SIZE(lens) && lens[i] < RECORDS_SHORT;
             i++) {
            g_assert_cmpint(records_call(h.from, "vm1", EXPORT, lens[i]), ==,
                            -ENOSPC);
        }
        record = records_export(h.from, "vm1", RECORDS_SHORT + 8191 * n++);
        if (record) {
            g_ptr_array_add(m->records, record);
        }
    } while (record);
    records_assert_same(m, h.image);
    hosts_end(&h);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-records/there-and-back", test_there_and_back);
    qtest_add_func("/shadow-records/flips", test_flips);
    qtest_add_func("/shadow-records/orders", test_orders);
    qtest_add_func("/shadow-records/older-session", test_older_session);
    qtest_add_func("/shadow-records/rolled-back", test_rolled_back);
    qtest_add_func("/shadow-records/another-guest", test_another_guest);
    qtest_add_func("/shadow-records/missing", test_missing);
    qtest_add_func("/shadow-records/lengths", test_lengths);
    return shadow_test_run();
}
