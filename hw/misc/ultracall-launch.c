/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: a nested guest asks to be launched in private memory.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/shadow-memory.h"
#include "shadow/hw/misc/ultracall-call.h"

static bool launch_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    return shadow_accel()->read_nested(*(uint64_t *)opaque, gpa, buf, len);
}

/*
 * Which guest it is follows from what is bound.  The buffer has the list of
 * memory that its firmware has given it.
 */
int ultracall_launch(UltracallCall *call)
{
    UltracallCaller *c = call->caller;
    ShadowE820 e820[SHADOW_E820_MAX];
    ShadowFirmware firmware = {
        .e820 = e820,
        .n_e820 = call->len / sizeof(e820[0]),
        .read = launch_read,
    };
    ShadowPorts *ports;
    ShadowPrivate *p;
    ShadowEntry entry;
    ShadowStart start;
    bool sure;
    int ret;

    ports = c->nested ? shadow_running_entered(c->cpu_index, &sure) : NULL;
    if (!ports || !ports->guest || !sure || !shadow_ports_proved(ports)) {
        return -EPERM;
    }
    c->entry(c, &entry);
    if (!c->launch || !entry.root) {
        return -EOPNOTSUPP;
    }
    if (call->len % sizeof(e820[0])) {
        return -EINVAL;
    }
    iov_to_buf(call->buf.iov, call->buf.n, 0, e820, call->len);
    firmware.opaque = &entry.root;
    p = shadow_memory_launch(ports->guest, &firmware, &start, &ret);
    if (p) {
        c->launch(c, p, &start);
    }
    return ret;
}
