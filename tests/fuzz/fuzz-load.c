/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz shadow_state_load(): what is in an envelope whose seal was right.  A
 * state that was accepted has to make a guest that works.
 *
 * Input: 1 byte (the number of operations; bit 7: refuse in the end; bit 6: see
 * below), the operations, of 2 bytes each, and the state.  With bit 6, not the
 * state, but changes to the one that a guest has after the operations: each an
 * offset (2 bytes, big-endian) and a value.  With bit 5 not the state, but the
 * output that was sent ahead of it.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-access.h"
#include "shadow/hw/core/shadow-lifecycle.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/tests/fuzz/fuzz-machine.h"

#define IOBASE 0x3f8

#define REFUSE 0x80
#define CHANGE 0x40
#define HISTORY 0x20

static const char *const args[] = {
    "-object", "shadow-guest,id=vm1,secret=key0,incoming=on",
    "-chardev", "null,id=c0",
    "-device", "shadow-serial,id=com1,guest=vm1,chardev=c0," FUZZ_QUEUE_ARGS,
};

static ShadowGuest *guest;
static size_t state_size;
static uint8_t *power_on;
static bool used = true;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_machine_start(args, ARRAY_SIZE(args));
    guest = shadow_guest_find("vm1");
    state_size = shadow_state_size(&guest->devices);
    power_on = fuzz_state(guest);
    return 0;
}

static bool agree(void *opaque, Error **errp)
{
    return *(bool *)opaque;
}

static void hold(bool held)
{
    ShadowDevice *dev = QTAILQ_FIRST(&guest->devices);

    shadow_access_hold(dev, held);
}

static void renew(void)
{
    bool yes = true;

    hold(true);
    guest->state = SHADOW_GUEST_STATE_INCOMING;
    fuzz_machine_run(0);
    fuzz_assert(shadow_state_load(&guest->devices, power_on, state_size,
                                  false, agree, &yes, NULL));
}

static void operate(uint8_t op, uint8_t val, int64_t *now)
{
    ShadowDevice *dev = QTAILQ_FIRST(&guest->devices);
    MemoryRegion *mr = QTAILQ_FIRST(&dev->io.subregions);

    switch (op >> 4) {
    case 0 ... 4:
        shadow_access_write(dev, mr, op % 8, 1, val);
        break;
    case 5 ... 8:
        shadow_access_read(dev, mr, op % 8, 1);
        break;
    case 9 ... 11:
        fuzz_type("c0", (const uint8_t[16]) { val, op }, op % 16);
        break;
    case 12:
        *now += (int64_t)val << (2 * (op % 16));
        break;
    case 13:
        hold(op & 1);
        break;
    case 14:
        shadow_guest_reset(guest);
        break;
    default:
        break;
    }
    fuzz_machine_run(*now);
}

static uint8_t *reload(const uint8_t *state)
{
    bool yes = true;

    fuzz_assert(shadow_state_load(&guest->devices, state, state_size, false,
                                  agree,
                                  &yes, NULL));
    return fuzz_state(guest);
}

/*
 * Saving changes nothing.  What has been saved can be loaded, and is then what
 * was saved, once its timers are set to now.
 */
static void check_state(void)
{
    g_autofree uint8_t *once = NULL;
    g_autofree uint8_t *again = NULL;
    g_autofree uint8_t *loaded = NULL;
    g_autofree uint8_t *reloaded = NULL;

    hold(true);
    once = fuzz_state(guest);
    again = fuzz_state(guest);
    fuzz_same(once, again, state_size);
    loaded = reload(once);
    reloaded = reload(loaded);
    fuzz_same(loaded, reloaded, state_size);
}

static void run(FuzzInput ops)
{
    FuzzPositions pos = { };
    int64_t now = 0;

    fuzz_check_positions(guest, &pos);
    guest->state = SHADOW_GUEST_STATE_RESTORED;
    shadow_lifecycle_entered(guest);
    fuzz_assert(guest->state == SHADOW_GUEST_STATE_ACTIVE);
    while (ops.len) {
        uint8_t op = fuzz_u8(&ops);

        operate(op, fuzz_u8(&ops), &now);
        fuzz_check_positions(guest, &pos);
    }
}

/* Whatever was sent ahead, the guest works. */
static void join(const uint8_t *history, size_t len)
{
    if (len) {
        shadow_state_load_history(&guest->devices, history, len, NULL);
    }
}

static uint8_t *changed_state(FuzzInput ops, FuzzInput changes, bool history)
{
    uint8_t *state;

    run(ops);
    hold(true);
    if (history) {
        state = g_malloc(state_size);
        fuzz_assert(shadow_state_save_history(&guest->devices, state, NULL));
    } else {
        state = fuzz_state(guest);
    }
    while (changes.len) {
        uint16_t at = fuzz_u16(&changes) % state_size;

        state[at] = fuzz_u8(&changes);
    }
    renew();
    return state;
}

static bool load(const uint8_t *state, size_t len, bool yes)
{
    bool ok = shadow_state_load(&guest->devices, state, len, false, agree,
                                &yes, NULL);

    fuzz_assert(!ok || yes);
    if (!ok) {
        g_autofree uint8_t *after = fuzz_state(guest);

        fuzz_same(after, power_on, state_size);
    }
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = { data, len };
    uint8_t first = fuzz_u8(&in);
    FuzzInput ops = { in.data, MIN(in.len, 2 * (first % 32)) };
    bool yes = !(first & REFUSE);

    in.data += ops.len;
    in.len -= ops.len;
    if (used) {
        renew();
    }
    if (first & CHANGE) {
        g_autofree uint8_t *state = changed_state(ops, in, first & HISTORY);

        used = first & HISTORY ? load(power_on, state_size, true)
                               : load(state, state_size, yes);
        if (first & HISTORY) {
            join(state, state_size);
        }
    } else if (first & HISTORY) {
        used = load(power_on, state_size, true);
        join(in.data, in.len);
    } else {
        used = load(in.data, in.len, yes);
    }
    if (used) {
        run(ops);
        check_state();
    }
    fuzz_machine_tidy();
    return 0;
}
