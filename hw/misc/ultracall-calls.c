/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls: the calls, and what each takes (docs/ultracall.rst).
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "shadow/hw/core/shadow-accel.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-life.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/hw/misc/shadow-launch.h"
#include "shadow/hw/misc/ultracall-admission.h"
#include "shadow/hw/misc/ultracall-call.h"
#include "shadow/migration/shadow-scratch.h"

/* Only the instruction reaches us from a program without I/O permission. */
static uint32_t call_features(void)
{
    uint32_t accel = shadow_accel()->features();

    return accel | ULTRACALL_F_SNAPSHOT | ULTRACALL_F_REARM |
           ULTRACALL_F_HISTORY | ULTRACALL_F_LAYOUT |
           (shadow_accel()->peek_nested ? ULTRACALL_F_CLAIM : 0) |
           (shadow_accel()->vcpus ? ULTRACALL_F_LAUNCH | ULTRACALL_F_PAGES
                                  : 0) |
           (accel & ULTRACALL_F_INSTRUCTION ? ULTRACALL_F_ADMIT : 0);
}

static int call_probe(UltracallCall *call)
{
    struct ultracall_probe probe = {
        .version = cpu_to_le32(ULTRACALL_VERSION),
        .features = cpu_to_le32(call_features()),
        .envelope_max = cpu_to_le64(SHADOW_SEAL_MAX_SIZE),
        .id_max = cpu_to_le32(ULTRACALL_ID_MAX),
    };

    ultracall_write(call, &probe, sizeof(probe));
    return 0;
}

/*
 * A process has its cookie in the buffer; one for the memory of a nested guest
 * is the cloud VM's to put there.
 */
static int call_bind(UltracallCall *call)
{
    bool claims = call->flags & ULTRACALL_BIND_CLAIM;
    ShadowEntry caller = { };
    uint64_t cookie;
    bool again;
    int ret;

    if (call->flags && !claims) {
        return -EINVAL;
    }
    if (claims ? !shadow_accel()->peek_nested : call->caller->no_process) {
        return -EOPNOTSUPP;
    }
    if (!shadow_random(&cookie, sizeof(cookie))) {
        return -EIO;
    }
    if (!claims) {
        call->caller->entry(call->caller, &caller);
    }
    ret = shadow_guest_may_bind(call->guest, &caller, &again);
    if (ret) {
        return ret;
    }
    ultracall_write(call, &cookie, sizeof(cookie));
    if (claims) {
        shadow_guest_claim(call->guest, &(ShadowNestedCookie) {
            .address = call->flags & ULTRACALL_BIND_ADDRESS,
            .value = cookie,
        });
    } else {
        shadow_guest_bind_process(call->guest, &caller, again, call->va,
                                  cookie);
    }
    return 0;
}

static int call_unbind(UltracallCall *call)
{
    return shadow_guest_unbind(call->guest, "the cloud VM unbound it");
}

static int call_reset(UltracallCall *call)
{
    return shadow_guest_reset(call->guest);
}

static int call_state_size(UltracallCall *call)
{
    call->value = shadow_guest_envelope_size(call->guest);
    return call->value ? 0 : -EFBIG;
}

/*
 * Envelopes are sealed and opened in private memory, and copied in one go: the
 * cloud VM's other CPUs write to its buffer whenever they like.  Ciphertext
 * that changes between encryption and authentication would get a valid tag, as
 * would what changes between authentication and decryption pass for genuine.
 */
static int call_save(UltracallCall *call)
{
    static const ShadowSave what[] = {
        [0] = SHADOW_SAVE_ALL,
        [ULTRACALL_SAVE_SNAPSHOT] = SHADOW_SAVE_SNAPSHOT,
        [ULTRACALL_SAVE_HISTORY] = SHADOW_SAVE_HISTORY,
        [ULTRACALL_SAVE_REST] = SHADOW_SAVE_REST,
        [ULTRACALL_SAVE_PAGES] = SHADOW_SAVE_PAGES,
    };
    size_t need = shadow_guest_envelope_size(call->guest);
    size_t size = MIN(call->len, need);
    uint8_t *envelope;
    int ret;

    if (call->flags && !is_power_of_2(call->flags)) {
        return -EINVAL;
    }
    envelope = shadow_scratch_take(SHADOW_SCRATCH_ENVELOPE, need);
    if (!envelope) {
        return -ENOMEM;
    }
    ret = shadow_guest_save(call->guest, what[call->flags], envelope, &size,
                            NULL);
    if (!ret) {
        ultracall_write(call, envelope, size);
    } else if (ret == -ENOSPC) {
        call->value = need;
    }
    shadow_scratch_give(SHADOW_SCRATCH_ENVELOPE, 0);
    return ret;
}

static int call_restore(UltracallCall *call)
{
    ShadowArrival from = {
        .iov = call->buf.iov,
        .n_iov = call->buf.n,
        .len = call->len,
        .locked = call->locked,
        .apart = call->caller->apart,
        .opaque = call->caller,
    };

    return call->len ? shadow_guest_restore(call->guest, &from, NULL)
                     : -EBADMSG;
}

static int call_commit(UltracallCall *call)
{
    return shadow_guest_commit(call->guest);
}

static int call_abort(UltracallCall *call)
{
    ShadowEntry caller;

    call->caller->entry(call->caller, &caller);
    return shadow_guest_abort(call->guest, &caller);
}

/* One for each line: shadow-bus.c lets no guest have more than there is room */
static unsigned call_lines(ShadowGuest *g, struct ultracall_device *out)
{
    ShadowDevice *dev;
    unsigned n = 0;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        for (unsigned i = 0; i < dev->n_lines; i++) {
            out[n++] = (struct ultracall_device) {
                .iobase = cpu_to_le16(dev->iobase),
                .irq = dev->line[i]->number,
                .level = dev->line[i]->level,
                .edges = cpu_to_le32(dev->line[i]->edges),
            };
        }
    }
    return n;
}

static int call_reply(UltracallCall *call, const void *data, size_t len)
{
    if (call->len < len) {
        call->value = len;
        return -ENOSPC;
    }
    ultracall_write(call, data, len);
    return 0;
}

static int call_layout(UltracallCall *call)
{
    struct ultracall_resource list[ULTRACALL_RESOURCES_MAX];

    return call_reply(call, list, ultracall_layout(call->guest, list,
                                                   ARRAY_SIZE(list)) *
                                  sizeof(list[0]));
}

/*
 * Without it the guest's first entry is noticed at the latest when it makes an
 * access, which may be long after.
 */
static int call_run(UltracallCall *call)
{
    ShadowGuest *g = call->guest;

    if (!shadow_life_allows(g, SHADOW_STEP_RUN) ||
        !shadow_binding_by_process(g->ports)) {
        return g->state == SHADOW_GUEST_STATE_ACTIVE ? -EALREADY : -EBUSY;
    }
    shadow_lifecycle_entered(g);
    return g->state == SHADOW_GUEST_STATE_ACTIVE ? 0 : -EIO;
}

/*
 * A port access that the cloud VM has taken from the nested guest.  Only where
 * that cannot be helped: elsewhere it would be a way to type on the console.
 */
static int call_port(UltracallCall *call)
{
    ShadowPorts *ports = call->guest->ports;
    uint16_t port = call->flags;
    uint8_t data[8];
    uint32_t val;

    if (!call->guest->exposed) {
        return -EPERM;
    }
    if (!is_power_of_2(call->len) ||
        !shadow_ports_claimed(ports, port, call->len)) {
        return -EINVAL;
    }
    if (call->flags & ULTRACALL_PORT_WRITE) {
        iov_to_buf(call->buf.iov, call->buf.n, 0, data, call->len);
        shadow_ports_write(ports, port, call->len, ldn_le_p(data, call->len));
        return 0;
    }
    val = shadow_ports_read(ports, port, call->len);
    stn_le_p(data, call->len, val);
    ultracall_write(call, data, call->len);
    return 0;
}

static int call_irq_poll(UltracallCall *call)
{
    struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    int ret;

    ret = call_reply(call, dev, call_lines(call->guest, dev) *
                                sizeof(dev[0]));
    if (ret) {
        return ret;
    }
    if (call->flags & ULTRACALL_POLL_REARM) {
        ultracall_rearm();
    }
    shadow_guest_irq_told(call->guest);
    return 0;
}

#define SAME(a, b) QEMU_BUILD_BUG_ON((int)(a) != (int)(b))
SAME(ULTRACALL_ACTIVE, SHADOW_GUEST_STATE_ACTIVE);
SAME(ULTRACALL_FROZEN, SHADOW_GUEST_STATE_FROZEN);
SAME(ULTRACALL_GONE, SHADOW_GUEST_STATE_GONE);
SAME(ULTRACALL_INCOMING, SHADOW_GUEST_STATE_INCOMING);
SAME(ULTRACALL_RESTORED, SHADOW_GUEST_STATE_RESTORED);
QEMU_BUILD_BUG_ON(ULTRACALL_ID_MAX != SHADOW_SEAL_ID_MAX);
QEMU_BUILD_BUG_ON(SHADOW_GUEST_MAX_LINES > ULTRACALL_DEVICES_MAX);
QEMU_BUILD_BUG_ON(SHADOW_GUEST_MAX_DEVICES * (SHADOW_DEVICE_MAX_RESOURCES + 1) >
                  ULTRACALL_RESOURCES_MAX);

static uint16_t call_guest_flags(ShadowGuest *g)
{
    bool bound = shadow_binding_is_bound(g->ports);
    bool hidden = g->protection != SHADOW_PROTECTION_NONE ||
                  (bound && shadow_accel()->sees_entries);

    return (g->snapshots ? ULTRACALL_GUEST_SNAPSHOTS : 0) |
           (g->exposed ? ULTRACALL_GUEST_EXPOSED :
            hidden ? 0 : ULTRACALL_GUEST_UNHIDDEN) |
           (bound ? ULTRACALL_GUEST_BOUND : 0) |
           (shadow_claim_waits(g->ports) ? ULTRACALL_GUEST_CLAIMED : 0) |
           (g->privacy.memory ? ULTRACALL_GUEST_PRIVATE : 0);
}

static int call_query(UltracallCall *call)
{
    struct {
        struct ultracall_guest guest;
        struct ultracall_device dev[ULTRACALL_DEVICES_MAX];
    } reply;
    unsigned n;

    /* what others do is none of a nested guest's business */
    if (call->caller->nested &&
        !shadow_guest_is(call->guest, call->caller->cpu_index)) {
        return -ENOENT;
    }
    n = call_lines(call->guest, reply.dev);
    reply.guest = (struct ultracall_guest) {
        .state = cpu_to_le32(call->guest->state),
        .devices = cpu_to_le16(n),
        .flags = cpu_to_le16(call_guest_flags(call->guest)),
        .epoch = cpu_to_le64(call->guest->epoch),
    };
    return call_reply(call, &reply, sizeof(reply.guest) +
                                    n * sizeof(reply.dev[0]));
}

static const UltracallDesc ultracall_descs[] = {
    [ULTRACALL_PROBE] = { "probe", call_probe, .nested = true,
        .use = BUFFER_OUT, .min = sizeof(struct ultracall_probe),
        .max = sizeof(struct ultracall_probe) },
    [ULTRACALL_BIND] = { "bind", call_bind, .named = true,
        .flags = ULTRACALL_BIND_CLAIM | ULTRACALL_BIND_ADDRESS,
        .use = BUFFER_OUT, .min = sizeof(uint64_t), .max = sizeof(uint64_t) },
    [ULTRACALL_UNBIND] = { "unbind", call_unbind, .named = true },
    [ULTRACALL_REGISTER] = { "register", ultracall_register, .named = true,
        .nested = true, .use = BUFFER_OUT, .max = ULTRACALL_PROOF_LEN,
        .flags = ULTRACALL_REGISTER_CHALLENGE | ULTRACALL_REGISTER_ANSWER |
                 ULTRACALL_REGISTER_COOKIE | ULTRACALL_BIND_ADDRESS },
    [ULTRACALL_RESET] = { "reset", call_reset, .named = true },
    [ULTRACALL_STATE_SIZE] = { "state-size", call_state_size, .named = true },
    [ULTRACALL_SAVE] = { "save", call_save, .named = true,
        .use = BUFFER_OUT, .max = SHADOW_SEAL_MAX_SIZE,
        .flags = ULTRACALL_SAVE_SNAPSHOT | ULTRACALL_SAVE_HISTORY |
                 ULTRACALL_SAVE_REST | ULTRACALL_SAVE_PAGES },
    [ULTRACALL_RESTORE] = { "restore", call_restore, .named = true,
        .use = BUFFER_IN, .max = SHADOW_SEAL_MAX_SIZE },
    [ULTRACALL_COMMIT] = { "commit", call_commit, .named = true },
    [ULTRACALL_ABORT] = { "abort", call_abort, .named = true },
    [ULTRACALL_IRQ_POLL] = { "irq-poll", call_irq_poll, .named = true,
        .use = BUFFER_OUT, .max =
            ULTRACALL_DEVICES_MAX * sizeof(struct ultracall_device),
        .flags = ULTRACALL_POLL_REARM },
    [ULTRACALL_QUERY] = { "query", call_query, .named = true, .nested = true,
        .use = BUFFER_OUT, .max = sizeof(struct ultracall_guest) +
            ULTRACALL_DEVICES_MAX * sizeof(struct ultracall_device) },
    [ULTRACALL_LAYOUT] = { "layout", call_layout, .named = true,
        .use = BUFFER_OUT, .max = ULTRACALL_RESOURCES_MAX *
                                  sizeof(struct ultracall_resource) },
    [ULTRACALL_RUN] = { "run", call_run, .named = true },
    [ULTRACALL_LAUNCH] = { "launch", ultracall_launch, .nested = true,
        .use = BUFFER_IN, .min = sizeof(ShadowFact),
        .max = SHADOW_FACTS_MAX * sizeof(ShadowFact) },
    [ULTRACALL_PAGES] = { "pages", ultracall_pages, .named = true,
        .use = BUFFER_OUT, .max = ULTRACALL_RECORD_MAX,
        .flags = ULTRACALL_PAGES_EXPORT | ULTRACALL_PAGES_IMPORT |
                 ULTRACALL_PAGES_UNSENT | ULTRACALL_PAGES_END },
    [ULTRACALL_PORT] = { "port", call_port, .named = true,
        .use = BUFFER_OUT, .min = 1, .max = 4,
        .flags = ULTRACALL_PORT_WRITE | UINT16_MAX },
    [ULTRACALL_ADMIT] = { "admit", ultracall_admit, .unlocked = true,
        .use = BUFFER_OUT, .min = ULTRACALL_TOKEN_LEN,
        .max = ULTRACALL_TOKEN_LEN, .flags = ULTRACALL_ADMIT_TICKET },
};

const UltracallDesc *ultracall_desc(uint32_t nr)
{
    return nr < ARRAY_SIZE(ultracall_descs) ? &ultracall_descs[nr] : NULL;
}
