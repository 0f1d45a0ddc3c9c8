/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which virtual CPUs a private guest has: the first one that was launched, and
 * those that it has asked to start by INIT and startup interrupts.
 */
#ifndef TARGET_I386_SHADOW_VCPU_STARTS_H
#define TARGET_I386_SHADOW_VCPU_STARTS_H

#include "shadow/hw/misc/shadow-launch.h"
#include "shadow/target/i386/shadow-vcpu.h"

/* The one with this VMCB, or NULL.  Without a lock. */
ShadowVcpu *shadow_vcpu_find(ShadowPrivate *p, uint64_t vmcb);

/* A new one with the VMCB that @env enters, which begins at @start */
ShadowVcpu *shadow_vcpu_first(CPUX86State *env, ShadowPrivate *p,
                              const ShadowStart *start);

/* The same, which goes on with the registers that @env has */
ShadowVcpu *shadow_vcpu_locked(CPUX86State *env, ShadowPrivate *p);

/*
 * The same for one that the guest has asked for, or that has come from another
 * host, and goes on at what is @rip to the cloud VM; or NULL.  Which of the cloud
 * VM's it is, is the cloud VM's to say, once.
 */
ShadowVcpu *shadow_vcpu_start(CPUX86State *env, ShadowPrivate *p,
                              uint64_t rip);

/* Have none entered any more; false, with nothing changed, if one runs. */
bool shadow_vcpu_freeze(ShadowPrivate *p);

/* How often they have left the guest, all together; whether one is in it */
uint64_t shadow_vcpu_exits(ShadowPrivate *p, bool *runs);

/* Whether the guest has put an end to it */
bool shadow_vcpu_is_over(const ShadowVcpu *v);

/*
 * One has come from another host, as @from, whose bitmap is little-endian, and
 * waits for the cloud VM to enter it.  False if there are too many, or if it
 * cannot be one.
 */
bool shadow_vcpu_arrive(ShadowPrivate *p, const ShadowVcpu *from);

/* @v has exited: see whether it was to start others. */
void shadow_vcpu_note_starts(ShadowVcpu *v);

#endif /* TARGET_I386_SHADOW_VCPU_STARTS_H */
