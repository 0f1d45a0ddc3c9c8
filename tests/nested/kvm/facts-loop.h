/*
 * An L2 that reads or writes COM1 for ever.  Its accesses come to L0, which
 * serves some and gives the others back to L1; what L0, L1 and L2 must see then
 * is checked at each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FACTS_LOOP_H
#define FACTS_LOOP_H

#include "l1.h"
#include "tap.h"

#define COM1 0x3f8

typedef struct Loop {
    Vmm m;
    Vcpu *v;
    unsigned in, size, length; /* length of the instruction */
    uint64_t rax, rbx, rcx;    /* as L2 must have them at its next access */
    unsigned served, given, interrupts;
    bool emulated;     /* L0 may emulate L2's instruction: */
    unsigned finished; /* an OUT that was over when it was seen */
    unsigned misled;   /* L1 was told the wrong address behind it */
} Loop;

void loop_open(Loop *l, unsigned in, unsigned size, bool npt);
/* L2 comes to L0 with its next access. */
void loop_to_l0(Loop *l);
void loop_serve(Loop *l);
/* L1 has the access, as if L0 had never seen it; emulate it there. */
void loop_in_l1(Loop *l);
/* Every way to mix the two: one each, several of one, several of the other */
bool loop_gives(unsigned round);
void loop_rounds(Loop *l, unsigned rounds, void (*give)(Vmm *, Vcpu *));

/* All I/O of L2 is intercepted until it is left. */
void give_back_map(Vcpu *v);
/* With another RIP KVM drops the access, and leaves nothing in a register. */
void give_back_dropped(Vmm *m, Vcpu *v);
/* The other way: let it finish, and take back what it did. */
void give_back_settled(Vmm *m, Vcpu *v);
/* What was finished before user space saw it is taken back as well. */
void give_back_any(Vmm *m, Vcpu *v);

#endif /* FACTS_LOOP_H */
