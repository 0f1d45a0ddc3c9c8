/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: what a cloud VM, and a nested guest in it, ask of the outer
 * QEMU.  The binary interface, version 1; docs/ultracall.rst explains it.
 *
 * With ULTRACALL_CLIENT defined, also a client for Linux programs in the
 * cloud VM.  Include <stdint.h> first.
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
};

/*
 * Where PROBE reports ULTRACALL_F_HYPERCALL, a kernel may call by KVM's
 * hypercall KVM_HC_MAP_GPA_RANGE: RAX that, RBX this, RCX 1, RDX the above.
 */
#define ULTRACALL_HYPERCALL_PAGE 0x53480000u

/* A guest's tag has 1 to this many bytes; no NUL */
#define ULTRACALL_TAG_MAX       56

/* struct ultracall_probe.features */
#define ULTRACALL_F_INSTRUCTION 0x1u    /* vmmcall and vmcall work */
#define ULTRACALL_F_SNAPSHOT    0x2u    /* ULTRACALL_SAVE knows flags */
#define ULTRACALL_F_HYPERCALL   0x4u    /* KVM_HC_MAP_GPA_RANGE works */

/* All fields little-endian */
struct ultracall_probe {
    uint32_t version;
    uint32_t features;
    uint64_t envelope_max;
    uint32_t tag_max;
    uint32_t reserved;
};

/* flags of ULTRACALL_REGISTER */
#define ULTRACALL_REGISTER_CHALLENGE 1u /* buffer: 32 bytes, written */
#define ULTRACALL_REGISTER_ANSWER    2u /* buffer: 32 bytes, read */
#define ULTRACALL_PROOF_LEN     32

/* flags of ULTRACALL_SAVE */
#define ULTRACALL_SAVE_SNAPSHOT 1u      /* the guest goes on here */

/* A device of the guest, as IRQ_POLL and QUERY write it */
struct ultracall_device {
    uint16_t iobase;
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

/* struct ultracall_guest.flags */
#define ULTRACALL_GUEST_SNAPSHOTS   1u  /* snapshots are allowed */
#define ULTRACALL_GUEST_UNPROTECTED 2u  /* nothing hides its ports yet */

/* What QUERY writes; at most ULTRACALL_DEVICES_MAX devices follow */
struct ultracall_guest {
    uint32_t state;
    uint16_t devices;
    uint16_t flags;
    uint64_t epoch;
};
#define ULTRACALL_DEVICES_MAX   16

/*
 * The doorbell, an I/O BAR: a 4-byte write of any value to its first port makes
 * the call that the registers of the writing CPU hold.
 */
#define ULTRACALL_BAR_SIZE      0x10

/* Arguments of a call: RDI, RSI, R8, R9, R10 */
#define ULTRACALL_ARGS          5

#ifdef ULTRACALL_CLIENT

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>

struct ultracall_client {
    uint16_t port;          /* of the doorbell */
    uint32_t features;      /* ULTRACALL_F_* */
    uint64_t envelope_max;
    char sysfs[300];        /* folder of the PCI function */
};

static inline int64_t ultracall_by_doorbell(uint16_t port, uint32_t nr,
                                            const uint64_t *a,
                                            uint64_t *value)
{
    register uint64_t r8 __asm__("r8") = a[2];
    register uint64_t r9 __asm__("r9") = a[3];
    register uint64_t r10 __asm__("r10") = a[4];
    uint64_t rax = ULTRACALL_MAGIC | nr;
    uint64_t rdx = port;

    __asm__ volatile("outl %%eax, %%dx"
                     : "+a"(rax), "+d"(rdx)
                     : "D"(a[0]), "S"(a[1]), "r"(r8), "r"(r9), "r"(r10)
                     : "memory", "cc");
    *value = rdx;
    return rax;
}

static inline int64_t ultracall_by_instruction(uint32_t nr, const uint64_t *a,
                                               uint64_t *value)
{
    register uint64_t r8 __asm__("r8") = a[2];
    register uint64_t r9 __asm__("r9") = a[3];
    register uint64_t r10 __asm__("r10") = a[4];
    uint64_t rax = ULTRACALL_MAGIC | nr;
    uint64_t rdx = 0;

    __asm__ volatile("vmmcall"
                     : "+a"(rax), "+d"(rdx)
                     : "D"(a[0]), "S"(a[1]), "r"(r8), "r"(r9), "r"(r10)
                     : "memory", "cc");
    *value = rdx;
    return rax;
}

/*
 * Make a call.  Returns 0 or a negative errno; *@value is the second result,
 * or for -EFAULT by the doorbell, the address to touch before calling again.
 */
static inline int64_t ultracall(const struct ultracall_client *c, uint32_t nr,
                                uint64_t a0, uint64_t a1, uint64_t a2,
                                uint64_t a3, uint64_t a4, uint64_t *value)
{
    const uint64_t a[ULTRACALL_ARGS] = { a0, a1, a2, a3, a4 };

    return c->features & ULTRACALL_F_INSTRUCTION
           ? ultracall_by_instruction(nr, a, value)
           : ultracall_by_doorbell(c->port, nr, a, value);
}

static inline int ultracall_sysfs_read(const char *dir, const char *file,
                                       const char *format, void *val)
{
    char path[600];
    FILE *f;
    int n;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    f = fopen(path, "r");
    if (!f) {
        return -1;
    }
    n = fscanf(f, format, val);
    fclose(f);
    return n == 1 ? 0 : -1;
}

/*
 * Find the PCI function, get at its doorbell, and ask what it can do.  Needs
 * CAP_SYS_RAWIO.  Returns 0; -ENODEV: there is none; -EPROTO: it speaks
 * another version; or what ioperm() said.
 */
static inline int ultracall_open(struct ultracall_client *c)
{
    static const char bus[] = "/sys/bus/pci/devices";
    struct ultracall_probe probe;
    unsigned vendor, device;
    unsigned long long base = 0;
    struct dirent *e;
    uint64_t value, args[ULTRACALL_ARGS];
    DIR *d = opendir(bus);

    memset(c, 0, sizeof(*c));
    while (d && !base && (e = readdir(d))) {
        snprintf(c->sysfs, sizeof(c->sysfs), "%s/%s", bus, e->d_name);
        if (!ultracall_sysfs_read(c->sysfs, "vendor", "%x", &vendor) &&
            !ultracall_sysfs_read(c->sysfs, "device", "%x", &device) &&
            vendor == ULTRACALL_PCI_VENDOR &&
            device == ULTRACALL_PCI_DEVICE &&
            ultracall_sysfs_read(c->sysfs, "resource", "%llx", &base)) {
            base = 0;
        }
    }
    if (d) {
        closedir(d);
    }
    if (!base) {
        return -ENODEV;
    }
    c->port = base;
    if (ioperm(base, ULTRACALL_BAR_SIZE, 1) < 0) {
        return -errno;
    }
    memset(&probe, 0, sizeof(probe));
    memset(args, 0, sizeof(args));
    args[0] = (uintptr_t)&probe;
    args[1] = sizeof(probe);
    if (ultracall_by_doorbell(c->port, ULTRACALL_PROBE, args, &value) ||
        probe.version != ULTRACALL_VERSION) {
        return -EPROTO;
    }
    c->features = probe.features;
    c->envelope_max = probe.envelope_max;
    return 0;
}

#endif /* ULTRACALL_CLIENT */

#endif /* ULTRACALL_H */
