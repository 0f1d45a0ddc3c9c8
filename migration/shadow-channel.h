/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of memory as a QIOChannel.  QEMU's QIOChannelBuffer grows, and so
 * needs memory of its own for each state.
 */
#ifndef SHADOW_CHANNEL_H
#define SHADOW_CHANNEL_H

#include "io/channel.h"

#define TYPE_SHADOW_CHANNEL "shadow-channel"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowChannel, SHADOW_CHANNEL)

struct ShadowChannel {
    QIOChannel parent_obj;

    uint8_t *data;
    size_t size;
    size_t used;        /* bytes that were read or written */
};

/* To be read, or written; what does not fit then is an error. */
ShadowChannel *shadow_channel_new(uint8_t *data, size_t size);

#endif /* SHADOW_CHANNEL_H */
