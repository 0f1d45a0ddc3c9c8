/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ultracall device's interrupt, through Linux' uio_pci_generic. */
#ifndef SHADOW_AGENT_UIO_H
#define SHADOW_AGENT_UIO_H

typedef struct ShadowAgentUio {
    int fd;         /* readable when there was an interrupt */
    int config;     /* PCI configuration space, or -1 */
} ShadowAgentUio;

/*
 * @sysfs: the PCI function's folder.  @config: whether the configuration space
 * is needed, since the outer QEMU does not enable the interrupt when asked.
 * The files stay open for as long as the process runs.
 */
bool shadow_agent_uio_open(ShadowAgentUio *uio, const char *sysfs, bool config,
                           Error **errp);

/* Whether there was an interrupt; it is disabled then, until it is enabled. */
bool shadow_agent_uio_take(ShadowAgentUio *uio);

/* By the configuration space; without it nothing happens. */
void shadow_agent_uio_enable(ShadowAgentUio *uio);

#endif /* SHADOW_AGENT_UIO_H */
