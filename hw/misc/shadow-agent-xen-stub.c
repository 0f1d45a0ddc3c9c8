/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of shadow-agent-xen.c, in a QEMU that is not Xen's. */
#include "qemu/osdep.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/hw/misc/shadow-agent-xen.h"

const ShadowAgentHypervisor *shadow_agent_xen(void)
{
    return NULL;
}

void shadow_agent_xen_saves(bool live)
{
}
