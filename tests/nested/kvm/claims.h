/*
 * Claims of L2's ports: the kernel change in contrib/linux-6.12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CLAIMS_H
#define CLAIMS_H

#include "l1.h"
#include "tap.h"

#define KVM_CAP_X86_NESTED_PIO 0x5348
#define KVM_RUN_X86_NESTED_PIO (1 << 15)
#define CLAIMS_MAX 64
#define COM1 0x3f8
#define COM1_PORTS 8

typedef struct Claim {
    unsigned port, ports;
    uint64_t cr3, mask;
} Claim;

static const Claim com1 = { COM1, COM1_PORTS };

/* 0, or a negative errno */
int claim_try(const Vmm *m, const Claim *c, bool add);
void claim_change(const Vmm *m, const Claim *c, bool add);
/* A machine with an L1 and this claim */
void claims_open(Vmm *m, Vcpu **v, const Claim *c);
/* Run to an access of L2's, in user space */
void claims_at_l0(Vcpu *v, unsigned direction, unsigned port, unsigned size,
                  unsigned count);

/* claims-more.c */
void claim_string_out(void);
void claim_string_in(void);
void claim_string_straddles(void);
void claim_string_given_up(void);
void claim_by_cr3(void);
void claim_by_cr3_shadow_paging(void);
void claim_by_cr3_restored(void);
void claim_changed_meanwhile(void);
void claim_changed_by_two(void);

#endif /* CLAIMS_H */
