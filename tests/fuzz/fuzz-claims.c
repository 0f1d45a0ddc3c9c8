/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested guests' memory, in that of the machine.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "exec/cpu-common.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/tests/fuzz/fuzz-claims.h"
#include "shadow/tests/fuzz/fuzz-guests.h"
#include "shadow/tests/fuzz/fuzz-memory.h"

#define PAGE 0x1000ULL
#define TABLES 0x10000ULL
#define PTE 7ULL

static uint64_t cookies[FUZZ_GUESTS];

static void put(uint64_t pa, uint64_t val)
{
    val = cpu_to_le64(val);
    cpu_physical_memory_write(pa, &val, sizeof(val));
}

/* The tables below @root, and the page that its address 0 is in */
static uint64_t table(uint64_t root, unsigned depth)
{
    return depth ? TABLES + (4 * root / PAGE + depth) * PAGE : root;
}

void fuzz_claims_start(void)
{
    for (uint64_t root = 1; root <= FUZZ_CLAIMS_ROOTS; root++) {
        for (unsigned depth = 0; depth < 4; depth++) {
            put(table(root * PAGE, depth),
                table(root * PAGE, depth + 1) | PTE);
        }
    }
}

void fuzz_claims_renew(void)
{
    for (uint64_t root = 1; root <= FUZZ_CLAIMS_ROOTS; root++) {
        put(table(root * PAGE, 4), 0);
    }
}

void fuzz_claims_bound(unsigned which, uint64_t va)
{
    fuzz_assert(fuzz_memory_peek(NULL, va, &cookies[which]));
}

void fuzz_claims_put(unsigned which, uint64_t root)
{
    if (root >= PAGE && root <= FUZZ_CLAIMS_ROOTS * PAGE) {
        put(table(root, 4), cookies[which]);
    }
}

void fuzz_claims_check(ShadowPorts *ports, uint64_t root)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < FUZZ_GUESTS; i++) {
        ShadowGuest *g = fuzz_guest_object(i);

        if (g && g->ports == ports && shadow_claim_found(ports)) {
            fuzz_assert(root);
            cpu_physical_memory_read(table(root, 4), &val, sizeof(val));
            fuzz_assert(le64_to_cpu(val) == cookies[i]);
        }
    }
}
