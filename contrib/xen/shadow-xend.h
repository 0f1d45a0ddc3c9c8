/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SHADOW_XEND_H
#define SHADOW_XEND_H

#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include "shadow-xen.h"

struct xend {
    struct ultracall_client client;
    struct xs_handle *xs;
    xc_interface *xc;
    xenforeignmemory_handle *memory;
    xendevicemodel_handle *devices;
    int uio;            /* the ultracall device's interrupt */
};

/* An interrupt line of a shadow device, as LAYOUT and IRQ_POLL name it */
struct line {
    uint16_t iobase;
    uint8_t irq;
    uint32_t edges;
};

struct domain {
    struct domain *next;
    uint32_t domid;
    xen_domain_handle_t handle;
    char name[SHADOW_NAME_MAX];         /* as in the table */
    char tag[ULTRACALL_ID_MAX + 1];     /* of its guest, if it is bound */
    char state[160];                    /* as it was last told */
    bool paused;                        /* before we looked */
    bool seen;
    bool resync;                        /* its lines may have been lost */
    unsigned lines;
    struct line line[ULTRACALL_DEVICES_MAX];
};

static inline bool domain_bound(const struct domain *d)
{
    return d->tag[0];
}

/* Tell what has become of a domain: once, until it changes. */
void domain_state(struct xend *x, struct domain *d, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* shadow-xend-bind.c */
void domain_bind(struct xend *x, struct domain *d, const char *tag);
void domain_unbind(struct xend *x, struct domain *d);

/* shadow-xend-irq.c */
bool irq_open(struct xend *x);
bool irq_take(struct xend *x);
bool irq_layout(struct xend *x, struct domain *d, const char *tag);
void irq_poll(struct xend *x, struct domain *d);

#endif /* SHADOW_XEND_H */
