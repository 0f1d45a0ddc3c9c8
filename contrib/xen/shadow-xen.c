/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <xenstore.h>
#include "shadow-xen.h"

void shadow_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

bool shadow_open(struct ultracall_client *c)
{
    int ret = ultracall_open(c);

    switch (ret) {
    case 0:
        return true;
    case -ENODEV:
        shadow_say("this machine has no ultracall device: its operator has "
                   "to give the outer QEMU -device ultracall");
        break;
    case -EPROTO:
        shadow_say("the outer QEMU does not speak version %d, or serves no "
                   "control domain: it may be too old", ULTRACALL_VERSION);
        break;
    default:
        shadow_say("no access to the ports of %s: %s", c->sysfs,
                   strerror(-ret));
        break;
    }
    return false;
}

int64_t shadow_call(const struct ultracall_client *c, const char *tag,
                    uint32_t nr, uint64_t flags, void *buf, size_t len,
                    uint64_t *value)
{
    uint64_t ignored;

    return ultracall(c, nr, (uintptr_t)tag, strlen(tag), (uintptr_t)buf, len,
                     flags, value ? value : &ignored);
}

int64_t shadow_state(const struct ultracall_client *c, const char *tag,
                     unsigned *flags)
{
    struct {
        struct ultracall_guest guest;
        struct ultracall_device device[ULTRACALL_DEVICES_MAX];
    } reply;
    int64_t ret;

    memset(&reply, 0, sizeof(reply));
    ret = shadow_call(c, tag, ULTRACALL_QUERY, 0, &reply, sizeof(reply), NULL);
    if (flags) {
        *flags = ret ? 0 : reply.guest.flags;
    }
    return ret ? ret : reply.guest.state;
}

bool shadow_tag_valid(const char *tag)
{
    size_t len = strlen(tag);

    if (!len || len > ULTRACALL_ID_MAX || !isalpha((unsigned char)tag[0])) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!isalnum((unsigned char)tag[i]) && !strchr("-._", tag[i])) {
            return false;
        }
    }
    return true;
}

bool shadow_name_valid(const char *name)
{
    size_t len = strlen(name);

    if (!len || len >= SHADOW_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("-._+@", name[i])) {
            return false;
        }
    }
    return true;
}

/* The first entry is the owner, whose rights are for all that are not named. */
static bool store_trusted(struct xs_handle *xs, const char *path)
{
    unsigned n;
    struct xs_permissions *perms = xs_get_permissions(xs, XBT_NULL, path, &n);
    bool trusted = perms && n && !perms[0].id;

    for (unsigned i = 0; trusted && i < n; i++) {
        trusted = !(perms[i].perms & XS_PERM_WRITE) || (i && !perms[i].id);
    }
    free(perms);
    return trusted;
}

bool shadow_store_read(struct xs_handle *xs, const char *path, char *buf,
                       size_t size)
{
    unsigned len;
    char *data;
    bool ok;

    if (!store_trusted(xs, path)) {
        return false;
    }
    data = xs_read(xs, XBT_NULL, path, &len);
    ok = data && len < size && !memchr(data, 0, len);
    if (ok) {
        memcpy(buf, data, len);
        buf[len] = 0;
    }
    free(data);
    return ok;
}
