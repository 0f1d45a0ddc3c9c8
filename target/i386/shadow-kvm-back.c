/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving a nested guest's port accesses back to the cloud VM.
 *
 * The map of I/O permissions that is held serves all nested guests of the
 * cloud VM, so that accesses come here of guests that have no shadow, and of
 * ports that another guest has claimed.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qemu/main-loop.h"
#include "system/kvm.h"
#include "shadow/include/compat-memory.h"
#include "shadow/target/i386/shadow-kvm.h"
#include "shadow/target/i386/shadow-kvm-claims.h"
#include "shadow/target/i386/shadow-kvm-map.h"
#include "shadow/target/i386/shadow-kvm-nested.h"
#include "shadow/trace.h"

/* The I/O APIC's page is no memory, so as a map it asks for every intercept */
#define MAP_OF_ALL 0xfec00000ULL

/* In struct vmcb_control_area.intercept */
#define INTERCEPT_IOIO BIT_ULL(SVM_EXIT_IOIO - SVM_EXIT_INTR)

/* So many guests that are not bound are given back their ports quickly. */
#define DIVERTED_MAX 1024

bool kvm_nested_intercepts(KvmNested *n, struct kvm_run *run)
{
    if (n->state.format != KVM_STATE_NESTED_FORMAT_SVM) {
        return true;
    }
    if (!(kvm_nested_vmcb(n)->control.intercept &
          cpu_to_le64(INTERCEPT_IOIO))) {
        return false;
    }
    BQL_LOCK_GUARD();
    return shadow_kvm_map_wants(n->map, run->io.port, run->io.size);
}

/* What KVM has of the VMCB holds until the next VMRUN. */
static void intercept_all_once(CPUState *cpu, KvmNested *n)
{
    kvm_nested_vmcb(n)->control.iopm_base_pa = cpu_to_le64(MAP_OF_ALL);
    kvm_vcpu_ioctl(cpu, KVM_SET_NESTED_STATE, &n->state);
}

void kvm_nested_set_map(uint64_t vmcb, uint64_t map)
{
    address_space_stq_le(&address_space_memory, vmcb +
                         offsetof(struct vmcb, control.iopm_base_pa), map,
                         MEMTXATTRS_UNSPECIFIED, NULL);
}

static uint64_t get_map(uint64_t vmcb)
{
    return address_space_ldq_le(&address_space_memory, vmcb +
                                offsetof(struct vmcb, control.iopm_base_pa),
                                MEMTXATTRS_UNSPECIFIED, NULL);
}

/*
 * The VMCBs of guests that are not bound whose map we have replaced: if one
 * is bound later it must have its own again.  With the BQL.
 */
typedef struct Diverted {
    uint64_t vmcb;
    uint64_t map;
} Diverted;

static Diverted diverted[DIVERTED_MAX];
static unsigned n_diverted;

static void divert(KvmNested *n)
{
    BQL_LOCK_GUARD();

    if (n->map != MAP_OF_ALL && n_diverted < DIVERTED_MAX) {
        diverted[n_diverted++] = (Diverted) { n->entry.vmcb, n->map };
        kvm_nested_set_map(n->entry.vmcb, MAP_OF_ALL);
    }
}

void kvm_nested_undivert_all(void)
{
    while (n_diverted) {
        Diverted *d = &diverted[--n_diverted];

        if (get_map(d->vmcb) == MAP_OF_ALL) {
            kvm_nested_set_map(d->vmcb, d->map);
        }
    }
}

void kvm_nested_retry(CPUState *cpu, struct kvm_run *run)
{
    if (run->io.direction == KVM_EXIT_IO_IN) {
        memset((uint8_t *)run + run->io.data_offset, 0xff,
               run->io.size * run->io.count);
    }
    shadow_kvm_undo(cpu, run);
    /* nothing is left for QEMU to do */
    run->io.count = 0;
}

void kvm_nested_give_back(CPUState *cpu, struct kvm_run *run, KvmNested *n,
                          bool bound)
{
    trace_shadow_kvm_given_back(cpu->cpu_index, run->io.port, n->entry.vmcb);
    kvm_nested_retry(cpu, run);
    if (!shadow_kvm_claims_work()) {
        intercept_all_once(cpu, n);
        if (!bound) {
            divert(n);
        }
    }
}
