/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls with buffers that are not there, or may not be written.
 */
#include "hv.h"

/* Memory that nothing else uses; 64 MiB are there */
#define SPARE (32 * MIB)
#define SPARE_RO (36 * MIB)
#define NO_RAM (3 * GIB)
/* As if all of it had been used; L0 may leave it to the caller to do that */
#define RO (PTE_P | PTE_U | PTE_A | PTE_D)
#define RW (RO | PTE_W)
#define PATTERN 0xaa
#define EFAULT 14

/* Pages of each kind, by their numbers */
enum { OK0, HOLE1, RO2, OK3, OK4, RESERVED5, NX6, NX7, HOLE8 };

#define SMALL(n) (SMALL_BASE + (n) * PAGE)
#define LARGE(n) (LARGE_BASE + (n) * 2 * MIB)
#define HUGE(n) (HUGE_BASE + (n) * GIB)

static const struct {
    const char *what;
    uint64_t va, len;
    uint64_t bad;               /* where it ends, or 0: it is good */
} buffers[] = {
    { "a page", SMALL(OK0), 24, 0 },
    { "two pages", SMALL(OK4) - 7, 24, 0 },
    { "not there", SMALL(HOLE1), 24, SMALL(HOLE1) },
    { "into what is not there", SMALL(HOLE1) - 8, 24, SMALL(HOLE1) },
    { "read-only", SMALL(RO2), 24, SMALL(RO2) },
    { "read-only at its end", SMALL(OK3) - 8, 24, SMALL(OK3) - 8 },
    { "reserved bit", SMALL(RESERVED5), 24, SMALL(RESERVED5) },
    { "into a reserved bit", SMALL(RESERVED5) - 8, 24, SMALL(RESERVED5) },
    { "no execution", SMALL(NX7) - 8, 24, 0 },
    { "2 MiB", LARGE(0), 24, 0 },
    { "two of 2 MiB", LARGE(1) - 5, 24, 0 },
    { "2 MiB, read-only", LARGE(2), 24, LARGE(2) },
    { "into 2 MiB, read-only", LARGE(2) - 8, 24, LARGE(2) },
    { "2 MiB, not there", LARGE(3), 24, LARGE(3) },
    { "2 MiB, odd", LARGE(4) + PAGE, 24, LARGE(4) + PAGE },
    { "1 GiB", HUGE(0) + SPARE, 24, 0 },
    { "1 GiB, read-only", HUGE(1) + SPARE, 24, HUGE(1) + SPARE },
    { "1 GiB, not there", HUGE(2) + SPARE, 24, HUGE(2) + SPARE },
    { "1 GiB, odd", HUGE(3) + SPARE, 24, HUGE(3) + SPARE },
    { "512 GiB, not there", 512 * GIB, 24, 512 * GIB },
    { "no RAM", NO_RAM, 24, NO_RAM },
    { "not canonical", 1ul << 47, 24, 1ul << 47 },
    { "not canonical, all ones but one", ~(1ul << 62), 24, ~(1ul << 62) },
    { "to the end of what is canonical", (1ul << 47) - 8, 24, (1ul << 47) - 8 },
    { "kernel half, not there", -4096ul, 24, -4096ul },
    { "over the end of all", -8ul, 24, -8ul },
    { "null", SMALL(HOLE8), 24, SMALL(HOLE8) },
};

static void map_buffers(void)
{
    const struct {
        unsigned n;
        uint64_t flags;
    } small[] = {
        { OK0, RW }, { RO2, RO }, { OK3, RW }, { OK4, RW },
        { RESERVED5, RW | PTE_RESERVED }, { NX6, RW | PTE_NX },
        { NX7, RW | PTE_NX },
    };

    for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
        memory_map_small(small[i].n,
                         (SPARE + small[i].n * PAGE) | small[i].flags);
    }
    memory_map_large(0, (SPARE) | RW | PTE_PS);
    memory_map_large(1, (SPARE + 2 * MIB) | RW | PTE_PS);
    memory_map_large(2, SPARE_RO | RO | PTE_PS);
    memory_map_large(4, (SPARE + PAGE * 2) | RW | PTE_PS);
    memory_map_huge(0, RW | PTE_PS);
    memory_map_huge(1, RO | PTE_PS);
    memory_map_huge(3, 2 * MIB | RW | PTE_PS);
}

static void fill(void)
{
    for (uint8_t *p = (uint8_t *)SPARE; p < (uint8_t *)(SPARE + 8 * MIB); p++) {
        *p = PATTERN;
    }
}

static unsigned written(void)
{
    unsigned n = 0;

    for (uint8_t *p = (uint8_t *)SPARE; p < (uint8_t *)(SPARE + 8 * MIB); p++) {
        n += *p != PATTERN;
    }
    return n;
}

/*
 * An exception as any instruction's, where the accelerator can have it; else
 * the error, with the address.
 */
static bool refused(const Result *result, uint64_t address)
{
    switch (result->vector) {
    case FAULT_PF:
        return result->address == address;
    case FAULT_GP:
        return true;
    default:
        return result->status == -EFAULT && result->value == address;
    }
}

static void try_buffer(Transport t, size_t i)
{
    const uint64_t a[ULTRACALL_ARGS] = { buffers[i].va, buffers[i].len };
    Result result = call_by(t, ULTRACALL_PROBE, a);
    bool good = buffers[i].bad ? refused(&result, buffers[i].bad)
                               : result.vector == NO_FAULT && !result.status;

    if (t == DOORBELL && result.vector != NO_FAULT) {
        good = false;
    }
    if (!check(buffers[i].what, good, true)) {
        say("INFO vector %u at 0x%x, status -%u, value 0x%x",
            (uint64_t)result.vector, result.address, -result.status,
            result.value);
    }
}

/* The client does what L0 may leave to it. */
static void try_unused(void)
{
    uint64_t value;

    memory_map_small(OK0, (SPARE + OK0 * PAGE) | PTE_P | PTE_W);
    check("a page that was not used yet",
          ultracall(&client, ULTRACALL_PROBE, SMALL(OK0), 24, 0, 0, 0, &value),
          0);
}

static void try_tag(Transport t, uint64_t va, uint64_t bad)
{
    const uint64_t a[ULTRACALL_ARGS] = { va, 3, SMALL(OK0), 64 };
    Result result = call_by(t, ULTRACALL_QUERY, a);

    check("the tag's buffer", bad ? refused(&result, bad)
                                  : result.status == -2, true);
}

void scenario_buffers(void)
{
    map_buffers();
    for (Transport t = INSTRUCTION; t <= DOORBELL; t++) {
        if (!transport_works(t)) {
            continue;
        }
        say("INFO by %s", transport_names[t]);
        for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
            fill();
            try_buffer(t, i);
            if (buffers[i].bad) {
                check("nothing is written", written(), 0);
            }
        }
        try_tag(t, SMALL(HOLE1) - 2, SMALL(HOLE1));
        try_tag(t, 1ul << 47, 1ul << 47);
        try_tag(t, SMALL(RO2), 0);
    }
    try_unused();
}
