/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ultracall device's interrupt, through Linux' uio_pci_generic. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "standard-headers/linux/pci_regs.h"
#include "shadow/hw/misc/shadow-agent-uio.h"
#include "shadow/include/ultracall.h"

/* The name of the one entry of a folder, or NULL. */
static char *uio_find(const char *sysfs)
{
    g_autofree char *path = g_build_filename(sysfs, "uio", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    return dir ? g_strdup(g_dir_read_name(dir)) : NULL;
}

void shadow_agent_uio_enable(ShadowAgentUio *uio)
{
    uint8_t high;

    if (pread(uio->config, &high, 1, PCI_COMMAND + 1) == 1) {
        high &= ~(PCI_COMMAND_INTX_DISABLE >> 8);
        if (pwrite(uio->config, &high, 1, PCI_COMMAND + 1) != 1) {
            /* the next interrupt would be lost, but none is owed */
            return;
        }
    }
}

bool shadow_agent_uio_take(ShadowAgentUio *uio)
{
    uint32_t count;

    return read(uio->fd, &count, sizeof(count)) == sizeof(count);
}

bool shadow_agent_uio_open(ShadowAgentUio *uio, const char *sysfs,
                           Error **errp)
{
    ERRP_GUARD();
    g_autofree char *name = uio_find(sysfs);
    g_autofree char *dev = g_strdup_printf("/dev/%s", name ?: "");
    g_autofree char *config = g_build_filename(sysfs, "config", NULL);

    if (!name) {
        error_setg(errp, "the ultracall device has no UIO driver");
        error_append_hint(errp, "As root: modprobe uio_pci_generic; "
                          "echo %x %x > /sys/bus/pci/drivers/"
                          "uio_pci_generic/new_id\n", ULTRACALL_PCI_VENDOR,
                          ULTRACALL_PCI_DEVICE);
        return false;
    }
    uio->fd = open(dev, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    uio->config = open(config, O_RDWR | O_CLOEXEC);
    if (uio->fd < 0 || uio->config < 0) {
        error_setg_errno(errp, errno, "cannot open %s and %s", dev, config);
        return false;
    }
    shadow_agent_uio_enable(uio);
    return true;
}
