/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An address space of a few pages, some of them absent or read-only. */
#ifndef SHADOW_FUZZ_MEMORY_H
#define SHADOW_FUZZ_MEMORY_H

#include "shadow/hw/misc/ultracall.h"
#include "shadow/tests/fuzz/fuzz.h"

void fuzz_memory_start(void);
void fuzz_memory_renew(void);

/* Any number to an address in, or just beyond, the pages */
uint64_t fuzz_memory_address(uint16_t n);

/* Address and length of a tag: of a guest, of none, or hardly one. */
void fuzz_memory_tag(uint8_t n, uint64_t *va, uint64_t *len);

/* UltracallCaller.map and ShadowPeek */
int fuzz_memory_map(UltracallCaller *c, uint64_t va, size_t len, bool write,
                    UltracallBuffer *buf, uint64_t *fault);
bool fuzz_memory_peek(void *cpu, uint64_t va, uint64_t *val);

/* As the cloud VM would; what is not writable stays as it is. */
void fuzz_memory_write(uint64_t va, const uint8_t *buf, size_t len);

bool fuzz_memory_equals(uint64_t va, const uint8_t *buf, size_t len);

/* What must not have been written: anything since it was noted... */
void fuzz_memory_note(void);
void fuzz_memory_check_same(void);
/* ...and read-only pages at any time. */
void fuzz_memory_check_constant(void);

#endif /* SHADOW_FUZZ_MEMORY_H */
