/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings that a nested guest makes itself, by its tag; and its proof that it
 * is the one.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

#define BIND_SECRET "fedcba9876543210fedcba9876543210"
#define OTHER       0x2000  /* CR3 of another process */
#define ROOT        0x5000
#define VMCB        0x6000

static int do_register(QTestState *qts, const char *tag, uint64_t flags)
{
    return shadow_call(qts, ULTRACALL_REGISTER | TESTDEV_NESTED, tag,
                       SHADOW_BUF, ULTRACALL_PROOF_LEN, flags);
}

/* By tag */

static void test_register(void)
{
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, 0);
    shadow_expect_bound(qts, true);
    shadow_assert_bound(qts, "vm1", false, true);
    g_assert_true(entry_claimed(qts, OTHER, ROOT, VMCB));
    g_assert_true(entry_claimed(qts, SHADOW_PROCESS, ROOT, VMCB));
    g_assert_false(entry_claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x1000));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(entry_claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

/* L1 makes a new root for a VMCB, and enters other VMCBs with a root. */
static void test_register_follows(void)
{
    QTestState *qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, 0);
    g_assert_true(entry_claimed(qts, OTHER, ROOT, VMCB + 0x1000));
    g_assert_true(entry_claimed(qts, OTHER, ROOT + 0x1000, VMCB));
    g_assert_true(entry_claimed(qts, OTHER, ROOT + 0x2000, VMCB + 0x1000));
    g_assert_true(entry_claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x2000));
    g_assert_false(entry_claimed(qts, OTHER, ROOT + 0x9000, VMCB + 0x9000));
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm1"), ==, 0);
    g_assert_false(entry_claimed(qts, OTHER, ROOT + 0x1000, VMCB + 0x2000));
    qtest_quit(qts);
}

/* Without the operator's word nobody may, and never from elsewhere. */
static void test_register_refused(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, -EACCES);
    shadow_assert_bound(qts, "vm1", false, false);
    qtest_quit(qts);

    qts = shadow_start(",register=on", SHADOW_COM1, shadow_dir);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    shadow_enter(qts, OTHER, ROOT, VMCB);
    g_assert_cmpint(do_register(qts, "vm1", 0), ==, -EBUSY);
    shadow_assert_bound(qts, "vm1", true, false);
    g_assert_false(entry_claimed(qts, OTHER, ROOT, VMCB));
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
    shadow_assert_bound(qts, "vm1", false, false);
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

static int answer(QTestState *qts)
{
    return do_register(qts, "vm2", ULTRACALL_REGISTER_ANSWER);
}

/* To a challenge of its own */
static int answer_with(QTestState *qts, const char *secret, const char *tag)
{
    challenge(qts);
    compute_answer(qts, secret, tag);
    return answer(qts);
}

static void test_proof(void)
{
    QTestState *qts = start_proof();

    g_assert_cmpint(answer_with(qts, BIND_SECRET, "vm2"), ==, 0);
    shadow_assert_bound(qts, "vm2", false, true);
    g_assert_true(entry_claimed(qts, OTHER, ROOT, VMCB));
    qtest_quit(qts);
}

static void test_no_proof(void)
{
    QTestState *qts = start_proof();

    g_assert_cmpint(do_register(qts, "vm2", 0), ==, -EACCES);
    g_assert_cmpint(answer(qts), ==, -EACCES);
    g_assert_false(entry_claimed(qts, OTHER, ROOT, VMCB));
    shadow_assert_bound(qts, "vm2", false, false);
    qtest_quit(qts);
}

static void test_wrong_proof(void)
{
    QTestState *qts = start_proof();
    uint8_t first;

    g_assert_cmpint(answer_with(qts, SHADOW_KEY, "vm2"), ==, -EACCES);
    g_assert_cmpint(answer_with(qts, BIND_SECRET, "vm1"), ==, -EACCES);

    /* one chance for each challenge */
    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    first = qtest_readb(qts, SHADOW_BUF);
    qtest_writeb(qts, SHADOW_BUF, first ^ 1);
    g_assert_cmpint(answer(qts), ==, -EACCES);
    qtest_writeb(qts, SHADOW_BUF, first);
    g_assert_cmpint(answer(qts), ==, -EACCES);
    shadow_assert_bound(qts, "vm2", false, false);
    qtest_quit(qts);
}

static void test_replayed_proof(void)
{
    QTestState *qts = start_proof();
    uint8_t mac[ULTRACALL_PROOF_LEN];

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    qtest_memread(qts, SHADOW_BUF, mac, sizeof(mac));
    g_assert_cmpint(answer(qts), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm2"), ==, 0);
    g_assert_cmpint(answer(qts), ==, -EACCES);
    challenge(qts);
    qtest_memwrite(qts, SHADOW_BUF, mac, sizeof(mac));
    g_assert_cmpint(answer(qts), ==, -EACCES);
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
    g_assert_cmpint(port_server(qts), ==, NOBODY);

    /* another guest, even if it knows the secret */
    shadow_enter(qts, OTHER, ROOT, VMCB + 0x1000);
    g_assert_cmpint(answer_with(qts, BIND_SECRET, "vm2"), ==, -EBUSY);
    shadow_enter(qts, SHADOW_PROCESS, ROOT, VMCB);
    g_assert_cmpint(port_server(qts), ==, NOBODY);

    g_assert_cmpint(answer_with(qts, BIND_SECRET, "vm2"), ==, 0);
    g_assert_cmpint(port_server(qts), ==, DEVICE);
    g = shadow_query(qts, "vm2");
    g_assert_true(qdict_get_bool(g, "proved"));
    qobject_unref(g);

    /* a new binding is another's until it has proved itself */
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_UNBIND, "vm2"), ==, 0);
    shadow_bind(qts, "vm2", SHADOW_PROCESS, 0);
    g_assert_cmpint(port_server(qts), ==, NOBODY);
    qtest_quit(qts);
}

/* What others ask does not spoil the owner's challenge. */
static void test_challenges_of_others(void)
{
    QTestState *qts = start_proof();
    uint8_t mac[ULTRACALL_PROOF_LEN];

    challenge(qts);
    compute_answer(qts, BIND_SECRET, "vm2");
    qtest_memread(qts, SHADOW_BUF, mac, sizeof(mac));
    for (unsigned i = 1; i < 20; i++) {
        shadow_enter(qts, OTHER, ROOT, VMCB + i * 0x1000);
        challenge(qts);
        if (i % 2) {
            g_assert_cmpint(answer(qts), ==, -EACCES);
        }
    }
    /* nor is it good for them */
    qtest_memwrite(qts, SHADOW_BUF, mac, sizeof(mac));
    g_assert_cmpint(answer(qts), ==, -EACCES);
    shadow_enter(qts, OTHER, ROOT, VMCB);
    qtest_memwrite(qts, SHADOW_BUF, mac, sizeof(mac));
    g_assert_cmpint(answer(qts), ==, 0);
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
    g_assert_cmpint(answer(qts), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-register/plain", test_register);
    qtest_add_func("/shadow-register/follows", test_register_follows);
    qtest_add_func("/shadow-register/refused", test_register_refused);
    qtest_add_func("/shadow-register/flags", test_register_flags);
    qtest_add_func("/shadow-register/proof/right", test_proof);
    qtest_add_func("/shadow-register/proof/none", test_no_proof);
    qtest_add_func("/shadow-register/proof/wrong", test_wrong_proof);
    qtest_add_func("/shadow-register/proof/replayed", test_replayed_proof);
    qtest_add_func("/shadow-register/proof/short", test_short_proof);
    qtest_add_func("/shadow-register/proof/inside", test_proof_inside);
    qtest_add_func("/shadow-register/proof/others", test_challenges_of_others);
    return shadow_test_run();
}
