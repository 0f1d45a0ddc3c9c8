/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of one nested guest as plain bytes, and back.
 *
 * A VMState stream: the number of devices, then for each, in the order of
 * their I/O ports, its id, the version of its description, and its state;
 * then zeros.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "migration/qemu-file-types.h"
#include "migration/qemu-file.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/migration/shadow-channel.h"
#include "shadow/migration/shadow-scratch.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/include/compat.h"

#define STATE_MAGIC 0x53445631 /* "SDV1" */
#define STATE_DEVICE_OVERHEAD 512

/* As large as the queues of a port that has the default sizes, and more */
#define STATE_ZEROS (256 * KiB)

size_t shadow_state_size(ShadowDevices *devs)
{
    ShadowDevice *dev;
    size_t size = 64;

    QTAILQ_FOREACH(dev, devs, next) {
        size += SHADOW_DEVICE_GET_CLASS(dev)->state_max(dev) +
                STATE_DEVICE_OVERHEAD;
    }
    return size;
}

size_t shadow_state_limit(ShadowDevices *devs)
{
    ShadowDevice *dev;
    size_t size = 64;

    QTAILQ_FOREACH(dev, devs, next) {
        size += SHADOW_DEVICE_GET_CLASS(dev)->state_limit +
                STATE_DEVICE_OVERHEAD;
    }
    return size;
}

static void state_put_string(QEMUFile *f, const char *s)
{
    size_t len = MIN(strlen(s), 255);

    qemu_put_byte(f, len);
    qemu_put_buffer(f, (const uint8_t *)s, len);
}

static bool state_get_expected(QEMUFile *f, const char *s, Error **errp)
{
    char got[256] = "";
    uint8_t len = qemu_get_byte(f);

    if (qemu_get_buffer(f, (uint8_t *)got, len) != len || strcmp(got, s)) {
        error_setg(errp, "the state is of other devices, or they have other "
                   "ports: expected '%s'", s);
        return false;
    }
    return true;
}

/* What of a device */
typedef enum StatePart {
    STATE_ALL,
    STATE_USER,
    STATE_HISTORY,
} StatePart;

static const VMStateDescription *state_vmsd(ShadowDevice *dev, StatePart part)
{
    ShadowDeviceClass *sdc = SHADOW_DEVICE_GET_CLASS(dev);

    switch (part) {
    case STATE_USER:
        return sdc->user_state;
    case STATE_HISTORY:
        return sdc->history_state;
    default:
        return sdc->state;
    }
}

/* How many devices have such a part */
static uint32_t state_n_devices(ShadowDevices *devs, StatePart part)
{
    ShadowDevice *dev;
    uint32_t n = 0;

    QTAILQ_FOREACH(dev, devs, next) {
        n += state_vmsd(dev, part) != NULL;
    }
    return n;
}

static bool state_put_devices(ShadowDevices *devs, StatePart part, QEMUFile *f,
                              Error **errp)
{
    ShadowDevice *dev;

    qemu_put_be32(f, STATE_MAGIC);
    qemu_put_be32(f, state_n_devices(devs, part));
    QTAILQ_FOREACH(dev, devs, next) {
        const VMStateDescription *vmsd = state_vmsd(dev, part);

        if (!vmsd) {
            continue;
        }
        state_put_string(f, shadow_device_name(dev));
        qemu_put_be32(f, vmsd->version_id);
        if (shadow_vmstate_save(f, vmsd, dev, errp) < 0) {
            return false;
        }
    }
    return true;
}

/* A later version may have put something there that we should know about. */
static bool state_get_end(QEMUFile *f, Error **errp)
{
    uint8_t rest[4096];
    size_t len;

    if (qemu_file_get_error(f)) {
        error_setg(errp, "the state ends early");
        return false;
    }
    while ((len = qemu_get_buffer(f, rest, sizeof(rest)))) {
        if (!buffer_is_zero(rest, len)) {
            error_setg(errp, "the state has more at its end than is known "
                       "here");
            return false;
        }
    }
    return true;
}

static bool state_get_devices(ShadowDevices *devs, StatePart part, QEMUFile *f,
                              Error **errp)
{
    ShadowDevice *dev;
    uint32_t n = state_n_devices(devs, part);

    if (qemu_get_be32(f) != STATE_MAGIC || qemu_get_be32(f) != n) {
        error_setg(errp, "the state is not of %u devices", n);
        return false;
    }
    QTAILQ_FOREACH(dev, devs, next) {
        const VMStateDescription *vmsd = state_vmsd(dev, part);
        uint32_t version;

        if (!vmsd) {
            continue;
        }
        if (!state_get_expected(f, shadow_device_name(dev), errp)) {
            return false;
        }
        version = qemu_get_be32(f);
        if (version > vmsd->version_id || version < vmsd->minimum_version_id) {
            error_setg(errp, "version %u of '%s' is not known here", version,
                       vmsd->name);
            return false;
        }
        if (part == STATE_ALL) {
            shadow_access_forget(dev);
        }
        if (shadow_vmstate_load(f, vmsd, dev, version, errp) < 0) {
            return false;
        }
    }
    return state_get_end(f, errp);
}

/*
 * Zeros are copied like the bytes that they stand for, and from memory like
 * theirs: how long a SAVE takes does not tell the cloud VM how many there are.
 */
static void state_pad(uint8_t *out, size_t len)
{
    static uint8_t zeros[STATE_ZEROS];
    static bool touched;
    size_t n;

    if (!touched) {
        /* what was never written is one page, again and again */
        memset(zeros, 0, sizeof(zeros));
        touched = true;
    }
    for (; len; len -= n, out += n) {
        n = MIN(len, sizeof(zeros));
        memcpy(out, zeros, n);
    }
}

static bool state_save(ShadowDevices *devs, StatePart part, uint8_t *out,
                       size_t size, Error **errp)
{
    ShadowChannel *channel = shadow_channel_new(out, size);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(channel));
    bool ok = state_put_devices(devs, part, f, errp);

    if (ok && qemu_fflush(f)) {
        error_setg(errp, "the state does not fit %zu bytes", size);
        ok = false;
    }
    qemu_fclose(f);
    if (ok) {
        state_pad(out + channel->used, size - channel->used);
    } else {
        shadow_wipe(out, channel->used);
    }
    object_unref(OBJECT(channel));
    return ok;
}

bool shadow_state_save(ShadowDevices *devs, uint8_t *out, Error **errp)
{
    return state_save(devs, STATE_ALL, out, shadow_state_size(devs), errp);
}

bool shadow_state_save_history(ShadowDevices *devs, uint8_t *out, Error **errp)
{
    return state_save(devs, STATE_HISTORY, out, shadow_state_size(devs), errp);
}

bool shadow_state_save_rest(ShadowDevices *devs,
                            const uint8_t salt[SHADOW_SEAL_SALT_LEN],
                            uint8_t *out, Error **errp)
{
    ShadowDevice *dev;
    bool ok;

    QTAILQ_FOREACH(dev, devs, next) {
        if (!state_vmsd(dev, STATE_HISTORY)) {
            continue;
        }
        memcpy(dev->ahead_salt, salt, sizeof(dev->ahead_salt));
        SHADOW_DEVICE_GET_CLASS(dev)->leave_out(dev, true);
    }
    ok = state_save(devs, STATE_ALL, out, SHADOW_STATE_REST_SIZE, errp);
    QTAILQ_FOREACH(dev, devs, next) {
        memset(dev->ahead_salt, 0, sizeof(dev->ahead_salt));
        SHADOW_DEVICE_GET_CLASS(dev)->leave_out(dev, false);
    }
    return ok;
}

static bool state_load(ShadowDevices *devs, StatePart part, const uint8_t *buf,
                       size_t len, Error **errp)
{
    /* which is only read */
    ShadowChannel *channel = shadow_channel_new((uint8_t *)buf, len);
    QEMUFile *f = qemu_file_new_input(QIO_CHANNEL(channel));
    bool ok = state_get_devices(devs, part, f, errp);

    qemu_fclose(f);
    object_unref(OBJECT(channel));
    return ok;
}

unsigned shadow_state_n_history(ShadowDevices *devs)
{
    return state_n_devices(devs, STATE_HISTORY);
}

bool shadow_state_load_history(ShadowDevices *devs, const uint8_t *buf,
                               size_t len, Error **errp)
{
    return state_load(devs, STATE_HISTORY, buf, len, errp);
}

/* What a state has changed that turns out not to be one is changed back. */
static bool state_load_or_revert(ShadowDevices *devs, const uint8_t *buf,
                                 size_t len, const uint8_t *before,
                                 const uint8_t *user, ShadowStateAccept accept,
                                 void *opaque, Error **errp)
{
    size_t size = shadow_state_size(devs);

    if (state_load(devs, STATE_ALL, buf, len, errp) &&
        (!user || state_load(devs, STATE_USER, user, size, errp)) &&
        accept(opaque, errp)) {
        return true;
    }
    state_load(devs, STATE_ALL, before, size, NULL);
    return false;
}

bool shadow_state_load(ShadowDevices *devs, const uint8_t *buf, size_t len,
                       bool keep_user, ShadowStateAccept accept, void *opaque,
                       Error **errp)
{
    size_t size = shadow_state_size(devs);
    uint8_t *before = shadow_scratch_take(SHADOW_SCRATCH_BEFORE, size);
    uint8_t *user = keep_user ?
                    shadow_scratch_take(SHADOW_SCRATCH_USER, size) : NULL;
    bool ok = false;

    if (!len) {
        error_setg(errp, "the state is empty");
    } else if (!before || (keep_user && !user)) {
        error_setg(errp, "there is no memory for the state to go back to");
    } else if (state_save(devs, STATE_ALL, before, size, errp) &&
               (!user || state_save(devs, STATE_USER, user, size, errp))) {
        ok = state_load_or_revert(devs, buf, len, before, user, accept, opaque,
                                  errp);
    }
    if (before) {
        shadow_scratch_give(SHADOW_SCRATCH_BEFORE, size);
    }
    if (user) {
        shadow_scratch_give(SHADOW_SCRATCH_USER, size);
    }
    return ok;
}
