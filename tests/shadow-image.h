/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's memory as the tests have it: all of its pages, one after the other */
#ifndef SHADOW_IMAGE_H
#define SHADOW_IMAGE_H

#include "shadow/hw/core/shadow-pages.h"

/* A ShadowPagesPut */
static inline void shadow_image_put(void *image, uint64_t first, unsigned n,
                                    const uint8_t *data)
{
    uint8_t *to = (uint8_t *)image + first * SHADOW_PAGE;

    if (data) {
        memcpy(to, data, n * SHADOW_PAGE);
    } else {
        memset(to, 0, n * SHADOW_PAGE);
    }
}

#endif /* SHADOW_IMAGE_H */
