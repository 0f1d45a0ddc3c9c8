/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID of private guests (AMD APM vol. 3, appendix E).
 *
 * A guest's kernel believes it: that there is an instruction, how large a
 * buffer for XSAVE has to be, that its hypervisor will do a thing for it.  So
 * the hypervisor may hide what there is, and invent nothing.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "shadow/hw/core/shadow-private.h"
#include "shadow/target/i386/shadow-cpuid.h"

#define LEAF_FEATURES       1
#define LEAF_STRUCTURED     7
#define LEAF_TOPOLOGY       0x0b
#define LEAF_XSAVE          0x0d
#define LEAF_TOPOLOGY_2     0x1f
#define LEAF_HYPERVISORS    0x40000000
#define LEAF_KVM            0x40000000
#define LEAF_KVM_FEATURES   0x40000001
#define LEAF_AMD_LAST       0x80000000
#define LEAF_AMD_FEATURES   0x80000001
#define LEAF_POWER          0x80000007
#define LEAF_SIZES          0x80000008
#define LEAF_SVM            0x8000000a
#define LEAF_AMD_TOPOLOGY   0x8000001e
#define LEAF_ENCRYPTION     0x8000001f
#define LEAF_AMD_TOPOLOGY_2 0x80000026

#define ENCRYPTION_SEV BIT(1)

/* By AMD64's tables two of the registers of LEAF_FEATURES */
#define FEATURES_HT BIT(28)
#define AMD_CMP_LEGACY BIT(1)
#define STRUCTURED_TSC_ADJUST BIT(1)
/* No KVM lets a guest turn it on any more, nor does Linux use it. */
#define STRUCTURED_MPX BIT(14)
/*
 * That strings are fast however they are moved.  Emulated they move by as much
 * as the instruction says, so that a kernel that moves words is faster.
 */
#define STRUCTURED_FAST_B CPUID_7_0_EBX_ERMS
#define STRUCTURED_FAST_D CPUID_7_0_EDX_FSRM
#define STRUCTURED_1_FAST_A (CPUID_7_1_EAX_FZRM | CPUID_7_1_EAX_FSRS | \
                             CPUID_7_1_EAX_FSRC)

/* Where hypervisors say who they are: at each 0x100 from there */
#define HYPERVISORS_END 0x40010100

/*
 * What of KVM (Linux, arch/x86/include/uapi/asm/kvm_para.h) needs no trust:
 * clocks, stolen time, EOI, IPI, spinning.  What it writes for them is in
 * memory that the guest shares for that.  Not among them: TLB flushes that it
 * takes over if it says that a CPU does not run, and faults that it injects.
 */
#define KVM_ALLOWED (BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | \
                     BIT(11) | BIT(12) | BIT(13) | BIT(15) | BIT(24))
#define KVM_HINTS BIT(0)

static void answer_encryption(uint32_t regs[4])
{
    regs[R_EAX] = ENCRYPTION_SEV;
    regs[R_EBX] = SHADOW_PRIVATE_BIT | 1 << 6;  /* bits fewer */
    regs[R_ECX] = 1;
    regs[R_EDX] = 1;
}

static void answer_last(uint32_t regs[4])
{
    regs[R_EAX] = LEAF_ENCRYPTION;
    regs[R_EBX] = CPUID_VENDOR_AMD_1;
    regs[R_ECX] = CPUID_VENDOR_AMD_3;
    regs[R_EDX] = CPUID_VENDOR_AMD_2;
}

/* No hypervisor but KVM: others would have code of theirs run in the guest. */
static void answer_hypervisor(uint32_t leaf, uint32_t regs[4])
{
    memset(regs, 0, 4 * sizeof(regs[0]));
    if (leaf == LEAF_KVM) {
        regs[R_EAX] = LEAF_KVM_FEATURES;
        memcpy(&regs[R_EBX], "KVMK", 4);
        memcpy(&regs[R_ECX], "VMKV", 4);
        memcpy(&regs[R_EDX], "M\0\0\0", 4);
    }
}

bool shadow_cpuid_is_encryption(uint32_t leaf)
{
    return leaf == LEAF_ENCRYPTION || leaf == LEAF_AMD_LAST;
}

bool shadow_cpuid_keeps(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                        uint32_t regs[4])
{
    switch (leaf) {
    case LEAF_ENCRYPTION:
        answer_encryption(regs);
        return true;
    case LEAF_AMD_LAST:
        answer_last(regs);
        return true;
    case LEAF_XSAVE:
        cpu_x86_cpuid(env, leaf, subleaf, &regs[R_EAX], &regs[R_EBX],
                      &regs[R_ECX], &regs[R_EDX]);
        return true;
    case LEAF_SVM:
        memset(regs, 0, 4 * sizeof(regs[0]));
        return true;
    default:
        if (leaf < LEAF_HYPERVISORS || leaf >= HYPERVISORS_END ||
            leaf & 0xff) {
            return false;
        }
        answer_hypervisor(leaf, regs);
        return true;
    }
}

/* @own are features of what the hypervisor makes for the guest itself. */
static uint32_t both(uint32_t said, uint32_t is, uint32_t own)
{
    return said & (is | own);
}

static void bound_features(uint64_t cr4, const uint32_t is[4],
                           uint32_t regs[4])
{
    regs[R_ECX] = both(regs[R_ECX], is[R_ECX],
                       CPUID_EXT_HYPERVISOR | CPUID_EXT_X2APIC |
                       CPUID_EXT_TSC_DEADLINE_TIMER);
    regs[R_EDX] = both(regs[R_EDX], is[R_EDX], FEATURES_HT);
    /* how much CLFLUSH flushes */
    regs[R_EBX] = deposit32(regs[R_EBX], 8, 8, is[R_EBX] >> 8);
    regs[R_ECX] = deposit32(regs[R_ECX], 27, 1,
                            regs[R_ECX] & CPUID_EXT_XSAVE &&
                            cr4 & CR4_OSXSAVE_MASK);
}

static void bound_structured(uint32_t subleaf, uint64_t cr4,
                             const uint32_t is[4], uint32_t regs[4])
{
    regs[R_EAX] = subleaf ? both(regs[R_EAX], is[R_EAX], 0) :
                  MIN(regs[R_EAX], is[R_EAX]);
    regs[R_EBX] = both(regs[R_EBX], is[R_EBX],
                       subleaf ? 0 : STRUCTURED_TSC_ADJUST);
    regs[R_ECX] = both(regs[R_ECX], is[R_ECX], 0);
    regs[R_EDX] = both(regs[R_EDX], is[R_EDX], 0);
    if (subleaf == 1) {
        regs[R_EAX] &= ~STRUCTURED_1_FAST_A;
    }
    if (!subleaf) {
        regs[R_EBX] &= ~(STRUCTURED_MPX | STRUCTURED_FAST_B);
        regs[R_EDX] &= ~STRUCTURED_FAST_D;
        regs[R_ECX] = deposit32(regs[R_ECX], 4, 1,
                                regs[R_ECX] & CPUID_7_0_ECX_PKU &&
                                cr4 & CR4_PKE_MASK);
    }
}

/*
 * A kernel finds what a CPU has to itself, such as its stack, by the CPU's ID:
 * two that had the same would have that in common.
 */
void shadow_cpuid_identify(uint32_t leaf, uint32_t apic_id, uint32_t regs[4])
{
    switch (leaf) {
    case LEAF_FEATURES:
        regs[R_EBX] = deposit32(regs[R_EBX], 24, 8, apic_id);
        break;
    case LEAF_TOPOLOGY:
    case LEAF_TOPOLOGY_2:
    case LEAF_AMD_TOPOLOGY_2:
        regs[R_EDX] = apic_id;
        break;
    case LEAF_AMD_TOPOLOGY:
        regs[R_EAX] = apic_id;
        break;
    }
}

/* All CPUs of the cloud VM are of one kind. */
void shadow_cpuid_bound(uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                        uint32_t regs[4])
{
    uint32_t is[4];

    cpu_x86_cpuid(cpu_env(first_cpu), leaf, subleaf, &is[R_EAX], &is[R_EBX],
                  &is[R_ECX], &is[R_EDX]);
    switch (leaf) {
    case LEAF_FEATURES:
        bound_features(cr4, is, regs);
        break;
    case LEAF_STRUCTURED:
        bound_structured(subleaf, cr4, is, regs);
        break;
    case LEAF_KVM_FEATURES:
        regs[R_EAX] &= KVM_ALLOWED;
        regs[R_EDX] &= KVM_HINTS;
        regs[R_EBX] = regs[R_ECX] = 0;
        break;
    case LEAF_AMD_FEATURES:
        regs[R_ECX] = both(regs[R_ECX], is[R_ECX] & ~CPUID_EXT3_SVM,
                           AMD_CMP_LEGACY);
        regs[R_EDX] = both(regs[R_EDX], is[R_EDX], 0);
        break;
    case LEAF_POWER:
        regs[R_EDX] = both(regs[R_EDX], is[R_EDX], 0);
        break;
    case LEAF_SIZES:
        /* how many bits addresses have: the C-bit is one of them */
        regs[R_EAX] = is[R_EAX];
        regs[R_EBX] = both(regs[R_EBX], is[R_EBX], 0);
        break;
    }
}
