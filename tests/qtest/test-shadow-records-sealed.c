/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions, records and states of private memory that a host gone bad could
 * seal, or one whose owner wants something else of the guest
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "shadow-records.h"

/*
 * Records that a host gone bad could seal: what cannot be put counts as opened,
 * so the session is over, and its memory given back.
 */
static void test_genuine_and_wrong(void)
{
    static const struct {
        uint8_t body[20];
        const char *what;
    } bad[] = {
        { { 0 }, "no run" },
        { { 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1 }, "page 256" },
        { { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, "no page" },
        { { 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2 }, "an unknown mark" },
        { { 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1 }, "no zeros behind" },
        { { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1 }, "beyond" },
    };
    static const RecordsVcpus one = { .n = 1 };
    const RecordsKey key = records_key(3);
    uint8_t good[12] = { 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1 };
    QTestState *qts = records_start("");
    g_autoptr(GByteArray) session = records_session(&key, "vm1", 1);

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(ShadowStream) s = shadow_stream_new(key.key, key.id);
        g_autoptr(GByteArray) first = records_seal(s, good, sizeof(good));
        g_autoptr(GByteArray) second = records_seal(s, bad[i].body,
                                                    sizeof(bad[i].body));
        g_autoptr(GByteArray) state = records_state(s, &one, 2);

        g_test_message("%s", bad[i].what);
        g_assert_cmpint(shadow_restore_env(qts, session), ==, 0);
        g_assert_cmpint(records_import(qts, first), ==, 0);
        g_assert_cmpint(records_import(qts, second), ==, -EBADMSG);
        g_assert_cmpuint(shadow_value(qts), ==, 0);
        g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_END, 0), ==,
                        -EALREADY);
        g_assert_cmpint(records_import(qts, first), ==, -EBUSY);
        g_assert_cmpint(shadow_restore_env(qts, state), ==, -EINVAL);
    }
    qtest_quit(qts);
}

/* A session that such a host could seal */
static void test_wrong_session(void)
{
    RecordsKey key = records_key(3);
    g_autoptr(GByteArray) good = records_session(&key, "vm1", 1);
    g_autoptr(GByteArray) larger = NULL, cut = NULL, payload = NULL;
    QTestState *qts = records_start("");

    key.size = cpu_to_be64(RECORDS_SIZE * 2);
    larger = records_session(&key, "vm1", 1);
    payload = g_byte_array_new();
    g_byte_array_append(payload, (uint8_t *)&key, sizeof(key) - 1);
    cut = payload_sealed(payload, "vm1", SHADOW_SEAL_PAGES, 1);
    shadow_restore_unchanged(qts, larger, -EINVAL);
    shadow_restore_unchanged(qts, cut, -EINVAL);
    g_assert_cmpint(shadow_restore_env(qts, good), ==, 0);
    /* one that does not fit ends none */
    shadow_restore_unchanged(qts, cut, -EINVAL);
    g_assert_cmpint(records_call(qts, "vm1", ULTRACALL_PAGES_END, 0), ==, 0);
    qtest_qmp_device_del(qts, "ram");
    shadow_restore_unchanged(qts, good, -EINVAL);
    qtest_quit(qts);
}

/* All memory comes, and then a state with these: what RESTORE says of it */
static int arrive(QTestState *qts, const RecordsVcpus *vcpus)
{
    const RecordsKey key = records_key(3);
    uint8_t all[12] = { 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1 };
    g_autoptr(GByteArray) session = records_session(&key, "vm1", 1);
    g_autoptr(ShadowStream) s = shadow_stream_new(key.key, key.id);
    g_autoptr(GByteArray) record = records_seal(s, all, sizeof(all));
    g_autoptr(GByteArray) state = records_state(s, vcpus, 2);

    g_assert_cmpint(shadow_restore_env(qts, session), ==, 0);
    g_assert_cmpint(records_import(qts, record), ==, 0);
    /* so many states that do not fit are looked at in the course of time */
    qtest_clock_step(qts, 10 * NANOSECONDS_PER_SECOND);
    return shadow_restore_env(qts, state);
}

/* Virtual CPUs that such a host could seal */
static void test_wrong_vcpus(void)
{
    static const struct {
        RecordsVcpus vcpus;
        int ret;
    } tries[] = {
        { { .n = 0 }, -EINVAL },
        { { .n = 2 }, -EINVAL },                /* at one place */
        { { .n = 1, .place = { 64 } }, -EINVAL },
        { { .n = 1, .n_starts = 1, .start = { { 1, 2 } } }, -EINVAL },
        { { .n = 1, .n_starts = 1, .start = { { 1, UINT32_MAX } } }, -EINVAL },
        { { .n = 2, .place = { 0, 1 }, .n_starts = 2,
            .start = { { 1, 1 }, { 2, 1 } } }, -EINVAL },
        { { .n = 2, .place = { 0, 1 }, .n_starts = 2,
            .start = { { 1, 1 }, { 1, 2 } } }, -EINVAL },
        { { .n = 1, .n_starts = 1, .start = { { 1, 1, true } } }, -EINVAL },
        { { .n = 65 }, -EINVAL },
        { { .n = 1, .n_starts = 65 }, -EINVAL },
        { { .n = 2, .place = { 0, 63 }, .n_starts = 3,
            .start = { { 1, 2 }, { 2, 0, true }, { 3, 0 } } }, 0 },
    };
    QTestState *qts = records_start("");

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        g_test_message("%u", i);
        g_assert_cmpint(arrive(qts, &tries[i].vcpus), ==, tries[i].ret);
        records_assert_launched(qts, !tries[i].ret);
    }
    records_run(qts);
    qtest_quit(qts);
}

static void assert_imported(QTestState *qts, uint64_t pages)
{
    QDict *guest = shadow_query(qts, "vm1");
    QDict *memory = qdict_get_qdict(guest, "memory");

    g_assert_cmpint(qdict_get_int(memory, "imported"), ==, pages);
    g_assert_true(qdict_get_bool(memory, "sealed"));
    g_assert_cmpstr(qdict_get_str(memory, "start"), ==, "imported");
    g_assert_false(qdict_haskey(memory, "measurement"));
    qobject_unref(guest);
}

/* How much of it was a cloud VM's is known wherever it goes, and is no lie. */
static void test_imported(void)
{
    static const struct {
        RecordsVcpus vcpus;
        int ret;
    } tries[] = {
        { { .n = 1, .imported = RECORDS_PAGES + 1, .unmeasured = true }, -EINVAL },
        { { .n = 1, .imported = UINT64_MAX, .unmeasured = true }, -EINVAL },
        { { .n = 1, .imported = 1 }, -EINVAL },
        { { .n = 1, .imported = RECORDS_PAGES, .unmeasured = true }, 0 },
    };
    QTestState *qts = records_start_importing();
    QTestState *to = records_start_importing();
    g_autoptr(RecordsMove) m = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        g_assert_cmpint(arrive(qts, &tries[i].vcpus), ==, tries[i].ret);
    }
    records_run(qts);
    assert_imported(qts, RECORDS_PAGES);
    m = records_leave(qts, ULTRACALL_RECORD_MAX);
    records_arrive(to, m);
    assert_imported(to, RECORDS_PAGES);
    qtest_quit(qts);
    qtest_quit(to);
}

/* Where a kernel is given, no other way to begin will do. */
static void test_imported_elsewhere(void)
{
    static const RecordsVcpus vcpus[] = {
        { .n = 1, .imported = 1, .unmeasured = true },
        { .n = 1, .unmeasured = true },
        { .n = 1 },
    };
    QTestState *qts = records_start("");

    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
        bool measured = i + 1 == ARRAY_SIZE(vcpus);

        g_assert_cmpint(arrive(qts, &vcpus[i]), ==, measured ? 0 : -EINVAL);
        records_assert_launched(qts, measured);
    }
    records_run(qts);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-records-sealed/records", test_genuine_and_wrong);
    qtest_add_func("/shadow-records-sealed/session", test_wrong_session);
    qtest_add_func("/shadow-records-sealed/vcpus", test_wrong_vcpus);
    qtest_add_func("/shadow-records-sealed/imported", test_imported);
    qtest_add_func("/shadow-records-sealed/imported/elsewhere",
                   test_imported_elsewhere);
    return shadow_test_run();
}
