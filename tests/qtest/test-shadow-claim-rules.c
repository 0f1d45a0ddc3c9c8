/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims beside what else binds a guest, and what a guest has to be for one.
 */
#include "qemu/osdep.h"
#include "shadow-claimed.h"

static void test_unbind(void)
{
    QTestState *qts = claimed_start();
    uint64_t cookie = claim(qts, "vm1");

    qtest_writeq(qts, cookie_at(0), cookie);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==,
                    -EALREADY);
    assert_claim(qts, "vm1", false, false);
    g_assert_false(entered(qts, 0, 0));

    qtest_writeq(qts, cookie_at(0), claim(qts, "vm1"));
    g_assert_true(entered(qts, 0, 0));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    assert_claim(qts, "vm1", false, false);
    g_assert_false(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* Only the newest cookie counts, and each is another. */
static void test_again(void)
{
    QTestState *qts = claimed_start();
    uint64_t first = claim(qts, "vm1");
    uint64_t second = claim(qts, "vm1");

    g_assert_cmpuint(first, !=, second);
    qtest_writeq(qts, cookie_at(0), first);
    g_assert_false(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(1), second);
    g_assert_true(entered(qts, 1, 1));

    /* of one that was found: it has to be found anew */
    first = claim(qts, "vm1");
    shadow_expect_unbound(qts, "vm1",
                          "another virtual machine is claimed for it");
    g_assert_false(entered(qts, 1, 1));
    qtest_writeq(qts, cookie_at(1), first);
    wait_entered(qts, 1, 1);
    qtest_quit(qts);
}

static void test_refused(void)
{
    QTestState *qts = claimed_start();

    g_assert_cmpint(bind_flags(qts, "vm1", 0), ==, -EOPNOTSUPP);
    g_assert_cmpint(bind_flags(qts, "vm1", ADDRESS), ==, -EINVAL);
    g_assert_cmpint(bind_flags(qts, "vm1", ADDRESS | 3), ==, -EINVAL);
    g_assert_cmpint(bind_flags(qts, "vm1", 1 | 1ULL << 52), ==, -EINVAL);
    g_assert_cmpint(bind_flags(qts, "vm9", ADDRESS | 1), ==, -ENOENT);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_BIND, "vm1", SHADOW_COOKIES, 7,
                                ADDRESS | 1), ==, -ENOSPC);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_BIND | TESTDEV_NESTED, "vm1",
                                SHADOW_COOKIES, 8, ADDRESS | 1), ==, -EPERM);
    assert_claim(qts, "vm1", false, false);
    shadow_assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);
}

/* A process that lives keeps its guest; one that comes later gets it. */
static void test_and_process(void)
{
    QTestState *qts = claimed_start();
    uint64_t cookie;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
    g_assert_cmpint(bind_flags(qts, "vm1", ADDRESS | 1), ==, -EBUSY);
    shadow_assert_bound(qts, "vm1", true, false);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);

    cookie = claim(qts, "vm1");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
    assert_claim(qts, "vm1", false, false);
    qtest_writeq(qts, cookie_at(0), cookie);
    g_assert_false(entered(qts, 0, 0));
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, ROOT(0), VMCB(0)));
    qtest_quit(qts);
}

static int answer_to(QTestState *qts)
{
    uint8_t buf[ULTRACALL_PROOF_LEN];
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)CLAIMED_SECRET,
                             strlen(CLAIMED_SECRET));
    gsize len = sizeof(buf);

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", SHADOW_BUF, sizeof(buf),
                                ULTRACALL_REGISTER_CHALLENGE), ==, 0);
    qtest_memread(qts, SHADOW_BUF, buf, sizeof(buf));
    g_hmac_update(hmac, (const guchar *)"qemu-shadow register", -1);
    g_hmac_update(hmac, buf, sizeof(buf));
    g_hmac_update(hmac, (const guchar *)"vm1", -1);
    g_hmac_get_digest(hmac, buf, &len);
    g_hmac_unref(hmac);
    qtest_memwrite(qts, SHADOW_BUF, buf, len);
    return shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED, "vm1",
                       SHADOW_BUF, sizeof(buf), ULTRACALL_REGISTER_ANSWER);
}

/* With a bind-secret the one that was found has to prove itself, no other. */
static void test_proof(void)
{
    QTestState *qts = claimed_start_with(",bind-secret=proof");
    uint64_t cookie = claim(qts, "vm1");

    g_assert_cmpint(answer_to(qts), ==, -EBUSY);
    g_assert_false(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(1), cookie);
    g_assert_cmpint(entry_server(qts, 1, 1), ==, NOBODY);
    shadow_enter(qts, HYPERVISOR, ROOT(0), VMCB(0));
    g_assert_cmpint(answer_to(qts), ==, -EBUSY);
    g_assert_false(entered(qts, 0, 0));
    g_assert_cmpint(entry_server(qts, 1, 1), ==, NOBODY);
    g_assert_cmpint(answer_to(qts), ==, 0);
    g_assert_true(entered(qts, 1, 1));
    assert_claim(qts, "vm1", false, true);
    qtest_quit(qts);
}

/* A guest that has come from elsewhere is active when it is found. */
static void test_restored(void)
{
    QTestState *from = shadow_start_com1();
    QTestState *to = claimed_start_with(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    claim(to, "vm1");
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, -EBUSY);
    qtest_writeq(to, cookie_at(0), claim(to, "vm1"));
    shadow_assert_state(to, "vm1", "restored");
    g_assert_true(entered(to, 0, 0));
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(to);

    to = claimed_start_with(",incoming=on");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    claim(to, "vm1");
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    qtest_quit(to);
    qtest_quit(from);
}

static int do_register(QTestState *qts, uint64_t address, uint64_t flags)
{
    return shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED, "vm1",
                       cookie_at(0), 8, address | flags);
}

/* The nested guest 0 has registered, with a cookie. */
static QTestState *start_registered(void)
{
    QTestState *qts = claimed_start_with(",register=on");

    g_assert_cmpint(do_register(qts, ADDRESS, ULTRACALL_REGISTER_COOKIE), ==,
                    0);
    g_assert_cmpuint(shadow_value(qts), ==, 8);
    g_assert_true(entered(qts, 0, 0));
    return qts;
}

/* A nested guest that has registered is known by its cookie, too. */
static void test_registered(void)
{
    QTestState *qts = start_registered();

    assert_claim(qts, "vm1", false, false);
    shadow_assert_bound(qts, "vm1", false, true);
    g_assert_true(entered(qts, 0, 1));
    g_assert_cmpint(do_register(qts, ADDRESS, ULTRACALL_REGISTER_COOKIE), ==,
                    0);
    g_assert_true(entered(qts, 0, 1));
    claimed_map(qts, ROOT(0), 0);
    g_assert_cmpint(entry_server(qts, 0, 0), ==, NOBODY);
    claimed_map(qts, ROOT(0), FRAME(0));
    g_assert_true(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(0), 0);
    g_assert_cmpint(entry_server(qts, 0, 0), ==, NOBODY);
    expect_lost(qts, "vm1");
    qtest_quit(qts);
}

/* Its VMCB comes back with the root of another guest, or it does. */
static void test_registered_reused(void)
{
    QTestState *qts = start_registered();

    g_assert_cmpint(entry_server(qts, 3, 0), ==, NOBODY);
    expect_lost(qts, "vm1");
    g_assert_false(entered(qts, 3, 0));
    qtest_quit(qts);
}

/* Another one that registers takes its place, with a cookie or without. */
static void test_registered_replaced(void)
{
    QTestState *qts = start_registered();

    shadow_enter(qts, HYPERVISOR, ROOT(1), VMCB(1));
    g_assert_cmpint(do_register(qts, 0, 0), ==, 0);
    g_assert_true(entered(qts, 1, 1));
    g_assert_false(entered(qts, 0, 0));
    shadow_expect_unbound(qts, "vm1", "another virtual machine has registered");
    g_assert_cmpint(do_register(qts, ADDRESS, ULTRACALL_REGISTER_COOKIE), ==,
                    0);
    g_assert_true(entered(qts, 0, 0));
    g_assert_false(entered(qts, 1, 1));
    qtest_quit(qts);
}

static void test_register_refused(void)
{
    const uint64_t flag = ULTRACALL_REGISTER_COOKIE;
    QTestState *qts = claimed_start_with(",register=on");

    qtest_writeq(qts, cookie_at(0), 0x4711);
    g_assert_cmpint(do_register(qts, ADDRESS, 0), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, ADDRESS, flag |
                                ULTRACALL_REGISTER_CHALLENGE), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, ADDRESS - 8, flag), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, 0, flag), ==, -EINVAL);
    shadow_enter(qts, HYPERVISOR, ROOT(1), VMCB(1));
    g_assert_cmpint(do_register(qts, ADDRESS, flag), ==, -EINVAL);
    shadow_enter(qts, HYPERVISOR, 0, VMCB(1));
    g_assert_cmpint(do_register(qts, ADDRESS, flag), ==, -EINVAL);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", cookie_at(0), 7, ADDRESS | flag), ==,
                    -ENOSPC);
    g_assert_cmpuint(qtest_readq(qts, cookie_at(0)), ==, 0x4711);
    shadow_assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);

    qts = claimed_start();
    qtest_writeq(qts, cookie_at(0), 0x4711);
    g_assert_cmpint(do_register(qts, ADDRESS, flag), ==, -EACCES);
    g_assert_cmpuint(qtest_readq(qts, cookie_at(0)), ==, 0x4711);
    qtest_quit(qts);
}

/* An entry of what was bound before says nothing of what is bound now. */
static void test_entered_before(void)
{
    QTestState *qts = claimed_start_with(",register=on");

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", SHADOW_COOKIES, 8, 0), ==, 0);
    g_assert_cmpuint(claimed_flags(qts), ==, ULTRACALL_GUEST_BOUND);
    shadow_assert_protection(qts, "none", 0);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_BIND_LATE, SHADOW_COOKIES);
    shadow_assert_bound(qts, "vm1", true, false);
    shadow_assert_protection(qts, "none", 0);
    g_assert_true(entered(qts, 0, 0));
    shadow_assert_protection(qts, "forced", 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow/claim/unbind", test_unbind);
    qtest_add_func("/shadow/claim/again", test_again);
    qtest_add_func("/shadow/claim/refused", test_refused);
    qtest_add_func("/shadow/claim/and-process", test_and_process);
    qtest_add_func("/shadow/claim/proof", test_proof);
    qtest_add_func("/shadow/claim/restored", test_restored);
    qtest_add_func("/shadow/claim/entered-before", test_entered_before);
    qtest_add_func("/shadow/claim/registered", test_registered);
    qtest_add_func("/shadow/claim/registered-reused", test_registered_reused);
    qtest_add_func("/shadow/claim/registered-replaced",
                   test_registered_replaced);
    qtest_add_func("/shadow/claim/register-refused", test_register_refused);
    return shadow_test_run();
}
