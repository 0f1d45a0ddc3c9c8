/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent in the device model of a domain of Xen's.
 *
 * Xen runs the domain in a context of its own, so that it is bound by a cookie
 * in its memory: in the end of its xenstore page, which every HVM domain has,
 * Xen's tools make anew when they restore one, and Xen's interface does not use
 * (xen/io/xs_wire.h).
 */
#include "qemu/osdep.h"
#include "hw/xen/xen_native.h"
#include <xen/hvm/params.h>
#include "qapi/error.h"
#include "system/xen.h"
#include "shadow/hw/misc/shadow-agent.h"
#include "shadow/hw/misc/shadow-agent-xen.h"

#define COOKIE_OFFSET   (XC_PAGE_SIZE - sizeof(uint64_t))
#define PFN_MAX         (ULTRACALL_BIND_ADDRESS >> XC_PAGE_SHIFT)

/* How long the device model of a domain that reboots may take to end */
#define LOCK_TIMEOUT_MS 10000

/* Whether it is for a migration that the state is saved, as far as is known */
static bool xen_live;

void shadow_agent_xen_saves(bool live)
{
    xen_live = live;
}

/*
 * Two domains could be given one guest by mistake, and a domain that reboots
 * gets a new device model, perhaps before its last one has unbound it.  The
 * file stays open, and locked, for as long as this process lives.
 */
static bool xen_lock(ShadowAgent *a, Error **errp)
{
    g_autofree char *path = g_strdup_printf("/run/shadow-agent-%s.lock",
                                            a->guest);
    int64_t end = g_get_monotonic_time() + LOCK_TIMEOUT_MS * 1000;
    int fd = qemu_create(path, O_RDWR, 0600, errp);
    int ret;

    if (fd < 0) {
        return false;
    }
    while ((ret = qemu_lock_fd(fd, 0, 0, true)) &&
           g_get_monotonic_time() < end) {
        g_usleep(100000);
    }
    if (ret) {
        error_setg(errp, "cannot lock %s: another device model has the guest "
                   "'%s'", path, a->guest);
        close(fd);
    }
    return !ret;
}

/* The domain's xenstore page, mapped; *@pfn: where the domain has it */
static void *xen_map_store_page(uint64_t *pfn, Error **errp)
{
    xen_pfn_t gfn;
    void *page;
    int err = 0;

    if (xc_hvm_param_get(xen_xc, xen_domid, HVM_PARAM_STORE_PFN, pfn)) {
        error_setg_errno(errp, errno, "cannot ask for the parameters of "
                         "domain %u", xen_domid);
        return NULL;
    }
    if (!*pfn || *pfn > PFN_MAX) {
        error_setg(errp, "domain %u has no xenstore page", xen_domid);
        return NULL;
    }
    gfn = *pfn;
    page = xenforeignmemory_map(xen_fmem, xen_domid, PROT_READ | PROT_WRITE, 1,
                                &gfn, &err);
    if (page && err) {
        xenforeignmemory_unmap(xen_fmem, page, 1);
        page = NULL;
    }
    if (!page) {
        error_setg_errno(errp, err < 0 ? -err : errno, "cannot map the "
                         "xenstore page of domain %u", xen_domid);
    }
    return page;
}

/* The domain stands still: Xen's tools let it run when this QEMU is ready. */
static bool xen_bind(ShadowAgent *a, Error **errp)
{
    uint64_t pfn = 0, cookie = 0;
    char *page = xen_lock(a, errp) ? xen_map_store_page(&pfn, errp) : NULL;
    int64_t ret;

    if (!page) {
        return false;
    }
    ret = shadow_agent_call_flags(a, ULTRACALL_BIND,
                                  ((pfn << XC_PAGE_SHIFT) + COOKIE_OFFSET) |
                                  ULTRACALL_BIND_CLAIM, &cookie,
                                  sizeof(cookie), NULL);
    if (!ret) {
        memcpy(page + COOKIE_OFFSET, &cookie, sizeof(cookie));
    } else {
        error_setg_errno(errp, -ret, "cannot bind guest '%s' to domain %u",
                         a->guest, xen_domid);
    }
    xenforeignmemory_unmap(xen_fmem, page, 1);
    return !ret;
}

static bool xen_is_snapshot(void)
{
    return !xen_live;
}

/*
 * Xen's tools tell a device model that the migration has failed, by "cont".
 * When the other host runs the domain they end it, by a signal.
 */
static bool xen_has_moved(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_HOST_SIGNAL;
}

static const ShadowAgentHypervisor agent_xen = {
    .bind = xen_bind,
    .is_snapshot = xen_is_snapshot,
    .has_moved = xen_has_moved,
};

const ShadowAgentHypervisor *shadow_agent_xen(void)
{
    return xen_enabled() ? &agent_xen : NULL;
}
