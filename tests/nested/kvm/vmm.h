/*
 * A virtual machine on /dev/kvm, as small as can be: RAM in memory slots,
 * virtual processors, and what KVM_RUN came back with.  What goes wrong ends
 * the test (tap.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef KVM_CAP_X86_GUEST_MODE
#define KVM_CAP_X86_GUEST_MODE 238
#endif
#ifndef KVM_RUN_X86_GUEST_MODE
#define KVM_RUN_X86_GUEST_MODE (1 << 2)
#endif

#define VMM_RAM 0x400000ul
#define VMM_PAGE 0x1000ul
#define VMM_VCPUS 2

typedef struct Vcpu {
    int fd;
    struct kvm_run *run;
} Vcpu;

typedef struct Vmm {
    int kvm, vm;
    uint8_t *ram; /* from guest address 0 on */
    unsigned n_vcpus;
    Vcpu vcpu[VMM_VCPUS];
} Vmm;

/* As KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE have it */
typedef struct Nested {
    struct kvm_nested_state state;
    uint8_t vmcb[KVM_STATE_NESTED_SVM_VMCB_SIZE];
} Nested;

/* What this machine lacks to run a guest that has guests, or NULL */
const char *vmm_lacking(void);

/* A machine with all its RAM in slot 0, and no processor yet */
void vmm_open(Vmm *m, bool irqchip);
Vcpu *vmm_add_vcpu(Vmm *m);
int vmm_cap(const Vmm *m, unsigned cap);
void vmm_enable_cap(const Vmm *m, unsigned cap, uint64_t arg);

/* RAM from @at on; a @size of 0 takes the slot away */
void vmm_slot(Vmm *m, unsigned slot, uint64_t at, uint64_t size,
              uint32_t flags);

/* Leave the RAM as it is, but @size bytes from @at on in a slot of their own */
void vmm_lay_over(Vmm *m, uint64_t at, uint64_t size, uint32_t flags);
void vmm_lay_flat(Vmm *m);

void vmm_ioctl(int fd, unsigned long request, const char *name, void *arg);
/* The same, but failing is for the caller: 0, or a negative errno */
int vmm_try(int fd, unsigned long request, void *arg);
#define VMM_IOCTL(fd, request, arg) vmm_ioctl(fd, request, #request, arg)

struct kvm_regs vmm_regs(const Vcpu *v);
void vmm_set_regs(const Vcpu *v, const struct kvm_regs *r);
struct kvm_sregs vmm_sregs(const Vcpu *v);
void vmm_set_sregs(const Vcpu *v, const struct kvm_sregs *s);

/* Run until user space is needed: 0, or a negative errno */
int vmm_run(Vcpu *v);
/* Run, and have it leave so */
void vmm_run_to(Vcpu *v, unsigned reason);
/* Run, and have it leave with one access to @port, of @count items */
void vmm_run_to_io(Vcpu *v, unsigned direction, unsigned port, unsigned size,
                   unsigned count);
/* Finish what user space was asked for, and run nothing */
void vmm_settle(Vcpu *v);
void vmm_expect(const Vcpu *v, unsigned reason);

/* What KVM_EXIT_IO carries */
static inline void *vmm_io_data(const Vcpu *v)
{
    return (uint8_t *)v->run + v->run->io.data_offset;
}

void vmm_nested(const Vcpu *v, Nested *n);
void vmm_set_nested(const Vcpu *v, const Nested *n);
bool vmm_in_l2(const Vcpu *v);

static inline uint64_t *vmm_u64(const Vmm *m, uint64_t at)
{
    return (uint64_t *)(m->ram + at);
}

static inline uint32_t *vmm_u32(const Vmm *m, uint64_t at)
{
    return (uint32_t *)(m->ram + at);
}

#endif /* VMM_H */
