/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which nested guest is running: bindings by process and by tag, their ends,
 * and a guest's proof that it is the one.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define BIND_SECRET "fedcba9876543210fedcba9876543210"
#define OTHER       0x2000  /* CR3 of another process */
#define ROOT        0x5000
#define VMCB        0x6000

static bool claimed(QTestState *qts, uint64_t process, uint64_t root,
                    uint64_t vmcb)
{
    uint64_t missed = port_missed(qts);

    shadow_enter(qts, process, root, vmcb);
    port_in(qts, COM1 + UART_SCR);
    return port_missed(qts) == missed;
}

static void assert_bound(QTestState *qts, const char *guest, bool by_process,
                         bool by_tag)
{
    QDict *g = shadow_query(qts, guest);

    g_assert_cmpint(qdict_get_bool(g, "bound-by-process"), ==, by_process);
    g_assert_cmpint(qdict_get_bool(g, "bound-by-tag"), ==, by_tag);
    qobject_unref(g);
}

static void expect_bound(QTestState *qts, bool by_tag)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_BOUND");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    g_assert_cmpint(qdict_get_bool(data, "by-tag"), ==, by_tag);
    qobject_unref(data);
}

static int do_register(QTestState *qts, const char *tag, uint64_t flags)
{
    return shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED, tag,
                       SHADOW_BUF, ULTRACALL_PROOF_LEN, flags);
}

static QTestState *start_two(void)
{
    return shadow_start("", "-object shadow-guest,id=vm2,secret=key0 "
                        "-device shadow-serial,id=com1,guest=vm1 "
                        "-device shadow-serial,id=com2,guest=vm2 "
                        "-device shadow-serial,id=com3,guest=vm2,iobase=0x2f8");
}

/* By process */

static void test_bind(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    assert_bound(qts, "vm1", false, false);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    expect_bound(qts, false);
    assert_bound(qts, "vm1", true, false);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_true(claimed(qts, SHADOW_PROCESS, ROOT, VMCB));
    g_assert_false(claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

static void test_unbind(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_expect_unbound(qts, "vm1", "the cloud VM unbound it");
    assert_bound(qts, "vm1", false, false);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==,
                    -EALREADY);
    qtest_quit(qts);
}

/* The process has ended, and its page is somebody else's */
static void test_cookie(void)
{
    QTestState *qts = shadow_start_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    shadow_expect_unbound(qts, "vm1", "the bound process has ended");
    assert_bound(qts, "vm1", false, false);

    /* putting it back is too late */
    qtest_writeq(qts, SHADOW_COOKIES, cookie);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

static void test_rebind(void)
{
    QTestState *qts = shadow_start_com1();

    port_out(qts, COM1 + UART_SCR, 0x5a);
    shadow_bind(qts, "vm1", OTHER, 1);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_true(claimed(qts, OTHER, 0, 0));
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);

    /* the same process once more, with a cookie elsewhere */
    shadow_bind(qts, "vm1", OTHER, 2);
    qtest_writeq(qts, SHADOW_COOKIES + 8, 0);
    g_assert_true(claimed(qts, OTHER, 0, 0));
    qtest_quit(qts);
}

static void test_two_guests(void)
{
    QTestState *qts = start_two();

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(qts, "vm2", OTHER, 1);
    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    port_out(qts, COM1 + UART_SCR, 0x11);
    shadow_enter(qts, OTHER, 0, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
    port_out(qts, COM1 + UART_SCR, 0x22);
    port_out(qts, COM2 + UART_SCR, 0x33);
    g_assert_cmpuint(port_missed(qts), ==, 0);

    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x11);
    port_in(qts, COM2 + UART_SCR);
    g_assert_cmpuint(port_missed(qts), ==, 1);

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_true(claimed(qts, OTHER, 0, 0));
    qtest_quit(qts);
}

/* L1 has used the CR3 of a process that ended for a new one. */
static void test_process_taken_over(void)
{
    QTestState *qts = start_two();

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_SCR, 0x11);
    shadow_bind(qts, "vm2", SHADOW_PROCESS, 1);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0);
    shadow_expect_unbound(qts, "vm1", "the bound process has ended");
    assert_bound(qts, "vm1", false, false);
    assert_bound(qts, "vm2", true, false);
    qtest_quit(qts);
}

static void test_interrupts_of_two_guests(void)
{
    QTestState *qts = start_two();
    uint32_t edges;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(qts, "vm2", OTHER, 1);
    edges = le32_to_cpu(shadow_irq_poll(qts, "vm2", 0).edges);
    shadow_enter(qts, SHADOW_PROCESS, 0, 0);
    port_out(qts, COM1 + UART_IER, 0x02);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    g_assert_cmpuint(shadow_irq_poll(qts, "vm2", 0).level, ==, 0);
    g_assert_cmpuint(le32_to_cpu(shadow_irq_poll(qts, "vm2", 0).edges), ==,
                     edges);
    qtest_quit(qts);
}

static void test_reset_of_the_cloud_vm(void)
{
    QTestState *qts = shadow_start_com1();

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, 0);
    assert_bound(qts, "vm1", true, true);
    qtest_system_reset_nowait(qts);
    shadow_expect_unbound(qts, "vm1", "the cloud VM was reset");
    qtest_qmp_eventwait(qts, "RESET");
    assert_bound(qts, "vm1", false, false);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_false(claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

/* By tag */

static void test_register(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, 0);
    expect_bound(qts, true);
    assert_bound(qts, "vm1", false, true);
    g_assert_true(claimed(qts, OTHER, ROOT, VMCB));
    g_assert_true(claimed(qts, SHADOW_PROCESS, ROOT, VMCB));
    g_assert_false(claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x1000));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

/* L1 makes a new root for a VMCB, and enters other VMCBs with a root. */
static void test_register_follows(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, 0);
    g_assert_true(claimed(qts, OTHER, ROOT, VMCB + 0x1000));
    g_assert_true(claimed(qts, OTHER, ROOT + 0x1000, VMCB));
    g_assert_true(claimed(qts, OTHER, ROOT + 0x2000, VMCB + 0x1000));
    g_assert_true(claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x2000));
    g_assert_false(claimed(qts, OTHER, ROOT + 0x9000, VMCB + 0x9000));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x2000));
    qtest_quit(qts);
}

static void test_register_flags(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 3), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, "vm1", 4), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, "vm1", 1ULL << 40), ==, -EINVAL);
    g_assert_cmpint(do_register(qts, "vm1", ULTRACALL_REGISTER_CHALLENGE), ==,
                    -EOPNOTSUPP);
    g_assert_cmpint(do_register(qts, "vm1", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);
}

/* The proof */

static QTestState *start_proof(void)
{
    QTestState *qts;

    qts = shadow_start("", "-object secret,id=proof,data=" BIND_SECRET " "
                       "-object shadow-guest,id=vm2,secret=key0,"
                       "bind-secret=proof "
                       "-device shadow-serial,id=com1,guest=vm2");
    shadow_enter(qts, OTHER, ROOT, VMCB);
    return qts;
}

/* Leaves the answer to the challenge at SHADOW_BUF there. */
static void compute_answer(QTestState *qts, const char *secret,
                           const char *tag)
{
    uint8_t buf[ULTRACALL_PROOF_LEN];
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)secret,
                             strlen(secret));
    gsize len = sizeof(buf);

    qtest_memread(qts, SHADOW_BUF, buf, sizeof(buf));
    g_hmac_update(hmac, (const guchar *)"qemu-shadow register", -1);
    g_hmac_update(hmac, buf, sizeof(buf));
    g_hmac_update(hmac, (const guchar *)tag, -1);
    g_hmac_get_digest(hmac, buf, &len);
    g_hmac_unref(hmac);
    qtest_memwrite(qts, SHADOW_BUF, buf, len);
}

static void challenge(QTestState *qts)
{
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_CHALLENGE), ==,
                    0);
    g_assert_cmpuint(shadow_value(qts), ==, ULTRACALL_PROOF_LEN);
}

static void test_proof(void)
{
    QTestState *qts = start_proof();

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==, 0);
    assert_bound(qts, "vm2", false, true);
    g_assert_true(claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

static void test_no_proof(void)
{
    QTestState *qts = start_proof();

    g_assert_cmpint(do_register(qts, "vm2", 0), ==, -EACCES);
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    g_assert_false(claimed(qts, OTHER, ROOT, VMCB));
    assert_bound(qts, "vm2", false, false);
    qtest_quit(qts);
}

static void test_wrong_proof(void)
{
    QTestState *qts = start_proof();
    uint8_t first;

    challenge(qts);
    compute_answer(qts, SHADOW_KEY, "vm2");
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm1");
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);

    /* one chance for each challenge */
    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    first = qtest_readb(qts, SHADOW_BUF);
    qtest_writeb(qts, SHADOW_BUF, first ^ 1);
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    qtest_writeb(qts, SHADOW_BUF, first);
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    assert_bound(qts, "vm2", false, false);
    qtest_quit(qts);
}

static void test_replayed_proof(void)
{
    QTestState *qts = start_proof();
    uint8_t answer[ULTRACALL_PROOF_LEN];

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    qtest_memread(qts, SHADOW_BUF, answer, sizeof(answer));
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm2"), ==, 0);
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    challenge(qts);
    qtest_memwrite(qts, SHADOW_BUF, answer, sizeof(answer));
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    qtest_quit(qts);
}

/* A failed call has changed nothing: the challenge is still good. */
static void test_short_proof(void)
{
    QTestState *qts = start_proof();

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm2", SHADOW_BUF, 31,
                                ULTRACALL_REGISTER_CHALLENGE), ==, -ENOSPC);
    g_assert_cmpuint(shadow_value(qts), ==, ULTRACALL_PROOF_LEN);
    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm2", SHADOW_BUF, 31,
                                ULTRACALL_REGISTER_ANSWER), ==, -ENOSPC);
    g_assert_cmpuint(shadow_value(qts), ==, ULTRACALL_PROOF_LEN);
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-binding/bind", test_bind);
    qtest_add_func("/shadow-binding/unbind", test_unbind);
    qtest_add_func("/shadow-binding/cookie", test_cookie);
    qtest_add_func("/shadow-binding/rebind", test_rebind);
    qtest_add_func("/shadow-binding/two-guests", test_two_guests);
    qtest_add_func("/shadow-binding/taken-over", test_process_taken_over);
    qtest_add_func("/shadow-binding/interrupts",
                   test_interrupts_of_two_guests);
    qtest_add_func("/shadow-binding/reset", test_reset_of_the_cloud_vm);
    qtest_add_func("/shadow-binding/register/plain", test_register);
    qtest_add_func("/shadow-binding/register/follows", test_register_follows);
    qtest_add_func("/shadow-binding/register/flags", test_register_flags);
    qtest_add_func("/shadow-binding/proof/right", test_proof);
    qtest_add_func("/shadow-binding/proof/none", test_no_proof);
    qtest_add_func("/shadow-binding/proof/wrong", test_wrong_proof);
    qtest_add_func("/shadow-binding/proof/replayed", test_replayed_proof);
    qtest_add_func("/shadow-binding/proof/short", test_short_proof);
    return shadow_test_run();
}
