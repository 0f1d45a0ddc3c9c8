/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests of L1's own that come to be private, with what is in their memory.
 */
#ifndef IMPORT_H
#define IMPORT_H

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

#ifndef __ASSEMBLER__

#include "private.h"

#define MSR_SEV_STATUS 0xc0010131

/* volatile: of memory that others change */
typedef volatile uint64_t Word;
typedef volatile uint32_t Half;
#define VIEW(pa) (*(Word *)(PRIVATE_VIEW + (uint64_t)(pa)))
#define VIEW_HALF(pa) (*(Half *)(PRIVATE_VIEW + (uint64_t)(pa)))

/* Of the guest's memory, 2 MiB each; what it touches is nothing else's */
#define IMPORT_PART(n) (32 * MIB + (n) * 2 * MIB)

/* Nested tables that have all where it is, but for what is mapped elsewhere */
#define IMPORT_ROOTS 2
uint64_t import_root(unsigned n);
void import_map(unsigned n, uint64_t part, uint64_t to);

/* Bind vm1, which is to run @program, by root 0. */
void import_create(Vm *vm, VmProgram program);

/* import-race.S */
extern const uint8_t race_start[], race_end[];
extern Half race_turn, race_done, race_first[];

/* import-tasks.S; from 64-bit mode, and does not return */
void tasks_enter(void);
void tasks_other(void);

#endif /* __ASSEMBLER__ */

#endif /* IMPORT_H */
