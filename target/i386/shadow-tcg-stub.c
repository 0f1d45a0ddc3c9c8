/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No shadow devices: every nested guest is L1's alone. */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "shadow/target/i386/shadow-tcg.h"

bool shadow_bindings_used;
__thread ShadowAnswer shadow_tcg_answer;

void shadow_tcg_vmrun(CPUX86State *env)
{
}

bool shadow_tcg_ultracall(CPUX86State *env, uintptr_t ra)
{
    return false;
}

void helper_shadow_vmcall(CPUX86State *env)
{
    raise_exception(env, EXCP06_ILLOP);
}

bool shadow_tcg_take(CPUX86State *env, uint16_t port, unsigned size,
                     uintptr_t ra)
{
    return false;
}

uint32_t shadow_answer_read(const ShadowAnswer *answer, uint16_t port,
                            unsigned size)
{
    return UINT32_MAX;
}

void shadow_answer_write(const ShadowAnswer *answer, uint16_t port,
                         unsigned size, uint32_t val)
{
}
