/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests of L1's own that come to be private, with what is in their memory.
 */
#ifndef IMPORT_H
#define IMPORT_H

#include "private.h"
#include "import-places.h"

#define MSR_SEV_STATUS 0xc0010131
/* Where the guest says that its memory is sealed */
#define SEAL 0x5348

/* volatile: of memory that others change */
typedef volatile uint64_t Word;
/* volatile: the same */
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

#endif /* IMPORT_H */
