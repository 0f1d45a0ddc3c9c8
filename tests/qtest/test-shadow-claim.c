/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings by a cookie in the nested guest's memory.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define SECRET      "fedcba9876543210fedcba9876543210"
#define HYPERVISOR  0x2000      /* CR3 of all nested entries here */
#define ADDRESS     0xfeffcff8ULL
/* Nested guests: their tables, from the root down, and the frame at ADDRESS */
#define ROOT(n)     (0x4000000ULL + (n) * 0x10000)
#define FRAME(n)    (ROOT(n) + 0x8000)
#define VMCB(n)     (0x6000ULL + (n) * 0x1000)
#define PTE         7           /* a user's, writable */

#define LOST        "the bound virtual machine has ended"

static void map(QTestState *qts, uint64_t root, uint64_t frame)
{
    uint64_t table = root;

    for (int level = 4; level > 1; level--, table += 0x1000) {
        qtest_writeq(qts, table + (ADDRESS >> (3 + 9 * level) & 511) * 8,
                     (table + 0x1000) | PTE);
    }
    qtest_writeq(qts, table + (ADDRESS >> 12 & 511) * 8,
                 frame ? frame | PTE : 0);
}

static uint64_t cookie_at(unsigned n)
{
    return FRAME(n) + (ADDRESS & 0xfff);
}

static QTestState *start_with(const char *props)
{
    QTestState *qts = shadow_start(props, SHADOW_COM1
                                   " -object secret,id=proof,data=" SECRET
                                   " -object shadow-guest,id=vm2,secret=key0 "
                                   "-device shadow-serial,id=com2,guest=vm2",
                                   shadow_dir);

    for (unsigned n = 0; n < 4; n++) {
        map(qts, ROOT(n), FRAME(n));
    }
    shadow_enter(qts, HYPERVISOR, ROOT(0), VMCB(0));
    return qts;
}

static QTestState *start(void)
{
    return start_with("");
}

static int claim_flags(QTestState *qts, const char *tag, uint64_t flags)
{
    return shadow_call(qts, ULTRACALL_BIND | TESTDEV_NO_PROCESS, tag,
                       SHADOW_COOKIES, 8, flags);
}

/* Returns the cookie */
static uint64_t claim(QTestState *qts, const char *tag)
{
    g_assert_cmpint(claim_flags(qts, tag, ADDRESS | ULTRACALL_BIND_CLAIM), ==,
                    0);
    g_assert_cmpuint(shadow_value(qts), ==, 8);
    return qtest_readq(qts, SHADOW_COOKIES);
}

static bool entered(QTestState *qts, unsigned root, unsigned vmcb)
{
    return entry_claimed(qts, HYPERVISOR, ROOT(root), VMCB(vmcb));
}

static Server server(QTestState *qts, unsigned root, unsigned vmcb)
{
    shadow_enter(qts, HYPERVISOR, ROOT(root), VMCB(vmcb));
    return port_server(qts);
}

/* A root that had no cookie is looked at again before long. */
static void wait_entered(QTestState *qts, unsigned root, unsigned vmcb)
{
    int64_t until = g_get_monotonic_time() + SHADOW_HANGS_US;

    while (!entered(qts, root, vmcb)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
    }
}

/* vm1 is claimed, and the nested guest 0 has been found. */
static QTestState *start_found(void)
{
    QTestState *qts = start();

    qtest_writeq(qts, cookie_at(0), claim(qts, "vm1"));
    g_assert_true(entered(qts, 0, 0));
    return qts;
}

static void assert_claim(QTestState *qts, const char *tag, bool claimed,
                         bool found)
{
    QDict *g = shadow_query(qts, tag);

    g_assert_cmpint(qdict_get_bool(g, "claimed"), ==, claimed);
    g_assert_cmpint(qdict_get_bool(g, "bound-by-claim"), ==, found);
    qobject_unref(g);
}

static void expect_found(QTestState *qts, const char *tag)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_BOUND");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, tag);
    g_assert_true(qdict_get_bool(data, "by-claim"));
    g_assert_false(qdict_get_bool(data, "by-tag"));
    qobject_unref(data);
}

static unsigned flags(QTestState *qts)
{
    return le16_to_cpu(shadow_query_call(qts, "vm1").flags);
}

/* From the claim to the binding, as the cloud VM and the operator see it */
static void test_claim(void)
{
    QTestState *qts = start();
    struct ultracall_probe probe;
    uint64_t cookie;

    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_PROBE, SHADOW_BUF,
                                     sizeof(probe), 0, 0, 0), ==, 0);
    qtest_memread(qts, SHADOW_BUF, &probe, sizeof(probe));
    g_assert_true(le32_to_cpu(probe.features) & ULTRACALL_F_CLAIM);

    cookie = claim(qts, "vm1");
    assert_claim(qts, "vm1", true, false);
    g_assert_cmpuint(flags(qts) & (ULTRACALL_GUEST_CLAIMED |
                                   ULTRACALL_GUEST_BOUND), ==,
                     ULTRACALL_GUEST_CLAIMED);
    g_assert_false(entered(qts, 0, 0));
    shadow_assert_protection(qts, "none", 0);

    qtest_writeq(qts, cookie_at(0), cookie);
    wait_entered(qts, 0, 0);
    expect_found(qts, "vm1");
    assert_claim(qts, "vm1", false, true);
    shadow_assert_bound(qts, "vm1", false, false);
    shadow_assert_protection(qts, "forced", 0);
    g_assert_cmpuint(flags(qts) & (ULTRACALL_GUEST_CLAIMED |
                                   ULTRACALL_GUEST_BOUND |
                                   ULTRACALL_GUEST_UNHIDDEN), ==,
                     ULTRACALL_GUEST_BOUND);
    qtest_quit(qts);
}

/* Its other CPUs, and a new root, which has to have the cookie too */
static void test_follows(void)
{
    QTestState *qts = start_found();

    g_assert_true(entered(qts, 0, 1));
    map(qts, ROOT(2), FRAME(0));
    g_assert_true(entered(qts, 2, 1));
    g_assert_true(entered(qts, 2, 3));
    qtest_quit(qts);
}

/* Whoever lacks the cookie, or comes second with it, is somebody else. */
static void test_others(void)
{
    QTestState *qts = start();
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
    QTestState *qts = start_found();
    uint64_t cookie = qtest_readq(qts, cookie_at(0));

    qtest_writeq(qts, cookie_at(0), cookie + 1);
    g_assert_cmpint(server(qts, 0, 0), ==, NOBODY);
    shadow_expect_unbound(qts, "vm1", LOST);
    assert_claim(qts, "vm1", false, false);
    shadow_assert_protection(qts, "none", 0);
    qtest_writeq(qts, cookie_at(0), cookie);
    g_assert_false(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* Nothing can be read there: that says nothing, and nobody is served. */
static void test_absent(void)
{
    QTestState *qts = start_found();

    map(qts, ROOT(0), 0);
    g_assert_cmpint(server(qts, 0, 0), ==, NOBODY);
    assert_claim(qts, "vm1", false, true);
    g_assert_cmpint(server(qts, 3, 0), ==, NOBODY);
    map(qts, ROOT(0), FRAME(0));
    qtest_quit(qts);

    qts = start_found();
    map(qts, ROOT(0), 0);
    g_assert_cmpint(server(qts, 0, 0), ==, NOBODY);
    map(qts, ROOT(0), FRAME(0));
    g_assert_true(entered(qts, 0, 0));
    /* without nested page tables there is none to be seen */
    g_assert_cmpint((shadow_enter(qts, HYPERVISOR, 0, VMCB(0)),
                     port_server(qts)), ==, NOBODY);
    qtest_quit(qts);
}

/* A VMCB that comes back with another root, of another guest */
static void test_reused(void)
{
    QTestState *qts = start_found();

    g_assert_cmpint(server(qts, 3, 0), ==, NOBODY);
    shadow_expect_unbound(qts, "vm1", LOST);
    g_assert_false(entered(qts, 3, 0));
    g_assert_false(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* The same, and the other guest is claimed too: no access is lost. */
static void test_reused_and_claimed(void)
{
    QTestState *qts = start_found();

    qtest_writeq(qts, cookie_at(0), claim(qts, "vm2"));
    g_assert_true(entered(qts, 0, 0));
    shadow_expect_unbound(qts, "vm1", LOST);
    assert_claim(qts, "vm1", false, false);
    assert_claim(qts, "vm2", false, true);
    g_assert_true(entered(qts, 0, 0));
    qtest_quit(qts);
}

/* What has registered without a cookie gives way to one that has it. */
static void test_registered_before(void)
{
    QTestState *qts = start_with(",register=on");

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", 0, 0, 0), ==, 0);
    g_assert_true(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(0), claim(qts, "vm2"));
    g_assert_true(entered(qts, 0, 0));
    assert_claim(qts, "vm2", false, true);
    shadow_expect_unbound(qts, "vm1", LOST);
    shadow_assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);
}

static void test_unbind(void)
{
    QTestState *qts = start();
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
    QTestState *qts = start();
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
    QTestState *qts = start();

    g_assert_cmpint(claim_flags(qts, "vm1", 0), ==, -EOPNOTSUPP);
    g_assert_cmpint(claim_flags(qts, "vm1", ADDRESS), ==, -EINVAL);
    g_assert_cmpint(claim_flags(qts, "vm1", ADDRESS | 3), ==, -EINVAL);
    g_assert_cmpint(claim_flags(qts, "vm1", 1 | 1ULL << 52), ==, -EINVAL);
    g_assert_cmpint(claim_flags(qts, "vm9", ADDRESS | 1), ==, -ENOENT);
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
    QTestState *qts = start();
    uint64_t cookie;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 1);
    g_assert_cmpint(claim_flags(qts, "vm1", ADDRESS | 1), ==, -EBUSY);
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
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)SECRET,
                             strlen(SECRET));
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

/* With a bind-secret the one that was found has to prove itself; no other can. */
static void test_proof(void)
{
    QTestState *qts = start_with(",bind-secret=proof");
    uint64_t cookie = claim(qts, "vm1");

    g_assert_cmpint(answer_to(qts), ==, -EBUSY);
    g_assert_false(entered(qts, 0, 0));
    qtest_writeq(qts, cookie_at(1), cookie);
    g_assert_cmpint(server(qts, 1, 1), ==, NOBODY);
    shadow_enter(qts, HYPERVISOR, ROOT(0), VMCB(0));
    g_assert_cmpint(answer_to(qts), ==, -EBUSY);
    g_assert_false(entered(qts, 0, 0));
    g_assert_cmpint(server(qts, 1, 1), ==, NOBODY);
    g_assert_cmpint(answer_to(qts), ==, 0);
    g_assert_true(entered(qts, 1, 1));
    assert_claim(qts, "vm1", false, true);
    qtest_quit(qts);
}

/* A guest that has come from elsewhere is active when it is found, not before. */
static void test_restored(void)
{
    QTestState *from = shadow_start_com1(), *to = start_with(",incoming=on");
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    claim(to, "vm1");
    g_assert_cmpint(shadow_simple(to, ULTRACALL_RUN, "vm1"), ==, -EBUSY);
    qtest_writeq(to, cookie_at(0), claim(to, "vm1"));
    shadow_assert_state(to, "vm1", "restored");
    g_assert_true(entered(to, 0, 0));
    shadow_assert_state(to, "vm1", "active");
    qtest_quit(to);

    to = start_with(",incoming=on");
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    claim(to, "vm1");
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    qtest_quit(to);
    qtest_quit(from);
}

/* An entry of what was bound before says nothing of what is bound now. */
static void test_entered_before(void)
{
    QTestState *qts = start_with(",register=on");

    g_assert_cmpint(shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED,
                                "vm1", SHADOW_COOKIES, 8, 0), ==, 0);
    g_assert_cmpuint(flags(qts) & ULTRACALL_GUEST_BOUND, !=, 0);
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
    qtest_add_func("/shadow/claim/claim", test_claim);
    qtest_add_func("/shadow/claim/follows", test_follows);
    qtest_add_func("/shadow/claim/others", test_others);
    qtest_add_func("/shadow/claim/lost", test_lost);
    qtest_add_func("/shadow/claim/absent", test_absent);
    qtest_add_func("/shadow/claim/reused", test_reused);
    qtest_add_func("/shadow/claim/reused-and-claimed",
                   test_reused_and_claimed);
    qtest_add_func("/shadow/claim/registered-before", test_registered_before);
    qtest_add_func("/shadow/claim/unbind", test_unbind);
    qtest_add_func("/shadow/claim/again", test_again);
    qtest_add_func("/shadow/claim/refused", test_refused);
    qtest_add_func("/shadow/claim/and-process", test_and_process);
    qtest_add_func("/shadow/claim/proof", test_proof);
    qtest_add_func("/shadow/claim/restored", test_restored);
    qtest_add_func("/shadow/claim/entered-before", test_entered_before);
    return shadow_test_run();
}
