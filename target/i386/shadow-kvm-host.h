/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host's KVM can do to keep a nested guest's ports from the cloud VM. */
#ifndef TARGET_I386_SHADOW_KVM_HOST_H
#define TARGET_I386_SHADOW_KVM_HOST_H

#include "qapi/qapi-types-shadow.h"

typedef struct ShadowKvmHost {
    bool svm;               /* nested guests on AMD */
    bool npt;               /* with nested page tables in L0 */
    bool vmx;               /* nested guests on Intel */
    bool nested_state;      /* KVM_CAP_NESTED_STATE */
    bool readonly_memory;   /* KVM_CAP_READONLY_MEM */
    bool nested_pio;        /* the kernel change in contrib/ */
} ShadowKvmHost;

/* The best that there is; if that is none, *@errp says what is missing. */
ShadowProtection shadow_kvm_host_protection(const ShadowKvmHost *host,
                                            Error **errp);

#endif /* TARGET_I386_SHADOW_KVM_HOST_H */
