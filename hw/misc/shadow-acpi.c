/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI's tables of a guest in private memory (ACPI 6.5, chapters 5 and 6).
 *
 * The guest's kernel believes them, and runs what is in them: of the cloud VM
 * there is nothing in them but which CPUs there are and which of two machines
 * it is.  What has an address is where QEMU's machines and SeaBIOS have it.
 * There is no code that reads or writes anything.
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/acpi/bios-linker-loader.h"
#include "qemu/bswap.h"
#include "shadow/hw/misc/shadow-acpi.h"

#define OEM "SHADOW"
#define OEM_TABLE "SHADOW"

#define PM_PORT         0x600
#define SMI_PORT        0xb2
#define RESET_PORT      0xcf9
#define RESET_VALUE     0x0f
#define RTC_CENTURY     0x32
#define SCI             9
#define LAPIC           0xfee00000
#define IOAPIC          0xfec00000
#define HPET            0xfed00000
#define HPET_ID         0x8086a201

#define SLOTS           32
#define PINS            4
#define LINKS           8

/* RSDP, and a table's header */
#define RSDP_LEN        36
#define RSDP_CHECKSUM   8
#define RSDP_LEN_1      20      /* what the checksum is of */
#define RSDP_XSDT       24
#define RSDP_CHECKSUM_2 32
#define TABLE_LENGTH    4
#define TABLE_CHECKSUM  9
#define FADT_FACS       36
#define FADT_DSDT       40
#define FADT_X_DSDT     140
#define FACS_LEN        64

typedef struct Tables {
    GArray *blob;
    BIOSLinker *linker;         /* which the builders want; it is not used */
    uint32_t base;
    GArray *listed;             /* of uint32_t: offsets, for the XSDT */
} Tables;

/* Interrupts of PCI slots (QEMU, hw/isa/piix.c and hw/isa/lpc_ich9.c) */

static unsigned link_of(ShadowBoard board, unsigned slot, unsigned pin)
{
    if (board == SHADOW_BOARD_PC) {
        return (slot + pin + PINS - 1) % PINS;
    }
    return slot < 25 ? PINS + (slot + pin) % PINS :
           slot == 30 ? PINS + pin : pin;
}

static uint32_t interrupt_of(ShadowBoard board, unsigned link)
{
    static const uint8_t piix[PINS] = { 10, 10, 11, 11 };

    return board == SHADOW_BOARD_PC ? piix[link] : 16 + link;
}

static Aml *build_link(unsigned n, uint32_t interrupt)
{
    Aml *dev = aml_device("LNK%c", 'A' + n);
    Aml *crs = aml_resource_template();

    aml_append(crs, aml_interrupt(AML_CONSUMER, AML_LEVEL, AML_ACTIVE_HIGH,
                                  AML_SHARED, &interrupt, 1));
    aml_append(dev, aml_name_decl("_HID", aml_eisaid("PNP0C0F")));
    aml_append(dev, aml_name_decl("_UID", aml_int(n)));
    aml_append(dev, aml_name_decl("_PRS", crs));
    aml_append(dev, aml_name_decl("_CRS", crs));
    /* it is where it is */
    aml_append(dev, aml_method("_SRS", 1, AML_NOTSERIALIZED));
    return dev;
}

static Aml *build_prt(ShadowBoard board)
{
    Aml *prt = aml_package(SLOTS * PINS);

    for (unsigned i = 0; i < SLOTS * PINS; i++) {
        unsigned slot = i / PINS, pin = i % PINS;
        Aml *entry = aml_package(4);

        aml_append(entry, aml_int(slot << 16 | 0xffff));
        aml_append(entry, aml_int(pin));
        aml_append(entry, aml_name("LNK%c", 'A' + link_of(board, slot, pin)));
        aml_append(entry, aml_int(0));
        aml_append(prt, entry);
    }
    return prt;
}

static void add_io(Aml *crs, uint16_t from, uint16_t to)
{
    aml_append(crs, aml_word_io(AML_MIN_FIXED, AML_MAX_FIXED, AML_POS_DECODE,
                                AML_ENTIRE_RANGE, 0, from, to, 0,
                                to - from + 1));
}

static void add_memory(Aml *crs, uint32_t from, uint32_t to)
{
    aml_append(crs, aml_dword_memory(AML_POS_DECODE, AML_MIN_FIXED,
                                     AML_MAX_FIXED, AML_NON_CACHEABLE,
                                     AML_READ_WRITE, 0, from, to, 0,
                                     to - from + 1));
}

/* All of it is free of RAM. */
static Aml *build_crs_pci(void)
{
    Aml *crs = aml_resource_template();

    aml_append(crs, aml_word_bus_number(AML_MIN_FIXED, AML_MAX_FIXED,
                                        AML_POS_DECODE, 0, 0, 0xff, 0, 0x100));
    aml_append(crs, aml_io(AML_DECODE16, 0xcf8, 0xcf8, 1, 8));
    add_io(crs, 0, 0xcf7);
    add_io(crs, 0xd00, 0xffff);
    add_memory(crs, 0xa0000, 0xbffff);
    add_memory(crs, SHADOW_PCI_MEMORY, IOAPIC - 1);
    return crs;
}

static Aml *build_pci(ShadowBoard board)
{
    Aml *dev = aml_device("PCI0");

    if (board == SHADOW_BOARD_PC) {
        aml_append(dev, aml_name_decl("_HID", aml_eisaid("PNP0A03")));
    } else {
        aml_append(dev, aml_name_decl("_HID", aml_eisaid("PNP0A08")));
        aml_append(dev, aml_name_decl("_CID", aml_eisaid("PNP0A03")));
    }
    aml_append(dev, aml_name_decl("_ADR", aml_int(0)));
    aml_append(dev, aml_name_decl("_UID", aml_int(0)));
    aml_append(dev, aml_name_decl("_CRS", build_crs_pci()));
    aml_append(dev, aml_name_decl("_PRT", build_prt(board)));
    return dev;
}

/* To power off, which is all that there is of sleep */
static Aml *build_s5(void)
{
    Aml *s5 = aml_package(4);

    for (int i = 0; i < 4; i++) {
        aml_append(s5, aml_int(0));
    }
    return aml_name_decl("_S5", s5);
}

/* Tables */

#define TABLE(name, revision) { \
    .sig = name, .rev = revision, .oem_id = OEM, .oem_table_id = OEM_TABLE, \
}

static uint32_t begin(Tables *t, AcpiTable *table)
{
    uint32_t at = t->blob->len;

    acpi_table_begin(table, t->blob);
    return at;
}

static void put_checksum(Tables *t, uint32_t at, uint32_t len, uint32_t field)
{
    uint8_t *data = (uint8_t *)t->blob->data + at, sum = 0;

    data[field] = 0;
    for (uint32_t i = 0; i < len; i++) {
        sum += data[i];
    }
    data[field] = -sum;
}

static void finish(Tables *t, uint32_t at)
{
    put_checksum(t, at, ldl_le_p(t->blob->data + at + TABLE_LENGTH),
                 TABLE_CHECKSUM);
}

static void end_listed(Tables *t, AcpiTable *table, uint32_t at)
{
    acpi_table_end(t->linker, table);
    finish(t, at);
    g_array_append_val(t->listed, at);
}

static void put(Tables *t, uint64_t value, int size)
{
    build_append_int_noprefix(t->blob, value, size);
}

static uint32_t build_dsdt(Tables *t, ShadowBoard board)
{
    AcpiTable table = TABLE("DSDT", 2);
    uint32_t at = begin(t, &table);
    Aml *dsdt = init_aml_allocator();
    Aml *sb = aml_scope("\\_SB");

    for (unsigned i = 0; i < (board == SHADOW_BOARD_PC ? PINS : LINKS); i++) {
        aml_append(sb, build_link(i, interrupt_of(board, i)));
    }
    aml_append(sb, build_pci(board));
    aml_append(dsdt, sb);
    aml_append(dsdt, build_s5());
    g_array_append_vals(t->blob, dsdt->buf->data, dsdt->buf->len);
    free_aml_allocator();
    acpi_table_end(t->linker, &table);
    finish(t, at);
    return at;
}

static uint32_t build_facs(Tables *t)
{
    uint32_t at;

    g_array_set_size(t->blob, ROUND_UP(t->blob->len, 64));
    at = t->blob->len;
    g_array_append_vals(t->blob, "FACS", 4);
    put(t, FACS_LEN, 4);
    g_array_set_size(t->blob, at + FACS_LEN);
    return at;
}

/* A power button is there, unless the flags say otherwise. */
static void fadt_data(AcpiFadtData *data, const ShadowMachine *m)
{
    bool pc = m->board == SHADOW_BOARD_PC;

    *data = (AcpiFadtData) {
        .rev = 3,
        .flags = 1 << ACPI_FADT_F_WBINVD | 1 << ACPI_FADT_F_PROC_C1 |
                 1 << ACPI_FADT_F_SLP_BUTTON |
                 1 << ACPI_FADT_F_RESET_REG_SUP |
                 1 << ACPI_FADT_F_USE_PLATFORM_CLOCK |
                 (m->n_cpus > 8) << ACPI_FADT_F_FORCE_APIC_CLUSTER_MODEL,
        .int_model = 1,
        .rtc_century = RTC_CENTURY,
        .plvl2_lat = 0xfff,
        .plvl3_lat = 0xfff,
        .smi_cmd = SMI_PORT,
        .sci_int = SCI,
        .acpi_enable_cmd = pc ? 0xf1 : 2,
        .acpi_disable_cmd = pc ? 0xf0 : 3,
        .pm1a_evt = { .space_id = AML_AS_SYSTEM_IO, .bit_width = 32,
                      .address = PM_PORT },
        .pm1a_cnt = { .space_id = AML_AS_SYSTEM_IO, .bit_width = 16,
                      .address = PM_PORT + 4 },
        .pm_tmr = { .space_id = AML_AS_SYSTEM_IO, .bit_width = 32,
                    .address = PM_PORT + 8 },
        .reset_reg = { .space_id = AML_AS_SYSTEM_IO, .bit_width = 8,
                       .address = RESET_PORT },
        .reset_val = RESET_VALUE,
        .iapc_boot_arch = 1 << 1,       /* a keyboard controller */
    };
}

static void build_fadt_of(Tables *t, const ShadowMachine *m, uint32_t facs,
                          uint32_t dsdt)
{
    uint32_t at = t->blob->len;
    AcpiFadtData data;
    char *fadt;

    fadt_data(&data, m);
    build_fadt(t->blob, t->linker, &data, OEM, OEM_TABLE);
    fadt = t->blob->data + at;
    stl_le_p(fadt + FADT_FACS, t->base + facs);
    stl_le_p(fadt + FADT_DSDT, t->base + dsdt);
    stq_le_p(fadt + FADT_X_DSDT, t->base + dsdt);
    finish(t, at);
    g_array_append_val(t->listed, at);
}

static void put_override(Tables *t, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put(t, 2, 1);
    put(t, 10, 1);
    put(t, 0, 1);               /* ISA */
    put(t, irq, 1);
    put(t, gsi, 4);
    put(t, flags, 2);
}

static void build_madt(Tables *t, const ShadowMachine *m)
{
    AcpiTable table = TABLE("APIC", 3);
    uint32_t at = begin(t, &table);

    put(t, LAPIC, 4);
    put(t, 1, 4);               /* there are i8259 too */
    for (unsigned i = 0; i < m->n_cpus; i++) {
        put(t, 0, 1);
        put(t, 8, 1);
        put(t, i, 1);
        put(t, m->apic_id[i], 1);
        put(t, 1, 4);           /* enabled */
    }
    put(t, 1, 1);               /* I/O APIC */
    put(t, 12, 1);
    put(t, 0, 2);
    put(t, IOAPIC, 4);
    put(t, 0, 4);
    put_override(t, 0, 2, 0);
    for (unsigned irq = SCI; irq <= 11; irq++) {
        put_override(t, irq, irq, 0xd);         /* active high, level */
    }
    put(t, 4, 1);               /* NMI of all CPUs: LINT1 */
    put(t, 6, 1);
    put(t, 0xff, 1);
    put(t, 0, 2);
    put(t, 1, 1);
    end_listed(t, &table, at);
}

static void build_hpet(Tables *t)
{
    AcpiTable table = TABLE("HPET", 1);
    uint32_t at = begin(t, &table);

    put(t, HPET_ID, 4);
    build_append_gas(t->blob, AML_AS_SYSTEM_MEMORY, 0, 0, 0, HPET);
    put(t, 0, 4);
    end_listed(t, &table, at);
}

static void build_mcfg(Tables *t)
{
    AcpiTable table = TABLE("MCFG", 1);
    uint32_t at = begin(t, &table);

    put(t, 0, 8);
    put(t, SHADOW_Q35_CONFIG, 8);
    put(t, 0, 2);               /* segment */
    put(t, 0, 1);               /* buses */
    put(t, 0xff, 1);
    put(t, 0, 4);
    end_listed(t, &table, at);
}

static void build_waet(Tables *t)
{
    AcpiTable table = TABLE("WAET", 1);
    uint32_t at = begin(t, &table);

    put(t, 2, 4);               /* the PM timer is good */
    end_listed(t, &table, at);
}

static uint32_t build_xsdt_of(Tables *t)
{
    AcpiTable table = TABLE("XSDT", 1);
    uint32_t at = begin(t, &table);

    for (unsigned i = 0; i < t->listed->len; i++) {
        put(t, t->base + g_array_index(t->listed, uint32_t, i), 8);
    }
    acpi_table_end(t->linker, &table);
    finish(t, at);
    return at;
}

static void fill_rsdp(Tables *t, uint32_t xsdt)
{
    char *rsdp = t->blob->data;

    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, OEM, 6);
    rsdp[15] = 2;
    stl_le_p(rsdp + RSDP_LEN_1, RSDP_LEN);
    stq_le_p(rsdp + RSDP_XSDT, t->base + xsdt);
    put_checksum(t, 0, RSDP_LEN_1, RSDP_CHECKSUM);
    put_checksum(t, 0, RSDP_LEN, RSDP_CHECKSUM_2);
}

GArray *shadow_acpi_build(const ShadowMachine *m, uint32_t base)
{
    Tables t = {
        .blob = g_array_new(false, true, 1),
        .linker = bios_linker_loader_init(),
        .base = base,
        .listed = g_array_new(false, false, sizeof(uint32_t)),
    };
    uint32_t facs, dsdt;

    bios_linker_loader_alloc(t.linker, ACPI_BUILD_TABLE_FILE, t.blob, 64,
                             false);
    g_array_set_size(t.blob, RSDP_LEN);
    facs = build_facs(&t);
    dsdt = build_dsdt(&t, m->board);
    build_fadt_of(&t, m, facs, dsdt);
    build_madt(&t, m);
    if (m->hpet) {
        build_hpet(&t);
    }
    if (m->board == SHADOW_BOARD_Q35) {
        build_mcfg(&t);
    }
    build_waet(&t);
    fill_rsdp(&t, build_xsdt_of(&t));
    g_array_free(t.listed, true);
    bios_linker_loader_cleanup(t.linker);
    return t.blob;
}
