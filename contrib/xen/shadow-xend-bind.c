/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Binding a domain to its shadow guest, by a cookie in the domain's memory: in
 * the end of its xenstore page, which every HVM and PVH domain has, xl restore
 * makes anew, and Xen's interface does not use (xen/io/xs_wire.h).
 */
#include <sys/mman.h>
#include "shadow-xend.h"
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#define COOKIE_OFFSET   (XC_PAGE_SIZE - sizeof(uint64_t))
#define PFN_MAX         (ULTRACALL_BIND_ADDRESS >> XC_PAGE_SHIFT)
#define CR0_PG          (1u << 31)

/* The domain's xenstore page, mapped, and its guest-physical address */
static void *map_store_page(struct xend *x, struct domain *d, uint64_t *gpa)
{
    uint64_t pfn = 0;
    xen_pfn_t gfn;
    void *page;
    int err = 0;

    if (xc_hvm_param_get(x->xc, d->domid, HVM_PARAM_STORE_PFN, &pfn)) {
        domain_state(x, d, "error: no access to its parameters: %s",
                     strerror(errno));
        return NULL;
    }
    if (!pfn || pfn > PFN_MAX) {
        domain_state(x, d, "error: it has no xenstore page");
        return NULL;
    }
    gfn = pfn;
    page = xenforeignmemory_map(x->memory, d->domid, PROT_READ | PROT_WRITE, 1,
                                &gfn, &err);
    if (page && err) {
        xenforeignmemory_unmap(x->memory, page, 1);
        page = NULL;
    }
    if (!page) {
        domain_state(x, d, "error: its xenstore page cannot be mapped: %s",
                     strerror(err < 0 ? -err : errno));
    }
    *gpa = (pfn << XC_PAGE_SHIFT) + COOKIE_OFFSET;
    return page;
}

static bool claim(struct xend *x, struct domain *d, const char *tag)
{
    static uint64_t cookie;     /* where it stays while L0 writes to it */
    uint64_t gpa;
    char *page = map_store_page(x, d, &gpa);
    int64_t ret;

    if (!page) {
        return false;
    }
    ret = shadow_call(&x->client, tag, ULTRACALL_BIND,
                      gpa | ULTRACALL_BIND_CLAIM, &cookie, sizeof(cookie),
                      NULL);
    if (!ret) {
        memcpy(page + COOKIE_OFFSET, &cookie, sizeof(cookie));
    } else {
        domain_state(x, d, "error: cannot bind '%s': %s", tag,
                     strerror(-ret));
    }
    cookie = 0;
    xenforeignmemory_unmap(x->memory, page, 1);
    return !ret;
}

/*
 * Whether it is a new machine, which has not executed anything yet; one that
 * xl has restored has.  Xen starts a domain without paging and a stack.
 */
static bool domain_fresh(struct xend *x, const struct domain *d)
{
    HVM_SAVE_TYPE(CPU) cpu;

    return !xc_domain_hvm_getcontext_partial(x->xc, d->domid,
                                             HVM_SAVE_CODE(CPU), 0, &cpu,
                                             sizeof(cpu)) &&
           !cpu.rsp && !cpu.cr3 && !(cpu.cr0 & CR0_PG);
}

/*
 * A domain that reboots is another one to Xen, and nobody else says to L0 that
 * its machine was reset.  Where the console is not active it has none to reset.
 */
static void domain_reset(struct xend *x, struct domain *d)
{
    int64_t ret = shadow_call(&x->client, d->tag, ULTRACALL_RESET, 0, NULL, 0,
                              NULL);

    if (ret && ret != -EBUSY) {
        shadow_say("%s (domain %u): cannot reset '%s': %s", d->name, d->domid,
                   d->tag, strerror(-ret));
    }
}

/*
 * The domain stands still meanwhile.  If it ran before, and was not bound by
 * a shadow-xend before this one, what it did went to the cloud VM.
 */
void domain_bind(struct xend *x, struct domain *d, const char *tag)
{
    bool late = !d->paused;
    unsigned flags;

    if (shadow_state(&x->client, tag, &flags) == -ENOENT) {
        domain_state(x, d, "error: the outer QEMU has no shadow-guest '%s'",
                     tag);
        return;
    }
    if (xc_domain_pause(x->xc, d->domid)) {
        domain_state(x, d, "error: cannot be paused: %s", strerror(errno));
        return;
    }
    late = late && !(flags & ULTRACALL_GUEST_BOUND);
    if (irq_layout(x, d, tag) && claim(x, d, tag)) {
        snprintf(d->tag, sizeof(d->tag), "%s", tag);
        if (domain_fresh(x, d)) {
            domain_reset(x, d);
        }
        domain_state(x, d, "bound %u to %s%s", d->domid, tag,
                     late ? ", but it ran before: the cloud VM has served its "
                            "console until now" : "");
        d->resync = true;
        irq_poll(x, d);
    }
    xc_domain_unpause(x->xc, d->domid);
}

void domain_unbind(struct xend *x, struct domain *d)
{
    int64_t ret = shadow_call(&x->client, d->tag, ULTRACALL_UNBIND, 0, NULL, 0,
                              NULL);

    if (ret && ret != -ENOENT && ret != -EALREADY) {
        shadow_say("%s (domain %u): cannot unbind '%s': %s", d->name,
                   d->domid, d->tag, strerror(-ret));
    }
    d->tag[0] = 0;
    d->lines = 0;
}
