/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forced pass-through under KVM.
 *
 * On AMD, KVM reads the cloud VM's map of I/O permissions at each port access
 * of a nested guest; where the map does not ask for an intercept the access
 * leaves to us.  Hence the bits of claimed ports are held at 0
 * (shadow-kvm-map.c).  The map serves all nested guests of the cloud VM: what
 * is not ours is given back (shadow-kvm-back.c).
 *
 * With the kernel change in contrib/ KVM knows the claims itself, and no map
 * is touched.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "kvm/kvm_i386.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "shadow/hw/core/shadow-guest.h"
#include "shadow/hw/core/shadow-ports.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/target/i386/shadow-kvm.h"
#include "shadow/target/i386/shadow-kvm-claims.h"
#include "shadow/target/i386/shadow-kvm-host.h"
#include "shadow/target/i386/shadow-kvm-map.h"
#include "shadow/target/i386/shadow-kvm-nested.h"
#include "shadow/target/i386/shadow-x86.h"

/* Milliseconds between two looks at the CPUs */
#define LOOK_SOON 2
#define LOOK_MIN 1
#define LOOK_MAX 240

static bool kvm_ports_used;     /* a guest has been bound */
static QEMUTimer *kvm_look_timer;

/* Accesses */

static void do_access(const ShadowAnswer *answer, struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    uint16_t port = run->io.port;
    unsigned size = run->io.size;

    for (unsigned i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            shadow_answer_write(answer, port, size, ldn_le_p(data, size));
        } else {
            stn_le_p(data, size, shadow_answer_read(answer, port, size));
        }
    }
    run->io.count = 0;
}

static void handle_access(CPUState *cpu, struct kvm_run *run, KvmNested *n,
                          bool bound)
{
    ShadowAnswer answer = shadow_running_ask(cpu->cpu_index, run->io.port,
                                             run->io.size);

    if (answer.server == SHADOW_SERVER_LATER) {
        /* If the walk to its cookie was a wrong one, the next is not. */
        kvm_nested_complete(cpu, n);
        kvm_nested_retry(cpu, run);
    } else if (answer.server != SHADOW_SERVER_OTHER) {
        do_access(&answer, run);
    } else if (kvm_nested_complete(cpu, n) && kvm_nested_intercepts(n, run)) {
        kvm_nested_give_back(cpu, run, n, bound);
    }
}

static void first_map(ShadowPorts *ports, uint64_t map)
{
    if (!shadow_kvm_map_hold(map)) {
        shadow_guest_set_protection(ports->guest, SHADOW_PROTECTION_BROKEN,
            "the cloud VM's map of I/O permissions is not in its memory");
        return;
    }
    qatomic_set(&ports->map, map);
    shadow_kvm_map_update_all();
    shadow_guest_set_protection(ports->guest, SHADOW_PROTECTION_WATCHED,
                                "its map is held");
}

static void other_map(ShadowPorts *ports, KvmNested *n)
{
    g_autofree char *reason =
        g_strdup_printf("the cloud VM runs it with the map of I/O permissions "
                        "at 0x%" PRIx64 ", not 0x%" PRIx64, n->map, ports->map);

    shadow_guest_set_protection(ports->guest, SHADOW_PROTECTION_BROKEN,
                                reason);
    kvm_nested_set_map(n->entry.vmcb, ports->map);
}

/*
 * The first map that a guest runs with since it was bound is held for it; if
 * it then runs with another one the cloud VM has seen accesses, or may have.
 * So it is also if L0 is not @sure that it is the guest.
 */
static void check_map(CPUState *cpu, ShadowPorts *ports, KvmNested *n,
                      bool sure)
{
    if (shadow_kvm_claims_work() ||
        likely(qatomic_read(&ports->map) == n->map)) {
        return;
    }
    BQL_LOCK_GUARD();
    /* it may have been unbound meanwhile */
    if (ports->guest &&
        shadow_running_entered(cpu->cpu_index, NULL) == ports) {
        if (ports->map) {
            other_map(ports, n);
        } else if (sure) {
            first_map(ports, n->map);
        }
    }
}

void shadow_kvm_post_run(CPUState *cpu, struct kvm_run *run)
{
    ShadowPorts *ports;
    KvmNested n;
    bool sure;

    if (likely(!qatomic_read(&kvm_ports_used))) {
        return;
    }
    RCU_READ_LOCK_GUARD();
    if (!kvm_nested_get(cpu, &n)) {
        return;
    }
    shadow_running_enter(cpu->cpu_index, &n.entry, shadow_x86_peek, &n.walk);
    ports = shadow_running_entered(cpu->cpu_index, &sure);
    if (ports) {
        check_map(cpu, ports, &n, sure);
    }
    if (run->exit_reason == KVM_EXIT_IO && run->io.count) {
        handle_access(cpu, run, &n, ports);
    }
}

/* Looking: without an exit of its own a nested guest is not seen. */

typedef struct Look {
    bool any;
    bool soon;
} Look;

static void look_at_guest(ShadowGuest *g, void *opaque)
{
    Look *look = opaque;

    if (!shadow_binding_by_process(g->ports)) {
        return;
    }
    look->any = true;
    look->soon |= (!shadow_kvm_claims_work() && !g->ports->map) ||
                  g->ports->entry_armed;
    shadow_binding_look(g->ports, shadow_kvm_peek, shadow_kvm_has_tables);
}

/* At times that the cloud VM cannot foresee */
static int64_t look_after(bool soon)
{
    uint32_t random;

    if (soon || !shadow_random(&random, sizeof(random))) {
        return LOOK_SOON;
    }
    return LOOK_MIN + random % (LOOK_MAX - LOOK_MIN);
}

/* Where KVM has the claims there is no map to be looked at. */
static void kick_cpus(bool soon)
{
    CPUState *cpu;

    if (!soon && shadow_kvm_claims_work()) {
        return;
    }
    CPU_FOREACH(cpu) {
        qemu_cpu_kick(cpu);
    }
}

static void kvm_look(void *opaque)
{
    RCU_READ_LOCK_GUARD();
    Look look = { };

    shadow_guest_foreach(look_at_guest, &look);
    if (look.any) {
        kick_cpus(look.soon);
        timer_mod(kvm_look_timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                                  look_after(look.soon));
    }
}

/* Bindings and claims */

static void start_using(void)
{
    if (!kvm_ports_used) {
        kvm_look_timer = timer_new_ms(QEMU_CLOCK_REALTIME, kvm_look, NULL);
        qatomic_set(&kvm_ports_used, true);
    }
}

static void check_bound(ShadowGuest *g, void *opaque)
{
    bool *any = opaque;

    if (shadow_binding_by_process(g->ports)) {
        *any = true;
    } else {
        qatomic_set(&g->ports->map, 0);
    }
}

void shadow_kvm_changed(void)
{
    bool any = false;

    if (shadow_kvm_protection(NULL) == SHADOW_PROTECTION_NONE) {
        return;
    }
    shadow_guest_foreach(check_bound, &any);
    kvm_nested_undivert_all();
    if (shadow_kvm_claims_work()) {
        shadow_kvm_claims_update();
    } else {
        shadow_kvm_map_update_all();
    }
    if (any) {
        start_using();
        timer_mod(kvm_look_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + LOOK_SOON);
    }
}

ShadowProtection shadow_kvm_protection(Error **errp)
{
    KVMState *s = kvm_state;
    const ShadowKvmHost host = {
        .svm = kvm_arch_get_supported_cpuid(s, 0x80000001, 0, R_ECX) &
               CPUID_EXT3_SVM,
        .npt = kvm_arch_get_supported_cpuid(s, 0x8000000a, 0, R_EDX) &
               CPUID_SVM_NPT,
        .vmx = kvm_arch_get_supported_cpuid(s, 1, 0, R_ECX) & CPUID_EXT_VMX,
        .nested_state = kvm_check_extension(s, KVM_CAP_NESTED_STATE) > 0,
        .readonly_memory = kvm_check_extension(s, KVM_CAP_READONLY_MEM) > 0,
        .nested_pio = shadow_kvm_claims_work(),
    };

    return shadow_kvm_host_protection(&host, errp);
}
