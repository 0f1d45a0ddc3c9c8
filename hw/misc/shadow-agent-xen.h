/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU tells the agent in a device model of Xen's. */
#ifndef SHADOW_AGENT_XEN_H
#define SHADOW_AGENT_XEN_H

/*
 * Xen's tools have the devices' state saved; @live: for a migration.  Where
 * the agent is for KVM only, nothing happens.
 */
void shadow_agent_xen_saves(bool live);

#endif /* SHADOW_AGENT_XEN_H */
