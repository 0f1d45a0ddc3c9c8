/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that L1 has claimed by a cookie in their memory, and what it then doe
 */
#include "hv.h"

#define EOPNOTSUPP 95

/* The entries between which the claim is attacked */
#define ATTACK_FROM 16
#define ATTACK_TO 32

int64_t claim_at(const char *tag, unsigned n)
{
    uint64_t cookie, value;
    const uint64_t a[ULTRACALL_ARGS] = {
        (uintptr_t)tag, 3, (uintptr_t)&cookie, sizeof(cookie),
        OWN_ADDRESS | ULTRACALL_BIND_CLAIM
    };
    int64_t status = ultracall_once(&client, ULTRACALL_BIND, a, &value);

    if (!status) {
        *memory_own_word(n) = cookie;
    }
    return status;
}

static unsigned flags_of(const char *tag)
{
    struct ultracall_guest guest[8] = { };

    return call(ULTRACALL_QUERY, tag, guest, sizeof(guest)) ? 0
                                                            : guest->flags;
}

bool claim_is_bound(const char *tag)
{
    return flags_of(tag) & ULTRACALL_GUEST_BOUND;
}

static void create_own(Vm *vm, unsigned n, uint64_t lines)
{
    create_session(vm, ROOT_A, lines);
    vm_set_root(vm, memory_own_root(n));
}

/* absent: the page is away for a while, then it comes back. */
static void attack_absent(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM || entry == ATTACK_TO) {
        memory_own_map(0, 0, entry == ATTACK_TO);
    }
}

/* moved: another page takes its place, with the same in it. */
static void attack_moved(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM) {
        *memory_own_word(1) = *memory_own_word(0);
        memory_own_map(0, 1, true);
        *memory_own_word(0) = 0;
    }
}

/* lost: something else is there, as in a new guest with this VMCB and root. */
static void attack_lost(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM) {
        *memory_own_word(0) ^= 1;
    }
}

/* root: the same VMCB goes on with the root of a guest that is not claimed. */
static void attack_root(Vm *vm, unsigned entry)
{
    if (entry == ATTACK_FROM) {
        vm_set_root(vm, memory_own_root(1));
    }
}

/* vmcb: and the same root with many VMCBs, as of other virtual CPUs. */
static void attack_vmcb(Vm *vm, unsigned entry)
{
    if (entry && entry % 8 == 0) {
        vm_move(vm);
    }
}

/* claim: vm1, and then=ATTACK */
void scenario_claim(void)
{
    static const struct {
        const char *name;
        Attack attack;
    } attacks[] = {
        { "nothing" },
        { "absent", attack_absent },
        { "moved", attack_moved },
        { "lost", attack_lost },
        { "root", attack_root },
        { "vmcb", attack_vmcb },
    };
    static Vm vm;

    if (!(client.features & ULTRACALL_F_CLAIM)) {
        check("BIND where L0 has no claims", claim_at("vm1", 0), -EOPNOTSUPP);
        return;
    }
    create_own(&vm, 0, 4);
    check("BIND", claim_at("vm1", 0), 0);
    check("it waits", flags_of("vm1") & (ULTRACALL_GUEST_CLAIMED |
                                         ULTRACALL_GUEST_BOUND),
          ULTRACALL_GUEST_CLAIMED);
    for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
        if (option_is("then", attacks[i].name)) {
            run_session(&vm, attacks[i].attack);
            return;
        }
    }
    check("there is such an attack", false, true);
}

/*
 * claims: of three guests the second is the one.  The first has a cookie that
 * is wrong, the third gets a copy of the right one.
 */
void scenario_claims(void)
{
    static Vm first, second, third;

    create_own(&first, 0, 1);
    create_own(&second, 1, 2);
    create_own(&third, 2, 3);
    check("BIND of vm2", claim_at("vm2", 0), 0);
    *memory_own_word(0) ^= 1;
    check("BIND of vm1", claim_at("vm1", 1), 0);
    run_session(&first, NULL);
    run_session(&second, NULL);
    *memory_own_word(2) = *memory_own_word(1);
    run_session(&third, NULL);
    run_session(&second, NULL);
    check("vm1 is bound", claim_is_bound("vm1"), true);
    check("vm2 is not", flags_of("vm2") & (ULTRACALL_GUEST_CLAIMED |
                                           ULTRACALL_GUEST_BOUND),
          ULTRACALL_GUEST_CLAIMED);
}
