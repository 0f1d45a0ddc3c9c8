/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of a guest in private memory, as the cloud VM tells of it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "shadow/hw/misc/shadow-machine.h"
#include "shadow/include/ultracall.h"

#define PAGE 4096ULL

/* PCI's vendor and device of the host bridge, as its first register has them */
#define BRIDGE_PC   0x12378086
#define BRIDGE_Q35  0x29c08086

static void read_board(ShadowMachine *m, uint64_t bridge)
{
    m->board = bridge == BRIDGE_PC ? SHADOW_BOARD_PC :
               bridge == BRIDGE_Q35 ? SHADOW_BOARD_Q35 : SHADOW_BOARD_UNKNOWN;
}

static void read_cpu(ShadowMachine *m, uint64_t apic_id)
{
    if (apic_id >= UINT8_MAX || m->n_cpus == SHADOW_PRIVATE_CPUS ||
        memchr(m->apic_id, apic_id, m->n_cpus)) {
        return;
    }
    m->apic_id[m->n_cpus++] = apic_id;
}

/* In order; what overlaps with what is there already is left out. */
static void read_ram(ShadowMachine *m, uint64_t base, uint64_t len,
                     uint64_t limit)
{
    uint64_t end = MIN(base + len, limit) & ~(PAGE - 1);
    unsigned at = 0;

    if (base + len < base || base >= limit) {
        return;
    }
    base = ROUND_UP(MAX(base, SHADOW_RAM_BASE), PAGE);
    if (base >= end || m->n_ram == SHADOW_RAM_MAX) {
        return;
    }
    while (at < m->n_ram && m->ram[at].base < base) {
        at++;
    }
    if ((at && m->ram[at - 1].end > base) ||
        (at < m->n_ram && m->ram[at].base < end)) {
        return;
    }
    memmove(&m->ram[at + 1], &m->ram[at],
            (m->n_ram - at) * sizeof(m->ram[0]));
    m->ram[at].base = base;
    m->ram[at].end = end;
    m->n_ram++;
}

void shadow_machine_read(ShadowMachine *m, const ShadowFact *facts, unsigned n,
                         uint64_t size)
{
    uint64_t limit;

    *m = (ShadowMachine) { };
    for (unsigned i = 0; i < n; i++) {
        uint64_t base = le64_to_cpu(facts[i].base);

        switch (le32_to_cpu(facts[i].type)) {
        case ULTRACALL_LAUNCH_MACHINE:
            read_board(m, base);
            break;
        case ULTRACALL_LAUNCH_CPU:
            read_cpu(m, base);
            break;
        case ULTRACALL_LAUNCH_HPET:
            m->hpet = true;
            break;
        }
    }
    limit = MIN(size, m->board == SHADOW_BOARD_Q35 ? SHADOW_Q35_CONFIG :
                      SHADOW_PCI_MEMORY);
    for (unsigned i = 0; i < n; i++) {
        if (le32_to_cpu(facts[i].type) == SHADOW_E820_RAM) {
            read_ram(m, le64_to_cpu(facts[i].base), le64_to_cpu(facts[i].size),
                     limit);
        }
    }
}

uint64_t shadow_machine_ram_end(const ShadowMachine *m)
{
    return m->n_ram && m->ram[0].base == SHADOW_RAM_BASE ? m->ram[0].end : 0;
}
