/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interrupt line of a nested guest's device, and which of its rising edges
 * the cloud VM is told.  That the line falls is no news to the nested guest:
 * it has done that itself.
 *
 * A device that sends at once raises its interrupt with each byte, and a guest
 * that is reading raises it with each byte that follows.  Each time that the
 * cloud VM is told stops the nested guest for longer than hundreds of bytes
 * take.  So, as network cards do, a line can be moderated: what the guest
 * finds out by itself meanwhile, in its interrupt handler's loop or by
 * writing on, need not be told.  What is waiting is always told in the end.
 *
 * All functions are called with the BQL held.
 */
#ifndef SHADOW_LINE_H
#define SHADOW_LINE_H

#include "migration/vmstate.h"
#include "qemu/timer.h"
#include "shadow/include/compat-qdev.h"

typedef struct ShadowDevice ShadowDevice;

/*
 * For how many nanoseconds an edge that the guest's own access has brought
 * about may wait, which is also the least time between two edges.  With *@idle,
 * which is false at first, the edge waits so in any case: the device only has
 * nothing to do any more.
 */
typedef int64_t ShadowLineInterval(ShadowDevice *dev, bool *idle);

typedef struct ShadowLine {
    ShadowDevice *dev;
    qemu_irq irq;               /* for the device to drive */
    uint32_t number;            /* ISA interrupt */
    bool level;
    uint32_t edges;             /* to be seen by the guest, modulo 2^32 */

    /* moderation; told at once without @interval */
    ShadowLineInterval *interval;
    QEMUTimer *timer;
    int64_t wait;               /* ns */
    int64_t last;               /* when it was told, ns of the virtual clock */
    int64_t due;
    bool up;
    bool idle;                  /* it is up for no other reason */
    bool told;                  /* since it rose */
    unsigned seen;              /* of the device's accesses */
    unsigned waits;
} ShadowLine;

/*
 * Begin with a line that is low.  @interval: NULL if it is not moderated.
 * Devices call shadow_device_add_line().
 */
void shadow_line_start(ShadowLine *line, ShadowDevice *dev, uint32_t number,
                       ShadowLineInterval *interval);
void shadow_line_stop(ShadowLine *line);

/* Forget what is waiting to be told of @dev's: all will be told anew. */
void shadow_lines_forget(ShadowDevice *dev);

/* The guest may have missed an edge, or taken it in vain: it gets another. */
void shadow_lines_again(ShadowDevice *dev);

/*
 * In the description of a @_state with the line @_line: its number, which must
 * be the same, its level and its edges.  @_name: of the field there
 */
#define VMSTATE_SHADOW_LINE_NUMBER(_name, _line, _state)                    \
    VMSTATE_SHADOW_LINE_PART(_name, _line.number, _state,                   \
                             vmstate_info_uint32_equal, uint32_t)
#define VMSTATE_SHADOW_LINE_LEVEL(_name, _line, _state)                     \
    VMSTATE_SHADOW_LINE_PART(_name, _line.level, _state,                    \
                             vmstate_info_bool, bool)
#define VMSTATE_SHADOW_LINE_EDGES(_name, _line, _state)                     \
    VMSTATE_SHADOW_LINE_PART(_name, _line.edges, _state,                    \
                             vmstate_info_uint32, uint32_t)

#define VMSTATE_SHADOW_LINE_PART(_name, _field, _state, _info, _type) {     \
    .name = _name,                                                          \
    .size = sizeof(_type),                                                  \
    .info = &_info,                                                         \
    .flags = VMS_SINGLE,                                                    \
    .offset = vmstate_offset_value(_state, _field, _type),                  \
}

#endif /* SHADOW_LINE_H */
