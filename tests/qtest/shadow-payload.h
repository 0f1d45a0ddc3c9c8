/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Golden states of tests/golden, and envelopes that hold any payload: what a
 * host that has the secret could send.
 */
#ifndef SHADOW_PAYLOAD_H
#define SHADOW_PAYLOAD_H

#include "shadow-common.h"
#include "shadow/migration/shadow-seal.h"

/* With this the state fits the smallest envelope. */
#define SMALL_QUEUES ",input-size=512,output-size=512"

/* vm1 with com1, bound, whose user is at @socket */
QTestState *payload_start(const char *guest_props, const char *socket);

GByteArray *golden_read(const char *file);
/*
 * What is saved is what is in @file, but for @n bytes at @at.  Or, with
 * SHADOW_GOLDEN_WRITE set to a folder, write it there.
 */
void golden_check(const char *file, const GByteArray *is, size_t at, size_t n);

/* What is in an envelope of vm1 */
GByteArray *payload_unsealed(const GByteArray *env);
/* The same of any guest that has key0; also of what is sent ahead */
GByteArray *payload_unsealed_as(const GByteArray *env, const char *guest,
                                ShadowSealPurpose purpose);
/* And the other way round */
GByteArray *payload_sealed(const GByteArray *payload, const char *guest,
                           ShadowSealPurpose purpose, uint64_t epoch);
/* Seal and RESTORE; returns the status of the call */
int payload_restore(QTestState *qts, const GByteArray *payload);

#endif /* SHADOW_PAYLOAD_H */
