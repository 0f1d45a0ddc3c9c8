/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupts of shadow devices: from the ultracall device's own, by Linux'
 * uio_pci_generic, into the domains.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include "shadow-xend.h"

#define IRQ_MAX 15      /* ISA's */

/* The name of the one entry of a folder of sysfs */
static bool uio_name(const char *dir, char *buf, size_t size)
{
    DIR *d = opendir(dir);
    struct dirent *e = d ? readdir(d) : NULL;

    while (e && e->d_name[0] == '.') {
        e = readdir(d);
    }
    snprintf(buf, size, "/dev/%s", e ? e->d_name : "");
    if (d) {
        closedir(d);
    }
    return e;
}

bool irq_open(struct xend *x)
{
    char dir[sizeof(x->client.sysfs) + 8];
    char dev[300];

    snprintf(dir, sizeof(dir), "%s/uio", x->client.sysfs);
    if (!uio_name(dir, dev, sizeof(dev))) {
        shadow_say("the ultracall device has no UIO driver; as root: modprobe "
                   "uio_pci_generic; echo %x %x > /sys/bus/pci/drivers/"
                   "uio_pci_generic/new_id", ULTRACALL_PCI_VENDOR,
                   ULTRACALL_PCI_DEVICE);
        return false;
    }
    x->uio = open(dev, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (x->uio < 0) {
        shadow_say("%s: %s", dev, strerror(errno));
    }
    return x->uio >= 0;
}

bool irq_take(struct xend *x)
{
    uint32_t count;

    return read(x->uio, &count, sizeof(count)) == sizeof(count);
}

/* IRQ_POLL names a device by the lowest of its ports, which comes first. */
static void layout_add(struct domain *d, const struct ultracall_resource *r,
                       uint16_t *device, uint16_t *iobase)
{
    if (r->device != *device) {
        *device = r->device;
        *iobase = 0;
    }
    if (r->kind == ULTRACALL_PORTS && !*iobase) {
        *iobase = r->first;
    } else if (r->kind == ULTRACALL_LINE && r->number <= IRQ_MAX &&
               d->lines < ULTRACALL_DEVICES_MAX) {
        d->line[d->lines++] = (struct line) {
            .iobase = *iobase,
            .irq = r->number,
        };
    }
}

/* Which lines the devices of the guest @tag have */
bool irq_layout(struct xend *x, struct domain *d, const char *tag)
{
    static struct ultracall_resource r[ULTRACALL_RESOURCES_MAX];
    uint16_t device = UINT16_MAX, iobase = 0;
    uint64_t len = 0;
    int64_t ret = shadow_call(&x->client, tag, ULTRACALL_LAYOUT, 0, r,
                              sizeof(r), &len);

    if (ret || len > sizeof(r)) {
        domain_state(x, d, "error: cannot ask what devices '%s' has: %s", tag,
                     strerror(ret ? -ret : EPROTO));
        return false;
    }
    d->lines = 0;
    for (size_t i = 0; i < len / sizeof(r[0]); i++) {
        layout_add(d, &r[i], &device, &iobase);
    }
    return true;
}

/*
 * Lowered first, and left up: Xen's interrupt controller takes a request back
 * when the line falls, and the domain may not have run meanwhile.  Lines are
 * edge-triggered, so that it does not matter that they stay up.
 */
static void irq_edge(struct xend *x, struct domain *d, const struct line *l)
{
    if (xendevicemodel_set_isa_irq_level(x->devices, d->domid, l->irq, 0) ||
        xendevicemodel_set_isa_irq_level(x->devices, d->domid, l->irq, 1)) {
        domain_state(x, d, "bound %u to %s, without interrupts: %s", d->domid,
                     d->tag, strerror(errno));
    }
}

static void irq_update(struct xend *x, struct domain *d,
                       const struct ultracall_device *dev)
{
    for (unsigned i = 0; i < d->lines; i++) {
        struct line *l = &d->line[i];

        if (l->iobase != dev->iobase || l->irq != dev->irq) {
            continue;
        }
        if (l->edges != dev->edges || d->resync) {
            l->edges = dev->edges;
            irq_edge(x, d, l);
        }
    }
}

/* Allow the next interrupt, and bring what has moved until now. */
void irq_poll(struct xend *x, struct domain *d)
{
    static struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    uint64_t len = 0;
    int64_t ret = shadow_call(&x->client, d->tag, ULTRACALL_IRQ_POLL,
                              ULTRACALL_POLL_REARM, dev, sizeof(dev), &len);

    if (ret || len > sizeof(dev)) {
        domain_state(x, d, "error: '%s' has no interrupts any more: %s",
                     d->tag, strerror(ret ? -ret : EPROTO));
        return;
    }
    for (size_t i = 0; i < len / sizeof(dev[0]); i++) {
        irq_update(x, d, &dev[i]);
    }
    d->resync = false;
}
