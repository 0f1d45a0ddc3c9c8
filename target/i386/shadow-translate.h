/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What translate.c needs to know of ultracalls. */
#ifndef TARGET_I386_SHADOW_TRANSLATE_H
#define TARGET_I386_SHADOW_TRANSLATE_H

#ifdef CONFIG_USER_ONLY
#define SHADOW_ULTRACALLS false
static inline void gen_helper_shadow_vmcall(TCGv_env env)
{
    qemu_build_not_reached();
}
#else
#define SHADOW_ULTRACALLS true
#endif

#endif /* TARGET_I386_SHADOW_TRANSLATE_H */
