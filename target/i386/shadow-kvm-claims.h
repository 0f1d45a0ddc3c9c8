/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of nested guests claimed of a kernel that has the change in contrib/ */
#ifndef TARGET_I386_SHADOW_KVM_CLAIMS_H
#define TARGET_I386_SHADOW_KVM_CLAIMS_H

/* Whether this host's kernel takes claims. */
bool shadow_kvm_claims_work(void);

/*
 * Bring KVM's claims in line with the bound guests' ports.  With the BQL.  A
 * guest for which there is no room is not protected, and said to be so.
 */
void shadow_kvm_claims_update(void);

#endif /* TARGET_I386_SHADOW_KVM_CLAIMS_H */
