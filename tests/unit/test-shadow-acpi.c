/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cloud VM says of a private guest's machine, also when it lies, and
 * ACPI's tables for it.
 */
#include "qemu/osdep.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci_bridge.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "shadow/hw/misc/shadow-acpi.h"
#include "shadow/include/ultracall.h"

#define BRIDGE_PC 0x12378086
#define BRIDGE_Q35 0x29c08086
#define BASE 0x80000

/* QEMU's builders of tables that are not ours want these. */

pcibus_t pci_bridge_get_base(const PCIDevice *bridge, uint8_t type)
{
    g_assert_not_reached();
}

pcibus_t pci_bridge_get_limit(const PCIDevice *bridge, uint8_t type)
{
    g_assert_not_reached();
}

int pci_bus_num(PCIBus *s)
{
    g_assert_not_reached();
}

bool fw_cfg_dma_enabled(void *opaque)
{
    g_assert_not_reached();
}

FWCfgState *fw_cfg_find(void)
{
    g_assert_not_reached();
}

/* Facts */

static ShadowFact list[SHADOW_FACTS_MAX];
static unsigned n_list;
static ShadowMachine machine;

static void fact(uint32_t type, uint64_t base, uint64_t size)
{
    list[n_list++] = (ShadowFact) {
        cpu_to_le64(base), cpu_to_le64(size), cpu_to_le32(type),
    };
}

static void ram(uint64_t base, uint64_t end)
{
    fact(SHADOW_E820_RAM, base, end - base);
}

static void read_list(uint64_t size)
{
    shadow_machine_read(&machine, list, n_list, size);
    n_list = 0;
}

static void assert_ram(unsigned n, uint64_t base, uint64_t end)
{
    g_assert_cmpuint(n, <, machine.n_ram);
    g_assert_cmphex(machine.ram[n].base, ==, base);
    g_assert_cmphex(machine.ram[n].end, ==, end);
}

static void test_ram(void)
{
    ram(0, 0x9fc00);
    fact(SHADOW_E820_RESERVED, 0xf0000, 64 * KiB);
    ram(MiB, 256 * MiB);
    read_list(256 * MiB);
    g_assert_cmpuint(machine.n_ram, ==, 1);
    assert_ram(0, MiB, 256 * MiB);
    g_assert_cmphex(shadow_machine_ram_end(&machine), ==, 256 * MiB);

    /* in order, whole pages, and no more than there is */
    ram(64 * MiB + 1, GiB);
    ram(0, 2 * MiB - 1);
    read_list(128 * MiB);
    g_assert_cmpuint(machine.n_ram, ==, 2);
    assert_ram(0, MiB, 2 * MiB - 4096);
    assert_ram(1, 64 * MiB + 4096, 128 * MiB);

    ram(2 * MiB, 3 * MiB);
    read_list(128 * MiB);
    g_assert_cmphex(shadow_machine_ram_end(&machine), ==, 0);
}

static void test_no_ram(void)
{
    ram(128 * MiB, GiB);
    fact(SHADOW_E820_RAM, MiB, UINT64_MAX);
    fact(SHADOW_E820_RAM, MiB, UINT64_MAX - MiB + 1);
    fact(SHADOW_E820_RAM, UINT64_MAX, 1);
    fact(SHADOW_E820_RAM, 2 * MiB, 0);
    fact(SHADOW_E820_RAM, 2 * MiB, 4095);
    fact(SHADOW_E820_RAM, 2 * MiB + 1, 4096);
    fact(SHADOW_E820_ACPI, 2 * MiB, 4096);
    fact(7, 2 * MiB, 4096);
    ram(0, MiB);
    read_list(128 * MiB);
    g_assert_cmpuint(machine.n_ram, ==, 0);
}

/* Nor where devices are */
static void test_holes(void)
{
    ram(MiB, 4 * GiB);
    read_list(3 * GiB);
    assert_ram(0, MiB, 0xc0000000);

    ram(MiB, 4 * GiB);
    fact(ULTRACALL_LAUNCH_MACHINE, BRIDGE_Q35, 0);
    read_list(3 * GiB);
    assert_ram(0, MiB, 0xb0000000);
}

static void test_overlaps(void)
{
    ram(4 * MiB, 8 * MiB);
    ram(4 * MiB, 8 * MiB);
    ram(5 * MiB, 6 * MiB);
    ram(2 * MiB, 4 * MiB + 4096);
    ram(8 * MiB - 4096, 9 * MiB);
    ram(2 * MiB, 16 * MiB);
    ram(8 * MiB, 9 * MiB);
    ram(2 * MiB, 4 * MiB);
    read_list(GiB);
    g_assert_cmpuint(machine.n_ram, ==, 3);
    assert_ram(0, 2 * MiB, 4 * MiB);
    assert_ram(1, 4 * MiB, 8 * MiB);
    assert_ram(2, 8 * MiB, 9 * MiB);

    for (unsigned i = 0; i < 2 * SHADOW_RAM_MAX; i++) {
        ram((200 - i) * MiB, (200 - i) * MiB + 4096);
    }
    read_list(GiB);
    g_assert_cmpuint(machine.n_ram, ==, SHADOW_RAM_MAX);
}

static void test_cpus(void)
{
    static const uint64_t ids[] = { 0, 2, 0, 255, 256, UINT64_MAX, 254, 2 };

    for (int i = 0; i < ARRAY_SIZE(ids); i++) {
        fact(ULTRACALL_LAUNCH_CPU, ids[i], 0);
    }
    read_list(GiB);
    g_assert_cmpuint(machine.n_cpus, ==, 3);
    g_assert_cmpmem(machine.apic_id, 3, "\x00\x02\xfe", 3);

    for (int i = 0; i < 255; i++) {
        fact(ULTRACALL_LAUNCH_CPU, i, 0);
    }
    read_list(GiB);
    g_assert_cmpuint(machine.n_cpus, ==, SHADOW_PRIVATE_CPUS);
}

static void test_board(void)
{
    static const struct {
        uint64_t bridge;
        ShadowBoard board;
    } boards[] = {
        { BRIDGE_PC, SHADOW_BOARD_PC }, { BRIDGE_Q35, SHADOW_BOARD_Q35 },
        { 0x0d578086, SHADOW_BOARD_UNKNOWN }, { 0, SHADOW_BOARD_UNKNOWN },
        { BRIDGE_PC | 1ull << 32, SHADOW_BOARD_UNKNOWN },
    };

    for (int i = 0; i < ARRAY_SIZE(boards); i++) {
        fact(ULTRACALL_LAUNCH_MACHINE, boards[i].bridge, 0);
        read_list(GiB);
        g_assert_cmpint(machine.board, ==, boards[i].board);
        g_assert_false(machine.hpet);
    }
    fact(ULTRACALL_LAUNCH_HPET, 0, 0);
    read_list(GiB);
    g_assert_true(machine.hpet);
    g_assert_cmpint(machine.board, ==, SHADOW_BOARD_UNKNOWN);
}

/* Tables */

typedef struct Found {
    const uint8_t *fadt, *madt, *dsdt, *hpet, *mcfg;
    unsigned n;
} Found;

static uint32_t word(const uint8_t *at)
{
    return ldl_le_p(at);
}

static uint8_t sum(const uint8_t *data, size_t len)
{
    uint8_t n = 0;

    while (len--) {
        n += data[len];
    }
    return n;
}

static const uint8_t *table(const GArray *a, uint64_t at, const char *sig)
{
    const uint8_t *t = (uint8_t *)a->data + at - BASE;
    uint32_t len;

    g_assert_cmphex(at, >=, BASE);
    g_assert_cmphex(at - BASE + 36, <=, a->len);
    len = word(t + 4);
    g_assert_cmphex(at - BASE + len, <=, a->len);
    if (sig) {
        g_assert_cmpmem(t, 4, sig, 4);
    }
    if (!sig || strcmp(sig, "FACS")) {
        g_assert_cmpuint(sum(t, len), ==, 0);
    }
    return t;
}

static void find_tables(const GArray *a, Found *found)
{
    const uint8_t *rsdp = (uint8_t *)a->data, *xsdt;
    uint32_t len;

    *found = (Found) { };
    g_assert_cmpmem(rsdp, 8, "RSD PTR ", 8);
    g_assert_cmpuint(sum(rsdp, 20), ==, 0);
    g_assert_cmpuint(sum(rsdp, 36), ==, 0);
    xsdt = table(a, ldq_le_p(rsdp + 24), "XSDT");
    len = word(xsdt + 4);
    for (uint32_t i = 36; i < len; i += 8, found->n++) {
        const uint8_t *t = table(a, ldq_le_p(xsdt + i), NULL);

        found->fadt = memcmp(t, "FACP", 4) ? found->fadt : t;
        found->madt = memcmp(t, "APIC", 4) ? found->madt : t;
        found->hpet = memcmp(t, "HPET", 4) ? found->hpet : t;
        found->mcfg = memcmp(t, "MCFG", 4) ? found->mcfg : t;
    }
    g_assert_nonnull(found->fadt);
    g_assert_nonnull(found->madt);
    found->dsdt = table(a, ldq_le_p(found->fadt + 140), "DSDT");
    g_assert_cmphex(word(found->fadt + 40), ==,
                    ldq_le_p(found->fadt + 140));
    g_assert_cmpuint(word(found->fadt + 36) % 64, ==, 0);
    table(a, word(found->fadt + 36), "FACS");
}

/* Enabled local APICs, and nothing else that a hostile machine could choose */
static void check_madt(const uint8_t *madt, const ShadowMachine *m)
{
    uint32_t len = word(madt + 4), n = 0;

    g_assert_cmphex(word(madt + 36), ==, 0xfee00000);
    for (uint32_t i = 44; i < len; i += madt[i + 1]) {
        g_assert_cmpuint(madt[i + 1], !=, 0);
        if (madt[i] == 0) {
            g_assert_cmpuint(n, <, m->n_cpus);
            g_assert_cmpuint(madt[i + 3], ==, m->apic_id[n++]);
            g_assert_cmpuint(word(madt + i + 4), ==, 1);
        } else if (madt[i] == 1) {
            g_assert_cmphex(word(madt + i + 4), ==, 0xfec00000);
        }
    }
    g_assert_cmpuint(n, ==, m->n_cpus);
}

static void check_fadt(const uint8_t *fadt, bool pc)
{
    g_assert_cmpuint(lduw_le_p(fadt + 46), ==, 9);
    g_assert_cmphex(word(fadt + 48), ==, 0xb2);
    g_assert_cmphex(fadt[52], ==, pc ? 0xf1 : 2);
    g_assert_cmphex(fadt[53], ==, pc ? 0xf0 : 3);
    g_assert_cmphex(word(fadt + 56), ==, 0x600);
    g_assert_cmphex(word(fadt + 64), ==, 0x604);
    g_assert_cmphex(word(fadt + 76), ==, 0x608);
    g_assert_cmphex(word(fadt + 80), ==, 0);    /* no GPE */
    g_assert_cmpuint(fadt[116], ==, 1);             /* I/O space */
    g_assert_cmphex(ldq_le_p(fadt + 120), ==, 0xcf9);
}

static GArray *check_build(const ShadowMachine *m, Found *found)
{
    GArray *a = shadow_acpi_build(m, BASE);
    bool pc = m->board == SHADOW_BOARD_PC;

    g_assert_cmpuint(a->len, <, 64 * KiB);
    find_tables(a, found);
    check_madt(found->madt, m);
    check_fadt(found->fadt, pc);
    g_assert_cmpint(!found->hpet, ==, !m->hpet);
    g_assert_cmpint(!found->mcfg, ==, pc);
    if (found->hpet) {
        g_assert_cmphex(ldq_le_p(found->hpet + 44), ==, 0xfed00000);
    }
    if (found->mcfg) {
        g_assert_cmphex(ldq_le_p(found->mcfg + 44), ==, 0xb0000000);
    }
    g_assert_cmpuint(found->n, ==, 3 + m->hpet + !pc);
    return a;
}

/* Whatever is told: the same code in the guest's kernel, and none acts. */
static void check_same(const ShadowMachine *m)
{
    ShadowMachine plain = { .board = m->board };
    Found found, plain_found;
    g_autoptr(GArray) a = check_build(m, &found);
    g_autoptr(GArray) b = check_build(&plain, &plain_found);
    uint32_t len = word(plain_found.dsdt + 4);

    g_assert_cmpmem(found.dsdt, word(found.dsdt + 4), plain_found.dsdt,
                    len);
    g_assert_null(memmem(found.dsdt, len, "\x5b\x80", 2));
}

static void test_tables(void)
{
    for (int board = SHADOW_BOARD_PC; board <= SHADOW_BOARD_Q35; board++) {
        for (unsigned n = 0; n <= SHADOW_PRIVATE_CPUS; n += 8) {
            ShadowMachine m = { .board = board, .n_cpus = n, .hpet = n & 8 };

            for (unsigned i = 0; i < n; i++) {
                m.apic_id[i] = 254 - 2 * i;
            }
            check_same(&m);
        }
    }
}

static void check_machine(const ShadowMachine *m, uint64_t size)
{
    for (unsigned i = 0; i < m->n_ram; i++) {
        g_assert_cmphex(m->ram[i].base, >=, i ? m->ram[i - 1].end : MiB);
        g_assert_cmphex(m->ram[i].end, >, m->ram[i].base);
        g_assert_cmphex(m->ram[i].end, <=, size);
        g_assert_cmpuint((m->ram[i].base | m->ram[i].end) % 4096, ==, 0);
    }
    for (unsigned i = 0; i < m->n_cpus; i++) {
        g_assert_cmpuint(m->apic_id[i], !=, 255);
        g_assert_null(memchr(m->apic_id, m->apic_id[i], i));
    }
}

/* Bytes of any kind, more often than not with types that mean something */
static void test_random(void)
{
    static const uint32_t types[] = {
        SHADOW_E820_RAM, ULTRACALL_LAUNCH_CPU, ULTRACALL_LAUNCH_HPET,
        ULTRACALL_LAUNCH_MACHINE, SHADOW_E820_RESERVED, 0,
    };

    for (int round = 0; round < 3000; round++) {
        unsigned n = g_test_rand_int_range(0, SHADOW_FACTS_MAX + 1);
        uint64_t size = g_test_rand_int_range(1, 3 * KiB + 1) * MiB;

        for (unsigned i = 0; i < n; i++) {
            uint64_t base = (uint64_t)g_test_rand_int() << 32 |
                            (uint32_t)g_test_rand_int();
            int shift = g_test_rand_int_range(0, 64);

            fact(types[g_test_rand_int_range(0, ARRAY_SIZE(types))] ?:
                 (uint32_t)g_test_rand_int(), base >> shift,
                 base >> g_test_rand_int_range(0, 64));
        }
        read_list(size);
        check_machine(&machine, size);
        if (round % 10 == 0) {
            machine.board = 1 + round / 10 % 2;
            check_same(&machine);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow-machine/ram", test_ram);
    g_test_add_func("/shadow-machine/no-ram", test_no_ram);
    g_test_add_func("/shadow-machine/holes", test_holes);
    g_test_add_func("/shadow-machine/overlaps", test_overlaps);
    g_test_add_func("/shadow-machine/cpus", test_cpus);
    g_test_add_func("/shadow-machine/board", test_board);
    g_test_add_func("/shadow-acpi/tables", test_tables);
    g_test_add_func("/shadow-acpi/random", test_random);
    return g_test_run();
}
