/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host's KVM can do to keep a nested guest's ports from the cloud VM.
 *
 * On AMD the cloud VM's map of I/O permissions is in its memory, and KVM reads
 * it at each access.  On Intel its KVM uses no map.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/target/i386/shadow-kvm-host.h"

ShadowProtection shadow_kvm_host_protection(const ShadowKvmHost *host,
                                            Error **errp)
{
    if (!host->svm && !host->vmx) {
        error_setg(errp, "KVM on this host runs no nested guests (load "
                   "kvm_amd with nested=1)");
    } else if (!host->nested_state) {
        error_setg(errp, "this host's kernel is too old: it lacks "
                   "KVM_CAP_NESTED_STATE (Linux 5.8 has it)");
    } else if (host->svm && !host->npt) {
        error_setg(errp, "KVM on this host works without nested paging (load "
                   "kvm_amd with npt=1)");
    } else if (host->nested_pio) {
        return SHADOW_PROTECTION_FORCED;
    } else if (!host->svm) {
        error_setg(errp, "KVM on Intel processors lets the cloud VM have all "
                   "port accesses of nested guests; the kernel change in "
                   "contrib/ would keep them from it");
    } else if (!host->readonly_memory) {
        error_setg(errp, "KVM on this host lacks KVM_CAP_READONLY_MEM");
    } else {
        return SHADOW_PROTECTION_WATCHED;
    }
    return SHADOW_PROTECTION_NONE;
}
