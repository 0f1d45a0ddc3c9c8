/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: a nested guest asks to be launched in private memory.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-running.h"
#include "shadow/hw/misc/shadow-memory.h"
#include "shadow/hw/misc/ultracall-call.h"

/*
 * Which guest it is follows from what is bound.  The buffer has facts of
 * its machine, none of which is trusted.
 */
int ultracall_launch(UltracallCall *call)
{
    UltracallCaller *c = call->caller;
    ShadowFact facts[SHADOW_FACTS_MAX];
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
    if (call->len % sizeof(facts[0])) {
        return -EINVAL;
    }
    iov_to_buf(call->buf.iov, call->buf.n, 0, facts, call->len);
    p = shadow_memory_launch(ports->guest, facts,
                             call->len / sizeof(facts[0]), &start, &ret);
    if (p) {
        c->launch(c, p, &start);
    }
    return ret;
}
