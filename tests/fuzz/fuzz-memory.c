/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An address space of a few pages, some of them absent or read-only.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/tests/fuzz/fuzz-memory.h"

#define PAGE 4096
#define BASE 0x10000

typedef enum PageKind {
    ABSENT,
    READ_ONLY,
    WRITABLE,
} PageKind;

/* An envelope of the fuzzed guests takes a little more than a page. */
static const PageKind kinds[] = {
    READ_ONLY, WRITABLE, WRITABLE, ABSENT, WRITABLE, WRITABLE, READ_ONLY,
    WRITABLE,
};

#define N_PAGES ARRAY_SIZE(kinds)

/* Each allocated alone, so that a step beyond one shows */
static uint8_t *pages[ARRAY_SIZE(kinds)];
static uint8_t noted[ARRAY_SIZE(kinds)][PAGE];

/* In the first page, 16 bytes apart */
static const char tags[][16] = { "vm1", "vm2", "vm3", "vm1" };

void fuzz_memory_start(void)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        pages[i] = g_malloc0(PAGE);
    }
    memcpy(pages[0], tags, sizeof(tags));
}

void fuzz_memory_renew(void)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        if (kinds[i] == WRITABLE) {
            memset(pages[i], 0, PAGE);
        }
    }
}

/* Three places of four are where envelopes are put. */
uint64_t fuzz_memory_address(uint16_t n)
{
    switch (n >> 14) {
    case 0:
        return BASE + PAGE + n % 256;
    case 1:
        return BASE + 4 * PAGE + n % 256;
    case 2:
        return BASE + 7 * PAGE + n % PAGE;
    default:
        return BASE - PAGE + (uint64_t)(n & 0x3fff) * 3;
    }
}

void fuzz_memory_tag(uint8_t n, uint64_t *va, uint64_t *len)
{
    *va = BASE + n % ARRAY_SIZE(tags) * sizeof(tags[0]);
    *len = n < 0xe0 ? 3 : n - 0xe0;
}

static uint8_t *at(uint64_t va, bool write)
{
    size_t page = (va - BASE) / PAGE;

    if (va < BASE || page >= N_PAGES || kinds[page] == ABSENT ||
        (write && kinds[page] != WRITABLE)) {
        return NULL;
    }
    return pages[page] + va % PAGE;
}

int fuzz_memory_map(UltracallCaller *c, uint64_t va, size_t len, bool write,
                    UltracallBuffer *buf, uint64_t *fault)
{
    while (len) {
        size_t n = MIN(len, PAGE - va % PAGE);
        uint8_t *host = at(va, write);

        if (!host) {
            *fault = va;
            return -EFAULT;
        }
        ultracall_buffer_add(buf, host, n);
        va += n;
        len -= n;
    }
    return 0;
}

bool fuzz_memory_peek(void *cpu, uint64_t va, uint64_t *val)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        const uint8_t *host = at(va + i, false);

        if (!host) {
            return false;
        }
        bytes[i] = *host;
    }
    *val = ldq_le_p(bytes);
    return true;
}

void fuzz_memory_write(uint64_t va, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t n = MIN(len, PAGE - va % PAGE);
        uint8_t *host = at(va, true);

        if (host) {
            memcpy(host, buf, n);
        }
        va += n;
        buf += n;
        len -= n;
    }
}

bool fuzz_memory_equals(uint64_t va, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t n = MIN(len, PAGE - va % PAGE);
        uint8_t *host = at(va, false);

        if (!host || memcmp(host, buf, n)) {
            return false;
        }
        va += n;
        buf += n;
        len -= n;
    }
    return true;
}

void fuzz_memory_note(void)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        memcpy(noted[i], pages[i], PAGE);
    }
}

void fuzz_memory_check_same(void)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        fuzz_assert(!memcmp(noted[i], pages[i], PAGE));
    }
}

void fuzz_memory_check_constant(void)
{
    fuzz_assert(!memcmp(pages[0], tags, sizeof(tags)));
    for (unsigned i = 0; i < N_PAGES; i++) {
        if (kinds[i] != WRITABLE) {
            size_t used = i ? 0 : sizeof(tags);

            fuzz_assert(buffer_is_zero(pages[i] + used, PAGE - used));
        }
    }
}
