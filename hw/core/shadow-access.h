/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A nested guest's accesses to a device, between its ports and the device's
 * regions: done at once or, while the device is held, afterwards.
 *
 * A guest should be stopped while its devices are held.  One that is not may
 * go on later: a cloud VM that lets its guest run on after SAVE, and then goes
 * back on it, must not leave the guest with a driver and a device that
 * disagree.  So reads have no side effect, and writes are kept.
 *
 * All functions are called with the BQL held.
 */
#ifndef SHADOW_ACCESS_H
#define SHADOW_ACCESS_H

#include "shadow/hw/core/shadow-device.h"

/*
 * An access of @size bytes, 1, 2 or 4, at offset @addr of @mr, a region of
 * @dev's.  What nobody answers reads as ones.
 */
uint32_t shadow_access_read(ShadowDevice *dev, MemoryRegion *mr, hwaddr addr,
                            unsigned size);
void shadow_access_write(ShadowDevice *dev, MemoryRegion *mr, hwaddr addr,
                         unsigned size, uint32_t val);

/* Hold @dev, or do what was written meanwhile, and hold it no longer. */
void shadow_access_hold(ShadowDevice *dev, bool held);

/*
 * What was written meanwhile is not to be done: the guest has gone elsewhere,
 * or comes from elsewhere.
 */
void shadow_access_forget(ShadowDevice *dev);

#endif /* SHADOW_ACCESS_H */
