/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What shadow devices share that have a ShadowConsole, as their child "console".
 */
#ifndef SHADOW_CONSOLE_DEVICE_H
#define SHADOW_CONSOLE_DEVICE_H

#include "shadow/hw/char/shadow-console.h"
#include "shadow/hw/core/shadow-device.h"

/* The console of @dev, or NULL if it has none */
ShadowConsole *shadow_console_device_console(ShadowDevice *dev);

/* Have @c, which @dev contains, as its console. */
void shadow_console_device_init(ShadowDevice *dev, ShadowConsole *c);

/*
 * Whether @size is one that a queue can have, and @replay, which may be NULL,
 * a way to begin a connection; @name is that of the size's property.
 */
bool shadow_console_device_check(const char *name, uint32_t size,
                                 const char *replay, Error **errp);

/* The same for the output's first bytes, which may also be none */
bool shadow_console_device_check_first(uint32_t size, Error **errp);

/* Before shadow_console_start(): what users know the console by */
void shadow_console_device_name(ShadowDevice *dev);

/* To be called back by the console of the device @opaque */
void shadow_console_device_connected(void *opaque, size_t notice);

/*
 * Tell the console what the guest tells its devices: sets all of @sdc's
 * methods that are about users and history.
 */
void shadow_console_device_class_init(ShadowDeviceClass *sdc);

/* What that sets as @sdc->moved, for a class that has more to do then */
void shadow_console_device_moved(ShadowDevice *dev);

#endif /* SHADOW_CONSOLE_DEVICE_H */
