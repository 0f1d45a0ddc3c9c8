/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SVM's help for hypervisors that cannot fetch a guest's instruction: next RIP
 * and decode assists (AMD APM vol. 2, 15.7.1 and 15.8.4).
 */
#ifndef TARGET_I386_SHADOW_TCG_ASSIST_H
#define TARGET_I386_SHADOW_TCG_ASSIST_H

#include "cpu.h"
#include "shadow/target/i386/shadow-insn.h"

/* EXITINFO1 of an access to a control register by MOV */
#define SHADOW_CR_VALID BIT_ULL(63)

/* What of the instruction at @env's RIP can be fetched: how many bytes */
size_t shadow_tcg_fetch(CPUX86State *env, uint8_t bytes[SHADOW_INSN_MAX]);

/* What that is; false if it is none that a hypervisor may be told of. */
bool shadow_tcg_decode(CPUX86State *env, ShadowInsn *insn);

/* Whether the machine's CPUs have all of that; else *@errp says what not. */
bool shadow_tcg_has_assists(Error **errp);

/* Put into the current VMCB what the hypervisor is told of an instruction. */
void shadow_tcg_put_assists(CPUX86State *env, uint64_t next_rip,
                            const uint8_t *bytes, size_t len);

/*
 * VMRUN injects what @env's fields for exceptions say: if it is of software, as
 * is INT3 or INTO, it returns to the VMCB's next RIP.
 */
void shadow_tcg_injects(CPUX86State *env);

/*
 * An ordinary nested guest is about to exit for @code: find it out, if the
 * processor has that at all.  @port_next: the RIP after a port access
 */
void shadow_tcg_assist(CPUX86State *env, uint64_t code, uint64_t port_next);

#endif /* TARGET_I386_SHADOW_TCG_ASSIST_H */
