/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow-xend: in Xen's control domain, binds domains to the shadow guests of
 * the outer QEMU, and brings them the interrupts of their shadow devices.
 *
 * Which domain has which shadow guest, xenstore's /shadow says.  No domain but
 * the control domain can write there, nor to the domains' names; what another
 * one could have written is not read.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shadow-xend.h"

#define CHUNK 64

static const char usage[] =
    "usage: shadow-xend [--help]\n"
    "\n"
    "In Xen's control domain, as root: gives domains the shadow consoles\n"
    "of the outer QEMU.  Stays in the foreground; tells on standard error\n"
    "what it does.\n"
    "\n"
    "  xenstore-write /shadow/NAME GUEST\n"
    "      the domain NAME, now or when there is one, is the outer QEMU's\n"
    "      shadow-guest GUEST\n"
    "  xenstore-read /shadow/NAME/state\n"
    "      \"bound N to GUEST\", where N is the domain's number; or\n"
    "      \"error: ...\", or \"none\"\n"
    "  xenstore-rm /shadow/NAME\n"
    "      that is no longer so\n"
    "\n"
    "What a domain does before it is bound goes to this machine's own\n"
    "devices: start it with xl create -p, and let it run (xl unpause) when\n"
    "it is bound.\n";

static struct domain *domains;

void domain_state(struct xend *x, struct domain *d, const char *format, ...)
{
    char path[SHADOW_PATH_MAX], state[sizeof(d->state)];
    va_list args;

    va_start(args, format);
    vsnprintf(state, sizeof(state), format, args);
    va_end(args);
    if (!strcmp(state, d->state)) {
        return;
    }
    snprintf(d->state, sizeof(d->state), "%s", state);
    shadow_say("%s (domain %u): %s", d->name, d->domid, state);
    snprintf(path, sizeof(path), SHADOW_TABLE "/%s/state", d->name);
    xs_write(x->xs, XBT_NULL, path, state, strlen(state));
}

/* A name stays with a domain once it is bound: migration renames it. */
static bool domain_read_name(struct xend *x, struct domain *d)
{
    char path[SHADOW_PATH_MAX], name[SHADOW_NAME_MAX];
    size_t len, suffix = strlen(SHADOW_INCOMING);

    snprintf(path, sizeof(path), "/local/domain/%u/name", d->domid);
    if (!shadow_store_read(x->xs, path, name, sizeof(name)) ||
        !shadow_name_valid(name)) {
        return false;
    }
    len = strlen(name);
    if (len > suffix && !strcmp(name + len - suffix, SHADOW_INCOMING)) {
        name[len - suffix] = 0;
    }
    snprintf(d->name, sizeof(d->name), "%s", name);
    return true;
}

static struct domain *domain_with_tag(const char *tag)
{
    for (struct domain *d = domains; d; d = d->next) {
        if (!strcmp(d->tag, tag)) {
            return d;
        }
    }
    return NULL;
}

/* Bring a domain to where the table wants it. */
static void domain_update(struct xend *x, struct domain *d)
{
    char path[SHADOW_PATH_MAX], tag[ULTRACALL_ID_MAX + 2];
    struct domain *other;

    if (!domain_bound(d) && !domain_read_name(x, d)) {
        return;
    }
    snprintf(path, sizeof(path), SHADOW_TABLE "/%s", d->name);
    if (!shadow_store_read(x->xs, path, tag, sizeof(tag)) || !tag[0]) {
        if (domain_bound(d)) {
            domain_unbind(x, d);
            domain_state(x, d, "none");
        }
        return;
    }
    if (!strcmp(d->tag, tag)) {
        return;
    }
    if (domain_bound(d)) {
        domain_unbind(x, d);
    }
    other = domain_with_tag(tag);
    if (!shadow_tag_valid(tag)) {
        domain_state(x, d, "error: its entry is no shadow-guest's id");
    } else if (other) {
        domain_state(x, d, "error: '%s' is bound to domain %u", tag,
                     other->domid);
    } else {
        domain_bind(x, d, tag);
    }
}

static struct domain *domain_find(const xc_domaininfo_t *info)
{
    for (struct domain *d = domains; d; d = d->next) {
        if (d->domid == info->domain &&
            !memcmp(d->handle, info->handle, sizeof(d->handle))) {
            return d;
        }
    }
    return NULL;
}

static void domain_see(const xc_domaininfo_t *info)
{
    struct domain *d;

    if (!info->domain || !(info->flags & XEN_DOMINF_hvm_guest) ||
        info->flags & XEN_DOMINF_dying) {
        return;
    }
    d = domain_find(info);
    if (!d) {
        d = calloc(1, sizeof(*d));
        if (!d) {
            shadow_say("no memory for domain %u", info->domain);
            return;
        }
        d->domid = info->domain;
        memcpy(d->handle, info->handle, sizeof(d->handle));
        d->next = domains;
        domains = d;
    }
    d->paused = info->flags & XEN_DOMINF_paused;
    d->seen = true;
}

/* Those that are gone come first: their guests may be other domains' now. */
static void drop_unseen(struct xend *x)
{
    struct domain **at = &domains, *d;

    while ((d = *at)) {
        if (d->seen) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        if (domain_bound(d)) {
            domain_unbind(x, d);
            domain_state(x, d, "none");
        }
        free(d);
    }
}

static void update_all(struct xend *x)
{
    static xc_domaininfo_t info[CHUNK];
    uint32_t first = 0;
    int n;

    for (struct domain *d = domains; d; d = d->next) {
        d->seen = false;
    }
    while ((n = xc_domain_getinfolist(x->xc, first, CHUNK, info)) > 0) {
        for (int i = 0; i < n; i++) {
            domain_see(&info[i]);
        }
        first = info[n - 1].domain + 1;
    }
    if (n < 0) {
        /* not known to be gone */
        shadow_say("cannot list the domains: %s", strerror(errno));
        return;
    }
    drop_unseen(x);
    for (struct domain *d = domains; d; d = d->next) {
        domain_update(x, d);
    }
}

/*
 * An entry that was written, be it the same as before: whoever did that has
 * changed something, as its guest's state.  Our own writing is not meant.
 */
static bool table_changed(struct xend *x, const char *path)
{
    const char *name = path + strlen(SHADOW_TABLE);

    if (*name++ != '/') {
        return true;
    }
    for (struct domain *d = domains; d; d = d->next) {
        if (domain_bound(d) && !strcmp(d->name, name)) {
            d->resync = true;
        }
    }
    return !strchr(name, '/');
}

static void poll_all(struct xend *x, bool resync)
{
    for (struct domain *d = domains; d; d = d->next) {
        if (domain_bound(d) && (!resync || d->resync)) {
            irq_poll(x, d);
        }
    }
}

static bool store_event(struct xend *x)
{
    bool update = false;
    char **watch;

    errno = 0;
    while ((watch = xs_check_watch(x->xs))) {
        const char *path = watch[XS_WATCH_PATH];

        update |= path[0] == '@' || table_changed(x, path);
        free(watch);
        errno = 0;
    }
    if (errno != EAGAIN) {
        shadow_say("xenstore has gone: %s", strerror(errno));
        return false;
    }
    if (update) {
        update_all(x);
        poll_all(x, true);
    }
    return true;
}

static bool take_lock(void)
{
    int fd = open(SHADOW_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        shadow_say(errno == EWOULDBLOCK ? "another one is running"
                                        : SHADOW_LOCK " cannot be locked");
        return false;
    }
    return true;
}

static bool start(struct xend *x)
{
    if (!take_lock() || !shadow_open(&x->client)) {
        return false;
    }
    if (!(x->client.features & ULTRACALL_F_CLAIM)) {
        shadow_say("the outer QEMU cannot bind domains: it is too old, or "
                   "uses KVM");
        return false;
    }
    x->xs = xs_open(0);
    x->xc = xc_interface_open(NULL, NULL, 0);
    x->memory = xenforeignmemory_open(NULL, 0);
    x->devices = xendevicemodel_open(NULL, 0);
    if (!x->xs || !x->xc || !x->memory || !x->devices) {
        shadow_say("no access to Xen (%s): is this its control domain, and "
                   "are you root?", strerror(errno));
        return false;
    }
    if (!irq_open(x)) {
        return false;
    }
    /* Pages that are not there cost a call more. */
    mlockall(MCL_CURRENT);
    if (!xs_watch(x->xs, "@introduceDomain", "domains") ||
        !xs_watch(x->xs, "@releaseDomain", "domains") ||
        !xs_watch(x->xs, SHADOW_TABLE, "table")) {
        shadow_say("cannot watch xenstore: %s", strerror(errno));
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct xend x;
    struct pollfd fds[2];

    if (argc > 1) {
        bool help = !strcmp(argv[1], "--help");

        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    if (!start(&x)) {
        return 1;
    }
    fds[0] = (struct pollfd) { .fd = xs_fileno(x.xs), .events = POLLIN };
    fds[1] = (struct pollfd) { .fd = x.uio, .events = POLLIN };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            shadow_say("poll: %s", strerror(errno));
            return 1;
        }
        if (fds[0].revents && !store_event(&x)) {
            return 1;
        }
        if (fds[1].revents && irq_take(&x)) {
            poll_all(&x, false);
        }
    }
}
