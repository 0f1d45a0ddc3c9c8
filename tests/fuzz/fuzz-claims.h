/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nested guests' memory, for claims: a word of each, at its address 0. */
#ifndef SHADOW_FUZZ_CLAIMS_H
#define SHADOW_FUZZ_CLAIMS_H

#include "shadow/hw/core/shadow-ports.h"

/* Roots of nested page tables are pages 1 to this; any others have none. */
#define FUZZ_CLAIMS_ROOTS 3

void fuzz_claims_start(void);
void fuzz_claims_renew(void);

/* The guest @which was claimed: its cookie is at @va. */
void fuzz_claims_bound(unsigned which, uint64_t va);
/* The cloud VM puts it into the memory at @root. */
void fuzz_claims_put(unsigned which, uint64_t root);

/* An entry with @root has @ports: a guest that was found has its cookie. */
void fuzz_claims_check(ShadowPorts *ports, uint64_t root);

#endif /* SHADOW_FUZZ_CLAIMS_H */
