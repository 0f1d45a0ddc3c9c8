/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SVM's next RIP and decode assists.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "svm.h"
#include "tcg/helper-tcg.h"
#include "shadow/include/compat-tcg.h"
#include "shadow/target/i386/shadow-tcg-assist.h"

/* AMD APM vol. 2, appendix B; not in QEMU's struct vmcb */
#define VMCB_NEXT_RIP 0xc8
#define VMCB_INSN 0xd0          /* a byte for the length, then SHADOW_INSN_MAX */
#define VMCB_ASSISTS_SIZE (VMCB_INSN + 1 + SHADOW_INSN_MAX - VMCB_NEXT_RIP)

size_t shadow_tcg_fetch(CPUX86State *env, uint8_t bytes[SHADOW_INSN_MAX])
{
    uint64_t va = env->segs[R_CS].base + env->eip;
    int mmu_idx = cpu_mmu_index(env_cpu(env), true);
    size_t n = 0, len;
    void *host;

    if (!(env->hflags & HF_CS64_MASK)) {
        va = (uint32_t)va;
    }
    while (n < SHADOW_INSN_MAX) {
        len = MIN(SHADOW_INSN_MAX - n, -((va + n) | TARGET_PAGE_MASK));
        if (probe_access_flags(env, va + n, len, MMU_INST_FETCH, mmu_idx, true,
                               &host, 0) & TLB_INVALID_MASK || !host) {
            break;
        }
        memcpy(bytes + n, host, len);
        n += len;
    }
    return n;
}

bool shadow_tcg_decode(CPUX86State *env, ShadowInsn *insn)
{
    ShadowInsnMode mode = env->hflags & HF_CS64_MASK ? SHADOW_INSN_64 :
                          env->hflags & HF_CS32_MASK ? SHADOW_INSN_32 :
                          SHADOW_INSN_16;
    uint8_t bytes[SHADOW_INSN_MAX];
    size_t len = shadow_tcg_fetch(env, bytes);

    return shadow_insn_decode(bytes, len, mode, insn);
}

void shadow_tcg_put_assists(CPUX86State *env, uint64_t next_rip,
                            const uint8_t *bytes, size_t len)
{
    CPUState *cs = env_cpu(env);
    MemTxAttrs attrs = cpu_get_mem_attrs(env);
    uint8_t out[VMCB_ASSISTS_SIZE] = { };

    stq_le_p(out, next_rip);
    out[VMCB_INSN - VMCB_NEXT_RIP] = len;
    memcpy(out + VMCB_INSN - VMCB_NEXT_RIP + 1, bytes, len);
    address_space_write(cpu_addressspace(cs, attrs),
                        env->vm_vmcb + VMCB_NEXT_RIP, attrs, out, sizeof(out));
}

/* With qtest nothing runs. */
bool shadow_tcg_has_assists(Error **errp)
{
    ERRP_GUARD();
    const uint32_t all = CPUID_SVM_NRIPSAVE | CPUID_SVM_DECODEASSIST;

    if (tcg_enabled() &&
        (cpu_env(first_cpu)->features[FEAT_SVM] & all) != all) {
        error_setg(errp, "private memory of nested guests needs CPUs with "
                   "nrip-save and decodeassists: the cloud VM's hypervisor "
                   "cannot read the instructions that it completes");
        error_append_hint(errp, "Add ',+nrip-save,+decodeassists' to -cpu.\n");
        return false;
    }
    return true;
}

void shadow_tcg_injects(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    uint64_t next = x86_ldq_phys(cs, env->vm_vmcb + VMCB_NEXT_RIP);

    if (next && (env->exception_is_int ||
                 cs->exception_index == EXCP03_INT3 ||
                 cs->exception_index == EXCP04_INTO)) {
        env->exception_is_int = 1;
        env->exception_next_eip = next;
    }
}

/* Whether an exit for it is before an instruction that has been intercepted */
static bool has_next_rip(uint64_t code)
{
    switch (code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_DR7:
    case SVM_EXIT_CR0_SEL_WRITE:
    case SVM_EXIT_RDTSC:
    case SVM_EXIT_RDPMC:
    case SVM_EXIT_CPUID:
    case SVM_EXIT_INVD:
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SVM_EXIT_INVLPG:
    case SVM_EXIT_INVLPGA:
    case SVM_EXIT_MSR:
    case SVM_EXIT_VMRUN ... SVM_EXIT_SKINIT:
    case SVM_EXIT_RDTSCP:
    case SVM_EXIT_WBINVD:
    case SVM_EXIT_MONITOR:
    case SVM_EXIT_MWAIT:
    case SVM_EXIT_XSETBV:
        return true;
    default:
        return false;
    }
}

/* Which general register a MOV of a control or debug register has */
static void assist_mov(CPUX86State *env, uint64_t code, const ShadowInsn *insn)
{
    uint64_t info = shadow_insn_rm(insn);

    if (insn->opcode < 0x0f20 || insn->opcode > 0x0f23) {
        return;
    }
    if (code < SVM_EXIT_READ_DR0 || code == SVM_EXIT_CR0_SEL_WRITE) {
        info |= SHADOW_CR_VALID;
    }
    x86_stq_phys(env_cpu(env), env->vm_vmcb + offsetof(struct vmcb,
                                                       control.exit_info_1),
                 info);
}

/* The linear address of INVLPG's operand */
static void assist_invlpg(CPUX86State *env, const ShadowInsn *insn)
{
    uint64_t at = shadow_insn_offset(insn, env->regs, env->eip);
    unsigned segment = insn->memory.segment;

    if (!(env->hflags & HF_CS64_MASK)) {
        at = (uint32_t)(at + env->segs[segment].base);
    } else if (segment >= R_FS) {
        at += env->segs[segment].base;
    }
    x86_stq_phys(env_cpu(env), env->vm_vmcb + offsetof(struct vmcb,
                                                       control.exit_info_1),
                 at);
}

void shadow_tcg_assist(CPUX86State *env, uint64_t code, uint64_t port_next)
{
    uint8_t bytes[SHADOW_INSN_MAX] = { };
    uint64_t next_rip = 0;
    ShadowInsn insn;
    size_t len = 0;

    if (!(env->features[FEAT_SVM] & (CPUID_SVM_NRIPSAVE |
                                     CPUID_SVM_DECODEASSIST))) {
        return;
    }
    if (code == SVM_EXIT_IOIO) {
        next_rip = port_next;
    } else if (code == SVM_EXIT_NPF ||
               code == SVM_EXIT_EXCP_BASE + EXCP0E_PAGE) {
        len = shadow_tcg_fetch(env, bytes);
    } else if (has_next_rip(code) && shadow_tcg_decode(env, &insn)) {
        if (code <= SVM_EXIT_WRITE_DR7 || code == SVM_EXIT_CR0_SEL_WRITE) {
            assist_mov(env, code, &insn);
        } else if (code == SVM_EXIT_INVLPG) {
            assist_invlpg(env, &insn);
        }
        next_rip = env->eip + insn.length;
    }
    shadow_tcg_put_assists(env, next_rip, bytes, len);
}
