/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of one nested guest as plain bytes, and back.
 *
 * The bytes have the same length whatever the devices hold, so that the
 * envelope tells nothing about what happens on a console.
 */
#ifndef SHADOW_STATE_H
#define SHADOW_STATE_H

#include "qemu/units.h"
#include "shadow/hw/core/shadow-device.h"

/* Length in bytes of what shadow_state_save() writes */
size_t shadow_state_size(ShadowDevices *devs);

/* The most that a state of these devices can have on any host */
size_t shadow_state_limit(ShadowDevices *devs);

/*
 * Writes shadow_state_size() bytes to @out, which are a secret; on failure,
 * nothing of them is left there.  Does not change what it saves.
 */
bool shadow_state_save(ShadowDevices *devs, uint8_t *out, Error **errp);

/* The same with what can be sent ahead of it, only */
bool shadow_state_save_history(ShadowDevices *devs, uint8_t *out, Error **errp);

/*
 * Writes SHADOW_STATE_REST_SIZE bytes: the state, but for what was sent ahead
 * in the envelope that has this @salt.  Fails if there is more of it.
 */
#define SHADOW_STATE_REST_SIZE (8 * KiB - 4)
bool shadow_state_save_rest(ShadowDevices *devs,
                            const uint8_t salt[SHADOW_SEAL_SALT_LEN],
                            uint8_t *out, Error **errp);

typedef bool (*ShadowStateAccept)(void *opaque, Error **errp);

/*
 * Load all devices from @buf, or none: on failure every device is as before.
 * With @keep_user, the users' part of each device is as before in any case.
 * @accept is asked when all has been loaded; if it returns false, that is a
 * failure.  @buf is hostile.  The devices must be held.
 */
bool shadow_state_load(ShadowDevices *devs, const uint8_t *buf, size_t len,
                       bool keep_user, ShadowStateAccept accept, void *opaque,
                       Error **errp);

/* How many devices have something that can be sent ahead */
unsigned shadow_state_n_history(ShadowDevices *devs);

/*
 * Load what shadow_state_save_history() has written; all these devices have a
 * state that lacks it.  On failure they hold whatever has arrived.  @buf is
 * hostile.
 */
bool shadow_state_load_history(ShadowDevices *devs, const uint8_t *buf,
                               size_t len, Error **errp);

#endif /* SHADOW_STATE_H */
