/*
 * A virtual machine on /dev/kvm, as small as can be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "vmm.h"
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TSS_ADDRESS 0xfffbd000ul
#define CPUID_ENTRIES 128
#define CPUID_EXTENDED 0x80000001
#define CPUID_SVM (1u << 2) /* in its ECX */

typedef struct Cpuid {
    struct kvm_cpuid2 header;
    struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
} Cpuid;

void vmm_ioctl(int fd, unsigned long request, const char *name, void *arg)
{
    if (ioctl(fd, request, arg) < 0) {
        tap_fail("%s: expected success, saw %s", name, strerror(errno));
    }
}

int vmm_try(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

const char *vmm_lacking(void)
{
    Cpuid cpuid = { .header.nent = CPUID_ENTRIES };
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int ret = kvm < 0 ? kvm : ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);

    if (kvm < 0) {
        return "/dev/kvm cannot be opened: load kvm_amd, and be root";
    }
    close(kvm);
    for (unsigned i = 0; ret == 0 && i < cpuid.header.nent; i++) {
        if (cpuid.entries[i].function == CPUID_EXTENDED &&
            cpuid.entries[i].ecx & CPUID_SVM) {
            return NULL;
        }
    }
    return "KVM has no SVM for its guests: "
           "load kvm_amd with nested=1 on an AMD processor";
}

int vmm_cap(const Vmm *m, unsigned cap)
{
    return ioctl(m->vm, KVM_CHECK_EXTENSION, (long)cap);
}

void vmm_enable_cap(const Vmm *m, unsigned cap, uint64_t arg)
{
    struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

    VMM_IOCTL(m->vm, KVM_ENABLE_CAP, &enable);
}

void vmm_slot(Vmm *m, unsigned slot, uint64_t at, uint64_t size,
              uint32_t flags)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .flags = flags,
        .guest_phys_addr = at,
        .memory_size = size,
        .userspace_addr = (uintptr_t)m->ram + at,
    };

    VMM_IOCTL(m->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

void vmm_lay_over(Vmm *m, uint64_t at, uint64_t size, uint32_t flags)
{
    vmm_slot(m, 0, 0, 0, 0);
    vmm_slot(m, 0, 0, at, 0);
    vmm_slot(m, 1, at, size, flags);
    vmm_slot(m, 2, at + size, VMM_RAM - at - size, 0);
}

void vmm_lay_flat(Vmm *m)
{
    for (unsigned slot = 0; slot < 3; slot++) {
        vmm_slot(m, slot, 0, 0, 0);
    }
    vmm_slot(m, 0, 0, VMM_RAM, 0);
}

void vmm_open(Vmm *m, bool irqchip)
{
    memset(m, 0, sizeof(*m));
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (m->kvm < 0) {
        tap_fail("/dev/kvm: expected to open it, saw %s", strerror(errno));
    }
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0l);
    m->ram = mmap(NULL, VMM_RAM, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->vm < 0 || m->ram == MAP_FAILED) {
        tap_fail("a new machine: expected one, saw %s", strerror(errno));
    }
    VMM_IOCTL(m->vm, KVM_SET_TSS_ADDR, (void *)TSS_ADDRESS);
    if (irqchip) {
        VMM_IOCTL(m->vm, KVM_CREATE_IRQCHIP, NULL);
    }
    vmm_slot(m, 0, 0, VMM_RAM, 0);
}

Vcpu *vmm_add_vcpu(Vmm *m)
{
    Cpuid cpuid = { .header.nent = CPUID_ENTRIES };
    int size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0l);
    Vcpu *v = &m->vcpu[m->n_vcpus];

    v->fd = ioctl(m->vm, KVM_CREATE_VCPU, (long)m->n_vcpus++);
    v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (v->fd < 0 || v->run == MAP_FAILED) {
        tap_fail("a new processor: expected one, saw %s", strerror(errno));
    }
    VMM_IOCTL(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
    VMM_IOCTL(v->fd, KVM_SET_CPUID2, &cpuid);
    return v;
}

struct kvm_regs vmm_regs(const Vcpu *v)
{
    struct kvm_regs r;

    VMM_IOCTL(v->fd, KVM_GET_REGS, &r);
    return r;
}

void vmm_set_regs(const Vcpu *v, const struct kvm_regs *r)
{
    VMM_IOCTL(v->fd, KVM_SET_REGS, (void *)r);
}

struct kvm_sregs vmm_sregs(const Vcpu *v)
{
    struct kvm_sregs s;

    VMM_IOCTL(v->fd, KVM_GET_SREGS, &s);
    return s;
}

void vmm_set_sregs(const Vcpu *v, const struct kvm_sregs *s)
{
    VMM_IOCTL(v->fd, KVM_SET_SREGS, (void *)s);
}

int vmm_run(Vcpu *v)
{
    return ioctl(v->fd, KVM_RUN, 0l) < 0 ? -errno : 0;
}

void vmm_expect(const Vcpu *v, unsigned reason)
{
    const struct kvm_run *run = v->run;

    if (run->exit_reason == reason) {
        return;
    }
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        tap_fail("expected exit %u, saw I/O (%s port 0x%x, size %u, count %u) "
                 "at 0x%llx", reason, run->io.direction ? "out" : "in",
                 run->io.port, run->io.size, run->io.count, vmm_regs(v).rip);
    case KVM_EXIT_MMIO:
        tap_fail("expected exit %u, saw MMIO (%s 0x%llx, size %u) at 0x%llx",
                 reason, run->mmio.is_write ? "write" : "read",
                 run->mmio.phys_addr, run->mmio.len, vmm_regs(v).rip);
    case KVM_EXIT_INTERNAL_ERROR:
        tap_fail("expected exit %u, saw internal error %u at 0x%llx", reason,
                 run->internal.suberror, vmm_regs(v).rip);
    default:
        tap_fail("expected exit %u, saw exit %u at 0x%llx", reason,
                 run->exit_reason, vmm_regs(v).rip);
    }
}

void vmm_run_to(Vcpu *v, unsigned reason)
{
    int ret = vmm_run(v);

    if (ret < 0) {
        tap_fail("KVM_RUN: expected exit %u, saw %s", reason, strerror(-ret));
    }
    vmm_expect(v, reason);
}

void vmm_run_to_io(Vcpu *v, unsigned direction, unsigned port, unsigned size,
                   unsigned count)
{
    vmm_run_to(v, KVM_EXIT_IO);
    if (v->run->io.direction != direction || v->run->io.port != port ||
        v->run->io.size != size || v->run->io.count != count) {
        tap_fail("expected I/O (direction %u, port 0x%x, size %u, count %u), "
                 "saw (%u, 0x%x, %u, %u) at 0x%llx", direction, port, size,
                 count, v->run->io.direction, v->run->io.port,
                 v->run->io.size, v->run->io.count, vmm_regs(v).rip);
    }
}

void vmm_settle(Vcpu *v)
{
    int ret;

    v->run->immediate_exit = 1;
    ret = vmm_run(v);
    v->run->immediate_exit = 0;
    tap_equal("KVM_RUN with immediate_exit: errno", -ret, EINTR);
}

void vmm_nested(const Vcpu *v, Nested *n)
{
    memset(n, 0, sizeof(*n));
    n->state.size = sizeof(*n);
    VMM_IOCTL(v->fd, KVM_GET_NESTED_STATE, n);
}

void vmm_set_nested(const Vcpu *v, const Nested *n)
{
    VMM_IOCTL(v->fd, KVM_SET_NESTED_STATE, (void *)n);
}

bool vmm_in_l2(const Vcpu *v)
{
    Nested n;

    vmm_nested(v, &n);
    return n.state.flags & KVM_STATE_NESTED_GUEST_MODE;
}
