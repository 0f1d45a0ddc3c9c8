/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings by a cookie in the nested guest's memory.
 */
#include "qemu/osdep.h"
#include "shadow-claimed.h"

/* From the claim to the binding, as the cloud VM and the operator see it */
static void test_claim(void)
{
    QTestState *qts = claimed_start();
    struct ultracall_probe probe;
    uint64_t cookie;

    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, SHADOW_BUF,
                                     sizeof(probe), 0, 0, 0), ==, 0);
    qtest_memread(qts, SHADOW_BUF, &probe, sizeof(probe));
    g_assert_true(le32_to_cpu(probe.features) & ULTRACALL_F_CLAIM);

    cookie = claim(qts, "vm1");
    assert_claim(qts, "vm1", true, false);
    g_assert_cmpuint(claimed_flags(qts), ==, ULTRACALL_GUEST_CLAIMED |
                                             ULTRACALL_GUEST_UNHIDDEN);
    g_assert_false(entered(qts, 0, 0));
    shadow_assert_protection(qts, "none", 0);

    qtest_writeq(qts, cookie_at(0), cookie);
    wait_entered(qts, 0, 0);
    expect_found(qts, "vm1");
    assert_claim(qts, "vm1", false, true);
    shadow_assert_bound(qts, "vm1", false, false);
    shadow_assert_protection(qts, "forced", 0);
    g_assert_cmpuint(claimed_flags(qts), ==, ULTRACALL_GUEST_BOUND);
    qtest_quit(qts);
}

/* Its other CPUs, and a new root, which has to have the cookie too */
static void test_follows(void)
{
    QTestState *qts = claimed_start_found();

    g_assert_true(entered(qts, 0, 1));
    claimed_map(qts, ROOT(2), FRAME(0));
    g_assert_true(entered(qts, 2, 1));
    g_assert_true(entered(qts, 2, 3));
    qtest_quit(qts);
}

/* Whoever lacks the cookie, or comes second with it, is somebody else. */
static void test_others(void)
{
    QTestState *qts = claimed_start();
    uint64_t cookie = claim(qts, "vm1");

    qtest_writeq(qts, cookie_at(1), cookie ^ 1);
    qtest_writeq(qts, cookie_at(0), cookie);
    g_assert_false(entered(qts, 1, 1));
    g_assert_false(entry_claimed(qts, HYPERVISOR, 0, VMCB(1)));
    g_assert_true(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(1), cookie);
    qtest_writeq(qts, cookie_at(2), cookie);
    g_usleep(20000);
    g_assert_false(entered(qts, 1, 1));
    g_assert_false(entered(qts, 2, 2));
    g_assert_true(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* Something else is there: the guest has ended, whatever comes back. */
static void test_lost(void)
{
    QTestState *qts = claimed_start_found();
    uint64_t cookie = qtest_readq(qts, cookie_at(0));

    qtest_writeq(qts, cookie_at(0), cookie + 1);
    g_assert_cmpint(entry_server(qts, 0, 0), ==, NOBODY);
    expect_lost(qts, "vm1");
    assert_claim(qts, "vm1", false, false);
    shadow_assert_protection(qts, "none", 0);
    qtest_writeq(qts, cookie_at(0), cookie);
    g_assert_false(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* Nothing can be read there: that says nothing, and nobody is served. */
static void test_absent(void)
{
    QTestState *qts = claimed_start_found();

    claimed_map(qts, ROOT(0), 0);
    g_assert_cmpint(entry_server(qts, 0, 0), ==, NOBODY);
    assert_claim(qts, "vm1", false, true);
    g_assert_cmpint(entry_server(qts, 3, 0), ==, NOBODY);
    claimed_map(qts, ROOT(0), FRAME(0));
    qtest_quit(qts);

    qts = claimed_start_found();
    claimed_map(qts, ROOT(0), 0);
    g_assert_cmpint(entry_server(qts, 0, 0), ==, NOBODY);
    claimed_map(qts, ROOT(0), FRAME(0));
    g_assert_true(entered(qts, 0, 0));
    /* without nested page tables there is none to be seen */
    g_assert_cmpint((shadow_enter(qts, HYPERVISOR, 0, VMCB(0)),
                     port_server(qts)), ==, NOBODY);
    qtest_quit(qts);
}

/* A VMCB that comes back with another root, of another guest */
static void test_reused(void)
{
    QTestState *qts = claimed_start_found();

    g_assert_cmpint(entry_server(qts, 3, 0), ==, NOBODY);
    expect_lost(qts, "vm1");
    g_assert_false(entered(qts, 3, 0));
    g_assert_false(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* The same, and the other guest is claimed too: no access is lost. */
static void test_reused_and_claimed(void)
{
    QTestState *qts = claimed_start_found();

    qtest_writeq(qts, cookie_at(0), claim(qts, "vm2"));
    g_assert_true(entered(qts, 0, 0));
    expect_lost(qts, "vm1");
    assert_claim(qts, "vm1", false, false);
    assert_claim(qts, "vm2", false, true);
    g_assert_true(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* What has registered without a cookie gives way to one that has it. */
static void test_registered_before(void)
{
    QTestState *qts = claimed_start_with(",register=on");

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", 0, 0, 0), ==, 0);
    g_assert_true(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(0), claim(qts, "vm2"));
    g_assert_true(entered(qts, 0, 0));
    assert_claim(qts, "vm2", false, true);
    expect_lost(qts, "vm1");
    shadow_assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);
}

/* Nested page tables without memory */
static void test_tables(void)
{
    QTestState *qts = claimed_start();
    uint64_t cookie = claim(qts, "vm1");

    for (unsigned n = 0; n < 3; n++) {
        qtest_writeq(qts, cookie_at(n), cookie);
    }
    claimed_map(qts, ROOT(0), 0);
    g_assert_false(entered(qts, 0, 0));
    qtest_writeq(qts, ROOT(1) + (ADDRESS >> 39 & 511) * 8, SHADOW_HOLE | PTE);
    g_assert_false(entered(qts, 1, 1));
    g_assert_false(entry_claimed(qts, HYPERVISOR, SHADOW_HOLE, VMCB(0)));
    g_assert_false(entry_claimed(qts, HYPERVISOR, UINT64_MAX, VMCB(0)));
    g_assert_true(entered(qts, 2, 2));
    qtest_quit(qts);
}

/* Entries that are not a user's: Xen's, which is to be asked what is there */
static void test_marked(void)
{
    QTestState *qts = claimed_start_found();

    for (unsigned level = 0; level < 4; level++) {
        uint64_t entry = ROOT(0) + level * 0x1000 +
                         (ADDRESS >> (39 - 9 * level) & 511) * 8;
        uint64_t was = qtest_readq(qts, entry);

        qtest_writeq(qts, entry, was & ~4);
        g_assert_true(entered(qts, 0, 0));
        qtest_writeq(qts, entry, was);
    }
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow/claim/claim", test_claim);
    qtest_add_func("/shadow/claim/follows", test_follows);
    qtest_add_func("/shadow/claim/others", test_others);
    qtest_add_func("/shadow/claim/lost", test_lost);
    qtest_add_func("/shadow/claim/absent", test_absent);
    qtest_add_func("/shadow/claim/reused", test_reused);
    qtest_add_func("/shadow/claim/reused-and-claimed", test_reused_and_claimed);
    qtest_add_func("/shadow/claim/registered-before", test_registered_before);
    qtest_add_func("/shadow/claim/tables", test_tables);
    qtest_add_func("/shadow/claim/marked", test_marked);
    return shadow_test_run();
}
