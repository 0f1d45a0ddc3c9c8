/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "shadow-claimed.h"

void claimed_map(QTestState *qts, uint64_t root, uint64_t frame)
{
    uint64_t table = root;

    for (int level = 4; level > 1; level--, table += 0x1000) {
        qtest_writeq(qts, table + (ADDRESS >> (3 + 9 * level) & 511) * 8,
                     (table + 0x1000) | PTE);
    }
    qtest_writeq(qts, table + (ADDRESS >> 12 & 511) * 8,
                 frame ? frame | PTE : 0);
}

uint64_t cookie_at(unsigned n)
{
    return FRAME(n) + (ADDRESS & 0xfff);
}

QTestState *claimed_start_with(const char *props)
{
    QTestState *qts = shadow_start(props, SHADOW_COM1
                                   " -object secret,id=proof,data="
                                   CLAIMED_SECRET
                                   " -object shadow-guest,id=vm2,secret=key0 "
                                   "-device shadow-serial,id=com2,guest=vm2",
                                   shadow_dir);

    for (unsigned n = 0; n < GUESTS; n++) {
        claimed_map(qts, ROOT(n), FRAME(n));
    }
    shadow_enter(qts, HYPERVISOR, ROOT(0), VMCB(0));
    return qts;
}

QTestState *claimed_start(void)
{
    return claimed_start_with("");
}

int bind_flags(QTestState *qts, const char *tag, uint64_t flags)
{
    return shadow_call(qts, ULTRACALL_BIND | TESTDEV_NO_PROCESS, tag,
                       SHADOW_COOKIES, 8, flags);
}

uint64_t claim(QTestState *qts, const char *tag)
{
    g_assert_cmpint(bind_flags(qts, tag, ADDRESS | ULTRACALL_BIND_CLAIM), ==,
                    0);
    g_assert_cmpuint(shadow_value(qts), ==, 8);
    return qtest_readq(qts, SHADOW_COOKIES);
}

bool entered(QTestState *qts, unsigned root, unsigned vmcb)
{
    return entry_claimed(qts, HYPERVISOR, ROOT(root), VMCB(vmcb));
}

Server entry_server(QTestState *qts, unsigned root, unsigned vmcb)
{
    shadow_enter(qts, HYPERVISOR, ROOT(root), VMCB(vmcb));
    return port_server(qts);
}

void wait_entered(QTestState *qts, unsigned root, unsigned vmcb)
{
    int64_t until = g_get_monotonic_time() + SHADOW_HANGS_US;

    while (!entered(qts, root, vmcb)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
    }
}

QTestState *claimed_start_found(void)
{
    QTestState *qts = claimed_start();

    qtest_writeq(qts, cookie_at(0), claim(qts, "vm1"));
    g_assert_true(entered(qts, 0, 0));
    return qts;
}

void assert_claim(QTestState *qts, const char *tag, bool claimed, bool found)
{
    QDict *g = shadow_query(qts, tag);

    g_assert_cmpint(qdict_get_bool(g, "claimed"), ==, claimed);
    g_assert_cmpint(qdict_get_bool(g, "bound-by-claim"), ==, found);
    qobject_unref(g);
}

/* Queries bring the events along; one that never comes is not waited for. */
void expect_lost(QTestState *qts, const char *tag)
{
    int64_t until = g_get_monotonic_time() + SHADOW_HANGS_US;
    QDict *event, *data;

    while (!(event = qtest_qmp_event_ref(qts, "SHADOW_GUEST_UNBOUND"))) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        qobject_unref(shadow_query(qts, tag));
    }
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, tag);
    g_assert_cmpstr(qdict_get_str(data, "reason"), ==,
                    "the bound virtual machine has ended");
    qobject_unref(event);
    assert_claim(qts, tag, false, false);
}

void expect_found(QTestState *qts, const char *tag)
{
    QDict *data = shadow_event(qts, "SHADOW_GUEST_BOUND");

    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, tag);
    g_assert_true(qdict_get_bool(data, "by-claim"));
    g_assert_false(qdict_get_bool(data, "by-tag"));
    qobject_unref(data);
}

unsigned claimed_flags(QTestState *qts)
{
    return le16_to_cpu(shadow_query_call(qts, "vm1").flags) &
           (ULTRACALL_GUEST_CLAIMED | ULTRACALL_GUEST_BOUND |
            ULTRACALL_GUEST_UNHIDDEN);
}
