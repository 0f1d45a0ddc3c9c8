/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested guests with memory of their own, and claims of them.
 */
#ifndef SHADOW_CLAIMED_H
#define SHADOW_CLAIMED_H

#include "shadow-common.h"

#define CLAIMED_SECRET  "fedcba9876543210fedcba9876543210"
#define HYPERVISOR      0x2000      /* CR3 of all nested entries here */
#define ADDRESS         0xfeffcff8ULL
/* Nested guests: their tables, from the root down, and the frame at ADDRESS */
#define GUESTS          4
#define ROOT(n)         (0x4000000ULL + (n) * 0x10000)
#define FRAME(n)        (ROOT(n) + 0x8000)
#define VMCB(n)         (0x6000ULL + (n) * 0x1000)
#define PTE             7           /* a user's, writable */

/* Have @root's guest see @frame at ADDRESS; 0: nothing */
void claimed_map(QTestState *qts, uint64_t root, uint64_t frame);
/* Where the nested guest @n has ADDRESS */
uint64_t cookie_at(unsigned n);

/* vm1 with @props, its user at "c0", vm2, and the nested guests */
QTestState *claimed_start_with(const char *props);
QTestState *claimed_start(void);
/* vm1 is claimed, and the nested guest 0 has been found. */
QTestState *claimed_start_found(void);

/* BIND from where there is no process; a claim, which returns the cookie */
int bind_flags(QTestState *qts, const char *tag, uint64_t flags);
uint64_t claim(QTestState *qts, const char *tag);
/* Of what QUERY says of vm1: whether a claim waits, it is bound, unhidden */
unsigned claimed_flags(QTestState *qts);

/* Enter; who serves it then */
bool entered(QTestState *qts, unsigned root, unsigned vmcb);
Server entry_server(QTestState *qts, unsigned root, unsigned vmcb);
/* A root that had no cookie is looked at again before long. */
void wait_entered(QTestState *qts, unsigned root, unsigned vmcb);

/* Its users are told that its nested guest has ended. */
void expect_lost(QTestState *qts, const char *tag);
void assert_claim(QTestState *qts, const char *tag, bool claimed, bool found);
void expect_found(QTestState *qts, const char *tag);

#endif /* SHADOW_CLAIMED_H */
