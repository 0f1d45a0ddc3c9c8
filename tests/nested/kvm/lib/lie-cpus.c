/*
 * Preloaded into the inner QEMU: KVM is to tell each virtual CPU but the first
 * one by CPUID that it is the first one, and another processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stdint.h>
#include "ioctl.h"

#define APIC_ID 0xff000000u     /* of EBX */
#define LESS (3u << 18)         /* RDSEED, ADX */

static void lie(struct kvm_cpuid_entry2 *e)
{
    switch (e->function) {
    case 1:
        e->ebx &= ~APIC_ID;
        e->eax ^= 0x30;         /* another model */
        break;
    case 7:
        e->ebx &= ~LESS;
        break;
    case 0x0b:
    case 0x1f:
        e->edx = 0;
        break;
    case 0x8000001e:
        e->eax = 0;
        break;
    }
}

static int seen_ioctl(int fd, unsigned long request, void *arg)
{
    static int first = -1;

    if (request == KVM_SET_CPUID2) {
        struct kvm_cpuid2 *all = arg;

        if (first < 0) {
            first = fd;
        }
        for (uint32_t i = 0; fd != first && i < all->nent; i++) {
            lie(&all->entries[i]);
        }
    }
    return next_ioctl(fd, request, arg);
}
