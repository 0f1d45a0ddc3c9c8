/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two guests of fuzz-ultracall.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "monitor/qdev.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qobject/qdict.h"
#include "qom/object_interfaces.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-claim.h"
#include "shadow/hw/core/shadow-keys.h"
#include "shadow/hw/core/shadow-proof.h"
#include "shadow/include/compat-qdev.h"
#include "shadow/include/ultracall.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/tests/fuzz/fuzz-guests.h"
#include "shadow/tests/fuzz/fuzz-memory.h"

#define REGISTER_LABEL "qemu-shadow register"
#define VM2 "shadow-guest,id=vm2,secret=key0,bind-secret=key0,incoming=on"
#define COM2_IOBASE "0x3fc"

static const char *const args[] = {
    "-object", "shadow-guest,id=vm1,secret=key0", "-object", VM2,
    "-chardev", "null,id=c0", "-chardev", "null,id=c1",
    "-device", "shadow-serial,id=com1,guest=vm1,chardev=c0," FUZZ_QUEUE_ARGS,
    "-device", "shadow-serial,id=com2,guest=vm2,chardev=c1,iobase="
               COM2_IOBASE "," FUZZ_QUEUE_ARGS,
};
static const char *const ids[FUZZ_GUESTS] = { "vm1", "vm2" };

static ShadowGuest *guests[FUZZ_GUESTS];
static uint8_t *power_on[FUZZ_GUESTS];
static bool touched = true;
static int64_t now;
static FuzzGuest last[FUZZ_GUESTS];

static void note(unsigned which, FuzzGuest *was)
{
    ShadowGuest *g = guests[which];

    /* compared as bytes */
    memset(was, 0, sizeof(*was));
    if (g) {
        was->state = g->state;
        was->epoch = g->epoch;
        was->saves = g->saves;
        was->restores = g->restores;
        was->by_process = shadow_binding_by_process(g->ports);
        was->by_tag = shadow_binding_by_tag(g->ports);
        was->claimed = shadow_claim_waits(g->ports);
        was->found = shadow_claim_found(g->ports);
        fuzz_positions(g, &was->pos);
    }
}

void fuzz_guests_start(void)
{
    fuzz_machine_start(args, ARRAY_SIZE(args));
    for (unsigned i = 0; i < FUZZ_GUESTS; i++) {
        guests[i] = shadow_guest_find(ids[i]);
        power_on[i] = fuzz_state(guests[i]);
    }
}

static bool agree(void *opaque, Error **errp)
{
    return true;
}

static void hold(ShadowGuest *g, bool held)
{
    ShadowDevice *dev;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        shadow_access_hold(dev, held);
    }
}

static void renew(unsigned which)
{
    ShadowGuest *g = guests[which];

    shadow_guest_unbind(g, "fuzz");
    shadow_guest_irq_told(g);
    if (touched) {
        hold(g, true);
        fuzz_assert(shadow_state_load(&g->devices, power_on[which],
                                      shadow_state_size(&g->devices), false,
                                      agree, NULL, NULL));
    }
    shadow_guest_changed(g);
    qemu_bh_cancel(g->settle_bh);
    g->settle = SHADOW_SETTLE_NONE;
    shadow_proof_stop(g);
    memset(g->misfits, 0, sizeof(g->misfits));
    g->misfit_pace = g->aheads = (ShadowPace) { };
    g->epoch = g->accepted = 0;
    g->bindings = 0;
    g->state = which ? SHADOW_GUEST_STATE_INCOMING : SHADOW_GUEST_STATE_ACTIVE;
    hold(g, which);
    fuzz_machine_run(now);
    note(which, &last[which]);
}

static void add_vm2(void)
{
    g_autoptr(QDict) com2 = qdict_new();
    DeviceState *dev;

    qdict_put_str(com2, "driver", "shadow-serial");
    qdict_put_str(com2, "id", "com2");
    qdict_put_str(com2, "guest", "vm2");
    qdict_put_str(com2, "chardev", "c1");
    qdict_put_str(com2, "iobase", COM2_IOBASE);
    qdict_put_str(com2, "input-size", stringify(FUZZ_QUEUE));
    qdict_put_str(com2, "output-size", stringify(FUZZ_QUEUE));
    user_creatable_add_from_str(VM2, &error_abort);
    dev = qdev_device_add_from_qdict(com2, false, &error_abort);
    object_unref(OBJECT(dev));
    guests[1] = shadow_guest_find("vm2");
    note(1, &last[1]);
}

static void remove_vm2(void)
{
    qdev_unplug(DEVICE(QTAILQ_FIRST(&guests[1]->devices)), &error_abort);
    user_creatable_del("vm2", &error_abort);
    guests[1] = NULL;
}

void fuzz_guests_renew(void)
{
    if (!guests[1]) {
        add_vm2();
    }
    now = 0;
    renew(0);
    renew(1);
    touched = false;
}

unsigned fuzz_guest_named(uint64_t tag, uint64_t len)
{
    return len == 3 && fuzz_memory_equals(tag, (const uint8_t *)"vm2", len);
}

ShadowGuest *fuzz_guest_object(unsigned which)
{
    return guests[which];
}

const FuzzGuest *fuzz_guest(unsigned which)
{
    static FuzzGuest g;

    note(which, &g);
    return &g;
}

uint8_t *fuzz_guest_seal(unsigned which, bool history, uint64_t epoch,
                         const uint8_t *host, size_t *len)
{
    ShadowGuest *g = guests[which];
    ShadowSealInfo info = {
        .purpose = history ? SHADOW_SEAL_HISTORY : SHADOW_SEAL_MIGRATION,
        .epoch = epoch,
    };
    g_autofree uint8_t *plain = NULL;
    uint8_t *env;

    if (!g || !epoch) {
        return NULL;
    }
    pstrcpy(info.guest, sizeof(info.guest), g->id);
    memcpy(info.sealer_id, host, sizeof(info.sealer_id));
    *len = shadow_keys_envelope_size(g, info.purpose,
                                     shadow_state_size(&g->devices));
    env = g_malloc(*len);
    plain = fuzz_state(g);
    memcpy(shadow_keys_payload(g, info.purpose, env), plain,
           shadow_state_size(&g->devices));
    fuzz_assert(shadow_keys_seal(g, &info, env,
                                 shadow_state_size(&g->devices), NULL));
    return env;
}

bool fuzz_guest_prove(uint8_t answer[16], unsigned half)
{
    uint8_t msg[sizeof(REGISTER_LABEL) - 1 + 32 + 3] = REGISTER_LABEL;
    uint8_t mac[SHADOW_HKDF_HASH_LEN];
    uint8_t *rest = msg + sizeof(REGISTER_LABEL) - 1;
    const ShadowChallenge *newest;

    if (!guests[1] || g_queue_is_empty(&guests[1]->challenges)) {
        return false;
    }
    newest = g_queue_peek_tail(&guests[1]->challenges);
    memcpy(rest, newest->value, 32);
    memcpy(rest + 32, "vm2", 3);
    fuzz_assert(shadow_hkdf_extract(FUZZ_SECRET, strlen(FUZZ_SECRET), msg,
                                    sizeof(msg), mac));
    memcpy(answer, mac + 16 * (half % 2), 16);
    return true;
}

void fuzz_guests_note(FuzzGuest *was)
{
    for (unsigned i = 0; i < FUZZ_GUESTS; i++) {
        note(i, &was[i]);
    }
}

void fuzz_guests_check_same(const FuzzGuest *was)
{
    for (unsigned i = 0; i < FUZZ_GUESTS; i++) {
        const FuzzGuest *g = fuzz_guest(i);

        fuzz_assert(!memcmp(&was[i], g, sizeof(*g)));
    }
}

void fuzz_guests_called(uint32_t nr, unsigned which)
{
    if (nr == ULTRACALL_RESTORE || nr == ULTRACALL_RESET) {
        touched = true;
    }
    if (nr == ULTRACALL_RESTORE) {
        note(which, &last[which]);
    }
}

void fuzz_guests_touched(void)
{
    touched = true;
}

void fuzz_guests_later(uint8_t ms)
{
    now += ms * SCALE_MS / 16;
    fuzz_machine_run(now);
}

void fuzz_guests_operator(unsigned what)
{
    ShadowGuest *g = guests[what % FUZZ_GUESTS];

    switch (what / FUZZ_GUESTS) {
    case 0:
    case 1:
        if (g) {
            shadow_guest_resume(g, NULL);
        }
        break;
    case 2:
    case 3:
        if (g) {
            shadow_guest_unbind(g, "the cloud VM was reset");
        }
        break;
    case 4:
    case 5:
        shadow_guest_irq_all_told();
        break;
    case 6:
        if (guests[1]) {
            remove_vm2();
        }
        break;
    case 7:
        if (!guests[1]) {
            add_vm2();
        }
        break;
    }
}

void fuzz_guests_check(void)
{
    for (unsigned i = 0; i < FUZZ_GUESTS; i++) {
        if (guests[i]) {
            fuzz_assert(guests[i]->epoch >= last[i].epoch);
            fuzz_check_positions(guests[i], &last[i].pos);
            note(i, &last[i]);
        }
    }
}
