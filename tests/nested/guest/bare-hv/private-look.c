/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where L1 looks for what is the private guest's: in its own registers, and in
 * what an exit has given it.
 */
#include "private.h"

/* AMD APM vol. 2, appendix C */
#define MSR_PAT 0x277
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXSAVE (1ul << 18)

/* What L1 has of its own, and must find unchanged */

static const uint32_t msrs[] = {
    0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100,
    0xc0000101, 0xc0000102, 0xc0000103, 0x174, 0x175, 0x176, MSR_PAT,
};

typedef struct Own {
    uint8_t fx[512];
    uint64_t msr[ARRAY_SIZE(msrs)];
    uint64_t cr2, dr[8], xcr0;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt, idt;
    uint16_t tr, ldt;
} Own;

static Own own __attribute__((aligned(16)));
static Own found __attribute__((aligned(16)));

#define READ(reg, to) __asm__ volatile("movq %%" reg ", %0" : "=r"(to))

static void own_read(Own *o)
{
    uint32_t low, high;

    __asm__ volatile("fxsave %0" : "=m"(o->fx));
    for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
        o->msr[i] = rdmsr(msrs[i]);
    }
    READ("cr2", o->cr2);
    READ("dr0", o->dr[0]);
    READ("dr1", o->dr[1]);
    READ("dr2", o->dr[2]);
    READ("dr3", o->dr[3]);
    READ("dr6", o->dr[6]);
    READ("dr7", o->dr[7]);
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    o->xcr0 = low;
    __asm__ volatile("sgdt %0" : "=m"(o->gdt));
    __asm__ volatile("sidt %0" : "=m"(o->idt));
    __asm__ volatile("str %0" : "=m"(o->tr));
    __asm__ volatile("sldt %0" : "=m"(o->ldt));
}

/* volatile: or the compiler would make a constant of it, which is the secret */
static volatile uint32_t secret_inverted = SECRET_INVERTED;

static unsigned secrets(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    uint32_t secret = ~secret_inverted & 0xffffff;
    uint8_t s0 = secret, s1 = secret >> 8, s2 = secret >> 16;
    unsigned n = 0;

    for (size_t i = 0; i + 2 < len; i++) {
        n += p[i] == s0 && p[i + 1] == s1 && p[i + 2] == s2;
    }
    return n;
}

/* Only what is wrong is said: there are many exits. */
void must(const char *what, uint64_t got, uint64_t want)
{
    if (got != want) {
        check(what, got, want);
        say("INFO after exit 0x%x, 0x%x 0x%x", private_vm.vmcb->exit_code,
            private_vm.vmcb->exit_info1, private_vm.vmcb->exit_info2);
    }
}

void private_look(void)
{
    struct vmcb *vmcb = private_vm.vmcb;

    own_read(&found);
    must("secrets in the VMCB", secrets(vmcb, PAGE), 0);
    must("secrets in registers",
         secrets(private_vm.regs, sizeof(private_vm.regs)), 0);
    must("secrets in L1's own registers", secrets(&found, sizeof(found)), 0);
    must("L1's own registers", differences(&own, &found, sizeof(own)), 0);
    /* at one of two places by turns, those of the other CPU 0x200 further */
    must("RIP", vmcb->rip & ~0x31ful, 0x1000);
    must("CR3", vmcb->cr3, 0);
    must("RSP", vmcb->rsp, 0);
    must("DR7", vmcb->dr7, 0x400);
    must("DR6", vmcb->dr6, 0xffff0ff0);
    must("RFLAGS", vmcb->rflags & ~0x202ul, 0);
}

static void enable_xsave(void)
{
    uint64_t cr4;

    READ("cr4", cr4);
    cr4 |= CR4_OSFXSR | CR4_OSXSAVE;
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4));
}

void private_cpu_init(void)
{
    enable_xsave();
    __asm__ volatile("fninit");
    own_read(&own);
}

unsigned private_secrets_here(void)
{
    enable_xsave();
    own_read(&found);
    return secrets(&found, sizeof(found));
}

unsigned private_secrets_at(const void *buf, size_t len)
{
    return secrets(buf, len);
}

unsigned private_secrets_in(const Vm *vm)
{
    return secrets(vm->vmcb, PAGE) + secrets(vm->regs, sizeof(vm->regs));
}
