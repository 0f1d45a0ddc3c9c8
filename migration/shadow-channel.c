/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of memory as a QIOChannel.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "shadow/include/compat.h"
#include "shadow/migration/shadow-channel.h"

ShadowChannel *shadow_channel_new(uint8_t *data, size_t size)
{
    ShadowChannel *c = SHADOW_CHANNEL(object_new(TYPE_SHADOW_CHANNEL));

    c->data = data;
    c->size = size;
    return c;
}

static ssize_t channel_writev(QIOChannel *ioc, const struct iovec *iov,
                              size_t niov, int *fds, size_t nfds, int flags,
                              Error **errp)
{
    ShadowChannel *c = SHADOW_CHANNEL(ioc);
    size_t len = iov_size(iov, niov);

    if (len > c->size - c->used) {
        error_setg(errp, "%zu bytes are too small", c->size);
        return -1;
    }
    iov_to_buf(iov, niov, 0, c->data + c->used, len);
    c->used += len;
    return len;
}

static ssize_t channel_readv(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int **fds, size_t *nfds, int flags,
                             Error **errp)
{
    ShadowChannel *c = SHADOW_CHANNEL(ioc);
    size_t len = iov_from_buf(iov, niov, 0, c->data + c->used,
                              MIN(iov_size(iov, niov), c->size - c->used));

    c->used += len;
    return len;
}

static int channel_close(QIOChannel *ioc, Error **errp)
{
    return 0;
}

static void channel_class_init(ObjectClass *oc, ShadowClassData *data)
{
    QIOChannelClass *cc = QIO_CHANNEL_CLASS(oc);

    cc->io_writev = channel_writev;
    cc->io_readv = channel_readv;
    cc->io_close = channel_close;
}

static const TypeInfo channel_types[] = {
    {
        .name = TYPE_SHADOW_CHANNEL,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(ShadowChannel),
        .class_init = channel_class_init,
    },
};

DEFINE_TYPES(channel_types)
