/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cloud VM's maps of I/O permissions, in which the bits of claimed ports
 * are held at 0 (AMD APM vol. 2, 15.10).  With the BQL, unless stated.
 */
#ifndef TARGET_I386_SHADOW_KVM_MAP_H
#define TARGET_I386_SHADOW_KVM_MAP_H

/* One bit for each port, and one byte more for an access to the last ones */
#define SHADOW_KVM_MAP_SIZE (3 * 4096)

typedef struct ShadowKvmMap ShadowKvmMap;

/*
 * From now on what the cloud VM writes to the map at @gpa is what it wants,
 * but not what the processor sees.  Returns false if there cannot be a map.
 */
bool shadow_kvm_map_hold(uint64_t gpa);

/*
 * The ports that guests with the map claim have changed; a map that no guest
 * has any more becomes ordinary memory again.
 */
void shadow_kvm_map_update_all(void);

/*
 * Whether the cloud VM wants an access intercepted that was made with its map
 * at @gpa, which need not be a held one.
 */
bool shadow_kvm_map_wants(uint64_t gpa, uint16_t port, unsigned size);

#endif /* TARGET_I386_SHADOW_KVM_MAP_H */
