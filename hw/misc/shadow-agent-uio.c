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

/* The errno tells what stands between this process and a file. */
static int uio_open_file(const char *path, int flags, Error **errp)
{
    ERRP_GUARD();
    int fd = open(path, O_RDWR | O_CLOEXEC | flags);

    if (fd >= 0) {
        return fd;
    }
    error_setg_errno(errp, errno, "cannot open %s to read and write", path);
    switch (errno) {
    case EACCES:
        error_append_hint(errp, "User %u must be allowed to by the file's "
                          "owner or group, as a udev rule can see to, and by "
                          "AppArmor or SELinux.\n", geteuid());
        break;
    case ENOENT:
    case EPERM:
        error_append_hint(errp, "libvirt gives this QEMU a /dev and a device "
                          "cgroup of its own: name the file in "
                          "cgroup_device_acl in qemu.conf.\n");
        break;
    case EROFS:
        error_append_hint(errp, "/sys is mounted read-only here.\n");
        break;
    default:
        break;
    }
    return -1;
}

bool shadow_agent_uio_open(ShadowAgentUio *uio, const char *sysfs, bool config,
                           Error **errp)
{
    ERRP_GUARD();
    g_autofree char *name = uio_find(sysfs);
    g_autofree char *dev = g_strdup_printf("/dev/%s", name ?: "");
    g_autofree char *space = g_build_filename(sysfs, "config", NULL);

    uio->config = -1;
    if (!name) {
        error_setg(errp, "the ultracall device has no UIO driver");
        error_append_hint(errp, "As root: modprobe uio_pci_generic; "
                          "echo %x %x > /sys/bus/pci/drivers/"
                          "uio_pci_generic/new_id\n", ULTRACALL_PCI_VENDOR,
                          ULTRACALL_PCI_DEVICE);
        return false;
    }
    uio->fd = uio_open_file(dev, O_NONBLOCK, errp);
    if (uio->fd >= 0 && config) {
        uio->config = uio_open_file(space, 0, errp);
    }
    return uio->fd >= 0 && (uio->config >= 0 || !config);
}
