/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cloud VM says of the machine that it has made for a guest in private
 * memory: facts out of a small set, never bytes of its firmware.
 */
#ifndef HW_MISC_SHADOW_MACHINE_H
#define HW_MISC_SHADOW_MACHINE_H

#include "shadow/hw/core/shadow-private.h"

/* What LAUNCH brings, little-endian: an e820 entry, or a fact of its kind */
typedef struct QEMU_PACKED ShadowFact {
    uint64_t base, size;
    uint32_t type;
} ShadowFact;

#define SHADOW_E820_RAM         1
#define SHADOW_E820_RESERVED    2
#define SHADOW_E820_ACPI        3
#define SHADOW_FACTS_MAX        256

/* Where RAM begins that is to be told of; below L0 knows what there is. */
#define SHADOW_RAM_BASE         0x100000
#define SHADOW_RAM_MAX          32

/* The machines that there are; of each all addresses and ports are known. */
typedef enum ShadowBoard {
    SHADOW_BOARD_UNKNOWN,       /* one without ACPI */
    SHADOW_BOARD_PC,
    SHADOW_BOARD_Q35,
} ShadowBoard;

/* The configuration space of q35's PCI Express, which is above its RAM */
#define SHADOW_Q35_CONFIG       0xb0000000
#define SHADOW_Q35_CONFIG_SIZE  0x10000000
/* No RAM is from there to 4 GiB. */
#define SHADOW_PCI_MEMORY       0xc0000000

typedef struct ShadowMachine {
    ShadowBoard board;
    bool hpet;
    unsigned n_cpus;
    uint8_t apic_id[SHADOW_PRIVATE_CPUS];       /* each once, 255 is none */
    unsigned n_ram;
    struct {
        uint64_t base, end;     /* of whole pages, in order, apart */
    } ram[SHADOW_RAM_MAX];
} ShadowMachine;

/*
 * Read @n facts; what is not understood, or too much, is as if it were not
 * there.  RAM ends at @size, the private memory's.
 */
void shadow_machine_read(ShadowMachine *m, const ShadowFact *facts, unsigned n,
                         uint64_t size);

/* The end of the RAM from SHADOW_RAM_BASE on; 0 if there is none */
uint64_t shadow_machine_ram_end(const ShadowMachine *m);

#endif /* HW_MISC_SHADOW_MACHINE_H */
