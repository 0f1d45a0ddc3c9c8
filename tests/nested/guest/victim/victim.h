/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a private guest, victim.c, and the cloud VM that attacks it have agreed
 * on: what is secret, what is public, and what L1 answers.
 */
#ifndef VICTIM_H
#define VICTIM_H

/*
 * All that is secret has these three bytes, one after the other, complemented
 * here: L1 has them nowhere in its own memory.  So have the guest's addresses.
 */
#define SECRET_INVERTED 0xa13d18
#define VICTIM_BASE 0x5ec2e7000000

/* What the guest shows, the lower half of it by 4 bytes, and so on */
#define PUBLIC 0x7172737475767778
#define PUBLIC_LEAF 0x40001234
#define PUBLIC_MSR 0xc0012345
/* What L1 gives; above what an instruction gets of it there is more. */
#define ANSWER 0x8182838485868788

/* Ports that are nobody's, and interrupts that L1 may inject */
#define VICTIM_PORT 0x90
/*
 * Written once a round, with the numbers of NMIs and, in the upper half, of
 * interrupts; and in each NMI
 */
#define VICTIM_ROUND_PORT 0x98
#define VICTIM_NMI_PORT 0x99
#define VICTIM_VECTOR 0x40
#define VICTIM_VECTOR2 0x42
#define VICTIM_CR8 5
/* Read once: how often it is to start another CPU; what that writes, and where */
#define VICTIM_CPUS_PORT 0x9a
#define VICTIM_AP_PORT 0x9b
#define VICTIM_AP_WRITES 0x77
#define VICTIM_AP_ID 1
#define MSR_X2APIC_ICR 0x830
/* In its memory: code, how often it has been there, and whether that was bad */
#define VICTIM_AP_CODE 0x8000
#define VICTIM_AP_ROUNDS 0x9000
#define VICTIM_AP_BAD 0x9004

/* Guest-physical addresses: where there is nothing, and a page of L1's */
#define VICTIM_MMIO 0x100000000
#define VICTIM_SHARED 0x2000000
#define VICTIM_RAM 0x1000000
/* The last 4 bytes of its memory, before what is not there */
#define VICTIM_LAST 0x5ec2e7aa
/*
 * A page of its memory that is full of page table entries, of which nobody has
 * used one: no bit of theirs is set meanwhile.
 */
#define VICTIM_TABLE (VICTIM_RAM - 0x2000)
#define VICTIM_ENTRY 0x5ec2e7003

#endif /* VICTIM_H */
