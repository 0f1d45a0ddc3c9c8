/*
 * The serial port at 0x3f8 by every kind of port access: a multiboot kernel
 * that a user VM starts instead of Linux, whose driver knows only single
 * bytes.
 *
 * Prints a line for each check, PASS or FAIL, and "portio: N failed".  It asks
 * for 14 bytes of input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COM1 0x3f8
#define DLL  COM1
#define IER  (COM1 + 1)
#define DLM  (COM1 + 1)
#define IIR  (COM1 + 2)
#define LCR  (COM1 + 3)
#define MCR  (COM1 + 4)
#define LSR  (COM1 + 5)
#define MSR  (COM1 + 6)
#define SCR  (COM1 + 7)

#define IER_RDI               0x01
#define IIR_RDI               0x04
#define FCR_ENABLE_TRIGGER_14 0xc1
#define LCR_8N1               0x03
#define LCR_DLAB              0x80
#define MCR_DTR_RTS           0x03
#define LSR_THRE_TEMT         0x60

#define MULTIBOOT_MAGIC 0x1badb002

static const uint32_t
__attribute__((used, section(".text.header"))) header[] = {
    MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC
};

static unsigned failed;

#define PORT_IN(name, type, insn, reg)                                        \
    static inline type name(uint16_t port)                                    \
    {                                                                         \
        type val;                                                             \
        __asm__ volatile(insn " %%dx, %" reg "0" : "=a"(val) : "d"(port));    \
        return val;                                                           \
    }
#define PORT_OUT(name, type, insn, reg)                                       \
    static inline void name(type val, uint16_t port)                          \
    {                                                                         \
        __asm__ volatile(insn " %" reg "0, %%dx" : : "a"(val), "d"(port));    \
    }
#define STRING_IN(name, insn)                                                 \
    static inline void name(uint16_t port, void *to, size_t n)                \
    {                                                                         \
        __asm__ volatile("rep " insn                                          \
                         : "+D"(to), "+c"(n)                                  \
                         : "d"(port)                                          \
                         : "memory");                                         \
    }
#define STRING_OUT(name, insn)                                                \
    static inline void name(uint16_t port, const void *from, size_t n)        \
    {                                                                         \
        __asm__ volatile(insn                                                 \
                         : "+S"(from), "+c"(n)                                \
                         : "d"(port)                                          \
                         : "memory", "cc");                                   \
    }

PORT_IN(inb, uint8_t, "inb", "b")
PORT_IN(inw, uint16_t, "inw", "w")
PORT_IN(inl, uint32_t, "inl", "k")
PORT_OUT(outb, uint8_t, "outb", "b")
PORT_OUT(outw, uint16_t, "outw", "w")
PORT_OUT(outl, uint32_t, "outl", "k")
STRING_IN(insb, "insb")
STRING_IN(insw, "insw")
STRING_IN(insl, "insl")
STRING_OUT(outsb, "rep outsb")
STRING_OUT(outsb_down, "std; rep outsb; cld")
STRING_OUT(outsw, "rep outsw")
STRING_OUT(outsl, "rep outsl")

static void put(const char *text)
{
    for (; *text; text++) {
        while (!(inb(LSR) & LSR_THRE_TEMT)) {
            continue;
        }
        outb(*text, COM1);
    }
}

static void put_hex(uint32_t n)
{
    char text[9] = "";

    for (int i = 7; i >= 0; i--, n >>= 4) {
        text[i] = "0123456789abcdef"[n & 15];
    }
    put(text);
}

static void check(const char *what, uint32_t got, uint32_t want)
{
    put(got == want ? "PASS " : "FAIL ");
    put(what);
    if (got != want) {
        put(": ");
        put_hex(got);
        failed++;
    }
    put("\r\n");
}

static void single_accesses(void)
{
    uint32_t modem = inb(MSR) << 16; /* and the change bits are gone */

    outb(0x5a, SCR);
    check("outb, inb: scratch register", inb(SCR), 0x5a);
    outw(0xa500, MSR);
    check("outw: second byte to the scratch register", inb(SCR), 0xa5);
    check("inw: MSR, scratch register", inw(MSR), modem >> 16 | 0xa500);
    check("inl: MCR, LSR, MSR, scratch register", inl(MCR),
          MCR_DTR_RTS | LSR_THRE_TEMT << 8 | modem | 0xa5000000);
    outl(MCR_DTR_RTS | 0xc3000000, MCR);
    check("outl: last byte to the scratch register", inb(SCR), 0xc3);
    check("outl: first byte to MCR", inb(MCR), MCR_DTR_RTS);
    check("inw: nothing at the second port", inw(SCR), 0xffc3);
    check("inl: nothing after the first port", inl(SCR), 0xffffffc3);
    outl(0xffffff44, SCR);
    check("outl: nothing after the first port", inb(SCR), 0x44);
    check("inw: nothing at the first port", inw(COM1 - 1) & 0xff, 0xff);
    check("LCR as it was", inb(LCR), LCR_8N1);
}

/* @divisor: of 115200 baud. */
static void set_speed(uint16_t divisor)
{
    outb(LCR_DLAB | LCR_8N1, LCR);
    outb(divisor, DLL);
    outb(divisor >> 8, DLM);
    outb(LCR_8N1, LCR);
}

static void string_input(void)
{
    static uint8_t bytes[64];
    static uint16_t words[16];
    static uint32_t longs[16];
    static char text[15];
    uint32_t good = 0;

    outb(0x77, SCR);
    insb(SCR, bytes, 60);
    for (size_t i = 0; i < 64; i++) {
        good += bytes[i] == (i < 60 ? 0x77 : 0);
    }
    check("rep insb", good, 64);
    insw(MSR, words, 16);
    insl(MCR, longs, 16);
    for (size_t i = good = 0; i < 16; i++) {
        good += words[i] >> 8 == 0x77 && longs[i] >> 24 == 0x77;
    }
    check("rep insw, rep insl", good, 16);

    /*
     * The FIFO's timeout, of four characters, hides the trigger level in IIR
     * until the data is read.  It must not come while this guest stands still
     * on a busy machine: at this speed it takes 23 seconds.
     */
    set_speed(0xffff);
    outb(IER_RDI, IER);
    put("now type 14 letters\r\n");
    while ((inb(IIR) & 0x0f) != IIR_RDI) {
        continue;
    }
    insb(COM1, text, 14);
    outb(0, IER);
    set_speed(1);
    put("rep insb got ");
    put(text);
    put("\r\n");
}

static void string_output(void)
{
    static const char text[] = "rep outsb "
                               "0123456789abcdefghijklmnopqrstuvwxyz "
                               "0123456789"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ end\r\n";
    static const char down[] = "\n\rdne sdrawkcab bstuo per";
    static const uint32_t words[] = { 0x21000000, 0x2200ffff };
    static const uint32_t longs[] = { 0x31000003, 0x32000003 };

    outsb(COM1, text, sizeof(text) - 1);
    outsb_down(COM1, down + sizeof(down) - 2, sizeof(down) - 1);
    outsw(MSR, words, 4);
    check("rep outsw", inb(SCR), 0x22);
    outsl(MCR, longs, 2);
    check("rep outsl", inb(SCR), 0x32);
    check("MCR as it was", inb(MCR), MCR_DTR_RTS);
}

static void __attribute__((used)) main(void)
{
    outb(LCR_8N1, LCR);
    outb(FCR_ENABLE_TRIGGER_14, IIR);
    outb(MCR_DTR_RTS, MCR);
    single_accesses();
    string_output();
    string_input();
    put("portio: ");
    put_hex(failed);
    put(" failed\r\n");
}

static uint8_t stack[4096] __attribute__((used, aligned(16)));

__asm__(".globl _start\n"
        "_start: cli\n"
        "        cld\n"
        "        leal stack + 4096, %esp\n"
        "        call main\n"
        "1:      hlt\n"
        "        jmp 1b\n");
