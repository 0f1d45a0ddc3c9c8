/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of hvmloader: start Linux from what the domain's configuration
 * calls its BIOS: a header, the kernel and the initramfs.  hvmloader's way, by
 * a firmware that fetches them through the device model, takes minutes here.
 *
 * Linux' Documentation/arch/x86/boot.rst and zero-page.rst have the offsets.
 */
#include <stdint.h>

#define MAGIC       0x5348494d
#define PARAMS      0x90000u    /* Linux' boot_params */
#define COMMAND     0x99000u    /* its command line */
#define KERNEL      0x1000000u
#define SERIAL      0x3f8

struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t modlist;
};

struct module {
    uint64_t address, size;
};

/* As images-xen.sh writes it */
struct header {
    uint32_t magic, kernel, initrd, memory;
    char command[240];
};

static void copy(uint32_t to, const uint8_t *from, uint32_t len)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len)
                     : : "memory");
}

static void put32(uint32_t at, uint32_t val)
{
    /* volatile: nobody here reads it again */
    *(volatile uint32_t *)at = val;
}

static void put8(uint32_t at, uint8_t val)
{
    /* volatile: the same */
    *(volatile uint8_t *)at = val;
}

static void out8(uint16_t port, uint8_t val)
{
    __asm__ volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

/* At the serial port, as firmware does: each byte when there is room for it */
static void say(const char *text)
{
    for (; *text; text++) {
        while (!(in8(SERIAL + 5) & 0x20)) {
            continue;
        }
        out8(SERIAL, *text);
    }
}

/* A range of RAM in the table that a BIOS gives */
static void add_ram(unsigned n, uint32_t from, uint32_t to)
{
    uint32_t entry = PARAMS + 0x2d0 + 20 * n;

    put32(entry, from);
    put32(entry + 8, to - from);
    put32(entry + 16, 1);
    put8(PARAMS + 0x1e8, n + 1);
}

void start_linux(const struct start_info *info)
{
    const struct module *module = (void *)(uint32_t)info->modlist;
    const struct header *h = (void *)(uint32_t)module->address;
    const uint8_t *kernel = (const uint8_t *)(h + 1);
    uint32_t setup = ((kernel[0x1f1] ? kernel[0x1f1] : 4) + 1) * 512;
    uint32_t initrd = (h->memory - h->initrd - 0x10000) & ~0xfffu;

    while (h->magic != MAGIC) {
        __asm__ volatile("hlt");
    }
    for (uint32_t at = PARAMS; at < PARAMS + 4096; at += 4) {
        put32(at, 0);
    }
    say("shim: here is Linux\r\n");
    copy(initrd, kernel + h->kernel, h->initrd);
    copy(COMMAND, (const uint8_t *)h->command, sizeof(h->command));
    copy(PARAMS + 0x1f1, kernel + 0x1f1, 0x202 + kernel[0x201] - 0x1f1);
    copy(KERNEL, kernel + setup, h->kernel - setup);
    put8(PARAMS + 0x210, 0xff);     /* type of loader */
    put32(PARAMS + 0x214, KERNEL);
    put32(PARAMS + 0x218, initrd);
    put32(PARAMS + 0x21c, h->initrd);
    put32(PARAMS + 0x228, COMMAND);
    add_ram(0, 0, 0x9f000);
    add_ram(1, 0x100000, h->memory);
    /* The APIC on, its LINT0 the PIC's: as a BIOS leaves it */
    put32(0xfee000f0, 0x1ff);
    put32(0xfee00350, 0x700);
    __asm__ volatile("cli; xorl %%ebx, %%ebx; xorl %%ebp, %%ebp; "
                     "xorl %%edi, %%edi; jmp *%%eax"
                     : : "a"(KERNEL), "S"(PARAMS));
}
