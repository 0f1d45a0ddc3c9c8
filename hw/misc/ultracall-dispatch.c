/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: from a caller's registers to a call, its guest and its buffer.
 * Nothing that a caller passes is trusted; the interface is described in
 * docs/ultracall.rst.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "shadow/hw/misc/ultracall-admission.h"
#include "shadow/hw/misc/ultracall-call.h"
#include "shadow/include/compat-memory.h"
#include "shadow/trace.h"

void ultracall_buffer_add(UltracallBuffer *buf, void *host, size_t len)
{
    struct iovec *last = buf->n ? &buf->iov[buf->n - 1] : NULL;

    if (last && last->iov_base + last->iov_len == host) {
        last->iov_len += len;
        return;
    }
    buf->iov = g_renew(struct iovec, buf->iov, buf->n + 1);
    buf->iov[buf->n++] = (struct iovec) { host, len };
}

void ultracall_buffer_clear(UltracallBuffer *buf)
{
    g_free(buf->iov);
    *buf = (UltracallBuffer) { };
}

void *ultracall_ram(uint64_t pa, uint64_t *len, bool write)
{
    hwaddr xlat, n = *len;
    MemoryRegion *mr = address_space_translate(&address_space_memory, pa,
                                               &xlat, &n, write,
                                               MEMTXATTRS_UNSPECIFIED);

    if (!memory_region_is_ram(mr) || memory_region_is_ram_device(mr) ||
        (write && memory_region_is_rom(mr))) {
        return NULL;
    }
    *len = n;
    return memory_region_get_ram_ptr(mr) + xlat;
}

void ultracall_write(UltracallCall *call, const void *data, size_t len)
{
    iov_from_buf(call->buf.iov, call->buf.n, 0, data, len);
    call->value = len;
}

static int ultracall_read_id(UltracallCaller *c, const UltracallRegs *regs,
                              char id[ULTRACALL_ID_MAX + 1], uint64_t *fault)
{
    uint64_t len = regs->arg[1];
    UltracallBuffer buf = { };
    int ret;

    if (!len || len > ULTRACALL_ID_MAX) {
        return -EINVAL;
    }
    ret = c->map(c, regs->arg[0], len, false, &buf, fault);
    if (!ret) {
        iov_to_buf(buf.iov, buf.n, 0, id, len);
        id[len] = 0;
    }
    ultracall_buffer_clear(&buf);
    return !ret && strlen(id) != len ? -EINVAL : ret;
}

/*
 * A reply larger than any that there can be is not an error: only as much as
 * may be used is looked at.
 */
static int ultracall_map(const UltracallDesc *desc, UltracallCall *call,
                         uint64_t *fault)
{
    if (desc->use == BUFFER_NONE) {
        return 0;
    }
    if (call->len < desc->min) {
        *fault = desc->min;
        return -ENOSPC;
    }
    if (call->len > desc->max) {
        if (desc->use == BUFFER_IN) {
            return -EINVAL;
        }
        call->len = desc->max;
    }
    return call->caller->map(call->caller, call->va, call->len,
                             desc->use == BUFFER_OUT, &call->buf, fault);
}

static int ultracall_run(const UltracallDesc *desc, const char *id,
                         UltracallCall *call)
{
    if (desc->unlocked) {
        return desc->fn(call);
    }
    call->locked = bql_locked();
    BQL_LOCK_GUARD();
    if (desc->named) {
        call->guest = shadow_guest_find(id);
        if (!call->guest) {
            return -ENOENT;
        }
        call->guest->calls++;
    }
    return desc->fn(call);
}

/* Who is not admitted may be with a token: ADMIT looks at that. */
static int ultracall_may_call(UltracallCaller *c, uint32_t nr)
{
    if (!c->unprivileged) {
        return 0;
    }
    if (c->nested) {
        return -EPERM;
    }
    return nr == ULTRACALL_ADMIT ? 0 : ultracall_admission_check(c, false);
}

static int ultracall_checked(UltracallCaller *c, uint32_t nr,
                             UltracallRegs *regs)
{
    const UltracallDesc *desc = ultracall_desc(nr);
    UltracallCall call = { .caller = c };
    char id[ULTRACALL_ID_MAX + 1] = "";
    int first = 0;
    int ret = ultracall_may_call(c, nr);

    if (ret) {
        return ret;
    }
    if (!desc) {
        return -ENOSYS;
    }
    if (c->nested && !desc->nested) {
        return -EPERM;
    }
    if (desc->named) {
        ret = ultracall_read_id(c, regs, id, &regs->value);
        if (ret) {
            return ret;
        }
        first = 2;
    }
    call.va = regs->arg[first];
    call.len = regs->arg[first + 1];
    call.flags = regs->arg[first + 2];
    if (call.flags & ~desc->flags) {
        return -EINVAL;
    }
    ret = ultracall_map(desc, &call, &regs->value);
    if (!ret) {
        ret = ultracall_run(desc, id, &call);
        regs->value = call.value;
    }
    ultracall_buffer_clear(&call.buf);
    trace_ultracall(desc->name, id, call.len, ret, regs->value);
    return ret;
}

void ultracall_dispatch(UltracallCaller *c, uint32_t nr, UltracallRegs *regs)
{
    regs->value = 0;
    regs->status = ultracall_checked(c, nr, regs);
}
