/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: what a cloud VM, and a nested guest in it, ask of the outer
 * QEMU.  The binary interface, version 1; docs/ultracall.rst explains it.
 *
 * With ULTRACALL_CLIENT defined, also a client for Linux programs in the
 * cloud VM; with ULTRACALL_KERNEL, calls for a kernel, that has asked with
 * PROBE.  Include <stdint.h> first.
 */
#ifndef ULTRACALL_H
#define ULTRACALL_H

#define ULTRACALL_VERSION       1

/* The PCI function that advertises the interface */
#define ULTRACALL_PCI_VENDOR    0x1234
#define ULTRACALL_PCI_DEVICE    0x5348
#define ULTRACALL_BAR           0

/* RAX of a call: this, with the call's number in the low 8 bits */
#define ULTRACALL_MAGIC         0x53480000u

enum {
    ULTRACALL_PROBE = 0,
    ULTRACALL_BIND = 1,
    ULTRACALL_UNBIND = 2,
    ULTRACALL_REGISTER = 3,
    ULTRACALL_RESET = 4,
    ULTRACALL_STATE_SIZE = 5,
    ULTRACALL_SAVE = 6,
    ULTRACALL_RESTORE = 7,
    ULTRACALL_COMMIT = 8,
    ULTRACALL_ABORT = 9,
    ULTRACALL_IRQ_POLL = 10,
    ULTRACALL_QUERY = 11,
    ULTRACALL_RUN = 12,
    ULTRACALL_PORT = 13,
    ULTRACALL_LAYOUT = 14,
    ULTRACALL_ADMIT = 15,
    ULTRACALL_LAUNCH = 16,
    ULTRACALL_PAGES = 18,
    ULTRACALL__MAX
};

/* -EFAULT of every kernel */
#define ULTRACALL_EFAULT        14

/*
 * Where PROBE reports ULTRACALL_F_HYPERCALL, a kernel may call by KVM's
 * hypercall KVM_HC_MAP_GPA_RANGE: RAX that, RBX this, RCX 1, RDX the above.
 */
#define ULTRACALL_HYPERCALL_NR   12
#define ULTRACALL_HYPERCALL_PAGE 0x53480000u

/* A guest's id has 1 to this many bytes; no NUL */
#define ULTRACALL_ID_MAX       56

/* struct ultracall_probe.features */
#define ULTRACALL_F_INSTRUCTION 0x1u    /* vmmcall (AMD), vmcall (Intel) work */
#define ULTRACALL_F_SNAPSHOT    0x2u    /* ULTRACALL_SAVE knows flags */
#define ULTRACALL_F_HYPERCALL   0x4u    /* KVM_HC_MAP_GPA_RANGE works */
#define ULTRACALL_F_REARM       0x8u    /* ULTRACALL_IRQ_POLL knows flags */
#define ULTRACALL_F_HISTORY     0x10u   /* ULTRACALL_SAVE sends it ahead */
#define ULTRACALL_F_LAYOUT      0x20u   /* there is ULTRACALL_LAYOUT */
#define ULTRACALL_F_CLAIM       0x40u   /* BIND_CLAIM, REGISTER_COOKIE */
#define ULTRACALL_F_ADMIT       0x80u   /* there is ULTRACALL_ADMIT */
#define ULTRACALL_F_LAUNCH      0x100u  /* there is ULTRACALL_LAUNCH */
#define ULTRACALL_F_PAGES       0x400u  /* there is ULTRACALL_PAGES */

/* All fields little-endian */
struct ultracall_probe {
    uint32_t version;
    uint32_t features;
    uint64_t envelope_max;
    uint32_t id_max;
    uint32_t reserved;
};

/*
 * In the PCI function, behind the header: a vendor-specific capability with the
 * token that ULTRACALL_ADMIT takes, another one after each reset.
 */
#define ULTRACALL_TOKEN_LEN     16
#define ULTRACALL_CAP_KIND      3       /* offset of a byte */
#define ULTRACALL_CAP_IS_TOKEN  1       /* what it is */
#define ULTRACALL_CAP_TOKEN     4       /* offset of the token */
#define ULTRACALL_CAP_LEN       (ULTRACALL_CAP_TOKEN + ULTRACALL_TOKEN_LEN)

/*
 * Flag of ULTRACALL_ADMIT, for who was admitted with the token: a token that is
 * good once, for somebody else.
 */
#define ULTRACALL_ADMIT_TICKET  1u

/*
 * Flag of ULTRACALL_BIND, together with a guest-physical address in the other
 * bits, a multiple of 8: the guest is the one that will have the cookie there.
 */
#define ULTRACALL_BIND_CLAIM    1u
#define ULTRACALL_BIND_ADDRESS  0x000ffffffffffff8u

/* flags of ULTRACALL_REGISTER */
#define ULTRACALL_REGISTER_CHALLENGE 1u /* buffer: 32 bytes, written */
#define ULTRACALL_REGISTER_ANSWER    2u /* buffer: 32 bytes, read */
/*
 * 8 bytes of the buffer are written, a cookie that is to stay there; the other
 * bits are its guest-physical address, see ULTRACALL_BIND_ADDRESS.
 */
#define ULTRACALL_REGISTER_COOKIE    4u
#define ULTRACALL_PROOF_LEN     32

/* flags of ULTRACALL_SAVE */
#define ULTRACALL_SAVE_SNAPSHOT 1u      /* the guest goes on here */
#define ULTRACALL_SAVE_HISTORY  2u      /* output only; the guest goes on */
#define ULTRACALL_SAVE_REST     4u      /* all but that, if it is not much */
#define ULTRACALL_SAVE_PAGES    8u      /* begin ULTRACALL_PAGES; goes on */

/* What ULTRACALL_PAGES does, one of these as its flags */
#define ULTRACALL_PAGES_EXPORT  1u      /* write a record to the buffer */
#define ULTRACALL_PAGES_IMPORT  2u      /* take the record in the buffer */
#define ULTRACALL_PAGES_UNSENT  4u      /* how many pages are to be sent */
#define ULTRACALL_PAGES_END     8u      /* none of this is wanted any more */

/* The most bytes that a record of pages has */
#define ULTRACALL_RECORD_MAX    (40u + (2u << 20) + (64u << 10))

/* flags of ULTRACALL_PORT: the port's number, and for a write also this */
#define ULTRACALL_PORT_WRITE    0x10000u

/* Flag of ULTRACALL_IRQ_POLL: enable the function's interrupt first */
#define ULTRACALL_POLL_REARM    1u

/* An interrupt line of a device, as IRQ_POLL and QUERY write it */
struct ultracall_device {
    uint16_t iobase;        /* the lowest of the device's ports, or 0 */
    uint8_t irq;
    uint8_t level;
    uint32_t edges;         /* rising edges so far, modulo 2^32 */
};

/* struct ultracall_guest.state */
enum {
    ULTRACALL_ACTIVE = 0,
    ULTRACALL_FROZEN = 1,
    ULTRACALL_GONE = 2,
    ULTRACALL_INCOMING = 3,
    ULTRACALL_RESTORED = 4,
};

/* struct ultracall_guest.flags; others are to be ignored */
#define ULTRACALL_GUEST_SNAPSHOTS   1u  /* snapshots are allowed */
#define ULTRACALL_GUEST_UNHIDDEN    2u  /* nothing hides its ports yet */
#define ULTRACALL_GUEST_EXPOSED     4u  /* nothing will: see ULTRACALL_PORT */
#define ULTRACALL_GUEST_BOUND       8u  /* its nested guest is known */
#define ULTRACALL_GUEST_CLAIMED     16u /* it is not yet: a claim waits */
#define ULTRACALL_GUEST_PRIVATE     32u /* it has memory that stays here */

/* What QUERY writes; at most ULTRACALL_DEVICES_MAX lines follow */
struct ultracall_guest {
    uint32_t state;
    uint16_t devices;
    uint16_t flags;
    uint64_t epoch;
};
#define ULTRACALL_DEVICES_MAX   16

/* struct ultracall_resource.kind; others are to be ignored */
enum {
    ULTRACALL_PORTS = 1,    /* @len I/O ports from @first on */
    ULTRACALL_LINE = 2,     /* ISA interrupt @number */
    ULTRACALL_ACPI = 3,     /* it is in the ACPI tables: @number is its _UID */
};

/*
 * Something that a device of the guest has, as LAYOUT writes it.  @device
 * counts the devices, in whose order they come.
 */
struct ultracall_resource {
    uint16_t device;
    uint16_t kind;
    uint32_t number;
    uint32_t first;
    uint32_t len;
    char hid[8];            /* _HID, such as PNP0501, then zeros */
    char name[8];           /* of its node, four characters, then zeros */
};
#define ULTRACALL_RESOURCES_MAX (8 * ULTRACALL_DEVICES_MAX)

/*
 * Types of a memory map's entries in LAUNCH, besides those of e820: facts of
 * the machine, whose value is the entry's base
 */
/* PCI vendor and device of the host bridge, 0:0.0 */
#define ULTRACALL_LAUNCH_MACHINE 0x53480001u
#define ULTRACALL_LAUNCH_CPU     0x53480002u    /* APIC ID of an enabled CPU */
#define ULTRACALL_LAUNCH_HPET    0x53480003u    /* there is an HPET */

/*
 * The doorbell, an I/O BAR: a 4-byte write of any value to its first port makes
 * the call that the registers of the writing CPU hold.  Its buffers are
 * accessed with the rights of user mode, whoever writes: it may be a hypervisor
 * that makes the access for a program.  So it is for programs; a kernel uses
 * the instruction or the hypercall.  BIND of a process needs a program that
 * writes itself (-EOPNOTSUPP).
 */
#define ULTRACALL_BAR_SIZE      0x10

/* Arguments of a call: RDI, RSI, R8, R9, R10 */
#define ULTRACALL_ARGS          5

#if defined(ULTRACALL_CLIENT) || defined(ULTRACALL_KERNEL)

#ifdef ULTRACALL_CLIENT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

struct ultracall_client {
    uint16_t port;          /* of the doorbell */
    uint32_t features;      /* ULTRACALL_F_* */
    uint64_t envelope_max;
#ifdef ULTRACALL_CLIENT
    char sysfs[300];        /* folder of the PCI function */
    uint64_t *cookie;       /* of ULTRACALL_ADMIT, or NULL */
#endif
};

/* @insn: what goes to L0 with all registers of a call set */
#define ULTRACALL_ASM(insn, rax, rbx, rcx, rdx, a, value)                   \
    do {                                                                    \
        register uint64_t r8_ __asm__("r8") = (a)[2];                       \
        register uint64_t r9_ __asm__("r9") = (a)[3];                       \
        register uint64_t r10_ __asm__("r10") = (a)[4];                     \
                                                                            \
        (value) = (rdx);                                                    \
        __asm__ volatile(insn                                               \
                         : "+a"(rax), "+d"(value)                           \
                         : "b"((uint64_t)(rbx)), "c"((uint64_t)(rcx)),      \
                           "D"((a)[0]), "S"((a)[1]), "r"(r8_), "r"(r9_),    \
                           "r"(r10_)                                        \
                         : "memory", "cc");                                 \
    } while (0)

static inline int64_t ultracall_by_doorbell(uint16_t port, uint32_t nr,
                                            const uint64_t *a,
                                            uint64_t *value)
{
    uint64_t rax = ULTRACALL_MAGIC | nr;

    ULTRACALL_ASM("outl %%eax, %%dx", rax, 0, 0, port, a, *value);
    return rax;
}

/* Intel's vmcall; the instruction of the other vendor is never executed. */
static inline int ultracall_is_vmcall(void)
{
    uint32_t eax = 0, ebx, ecx, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    /* not "Auth"enticAMD, and not "Hygo"nGenuine */
    return ebx != 0x68747541 && ebx != 0x6f677948;
}

static inline int64_t ultracall_by_instruction(uint32_t nr, const uint64_t *a,
                                               uint64_t *value)
{
    uint64_t rax = ULTRACALL_MAGIC | nr;

    if (ultracall_is_vmcall()) {
        ULTRACALL_ASM("vmcall", rax, 0, 0, 0, a, *value);
    } else {
        ULTRACALL_ASM("vmmcall", rax, 0, 0, 0, a, *value);
    }
    return rax;
}

/* Kernels only: KVM refuses it to a program. */
static inline int64_t ultracall_by_hypercall(uint32_t nr, const uint64_t *a,
                                             uint64_t *value)
{
    uint64_t rax = ULTRACALL_HYPERCALL_NR;

    if (ultracall_is_vmcall()) {
        ULTRACALL_ASM("vmcall", rax, ULTRACALL_HYPERCALL_PAGE, 1,
                      ULTRACALL_MAGIC | nr, a, *value);
    } else {
        ULTRACALL_ASM("vmmcall", rax, ULTRACALL_HYPERCALL_PAGE, 1,
                      ULTRACALL_MAGIC | nr, a, *value);
    }
    return rax;
}

static inline int64_t ultracall_once(const struct ultracall_client *c,
                                     uint32_t nr, const uint64_t *a,
                                     uint64_t *value)
{
    if (c->features & ULTRACALL_F_INSTRUCTION) {
        return ultracall_by_instruction(nr, a, value);
    }
#ifdef ULTRACALL_KERNEL
    if (c->features & ULTRACALL_F_HYPERCALL) {
        return ultracall_by_hypercall(nr, a, value);
    }
#endif
    return ultracall_by_doorbell(c->port, nr, a, value);
}

/*
 * Have the pages from @fault to the end of a buffer there, and marked as
 * written to if they will be.  Returns whether @fault is in that buffer.
 */
static inline int ultracall_touch(uint64_t fault, uint64_t va, uint64_t len,
                                  int write)
{
    if (fault < va || fault - va >= len) {
        return 0;
    }
    for (uint64_t at = fault; at - va < len; at = (at | 0xfff) + 1) {
        /* volatile: the access itself is what is wanted */
        volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)at;
        uint8_t byte = *p;

        if (write) {
            *p = byte;
        }
    }
    return 1;
}

/* The cookie is nobody's buffer: L0 says 0. */
static inline int ultracall_touch_cookie(const struct ultracall_client *c,
                                         uint64_t fault)
{
#ifdef ULTRACALL_CLIENT
    if (!fault && c->cookie) {
        /* volatile: as in ultracall_touch() */
        *(volatile uint64_t *)c->cookie;
        return 1;
    }
#endif
    return 0;
}

/* Calls that name no guest have their buffer first */
static inline int ultracall_touch_buffers(uint32_t nr, const uint64_t *a,
                                          uint64_t fault)
{
    return nr == ULTRACALL_PROBE || nr == ULTRACALL_ADMIT
           ? ultracall_touch(fault, a[0], a[1], 1)
           : ultracall_touch(fault, a[0], a[1], 0) ||
             ultracall_touch(fault, a[2], a[3], nr != ULTRACALL_RESTORE);
}

/* A page can be taken away again before the call is made anew. */
#define ULTRACALL_TOUCHES 64

/*
 * Make a call.  Returns 0 or a negative errno; *@value is the second result.
 * Where L0 finds a page of a buffer missing, it is touched and the call made
 * again: a buffer that is not the caller's faults here.
 */
static inline int64_t ultracall(const struct ultracall_client *c, uint32_t nr,
                                uint64_t a0, uint64_t a1, uint64_t a2,
                                uint64_t a3, uint64_t a4, uint64_t *value)
{
    const uint64_t a[ULTRACALL_ARGS] = { a0, a1, a2, a3, a4 };
    int64_t ret;

    for (int i = 0; i < ULTRACALL_TOUCHES; i++) {
        ret = ultracall_once(c, nr, a, value);
        if (ret != -ULTRACALL_EFAULT ||
            (!ultracall_touch_buffers(nr, a, *value) &&
             !ultracall_touch_cookie(c, *value))) {
            break;
        }
    }
    return ret;
}

#endif /* ULTRACALL_CLIENT || ULTRACALL_KERNEL */

#ifdef ULTRACALL_CLIENT
#include "ultracall-client.h"
#endif

#endif /* ULTRACALL_H */
