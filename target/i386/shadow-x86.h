/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls on x86, whatever the accelerator.
 */
#ifndef TARGET_I386_SHADOW_X86_H
#define TARGET_I386_SHADOW_X86_H

#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/misc/ultracall.h"
#include "shadow/target/i386/shadow-walk.h"

/* A CPU that calls: what a call depends on, and what comes of it */
typedef struct ShadowX86Caller {
    UltracallCaller parent;
    uint64_t number;        /* the register that has it, in its low 8 bits */
    uint64_t arg[ULTRACALL_ARGS];
    uint64_t rax, rdx;      /* results */

    bool doorbell;          /* that it rang: not an instruction of its own */
    bool guest_mode;        /* the CPU is in a nested guest */
    unsigned cpl, iopl;
    uint64_t tss_base;
    uint32_t tss_limit;
    unsigned tss_type;      /* of the descriptor; 0 if it is not present */
    /* Read a few bytes of the caller's memory, as its kernel may */
    bool (*read)(struct ShadowX86Caller *c, uint64_t va, void *buf, size_t len);
} ShadowX86Caller;

/* Read 8 bytes of L1-physical memory; for struct ShadowWalk */
bool shadow_x86_read_entry(void *opaque, uint64_t pa, uint64_t *entry);

/* The page tables at @cr3 of the cloud VM, for its kernel */
void shadow_x86_kernel_walk(ShadowWalk *walk, uint64_t cr3, bool la57);

/* Read @len bytes at @va, that may cross a page, with the rights of @walk. */
bool shadow_x86_read(const ShadowWalk *walk, uint64_t va, void *buf,
                     size_t len);

/* Read 8 bytes at @va with the rights of @walk, a ShadowWalk; a ShadowPeek */
bool shadow_x86_peek(void *walk, uint64_t va, uint64_t *val);

/* As in struct ShadowAccel, on AMD */
bool shadow_x86_peek_nested(uint64_t root, uint64_t address, uint64_t *val);

/*
 * Whether @reg asks for a call, and there is an ultracall device.  64-bit code
 * only: the arguments are in registers that others do not have.
 */
bool shadow_x86_is_call(uint64_t reg, bool code64);

/*
 * Make the call.  By instruction, user mode needs the permission to write to
 * the doorbell's port, or to be admitted; the nested guest's user mode is not.
 */
void shadow_x86_call(ShadowX86Caller *c);

extern const ShadowAccel shadow_accel_tcg;
extern const ShadowAccel shadow_accel_kvm;

#endif /* TARGET_I386_SHADOW_X86_H */
