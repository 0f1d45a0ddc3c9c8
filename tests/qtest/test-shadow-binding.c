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

/* Who has served an access */
typedef enum Server {
    DEVICE,
    NOBODY,
    SOMEBODY_ELSE,
} Server;

static uint64_t testdev(QTestState *qts, uint64_t reg)
{
    return qtest_readq(qts, TESTDEV_BASE + reg);
}

static Server access_port(QTestState *qts)
{
    uint64_t missed = testdev(qts, TESTDEV_MISSED);
    uint64_t unserved = testdev(qts, TESTDEV_UNSERVED);
    uint8_t val = port_in(qts, COM1 + UART_SCR);

    if (testdev(qts, TESTDEV_MISSED) != missed) {
        return SOMEBODY_ELSE;
    }
    if (testdev(qts, TESTDEV_UNSERVED) != unserved) {
        g_assert_cmphex(val, ==, 0xff);
        return NOBODY;
    }
    return DEVICE;
}

static bool claimed(QTestState *qts, uint64_t process, uint64_t root,
                    uint64_t vmcb)
{
    Server server;

    shadow_enter(qts, process, root, vmcb);
    server = access_port(qts);
    g_assert_cmpint(server, !=, NOBODY);
    return server == DEVICE;
}

/* From now on accesses are made in the entry that was made last. */
static void stay_inside(QTestState *qts, bool stay)
{
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ENTERS, !stay);
}

static int do_bind(QTestState *qts, const char *tag, uint64_t process,
                   unsigned n)
{
    shadow_enter(qts, process, 0, 0);
    return shadow_call(qts, ULTRACALL_BIND, tag, SHADOW_COOKIES + 8 * n, 8, 0);
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
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    shadow_expect_unbound(qts, "vm1", "the bound process has ended");
    assert_bound(qts, "vm1", false, false);

    /* putting it back is too late */
    qtest_writeq(qts, SHADOW_COOKIES, cookie);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/* A binding that lives is not another process's to replace. */
static void test_busy(void)
{
    QTestState *qts = shadow_start_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    qtest_writeq(qts, SHADOW_COOKIES + 8, 0x5555);
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, -EBUSY);
    g_assert_cmphex(qtest_readq(qts, SHADOW_COOKIES + 8), ==, 0x5555);
    g_assert_false(claimed(qts, OTHER, 0, 0));
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));

    /* but when it has died it is */
    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, 0);
    shadow_expect_unbound(qts, "vm1", "another process binds it");
    g_assert_true(claimed(qts, OTHER, 0, 0));
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/* The same process once more, with a cookie elsewhere: no CPU sees a gap. */
static void test_rebind(void)
{
    QTestState *qts = shadow_start_com1();

    port_out(qts, COM1 + UART_SCR, 0x5a);
    stay_inside(qts, true);
    g_assert_cmpint(do_bind(qts, "vm1", SHADOW_PROCESS, 2), ==, 0);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    stay_inside(qts, false);
    qtest_writeq(qts, SHADOW_COOKIES, 0);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    g_assert_cmpuint(shadow_guest_count(qts, "bindings"), ==, 2);
    qtest_quit(qts);
}

/* A process that has the page table of one that died is another one. */
static void test_page_table_again(void)
{
    QTestState *qts = shadow_start_com1();
    int user = user_connect("c0");

    shadow_wait_connected(qts, "com1", true);
    qtest_writeq(qts, SHADOW_COOKIES, 0);
    g_assert_cmpint(do_bind(qts, "vm1", SHADOW_PROCESS, 1), ==, 0);
    user_expect_notice(user, "detached from its virtual machine: another "
                       "process binds it", 0, 0);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/*
 * The notice that a cookie was not there any more comes after the process has
 * a new one: it was about the old one.
 */
static void test_late_notice(void)
{
    QTestState *qts = shadow_start_com1();
    uint64_t cookie = qtest_readq(qts, SHADOW_COOKIES);

    qtest_writeq(qts, SHADOW_COOKIES, cookie ^ 1);
    /* the access and the call are one request to QEMU's main loop */
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_BIND_LATE, SHADOW_COOKIES + 8);
    assert_bound(qts, "vm1", true, false);
    g_assert_true(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/* A cookie that cannot be read says nothing. */
static void test_absent(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    QDict *g;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    port_out(qts, COM1 + UART_SCR, 0x5a);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, true);
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    port_out(qts, COM1 + UART_SCR, 0x11);
    assert_bound(qts, "vm1", true, false);
    g = shadow_query(qts, "vm1");
    g_assert_false(qdict_get_bool(g, "recognized"));
    qobject_unref(g);
    /* other ports are whose they are */
    port_in(qts, COM2 + UART_SCR);
    g_assert_cmpuint(port_missed(qts), ==, 1);

    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, false);
    g_assert_cmphex(port_in(qts, COM1 + UART_SCR), ==, 0x5a);
    g = shadow_query(qts, "vm1");
    g_assert_true(qdict_get_bool(g, "recognized"));
    qobject_unref(g);
    qtest_quit(qts);
}

/* A CPU that has entered the guest does not turn to L1 before it enters anew. */
static void test_tombstone(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(access_port(qts), ==, DEVICE);
    stay_inside(qts, true);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    /* nor to the guest, if it is bound again */
    g_assert_cmpint(do_bind(qts, "vm1", OTHER, 1), ==, 0);
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(access_port(qts), ==, DEVICE);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/* Nor when L0's operator takes away what served it. */
static void test_removed_inside(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(access_port(qts), ==, DEVICE);
    stay_inside(qts, true);
    qtest_qmp_device_del(qts, "com1");
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(access_port(qts), ==, SOMEBODY_ELSE);
    qtest_quit(qts);
}

static void test_deleted_inside(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(access_port(qts), ==, DEVICE);
    stay_inside(qts, true);
    qtest_qmp_device_del(qts, "com1");
    shadow_object_del(qts, "vm1");
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    stay_inside(qts, false);
    g_assert_cmpint(access_port(qts), ==, SOMEBODY_ELSE);
    qtest_quit(qts);
}

/*
 * A program's address space under page-table isolation, and that of its
 * kernel; and two processes whose address spaces differ in that bit.
 */
static void test_alias(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    const uint64_t user = 0x9000, kernel = 0x8000;

    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ALIAS, kernel);
    g_assert_cmpint(do_bind(qts, "vm1", user, 0), ==, 0);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ALIAS, 0);
    /* the first entry with the cookie tells which of them it is */
    g_assert_true(claimed(qts, kernel, 0, 0));
    g_assert_false(claimed(qts, user, 0, 0));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);

    g_assert_cmpint(do_bind(qts, "vm1", kernel, 0), ==, 0);
    g_assert_false(claimed(qts, user, 0, 0));
    g_assert_true(claimed(qts, kernel, 0, 0));
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

    qtest_system_reset_nowait(qts);
    shadow_expect_unbound(qts, "vm1", "the cloud VM was reset");
    qtest_qmp_eventwait(qts, "RESET");
    assert_bound(qts, "vm1", false, false);
    g_assert_false(claimed(qts, SHADOW_PROCESS, 0, 0));
    qtest_quit(qts);
}

/* By tag */

static void test_register(void)
{
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

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
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

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

/* Without the operator's word nobody may, and never from elsewhere. */
static void test_register_refused(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, -EACCES);
    assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);

    qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, -EBUSY);
    assert_bound(qts, "vm1", true, false);
    g_assert_false(claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

/* A nested guest learns of itself only. */
static void test_query_of_another(void)
{
    QTestState *qts = shadow_start_com1();

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm1",
                                SHADOW_BUF, 0x1000, 0), ==, -ENOENT);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm9",
                                SHADOW_BUF, 0x1000, 0), ==, -ENOENT);
    shadow_enter(qts, SHADOW_PROCESS, ROOT, VMCB);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY | TESTDEV_NESTED, "vm1",
                                SHADOW_BUF, 0x1000, 0), ==, 0);
    qtest_quit(qts);
}

static void test_register_flags(void)
{
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

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

/*
 * A guest that is bound by process has its ports when both are true: that it
 * runs in the process, and that it has answered from there.
 */
static void test_proof_inside(void)
{
    QTestState *qts = start_proof();
    QDict *g;

    shadow_bind(qts, "vm2", SHADOW_PROCESS, 0);
    shadow_enter(qts, SHADOW_PROCESS, ROOT, VMCB);
    g_assert_cmpint(access_port(qts), ==, NOBODY);

    /* another guest, even if it knows the secret */
    shadow_enter(qts, OTHER, ROOT, VMCB + 0x1000);
    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EBUSY);
    shadow_enter(qts, SHADOW_PROCESS, ROOT, VMCB);
    g_assert_cmpint(access_port(qts), ==, NOBODY);

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==, 0);
    g_assert_cmpint(access_port(qts), ==, DEVICE);
    g = shadow_query(qts, "vm2");
    g_assert_true(qdict_get_bool(g, "proved"));
    qobject_unref(g);

    /* a new binding is another's until it has proved itself */
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm2"), ==, 0);
    shadow_bind(qts, "vm2", SHADOW_PROCESS, 0);
    g_assert_cmpint(access_port(qts), ==, NOBODY);
    qtest_quit(qts);
}

/* What others ask does not spoil the owner's challenge. */
static void test_challenges_of_others(void)
{
    QTestState *qts = start_proof();
    uint8_t answer[ULTRACALL_PROOF_LEN];

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    qtest_memread(qts, SHADOW_BUF, answer, sizeof(answer));
    for (unsigned i = 1; i < 20; i++) {
        shadow_enter(qts, OTHER, ROOT, VMCB + i * 0x1000);
        challenge(qts);
        if (i % 2) {
            g_assert_cmpint(do_register(qts, "vm2",
                                        ULTRACALL_REGISTER_ANSWER), ==,
                            -EACCES);
        }
    }
    /* nor is it good for them */
    qtest_memwrite(qts, SHADOW_BUF, answer, sizeof(answer));
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==,
                    -EACCES);
    shadow_enter(qts, OTHER, ROOT, VMCB);
    qtest_memwrite(qts, SHADOW_BUF, answer, sizeof(answer));
    g_assert_cmpint(do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER), ==, 0);
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
    qtest_add_func("/shadow-binding/busy", test_busy);
    qtest_add_func("/shadow-binding/rebind", test_rebind);
    qtest_add_func("/shadow-binding/page-table-again", test_page_table_again);
    qtest_add_func("/shadow-binding/late-notice", test_late_notice);
    qtest_add_func("/shadow-binding/absent", test_absent);
    qtest_add_func("/shadow-binding/tombstone", test_tombstone);
    qtest_add_func("/shadow-binding/alias", test_alias);
    qtest_add_func("/shadow-binding/two-guests", test_two_guests);
    qtest_add_func("/shadow-binding/taken-over", test_process_taken_over);
    qtest_add_func("/shadow-binding/interrupts",
                   test_interrupts_of_two_guests);
    qtest_add_func("/shadow-binding/reset", test_reset_of_the_cloud_vm);
    qtest_add_func("/shadow-binding/register/plain", test_register);
    qtest_add_func("/shadow-binding/register/follows", test_register_follows);
    qtest_add_func("/shadow-binding/register/refused", test_register_refused);
    qtest_add_func("/shadow-binding/register/flags", test_register_flags);
    qtest_add_func("/shadow-binding/query-of-another", test_query_of_another);
    qtest_add_func("/shadow-binding/proof/right", test_proof);
    qtest_add_func("/shadow-binding/proof/none", test_no_proof);
    qtest_add_func("/shadow-binding/proof/wrong", test_wrong_proof);
    qtest_add_func("/shadow-binding/inside/removed", test_removed_inside);
    qtest_add_func("/shadow-binding/inside/deleted", test_deleted_inside);
    qtest_add_func("/shadow-binding/proof/replayed", test_replayed_proof);
    qtest_add_func("/shadow-binding/proof/short", test_short_proof);
    qtest_add_func("/shadow-binding/proof/inside", test_proof_inside);
    qtest_add_func("/shadow-binding/proof/others", test_challenges_of_others);
    return shadow_test_run();
}
