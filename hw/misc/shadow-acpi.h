/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI's tables of a guest in private memory, with nothing of the cloud VM's */
#ifndef HW_MISC_SHADOW_ACPI_H
#define HW_MISC_SHADOW_ACPI_H

#include "shadow/hw/misc/shadow-machine.h"

/*
 * The tables of @m, a machine that is known, as they are to be at the address
 * @base.  The root pointer (RSDP) is at the start.
 */
GArray *shadow_acpi_build(const ShadowMachine *m, uint32_t base);

#endif /* HW_MISC_SHADOW_ACPI_H */
