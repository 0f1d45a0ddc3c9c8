/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import-race: two CPUs of a guest that has come to be private touch each page
 * at the same time, and L1 gives each of them another frame.  One of the two is
 * the page from then on, as a whole, for both.
 */
#include "import.h"

#define ICR_MODE 0x700
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600

/* What is in the frames of each root, with the page's number */
#define CONTENTS(root) (0xa0000000u + (root) * 0x10000000u)
#define ELSEWHERE (48 * MIB)
#define WORDS (PAGE / sizeof(uint32_t))

static Vm first, second;
/* In memory that the guest shares: of how many pages something is wrong */
static Half differ, torn, unknown, of_root[IMPORT_ROOTS];
/* volatile: set by the other CPU */
static volatile uint64_t second_left;

static uint64_t page_of(unsigned n)
{
    return RACE_BASE + (n - 1) * PAGE;
}

static void look_at(unsigned n, uint32_t mine)
{
    uint32_t now = VIEW_HALF(page_of(n));
    unsigned others = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        others += VIEW_HALF(page_of(n) + i * sizeof(uint32_t)) != now;
    }
    torn += others > 0;
    differ += now != mine || now != VIEW_HALF(&race_first[n]);
    if (now == CONTENTS(0) + n || now == CONTENTS(1) + n) {
        of_root[now == CONTENTS(1) + n]++;
    } else {
        unknown++;
    }
}

static void nested_race(uint64_t unused, uint64_t unused2)
{
    const uint64_t id = (uint64_t)VICTIM_AP_ID << 32;
    static uint32_t mine[RACE_PAGES + 1];

    rdmsr(MSR_SEV_STATUS);
    wrmsr(MSR_X2APIC_ICR, id | ICR_INIT);
    wrmsr(MSR_X2APIC_ICR, id | ICR_STARTUP | RACE_CODE >> 12);
    for (unsigned n = 1; n <= RACE_PAGES; n++) {
        VIEW_HALF(&race_turn) = n;
        /* neither is always the first */
        for (unsigned i = 0; i < n % 64; i++) {
            __asm__ volatile("");
        }
        mine[n] = VIEW_HALF(page_of(n));
        while (VIEW_HALF(&race_done) != n) {
            continue;
        }
    }
    for (unsigned n = 1; n <= RACE_PAGES; n++) {
        look_at(n, mine[n]);
    }
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}

static void second_cpu(void)
{
    vm_init_second();
    second_left = vm_run(&second);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void frames_init(void)
{
    uint8_t *to = (uint8_t *)RACE_CODE;

    for (const uint8_t *p = race_start; p < race_end; p++) {
        poke(to++, *p);
    }
    for (unsigned n = 1; n <= RACE_PAGES; n++) {
        Half *here = (Half *)page_of(n);
        Half *there = (Half *)(page_of(n) - RACE_BASE + ELSEWHERE);

        for (unsigned i = 0; i < WORDS; i++) {
            here[i] = CONTENTS(0) + n;
            there[i] = CONTENTS(1) + n;
        }
    }
}

/* Each goes by tables of its own. */
static void second_create(void)
{
    vm_create(&second, ROOT_A, nested_race, 0, 0);
    vm_set_root(&second, import_root(1));
    for (uint64_t at = 0; at < RACE_PAGES * PAGE; at += 2 * MIB) {
        import_map(1, RACE_BASE + at, ELSEWHERE + at);
    }
}

/* Until the guest has started the second CPU, and both are done */
static bool run_first(void)
{
    uint64_t code;

    while ((code = vm_run(&first)) == EXIT_MSR) {
        check("its register", first.regs[RCX], MSR_X2APIC_ICR);
        if ((first.vmcb->rax & ICR_MODE) == (ICR_STARTUP & ICR_MODE) &&
            !smp_start(second_cpu)) {
            return false;
        }
        first.vmcb->rip = first.vmcb->next_rip;
    }
    return check("it is done", code, EXIT_VMMCALL);
}

void scenario_import_race(void)
{
    frames_init();
    import_create(&first, nested_race);
    second_create();
    if (!run_first()) {
        return;
    }
    while (!second_left) {
        relax(1);
    }
    check("so is the other CPU", second_left, EXIT_VMMCALL);
    check("pages that have changed, or differ", differ, 0);
    check("pages of two frames", torn, 0);
    check("pages of neither", unknown, 0);
    say("COUNT pages %u", (uint64_t)RACE_PAGES);
    say("INFO of the first CPU %u, of the second %u", (uint64_t)of_root[0],
        (uint64_t)of_root[1]);
}
