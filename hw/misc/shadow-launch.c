/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A measured launch, by Linux's 64-bit boot protocol
 * (Documentation/arch/x86/boot.rst).
 */
#include "qemu/osdep.h"
#include <gcrypt.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "shadow/hw/misc/shadow-acpi.h"
#include "shadow/hw/misc/shadow-launch.h"
#include "shadow/migration/shadow-secret.h"

/* Offsets in a bzImage and, from SETUP_HEADER on, in the boot parameters */
#define SETUP_HEADER        0x1f1
#define SETUP_SECTS         0x1f1
#define SETUP_JUMP          0x201   /* its second byte: the header's length */
#define SETUP_MAGIC         0x202
#define SETUP_VERSION       0x206
#define SETUP_LOADER        0x210
#define SETUP_RAMDISK       0x218
#define SETUP_RAMDISK_SIZE  0x21c
#define SETUP_CMDLINE       0x228
#define SETUP_INITRD_MAX    0x22c
#define SETUP_ALIGNMENT     0x230
#define SETUP_XLOADFLAGS    0x236
#define SETUP_CMDLINE_SIZE  0x238
#define SETUP_DATA          0x250
#define SETUP_PREF_ADDRESS  0x258
#define SETUP_INIT_SIZE     0x260
#define SETUP_END           0x268

#define BOOT_ACPI_RSDP      0x070   /* where Linux has it since 5.0 */
#define BOOT_E820_ENTRIES   0x1e8
#define BOOT_E820_TABLE     0x2d0

#define HDRS                0x53726448
#define VERSION_MIN         0x20c
#define XLF_KERNEL_64       1
#define LOADER_UNDEFINED    0xff

/* The kernel's 64-bit entry, from where it is loaded */
#define ENTRY_64            0x200

/* Where things are put, all below AT_ACPI: RAM that nobody has to tell of */
#define AT_BOOT_PARAMS      0x10000
#define AT_CMDLINE          0x11000
#define AT_GDT              0x13000
#define AT_STACK            0x14000     /* its end */
#define AT_TABLES           0x14000     /* PML4, PDPT, four directories */
#define AT_SEED             0x1a000
#define AT_ACPI             0x80000
#define ACPI_MAX            0x10000
#define AT_KERNEL           SHADOW_RAM_BASE
#define CMDLINE_MAX         (AT_GDT - AT_CMDLINE)

/* What begins the kernel's random numbers, lest all of that be L1's */
#define SEED_TYPE           9
#define SEED_LEN            64

#define PAGE                4096
#define TABLE_ENTRY         (0x3 | BIT_ULL(SHADOW_PRIVATE_BIT))
#define LARGE_PAGE          0x80

#define FILE_MAX            (2 * GiB)

static GBytes *image_file(const char *path, Error **errp)
{
    GError *err = NULL;
    char *data;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &err)) {
        error_setg(errp, "%s", err->message);
        g_error_free(err);
        return NULL;
    }
    if (len > FILE_MAX) {
        error_setg(errp, "'%s' is larger than 2 GiB", path);
        g_free(data);
        return NULL;
    }
    return g_bytes_new_take(data, len);
}

static bool kernel_check(GBytes *kernel, const char *path, Error **errp)
{
    gsize len;
    const uint8_t *data = g_bytes_get_data(kernel, &len);

    if (len < SETUP_END || ldl_le_p(data + SETUP_MAGIC) != HDRS ||
        lduw_le_p(data + SETUP_VERSION) < VERSION_MIN ||
        !(lduw_le_p(data + SETUP_XLOADFLAGS) & XLF_KERNEL_64)) {
        error_setg(errp, "'%s' is no 64-bit Linux kernel (a bzImage)", path);
        return false;
    }
    if (len <= ((data[SETUP_SECTS] ?: 4) + 1) * 512) {
        error_setg(errp, "'%s' is cut short", path);
        return false;
    }
    return true;
}

ShadowImage *shadow_image_new(const char *kernel, const char *initrd,
                              const char *append, Error **errp)
{
    ShadowImage *image = g_new0(ShadowImage, 1);

    image->append = g_strdup(append ?: "");
    image->kernel = image_file(kernel, errp);
    if (!image->kernel || !kernel_check(image->kernel, kernel, errp)) {
        goto fail;
    }
    if (strlen(image->append) >= CMDLINE_MAX) {
        error_setg(errp, "append has more than %d bytes", CMDLINE_MAX - 1);
        goto fail;
    }
    if (initrd) {
        image->initrd = image_file(initrd, errp);
        if (!image->initrd) {
            goto fail;
        }
    }
    return image;

fail:
    shadow_image_free(image);
    return NULL;
}

void shadow_image_free(ShadowImage *image)
{
    if (image) {
        g_clear_pointer(&image->kernel, g_bytes_unref);
        g_clear_pointer(&image->initrd, g_bytes_unref);
        g_free(image->append);
        g_free(image);
    }
}

static const void *bytes_data(GBytes *bytes, gsize *len)
{
    *len = 0;
    return bytes ? g_bytes_get_data(bytes, len) : NULL;
}

void shadow_image_measure(const ShadowImage *image,
                          uint8_t measurement[SHADOW_MEASUREMENT_LEN])
{
    static char label[] = "shadow-launch-1";
    uint64_t len[3];
    gsize n;
    gcry_buffer_t part[] = {
        { .data = label, .len = sizeof(label) - 1 },
        { .data = &len[0], .len = sizeof(len[0]) }, { },
        { .data = &len[1], .len = sizeof(len[1]) }, { },
        { .data = &len[2], .len = sizeof(len[2]) }, { },
    };

    part[2].data = (void *)bytes_data(image->kernel, &n);
    part[2].len = n;
    part[4].data = (void *)bytes_data(image->initrd, &n);
    part[4].len = n;
    part[6].data = image->append;
    part[6].len = strlen(image->append);
    for (int i = 0; i < 3; i++) {
        len[i] = cpu_to_le64(part[2 + 2 * i].len);
    }
    gcry_md_hash_buffers(GCRY_MD_SHA256, 0, measurement, part,
                         ARRAY_SIZE(part));
}

/* Loaded */

static void put_tables(ShadowPrivate *p)
{
    uint64_t table[PAGE / 8] = { };

    table[0] = cpu_to_le64((AT_TABLES + PAGE) | TABLE_ENTRY);
    shadow_private_write(p, AT_TABLES, table, PAGE);
    for (int i = 0; i < 4; i++) {
        table[i] = cpu_to_le64((AT_TABLES + (2 + i) * PAGE) | TABLE_ENTRY);
    }
    shadow_private_write(p, AT_TABLES + PAGE, table, PAGE);
    for (uint64_t i = 0; i < 4; i++) {
        for (uint64_t j = 0; j < PAGE / 8; j++) {
            table[j] = cpu_to_le64(((i * 512 + j) << 21) | TABLE_ENTRY |
                                   LARGE_PAGE);
        }
        shadow_private_write(p, AT_TABLES + (2 + i) * PAGE, table, PAGE);
    }
}

static bool put_initrd(ShadowPrivate *p, const ShadowImage *image,
                       uint64_t from, uint64_t end, uint8_t *boot, Error **errp)
{
    gsize len;
    const void *data = bytes_data(image->initrd, &len);
    uint64_t at, max = (uint64_t)ldl_le_p(boot + SETUP_INITRD_MAX) + 1;

    if (!len) {
        return true;
    }
    end = MIN(end, max);
    at = end > len ? (end - len) & ~(PAGE - 1ULL) : 0;
    if (at < from) {
        error_setg(errp, "kernel and initrd need more memory than there is");
        return false;
    }
    shadow_private_write(p, at, data, len);
    stl_le_p(boot + SETUP_RAMDISK, at);
    stl_le_p(boot + SETUP_RAMDISK_SIZE, len);
    return true;
}

static void add_e820(uint8_t *boot, uint64_t base, uint64_t end, uint32_t type)
{
    uint8_t *at = boot + BOOT_E820_TABLE +
                  boot[BOOT_E820_ENTRIES]++ * sizeof(ShadowFact);

    stq_le_p(at, base);
    stq_le_p(at + 8, end - base);
    stl_le_p(at + 16, type);
}

/* Linux sets the C-bit for ACPI's tables only where the map has them. */
static void put_e820(uint8_t *boot, const ShadowMachine *m)
{
    add_e820(boot, 0, AT_ACPI, SHADOW_E820_RAM);
    add_e820(boot, AT_ACPI, AT_ACPI + ACPI_MAX, SHADOW_E820_ACPI);
    for (unsigned i = 0; i < m->n_ram; i++) {
        add_e820(boot, m->ram[i].base, m->ram[i].end, SHADOW_E820_RAM);
    }
    if (m->board == SHADOW_BOARD_Q35) {
        add_e820(boot, SHADOW_Q35_CONFIG,
                 SHADOW_Q35_CONFIG + SHADOW_Q35_CONFIG_SIZE,
                 SHADOW_E820_RESERVED);
    }
}

static bool put_acpi(ShadowPrivate *p, const ShadowMachine *m, uint8_t *boot,
                     Error **errp)
{
    g_autoptr(GArray) tables = NULL;

    if (m->board == SHADOW_BOARD_UNKNOWN) {
        return true;
    }
    tables = shadow_acpi_build(m, AT_ACPI);
    if (tables->len > ACPI_MAX) {
        error_setg(errp, "ACPI's tables have %u bytes", tables->len);
        return false;
    }
    shadow_private_write(p, AT_ACPI, tables->data, tables->len);
    stq_le_p(boot + BOOT_ACPI_RSDP, AT_ACPI);
    return true;
}

static bool put_seed(ShadowPrivate *p, uint8_t *boot, Error **errp)
{
    uint8_t seed[16 + SEED_LEN] = { };

    if (!shadow_random(seed + 16, SEED_LEN)) {
        error_setg_errno(errp, errno, "no seed for the kernel");
        return false;
    }
    stl_le_p(seed + 8, SEED_TYPE);
    stl_le_p(seed + 12, SEED_LEN);
    shadow_private_write(p, AT_SEED, seed, sizeof(seed));
    stq_le_p(boot + SETUP_DATA, AT_SEED);
    return true;
}

/* The kernel's header is copied into the boot parameters, as it says. */
static void boot_init(uint8_t *boot, const uint8_t *kernel,
                      const ShadowMachine *m)
{
    size_t end = MIN(0x202 + kernel[SETUP_JUMP], 0x290);

    memcpy(boot + SETUP_HEADER, kernel + SETUP_HEADER,
           MAX(end, SETUP_END) - SETUP_HEADER);
    boot[SETUP_LOADER] = LOADER_UNDEFINED;
    stl_le_p(boot + SETUP_CMDLINE, AT_CMDLINE);
    put_e820(boot, m);
}

bool shadow_launch(ShadowPrivate *p, const ShadowImage *image,
                   const ShadowMachine *m, ShadowStart *start, Error **errp)
{
    static const uint64_t gdt[] = {
        0, 0, 0x00af9b000000ffffULL, 0x00cf93000000ffffULL,
    };
    gsize len;
    const uint8_t *kernel = g_bytes_get_data(image->kernel, &len);
    size_t setup = ((kernel[SETUP_SECTS] ?: 4) + 1) * 512;
    uint64_t end = shadow_machine_ram_end(m), runs;
    uint8_t boot[PAGE] = { };

    runs = ROUND_UP(MAX(ldq_le_p(kernel + SETUP_PREF_ADDRESS), AT_KERNEL),
                    ldl_le_p(kernel + SETUP_ALIGNMENT) ?: 1);
    runs += MAX(ldl_le_p(kernel + SETUP_INIT_SIZE), len);
    if (end < runs) {
        error_setg(errp, "the cloud VM tells of no memory for the kernel");
        return false;
    }
    boot_init(boot, kernel, m);
    if (!put_initrd(p, image, runs, end, boot, errp) ||
        !put_acpi(p, m, boot, errp) || !put_seed(p, boot, errp)) {
        return false;
    }
    put_tables(p);
    shadow_private_write(p, AT_GDT, gdt, sizeof(gdt));
    shadow_private_write(p, AT_BOOT_PARAMS, boot, PAGE);
    shadow_private_write(p, AT_CMDLINE, image->append,
                         strlen(image->append) + 1);
    shadow_private_write(p, AT_KERNEL, kernel + setup, len - setup);
    *start = (ShadowStart) {
        .rip = AT_KERNEL + ENTRY_64,
        .rsi = AT_BOOT_PARAMS,
        .rsp = AT_STACK,
        .cr3 = AT_TABLES | BIT_ULL(SHADOW_PRIVATE_BIT),
    };
    return true;
}
