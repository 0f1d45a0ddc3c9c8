/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields of the VMCB (AMD APM vol. 2, appendix B): what a change of each
 * must come to, for a private guest under TCG.
 */
#include "vmcb.h"
#include "attack-private-table.h"

/* Of the save area, all words; where something else than L0 may refuse it */

#define SAVE_WORDS 96
#define SAVE(field) offsetof(struct vmcb, field)

/* All of it; what is lowest; and what no register has */
static const uint64_t flips[] = { ~0ul, 1, 1ul << 63 };

/*
 * The processor refuses what no register can hold: without SVME or with
 * reserved bits, CR0 without PE but with PG.  The rest L0 does not look at.
 */
static bool save_refused(unsigned offset, uint64_t flip)
{
    switch (offset) {
    case SAVE(rip):
    case SAVE(cr0):
        return true;
    case SAVE(efer):
    case SAVE(cr3):
    case SAVE(cr4):
    case SAVE(dr6):
    case SAVE(dr7):
        return flip != 1;
    default:
        return false;
    }
}

/* RAX apart, which is what L1 answers or has something else each time */
static bool save_cell(unsigned n, Cell *cell)
{
    unsigned offset = SAVE_AREA + n / ARRAY_SIZE(flips) * 8;
    uint64_t flip = flips[n % ARRAY_SIZE(flips)];

    if (offset == SAVE(rip) && flip == 1) {
        flip = 0x10;            /* or it has not completed an instruction */
    }
    *cell = (Cell){
        .name = "a word of the save area",
        .offset = offset, .size = 8, .val = flip,
        .refused = save_refused(offset, flip),
    };
    return offset != SAVE(rax);
}

const CellTable save_table = { SAVE_WORDS * ARRAY_SIZE(flips), save_cell };

/* Of the control area: intercepts, one bit after the other */

#define INTERCEPT_BITS 160
#define EXIT_VMRUN 0x80

static bool intercept_cell(unsigned n, Cell *cell)
{
    *cell = (Cell){
        .name = "an intercept",
        .offset = n / 32 * 4, .size = 4, .val = 1u << n % 32,
        .refused = n == EXIT_VMRUN,
        /* else the guest asks the processor; and IRET comes as asked */
        .unless = n == EXIT_INTR ? 0 : n,
    };
    return n != EXIT_IRET && n != EXIT_VINTR;
}

/* What has a meaning */

#define CONTROL(name, field, bytes, how, ...)                               \
    { name, offsetof(struct vmcb, field), bytes, .set = how,                \
      .val = __VA_ARGS__ }

#define ABOVE_RAM 0x1000000000ul
#define TOP (1ul << 40)
#define WINDOW (1ul << 51)

static const Cell fields[] = {
    CONTROL("IOPM in the window", iopm, 8, true, WINDOW, .refused = true),
    CONTROL("IOPM at the end", iopm, 8, true, TOP - PAGE, .refused = true),
    CONTROL("IOPM of ones", iopm, 8, true, ~0ul, .refused = true),
    CONTROL("IOPM above RAM", iopm, 8, true, ABOVE_RAM, .unless = EXIT_IOIO),
    CONTROL("IOPM unaligned", iopm, 8, false, 0xfff, .unless = EXIT_IOIO),
    CONTROL("MSRPM in the window", msrpm, 8, true, WINDOW, .refused = true),
    CONTROL("MSRPM at the end", msrpm, 8, true, TOP - PAGE, .refused = true),
    CONTROL("MSRPM above RAM", msrpm, 8, true, ABOVE_RAM, .unless = EXIT_MSR),
    CONTROL("MSRPM unaligned", msrpm, 8, false, 0xfff, .unless = EXIT_MSR),
    CONTROL("TSC offset", tsc_offset, 8, true, ~0ul),
    CONTROL("TSC offset", tsc_offset, 8, true, 1ul << 63),
    CONTROL("no ASID", asid, 4, true, 0, .refused = true),
    CONTROL("another ASID", asid, 4, true, 2),
    CONTROL("ASID of ones", asid, 4, true, 0xffffffff),
    CONTROL("TLB control", tlb_control, 4, true, 1),
    CONTROL("TLB control", tlb_control, 4, true, 3),
    CONTROL("TLB control", tlb_control, 4, true, 7),
    CONTROL("TLB control", tlb_control, 4, true, 0xffffffff),
    CONTROL("TPR", int_control, 4, true, 0xff),
    CONTROL("virtual interrupt", int_control, 4, true, 0x001f0100),
    CONTROL("interrupts masked", int_control, 4, true, 1u << 24,
            .unless = EXIT_INTR),
    CONTROL("virtual GIF off", int_control, 4, true, 1u << 25),
    CONTROL("virtual GIF on", int_control, 4, true, 1u << 25 | 1u << 9),
    CONTROL("AVIC", int_control, 4, true, 1u << 31),
    CONTROL("vector", int_vector, 4, true, 14),
    CONTROL("vector", int_vector, 4, true, 0xffffffff),
    CONTROL("interrupt shadow", int_shadow, 8, false, 1),
    CONTROL("interrupt shadow", int_shadow, 8, true, ~0ul),
    CONTROL("exit code", exit_code, 8, true, ~0ul),
    CONTROL("EXITINFO1", exit_info1, 8, true, ~0ul),
    CONTROL("EXITINFO2", exit_info2, 8, true, ~0ul),
    CONTROL("EXITINTINFO", exit_int_info, 8, true, 0x80000b0eul),
    CONTROL("no nested paging", nested_ctl, 8, true, 0, .refused = true),
    CONTROL("no nested paging", nested_ctl, 8, true, ~1ul, .refused = true),
    CONTROL("SEV, SEV-ES", nested_ctl, 8, true, 7),
    CONTROL("all of nested paging", nested_ctl, 8, true, ~0ul),
    CONTROL("error code", event_inj, 8, true, 0xffffffff00000000ul),
    CONTROL("an event that is none", event_inj, 8, true, 0xffffffff7ffffffful),
    CONTROL("nested CR3 in the window", nested_cr3, 8, true, WINDOW),
    CONTROL("nested CR3 in the window", nested_cr3, 8, true, WINDOW + 0x14000),
    CONTROL("nested CR3 of ones", nested_cr3, 8, true, ~0ul),
    CONTROL("nested CR3 above RAM", nested_cr3, 8, true, ABOVE_RAM),
    CONTROL("no nested CR3", nested_cr3, 8, true, 0),
    CONTROL("LBR virtualization", virt_ext, 8, true, 1),
    CONTROL("virtual VMLOAD and VMSAVE", virt_ext, 8, true, 2),
    CONTROL("all of virtualization", virt_ext, 8, true, ~0ul),
    CONTROL("clean bits", clean, 4, true, 0xffffffff),
    CONTROL("clean bits", clean, 4, true, 0x7ff),
    CONTROL("next RIP", next_rip, 8, true, 0),
    CONTROL("next RIP", next_rip, 8, true, ~0ul),
    CONTROL("next RIP", next_rip, 8, false, 0x100),
    CONTROL("number of bytes", insn_len, 1, true, 0xff),
    CONTROL("bytes", insn_bytes, 8, true, ~0ul),
    CONTROL("bytes", insn_bytes[7], 8, true, 0),
};

/* And what has none here, in words */
static const struct {
    unsigned from, to;
} reserved[] = { { 0x18, 0x40 }, { 0x98, 0xa8 }, { 0xe0, 0x400 } };

static bool reserved_cell(unsigned n, Cell *cell)
{
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        unsigned words = (reserved[i].to - reserved[i].from) / 8;

        if (n < words) {
            *cell = (Cell){
                .name = "what is reserved",
                .offset = reserved[i].from + 8 * n, .size = 8, .val = ~0ul,
                    };
            return true;
        }
        n -= words;
    }
    return false;
}

#define RESERVED_WORDS (5 + 2 + 100)

static bool control_cell(unsigned n, Cell *cell)
{
    if (n < INTERCEPT_BITS) {
        return intercept_cell(n, cell);
    }
    n -= INTERCEPT_BITS;
    if (n < ARRAY_SIZE(fields)) {
        *cell = fields[n];
        return true;
    }
    return reserved_cell(n - ARRAY_SIZE(fields), cell);
}

const CellTable control_table = {
    INTERCEPT_BITS + ARRAY_SIZE(fields) + RESERVED_WORDS, control_cell,
};
