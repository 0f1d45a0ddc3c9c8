/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in private memory that its hypervisor attacks: it runs one
 * instruction after the other with secrets in all registers, and says on its
 * console whether all of them are what they must be.
 */
#include "insn.h"

#define COM1 0x3f8
#define LSR_THRE 0x20

#define CS64 0x10
#define TSS 0x20
#define GATE_INTERRUPT 0x8e00
#define IST_NMI 2

#define VECTOR_DB 1
#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_OWN 0x41
#define HAS_ERROR 0x27d00       /* of the first 32 exceptions */

#define EFER_WANTED 0xd01       /* NXE, LMA, LME, SCE */
#define CR4_WANTED 0x40628      /* OSXSAVE, OSXMMEXCPT, OSFXSR, PAE, DE */
#define DR7_WANTED 0x4aa        /* breakpoints, where nothing is executed */

uint64_t before[REGS], after[REGS], before_flags, after_flags;
uint64_t before_xmm[32], after_xmm[32];

static const Insn *now;
static unsigned traps, steps, nmis, nmis_within, interrupts, changed;
static uint64_t fault_at;

static inline void outb(uint8_t val, uint16_t port)
{
    __asm__ volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static void put(const char *text)
{
    for (; *text; text++) {
        while (!(inb(COM1 + 5) & LSR_THRE)) {
            continue;
        }
        outb(*text, COM1);
    }
}

static void put_number(uint64_t n)
{
    char digits[17] = "";
    int i = 16;

    do {
        digits[--i] = "0123456789abcdef"[n % 16];
        n /= 16;
    } while (n);
    put(digits + i);
}

static void expect(const char *what, unsigned n, uint64_t got, uint64_t want)
{
    if (got != want && changed++ < 20) {
        put("changed: ");
        put(now ? now->name : "at the start");
        put(": ");
        put(what);
        put(" ");
        put_number(n);
        put(" is ");
        put_number(got);
        put(", not ");
        put_number(want);
        put("\r\n");
    }
}

/* Registers of L1's own, once for all */

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static void wrmsr(uint32_t msr, uint64_t val)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)val),
                     "d"((uint32_t)(val >> 32)));
}

uint64_t secret(unsigned n)
{
    return (VICTIM_BASE >> 24 | (uint64_t)n << 24) * 0x100000001;
}

static const uint32_t msrs[] = {
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
    0xc0000102, 0xc0000103, 0x174, 0x175, 0x176,
};

static uint64_t msr_value(unsigned n)
{
    switch (msrs[n]) {
    case 0xc0000081:
        return secret(n) << 16 | 0xd318;
    case 0xc0000084:
    case 0xc0000103:
        return (uint32_t)secret(n);
    case 0x174:
        return (uint16_t)secret(n);
    default:
        return SECRET_ADDRESS(n);
    }
}

#define READ(reg)                                                           \
    ({                                                                      \
        uint64_t val_;                                                      \
        __asm__ volatile("movq %%" reg ", %0" : "=r"(val_));                \
        val_;                                                               \
    })
#define WRITE(reg, val)                                                     \
    __asm__ volatile("movq %0, %%" reg : : "r"((uint64_t)(val)) : "memory")

static void own_init(void)
{
    wrmsr(0xc0000080, EFER_WANTED);
    WRITE("cr4", CR4_WANTED);
    WRITE("cr0", 0x80000033);
    __asm__ volatile("xsetbv" : : "c"(0), "a"(3), "d"(0));
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        wrmsr(msrs[i], msr_value(i));
    }
    WRITE("cr2", secret(0xc2));
    WRITE("dr0", SECRET_ADDRESS(0xd0));
    WRITE("dr1", SECRET_ADDRESS(0xd1));
    WRITE("dr2", SECRET_ADDRESS(0xd2));
    WRITE("dr3", SECRET_ADDRESS(0xd3));
    WRITE("dr7", DR7_WANTED);
}

static uint64_t start_cr3;

static void own_check(void)
{
    uint32_t low, high;

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        expect("MSR", msrs[i], rdmsr(msrs[i]), msr_value(i));
    }
    expect("MSR", 0xc0000080, rdmsr(0xc0000080), EFER_WANTED);
    expect("MSR", 0xc0010131, rdmsr(0xc0010131), 1);
    expect("CR", 0, READ("cr0"), 0x80000033);
    expect("CR", 3, READ("cr3"), start_cr3);
    expect("CR", 4, READ("cr4"), CR4_WANTED);
    expect("DR", 0, READ("dr0"), SECRET_ADDRESS(0xd0));
    expect("DR", 1, READ("dr1"), SECRET_ADDRESS(0xd1));
    expect("DR", 2, READ("dr2"), SECRET_ADDRESS(0xd2));
    expect("DR", 3, READ("dr3"), SECRET_ADDRESS(0xd3));
    expect("DR", 7, READ("dr7"), DR7_WANTED);
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    expect("XCR", 0, low, 3);
    expect("CR", 2, READ("cr2"), VICTIM_BASE - 8);  /* of "touch" */
    WRITE("cr2", secret(0xc2));
}

static uint64_t *table_entry(unsigned n)
{
    return (uint64_t *)(VICTIM_BASE + VICTIM_TABLE) + n;
}

#define TABLE_ENTRIES 512

static void memory_init(void)
{
    *(uint32_t *)(VICTIM_BASE + VICTIM_RAM - 4) = VICTIM_LAST;
    for (unsigned n = 0; n < TABLE_ENTRIES; n++) {
        *table_entry(n) = VICTIM_ENTRY;
    }
}

static void memory_check(void)
{
    for (unsigned n = 0; n < TABLE_ENTRIES; n++) {
        expect("entry", n, *table_entry(n), VICTIM_ENTRY);
    }
}

/* Exceptions */

static uint64_t gdt[] = {
    0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0,
};
static uint8_t stacks[2][4096];
static struct {
    uint32_t reserved;
    uint64_t rsp[3], reserved2, ist[7];
    uint8_t reserved3[10];
    uint16_t map;
} __attribute__((packed)) tss = { .map = sizeof(tss) };

static struct {
    uint16_t offset0, selector, flags, offset1;
    uint32_t offset2, reserved;
} idt[256];

static void exceptions_init(void)
{
    uint64_t at = (uintptr_t)&tss;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(gdt) - 1, (uintptr_t)gdt };

    tss.ist[0] = (uintptr_t)stacks[0] + sizeof(stacks[0]);
    tss.ist[IST_NMI - 1] = (uintptr_t)stacks[1] + sizeof(stacks[1]);
    gdt[TSS / 8] = 0x890000000000 | (sizeof(tss) - 1) | (at & 0xffffff) << 16 |
                   (at >> 24 & 0xff) << 56;
    gdt[TSS / 8 + 1] = at >> 32;
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    for (unsigned i = 0; i < ARRAY_SIZE(idt); i++) {
        at = (uintptr_t)vectors + 16 * i;
        idt[i].offset0 = at;
        idt[i].selector = CS64;
        idt[i].flags = GATE_INTERRUPT | (i == VECTOR_NMI ? IST_NMI : 1);
        idt[i].offset1 = at >> 16;
        idt[i].offset2 = at >> 32;
    }
    pointer.limit = sizeof(idt) - 1;
    pointer.base = (uintptr_t)idt;
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static unsigned may(unsigned vector)
{
    switch (vector) {
    case VECTOR_GP:
        return MAY_GP | HAS_GP;
    case VECTOR_UD:
        return MAY_UD | HAS_UD;
    case VECTOR_PF:
        return HAS_PF;
    default:
        return 0;
    }
}

/* Returns how much there is of an error, after which @at has RIP. */
uint64_t handle(uint64_t vector, uint64_t *at)
{
    bool error = vector < 32 && HAS_ERROR >> vector & 1;
    uint64_t *rip = at + error;

    if (vector == VECTOR_NMI) {
        expect("NMI within", 0, nmis_within++, 0);
        outb(0, VICTIM_NMI_PORT);
        nmis_within = 0;
        nmis++;
    } else if (vector == VICTIM_VECTOR || vector == VICTIM_VECTOR2) {
        expect("IF", 0, rip[2] & FLAG_IF, FLAG_IF);
        interrupts++;
        traps++;
        if (*rip == (uintptr_t)insn_spin) {
            *rip = (uintptr_t)run_done;
        }
    } else if (vector == VECTOR_BP || vector == VECTOR_OWN) {
        expect("vector", vector, now->flags & TRAPS, TRAPS);
        traps++;
    } else if (vector == VECTOR_DB && now->flags & STEPS) {
        bool there = *rip == (uintptr_t)now->code + 2;

        /* one that was lost is no reason to step on */
        steps += there;
        if (there || *rip == (uintptr_t)run_done) {
            rip[2] &= ~FLAG_TF;
        }
    } else if (now && now->flags & may(vector)) {
        expect("RIP", vector, *rip, (uintptr_t)now->code);
        if (vector == VECTOR_GP) {
            expect("error", vector, *at, 0);
        }
        fault_at = *rip;
        *rip = (uintptr_t)run_done;
    } else {
        expect("vector", vector, *rip, 0);
        *rip = (uintptr_t)run_done;
    }
    return error * 8;
}

/* Rounds */

static void set(uint64_t *regs, const Value values[VALUES])
{
    for (unsigned i = 0; i < VALUES && values[i].reg >= 0; i++) {
        uint64_t *reg = &regs[values[i].reg];

        *reg = (*reg & ~values[i].mask) | values[i].value;
    }
}

static void run_one(const Insn *insn)
{
    now = insn;
    fault_at = traps = steps = 0;
    for (unsigned i = 0; i < REGS; i++) {
        before[i] = secret(i);
        before_xmm[2 * i] = secret(0x20 + i);
        before_xmm[2 * i + 1] = secret(0x30 + i);
    }
    before_flags = 0xcd7 | (insn->flags & IF_ON ? FLAG_IF : 0) |
                   (insn->flags & STEPS ? FLAG_TF : 0);
    set(before, insn->before);
    run(insn->code);
    if (!fault_at) {
        set(before, insn->after);
    }
    for (unsigned i = 0; i < REGS; i++) {
        if (!(insn->flags & ANY_RESULT)) {
            expect("register", i, after[i], before[i]);
        }
        expect("XMM low", i, after_xmm[2 * i], before_xmm[2 * i]);
        expect("XMM high", i, after_xmm[2 * i + 1], before_xmm[2 * i + 1]);
    }
    expect("flags", 0, after_flags & ~FLAG_IF,
           before_flags & ~(FLAG_IF | FLAG_TF));
    if (insn->flags & (HAS_UD | HAS_PF | HAS_GP)) {
        expect("fault", 0, fault_at, (uintptr_t)insn->code);
    }
    if (insn->flags & TRAPS) {
        expect("traps", 0, !traps, false);
    }
    if (insn->flags & STEPS) {
        expect("steps", 0, steps, 1);
    }
}

/* Another CPU, in real mode */

#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600

static bool has_ap;

static uint32_t ap_word(uint64_t at)
{
    /* volatile: the other CPU writes it */
    return *(volatile uint32_t *)(VICTIM_BASE + at);
}

static void ap_init(void)
{
    uint8_t *to = (uint8_t *)(VICTIM_BASE + VICTIM_AP_CODE);
    uint64_t id = (uint64_t)VICTIM_AP_ID << 32;

    uint8_t times = inb(VICTIM_CPUS_PORT);

    has_ap = times == 1 || times == 2;
    if (!has_ap) {
        return;
    }
    for (const uint8_t *from = ap_start; from < ap_end; from++) {
        *to++ = *from;
    }
    while (times--) {
        wrmsr(MSR_X2APIC_ICR, id | ICR_INIT);
        wrmsr(MSR_X2APIC_ICR, id | ICR_STARTUP | VICTIM_AP_CODE >> 12);
    }
}

static void ap_check(void)
{
    static uint32_t rounds;
    uint32_t now = has_ap ? ap_word(VICTIM_AP_ROUNDS) : 0;

    expect("rounds of the other CPU", rounds, has_ap && now < rounds, false);
    expect("registers of the other CPU", 0, ap_word(VICTIM_AP_BAD), 0);
    rounds = now;
}

void victim_main(void)
{
    __asm__("movq %%cr3, %0" : "=r"(start_cr3));
    exceptions_init();
    outb(0x03, COM1 + 3);       /* LCR: 8N1 */
    outb(0x01, COM1 + 2);       /* FCR: on */
    outb(0x03, COM1 + 4);       /* MCR: DTR, RTS */
    own_init();
    memory_init();
    ap_init();
    for (;;) {
        changed = 0;
        for (unsigned i = 0; i < n_insns; i++) {
            run_one(&insns[i]);
        }
        own_check();
        memory_check();
        ap_check();
        put(changed ? "bad\r\n" : "ok\r\n");
        now = NULL;
        __asm__ volatile("outl %0, %1"
                         :
                         : "a"((nmis & 0xffff) | interrupts << 16),
                           "Nd"((uint16_t)VICTIM_ROUND_PORT));
    }
}
