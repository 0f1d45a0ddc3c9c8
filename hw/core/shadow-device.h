/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of a nested guest, emulated by this QEMU.
 *
 * The abstract class knows what all such devices share: the guest they
 * belong to, their I/O ports in it and their interrupt lines.
 */
#ifndef SHADOW_DEVICE_H
#define SHADOW_DEVICE_H

#include "qemu/queue.h"
#include "qom/object.h"
#include "qapi/qapi-types-shadow.h"
#include "shadow/hw/core/shadow-line.h"
#include "shadow/migration/shadow-seal.h"
#include "shadow/include/compat-memory.h"
#include "shadow/include/compat-qdev.h"

typedef struct ShadowGuest ShadowGuest;
typedef struct ShadowLateWrite ShadowLateWrite;
struct ultracall_resource;

#define TYPE_SHADOW_BUS "shadow-bus"

/* Ranges of ports, and lines: what LAYOUT has room for besides ACPI */
#define SHADOW_DEVICE_MAX_RESOURCES 7

/* A keyboard and a mouse have one each. */
#define SHADOW_DEVICE_MAX_LINES 4

#define TYPE_SHADOW_DEVICE "shadow-device"
OBJECT_DECLARE_TYPE(ShadowDevice, ShadowDeviceClass, SHADOW_DEVICE)

struct ShadowDevice {
    DeviceState parent_obj;

    char *guest_id;
    ShadowGuest *guest;
    void (*irq_changed)(ShadowGuest *guest);    /* of a line; with @guest */
    MemoryRegion io;            /* all I/O ports of the guest, and its own */
    uint32_t iobase;            /* the lowest of them; 0: none */
    ShadowLine *line[SHADOW_DEVICE_MAX_LINES];
    unsigned n_lines;
    bool in_access;             /* the guest makes one */
    unsigned accesses;          /* by the guest, so far */
    bool held;
    GArray *late;               /* of ShadowLateWrite, while held; or NULL */
    /* in a state: the envelope with the history that it lacks; or zeros */
    uint8_t ahead_salt[SHADOW_SEAL_SALT_LEN];
    QTAILQ_ENTRY(ShadowDevice) next;
};

/* Those of a guest, in the order of their ports */
typedef QTAILQ_HEAD(ShadowDevices, ShadowDevice) ShadowDevices;

/* Private memory that goes to another host; see shadow-privacy.h */
typedef struct ShadowMemoryOps {
    size_t (*begin)(ShadowDevice *dev, uint8_t *secret, Error **errp);
    int (*accept)(ShadowDevice *dev, const uint8_t *secret, size_t len,
                  Error **errp);
    bool (*may_arrive)(ShadowDevice *dev, Error **errp);
    int (*freeze)(ShadowDevice *dev, Error **errp);
    void (*thaw)(ShadowDevice *dev);
} ShadowMemoryOps;

/*
 * All methods are called with the BQL held.  Each device has:
 *
 * @setup, @teardown: the device's part of realize and unrealize.  @setup says
 *                    by shadow_device_add_ports() which ports it has, and by
 *                    shadow_device_add_line() which interrupts
 *
 * What a class does not set is done by none of its devices:
 *
 * @state: what is saved, a description of the device's own structure
 * @state_max: upper bound of the bytes that @state takes
 * @state_limit: the same for a device with any properties, as another host
 *               may have given it
 * @user_state: the part of it that is the user's, not the machine's: it does
 *              not go back when the machine goes back to a snapshot
 * @history_state: the part of it that can be sent ahead, and loaded after it
 * @sent_ahead: what @history_state has now, the other host has
 * @leave_out: the next save of @state omits what @sent_ahead has marked
 * @hold: while held, no access has a side effect and no byte moves.  It is
 *        called when that begins, and when it ends, after what was written
 *        meanwhile was done
 * @works_held: accesses are done while it is held, too: it keeps them itself
 * @peek: else, what a read of @size bytes at the guest's port @port then
 *        shows; ones if not set
 * @written_late: @val was written then, which is kept: what @peek shows changes
 * @late_lost: more was written then than is kept and has been done now: the
 *             device is to be as the guest believes that it is
 * @reset: the nested machine was reset
 * @moved: the guest now runs on another host: tell the user and hang up
 * @restored: @state was loaded; if from a snapshot, tell the user
 * @protection: whether the cloud VM can see and alter what passes; each user
 *              who comes is told if so.  If @broken, the reason, is not NULL
 *              it has just come to that: tell the one who is there, or else
 *              the next
 * @attached: the guest was bound to a nested guest, or is not any more, for
 *            @reason: then tell the one who is there, and let no byte pass
 *            until it is bound again and a user has come since.  A device
 *            starts as attached: users may come early
 * @arrived: total input so far; equal twice in a row means input has settled
 * @acpi: fill in _UID, _HID and name that it, the guest's device @n, has in
 *        the nested guest's ACPI tables; returns false if it is not there
 * @query: fill in all but id, iobase, interrupts and clients
 * @state_changed: the guest is now in @state
 * @forked: another host may go on with the state too
 * @clients: who is connected to it
 * @private_memory: what it has of that, or NULL
 * @memory: how that goes to another host; not NULL where @private_memory is set
 */
struct ShadowDeviceClass {
    DeviceClass parent_class;

    bool (*setup)(ShadowDevice *dev, Error **errp);
    void (*teardown)(ShadowDevice *dev);

    const VMStateDescription *state;
    size_t (*state_max)(ShadowDevice *dev);
    size_t state_limit;
    const VMStateDescription *user_state;
    const VMStateDescription *history_state;
    void (*sent_ahead)(ShadowDevice *dev);
    void (*leave_out)(ShadowDevice *dev, bool leave_out);
    void (*hold)(ShadowDevice *dev, bool held);
    bool works_held;
    uint32_t (*peek)(ShadowDevice *dev, unsigned port, unsigned size);
    void (*written_late)(ShadowDevice *dev, unsigned port, unsigned size,
                         uint32_t val);
    void (*late_lost)(ShadowDevice *dev);
    void (*reset)(ShadowDevice *dev);
    void (*moved)(ShadowDevice *dev);
    void (*restored)(ShadowDevice *dev, bool snapshot);
    void (*protection)(ShadowDevice *dev, bool exposed,
                       const char *broken);
    void (*attached)(ShadowDevice *dev, bool attached, const char *reason);
    uint64_t (*arrived)(ShadowDevice *dev);
    bool (*acpi)(ShadowDevice *dev, unsigned n,
                 struct ultracall_resource *acpi);
    void (*query)(ShadowDevice *dev, ShadowDeviceInfo *info);
    void (*state_changed)(ShadowDevice *dev, ShadowGuestState state);
    void (*forked)(ShadowDevice *dev);
    ShadowDoorClientInfoList *(*clients)(ShadowDevice *dev);
    ShadowMemoryInfo *(*private_memory)(ShadowDevice *dev);
    const ShadowMemoryOps *memory;
};

/*
 * Put @mr, which may also be one of QEMU's own devices', at the nested guest's
 * I/O port @first and those that follow.  It is taken away again when @dev is
 * unrealized.  A PortioList is added to @dev->io in the same way by
 * portio_list_add().
 */
bool shadow_device_add_ports(ShadowDevice *dev, MemoryRegion *mr,
                             unsigned first, Error **errp);

unsigned shadow_device_n_regions(ShadowDevice *dev);

/* Its region with the lowest port from @port on; NULL if there is none */
MemoryRegion *shadow_device_region_from(ShadowDevice *dev, hwaddr port);

/*
 * Have @line, which @dev contains, as ISA interrupt @number, which no other of
 * its lines has.  The device drives @line->irq, which is taken away again when
 * @dev is unrealized.  @interval: how its edges are moderated; NULL if not
 */
bool shadow_device_add_line(ShadowDevice *dev, ShadowLine *line,
                            uint32_t number, ShadowLineInterval *interval,
                            Error **errp);

/* In the description of a state: @ahead_salt of a @_state's parent_obj */
#define VMSTATE_SHADOW_AHEAD_SALT(_state) {                                 \
    .name = "parent_obj.history",                                           \
    .num = SHADOW_SEAL_SALT_LEN,                                            \
    .size = sizeof(uint8_t),                                                \
    .info = &vmstate_info_uint8,                                            \
    .flags = VMS_ARRAY,                                                     \
    .offset = vmstate_offset_array(_state, parent_obj.ahead_salt, uint8_t,  \
                                   SHADOW_SEAL_SALT_LEN),                   \
}

/* What its class does not set; for the abstract class (shadow-bus.c) */
void shadow_device_set_defaults(ShadowDeviceClass *sdc);

/* The device's name in the saved state and in messages. */
const char *shadow_device_name(ShadowDevice *dev);

#endif /* SHADOW_DEVICE_H */
