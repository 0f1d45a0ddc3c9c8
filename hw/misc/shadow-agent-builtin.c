/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent as a part of QEMU; as a plug-in it has shadow-agent-plugin.c. */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "shadow/hw/misc/shadow-agent.h"

type_init(shadow_agent_register_types)
