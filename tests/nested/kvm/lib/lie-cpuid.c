/*
 * Preloaded into the inner QEMU: KVM is to tell the guest by CPUID of all that
 * there can be, and of buffers that are too small for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stdint.h>
#include "ioctl.h"

#define SIZES 0x3034            /* 52 bits of physical addresses, 48 of virtual */
#define MARK 0x5ec2e7           /* in a leaf that no guest reads */

static void lie(struct kvm_cpuid_entry2 *e)
{
    switch (e->function) {
    case 1:
        e->ecx = e->edx = ~0u;
        break;
    case 7:
        e->ebx = e->ecx = e->edx = ~0u;
        break;
    case 0x0d:
        if (e->index == 0) {
            e->ebx = e->ecx = 64;
        } else if (e->index > 1 && e->eax) {
            e->eax = 8;
        } else if (e->index == 1) {
            e->eax = ~0u;
        }
        break;
    case 0x40000001:
        e->eax = e->ecx = e->edx = ~0u;
        break;
    case 0x80000000:
        e->eax = 0x8000000a;
        break;
    case 0x80000001:
        e->ecx = e->edx = ~0u;
        break;
    case 0x80000007:
        e->edx = ~0u;
        break;
    case 0x80000008:
        e->eax = SIZES;
        e->ebx = ~0u;
        break;
    }
}

static int seen_ioctl(int fd, unsigned long request, void *arg)
{
    if (request == KVM_SET_CPUID2) {
        struct kvm_cpuid2 *all = arg;

        for (uint32_t i = 0; i < all->nent; i++) {
            lie(&all->entries[i]);
        }
        all->entries[all->nent++] = (struct kvm_cpuid_entry2) {
            .function = 0x40000010, .eax = MARK,
        };
    }
    return next_ioctl(fd, request, arg);
}
