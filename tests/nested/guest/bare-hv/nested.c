/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs nested.  It shares L1's memory but calls nothing of it.
 */
#include "hv.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz 0123456789 ......";
uint64_t nested_got[NESTED_ACCESSES_MAX];
/* volatile: see hv.h */
volatile uint64_t nested_calls, nested_entered, nested_turns;
/* volatile: see hv.h */
volatile bool nested_stop;
uint64_t nested_bound_entries, nested_unbound_entries, nested_foreign;

#define LETTERS 16              /* an entry */

static void yield(VmEvent event)
{
    __asm__ volatile("vmmcall" : : "a"((uint64_t)event) : "memory");
}

static void put(char c)
{
    while (!(inb(LSR) & LSR_THRE)) {
        continue;
    }
    outb(c, COM1);
}

static void put_text(const char *text)
{
    for (; *text; text++) {
        put(*text);
        yield(VM_YIELD);
    }
}

static void put_line(uint64_t n)
{
    char number[] = "line 0000 ";

    for (char *p = number + 8; n; n /= 10) {
        *p-- += n % 10;
    }
    put_text(number);
    put_text(alphabet);
    put_text("\r\n");
}

static char get(void)
{
    while (!(inb(LSR) & LSR_DR)) {
        continue;
    }
    return inb(COM1);
}

static void echo_line(void)
{
    char text[80];
    unsigned n = 0;

    put_text("type a line\r\n");
    do {
        yield(VM_YIELD);
        text[n] = get();
    } while (text[n] != '\r' && n++ < sizeof(text) - 2);
    text[n] = 0;
    put_text("got ");
    put_text(text);
    put_text("\r\n");
}

static void uart_on(void)
{
    outb(0x03, COM1 + 3);       /* LCR: 8N1 */
    outb(0x01, COM1 + 2);       /* FCR: on */
    outb(0x03, COM1 + 4);       /* MCR: DTR, RTS */
}

static void put_string(void)
{
    static const char text[] = "a line by rep outsb\r\n";
    const char *from = text;
    uint64_t n = sizeof(text) - 1;

    while (!(inb(LSR) & LSR_THRE)) {
        continue;
    }
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(COM1) : "memory");
}

void nested_session(uint64_t lines, uint64_t with)
{
    uart_on();
    for (;; lines++) {
        for (uint64_t n = 1; n <= lines; n++) {
            put_line(n);
        }
        if (with & SESSION_INPUT) {
            echo_line();
        }
        if (with & SESSION_STRING) {
            put_string();
        }
        yield(VM_DONE);
    }
}

void nested_transfer(uint64_t out, uint64_t in)
{
    uart_on();
    while (in--) {
        get();
    }
    while (out--) {
        put('x');
    }
    for (;;) {
        yield(VM_DONE);
    }
}

/* Ports, sizes and directions in every combination, over and over */
Access nested_access(unsigned n)
{
    static const uint8_t sizes[] = { 1, 2, 4 };
    Access access = { .in = n & 1, .port = COM1 + (n / 2) % COM1_PORTS,
                      .size = sizes[(n / 16) % 3] };

    access.value = 0x01030507u * (n + 1) &
                   (0xffffffffu >> (32 - 8 * access.size));
    return access;
}

static uint64_t read_port(const Access *access)
{
    switch (access->size) {
    case 1:
        return inb(access->port);
    case 2:
        return inw(access->port);
    default:
        return inl(access->port);
    }
}

static void write_port(const Access *access)
{
    switch (access->size) {
    case 1:
        outb(access->value, access->port);
        break;
    case 2:
        outw(access->value, access->port);
        break;
    default:
        outl(access->value, access->port);
    }
}

void nested_accesses(uint64_t first, uint64_t last)
{
    for (uint64_t n = first; n < last; n++) {
        Access access = nested_access(n);

        if (access.in) {
            nested_got[n] = read_port(&access);
        } else {
            write_port(&access);
        }
    }
    for (;;) {
        yield(VM_DONE);
    }
}

/*
 * What L1 has in the scratch register of its own port is LETTERS_FOREIGN: a
 * bound guest reads what it has written there itself, or ones.
 */
static void letters_bound(void)
{
    uint8_t got;

    outb(NESTED_BOUND, COM1 + 7);
    for (unsigned n = 0; n < LETTERS; n++) {
        outb(NESTED_BOUND, COM1);
        got = inb(COM1 + 7);
        nested_foreign += got != NESTED_BOUND && got != 0xff;
    }
}

static void letters_other(uint8_t letter)
{
    for (unsigned n = 0; n < LETTERS; n++) {
        outb(letter, COM1);
        inb(LSR);
    }
}

static void letters_string(const char *from, uint64_t n)
{
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(COM1) : "memory");
}

void nested_letters(uint64_t unused, uint64_t unused2)
{
    for (;;) {
        uint64_t calls = nested_calls;

        if (calls != nested_entered || calls & 1) {
            letters_other(NESTED_UNKNOWN);
        } else if (calls & 2) {
            nested_bound_entries++;
            letters_bound();
            letters_string("BBBB", 4);
        } else {
            nested_unbound_entries++;
            letters_other(NESTED_UNBOUND);
            letters_string("uuuu", 4);
        }
        yield(VM_YIELD);
    }
}

void nested_one_entry(uint64_t unused, uint64_t unused2)
{
    for (; !nested_stop; nested_turns++) {
        letters_bound();
        letters_string("BBBB", 4);
    }
    for (;;) {
        yield(VM_DONE);
    }
}

void nested_spin(uint64_t rounds, uint64_t unused)
{
    for (;;) {
        for (uint64_t n = rounds; n; n--) {
            __asm__ volatile("");
        }
        yield(VM_DONE);
    }
}

void nested_work(uint64_t steps, uint64_t unused)
{
    static uint8_t memory[64 << 10];
    uint64_t x = 1;

    for (;;) {
        for (uint64_t n = steps; n; n--) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memory[x % sizeof(memory)] += x;
        }
        outb(x, NESTED_WORK_PORT);
    }
}
