/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests of L1's own that come to be private: what is where, also for what is
 * no C.
 */
#ifndef IMPORT_PLACES_H
#define IMPORT_PLACES_H

/* Where the guest has all of its memory with the C-bit */
#define PRIVATE_VIEW 0x8000000000

/* Another CPU of the guest's: its code, and what both touch at the same time */
#define RACE_CODE 0x9000
#define RACE_BASE 0x2000000
#define RACE_PAGES 2048

/*
 * Two tasks in 32-bit mode: their descriptors, stacks, and what they count; and
 * by which vector the second one is entered
 */
#define TASKS 0x2000000
#define TASKS_GDT TASKS
#define TASKS_GDT_LEN 0x28
#define TASKS_CODE 0x08
#define TASKS_DATA 0x10
#define TASKS_ONE 0x18
#define TASKS_OTHER 0x20
#define TASKS_GDT_POINTER_64 (TASKS + 0x80)
#define TASKS_GDT_POINTER (TASKS + 0x90)
#define TASKS_IDT_POINTER (TASKS + 0xa0)
#define TASKS_IDT (TASKS + 0x100)
#define TASKS_VECTOR 0x50
#define TASKS_IDT_LEN (8 * (TASKS_VECTOR + 1))
#define TASKS_TSS_ONE (TASKS + 0x800)
#define TASKS_TSS_OTHER (TASKS + 0x900)
#define TASKS_TSS_LEN 104
#define TASKS_STACK_ONE (TASKS + 0x2000)
#define TASKS_STACK_OTHER (TASKS + 0x3000)
#define TASKS_LEFT (TASKS + 0x3000)
#define TASKS_SWITCHES (TASKS + 0x3004)
#define TASKS_BAD (TASKS + 0x3008)
#define TASKS_LEN 0x4000
/* What they say by hypercall */
#define TASKS_SAYS_SWITCHED 1
#define TASKS_SAYS_DONE 2

#endif /* IMPORT_PLACES_H */
