/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A nested guest under KVM, as a CPU that has left it shows it. */
#ifndef TARGET_I386_SHADOW_KVM_NESTED_H
#define TARGET_I386_SHADOW_KVM_NESTED_H

#include "cpu.h"
#include <linux/kvm.h>
#include "svm.h"
#include "shadow/hw/core/shadow-binding.h"
#include "shadow/target/i386/shadow-walk.h"

typedef struct KvmNested {
    union {
        struct kvm_nested_state state;
        uint8_t bytes[sizeof(struct kvm_nested_state) +
                      MAX_CONST(sizeof(struct kvm_svm_nested_state_data),
                                sizeof(struct kvm_vmx_nested_state_data))];
    };
    ShadowEntry entry;
    uint64_t map;               /* of I/O permissions, on AMD */
    ShadowWalk walk;            /* of L1's page tables */
} KvmNested;

/*
 * By the CPU's own thread.  false if it has not left a nested guest.  With a
 * claimed access only @entry.process, @walk and @map need be there.
 */
bool kvm_nested_get(CPUState *cpu, KvmNested *n);

/* All of it, if that was not all.  false if the CPU cannot be asked */
bool kvm_nested_complete(CPUState *cpu, KvmNested *n);

/* AMD's control block, as KVM has it */
static inline struct vmcb *kvm_nested_vmcb(KvmNested *n)
{
    return (struct vmcb *)n->state.data.svm[0].vmcb12;
}

/*
 * Whether the cloud VM wants to have the port access that the CPU has left
 * with.
 */
bool kvm_nested_intercepts(KvmNested *n, struct kvm_run *run);

/*
 * Let the instruction run again and reach the cloud VM.  If the guest is not
 * @bound its further accesses do so at once.
 */
void kvm_nested_give_back(CPUState *cpu, struct kvm_run *run, KvmNested *n,
                          bool bound);

/* Let the instruction run again. */
void kvm_nested_retry(CPUState *cpu, struct kvm_run *run);

/* In the cloud VM's memory: have the guest run with @map from now on. */
void kvm_nested_set_map(uint64_t vmcb, uint64_t map);

/*
 * Take back what has been done to guests that are not bound: one of them may
 * be now.  With the BQL.
 */
void kvm_nested_undivert_all(void);

#endif /* TARGET_I386_SHADOW_KVM_NESTED_H */
