/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of nested guests claimed of a kernel that has the change in contrib/,
 * which describes the capability.
 */
#include "qemu/osdep.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-ports.h"
#include "shadow/target/i386/shadow-kvm-claims.h"
#include "shadow/trace.h"

#define KVM_CAP_X86_NESTED_PIO 0x5348
#define KVM_NESTED_PIO_ADD BIT_ULL(63)

typedef struct Claim {
    uint64_t process;
    uint16_t first;
    uint32_t n;
} Claim;

static GArray *claims;          /* of Claim: what KVM has */

bool shadow_kvm_claims_work(void)
{
    static int work = -1;

    if (unlikely(work < 0)) {
        work = kvm_vm_check_extension(kvm_state, KVM_CAP_X86_NESTED_PIO) > 0;
    }
    return work;
}

static bool claims_have(GArray *list, const Claim *claim)
{
    for (guint i = 0; i < list->len; i++) {
        const Claim *c = &g_array_index(list, Claim, i);

        if (c->process == claim->process && c->first == claim->first &&
            c->n == claim->n) {
            return true;
        }
    }
    return false;
}

static int claim_set(const Claim *claim, bool add)
{
    int ret = kvm_vm_enable_cap(kvm_state, KVM_CAP_X86_NESTED_PIO, 0,
                                claim->first | (uint64_t)claim->n << 16 |
                                (add ? KVM_NESTED_PIO_ADD : 0),
                                claim->process, SHADOW_PROCESS(UINT64_MAX));

    trace_shadow_kvm_claim(claim->process, claim->first, claim->n, add, ret);
    return ret;
}

typedef struct Wanted {
    ShadowGuest *guest;
    uint64_t process;
    GArray *list;               /* of Claim */
} Wanted;

static void claims_of_ports(uint16_t first, unsigned n, void *opaque)
{
    Wanted *wanted = opaque;
    const Claim claim = { wanted->process, first, n };

    if (claims_have(claims, &claim) || claim_set(&claim, true) == 0) {
        g_array_append_val(wanted->list, claim);
    } else {
        shadow_guest_set_protection(wanted->guest, SHADOW_PROTECTION_BROKEN,
                                    "KVM takes no more claims of ports");
    }
}

static void claims_of_process(uint64_t process, void *opaque)
{
    Wanted *wanted = opaque;

    wanted->process = process;
    shadow_ports_foreach(wanted->guest->ports, claims_of_ports, wanted);
}

static void claims_of_guest(ShadowGuest *g, void *opaque)
{
    Wanted *wanted = opaque;

    wanted->guest = g;
    shadow_binding_foreach_process(g->ports, claims_of_process, wanted);
}

/* New ones first, so that none is missing meanwhile. */
void shadow_kvm_claims_update(void)
{
    Wanted wanted = { .list = g_array_new(false, false, sizeof(Claim)) };

    if (!claims) {
        claims = g_array_new(false, false, sizeof(Claim));
    }
    shadow_guest_foreach(claims_of_guest, &wanted);
    for (guint i = 0; i < claims->len; i++) {
        const Claim *c = &g_array_index(claims, Claim, i);

        if (!claims_have(wanted.list, c)) {
            claim_set(c, false);
        }
    }
    g_array_unref(claims);
    claims = wanted.list;
}
