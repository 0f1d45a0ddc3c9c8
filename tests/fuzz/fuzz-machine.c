/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with shadow guests, for the fuzz targets that need one.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "chardev/char.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/cpu-timers.h"
#include "system/system.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/tests/fuzz/fuzz-machine.h"

#define TIDY_EVERY 4096

void __wrap_error_report(const char *fmt, ...)
{
}

void fuzz_machine_start(const char *const *args, size_t n)
{
    static const char *const common[] = {
        "fuzz", "-accel", "qtest", "-machine", "pc", "-m", "4M", "-nodefaults",
        "-display", "none", "-object", "secret,id=key0,data=" FUZZ_SECRET,
        "-device", "ultracall",
    };
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        g_ptr_array_add(argv, (void *)common[i]);
    }
    for (size_t i = 0; i < n; i++) {
        g_ptr_array_add(argv, (void *)args[i]);
    }
    qemu_init(argv->len, (char **)argv->pdata);

    /* QEMU's would only ask a main loop to end that does not run here. */
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

void fuzz_machine_run(int64_t now)
{
    if (now != qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL)) {
        cpus_set_virtual_clock(now);
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
    }
    while (aio_bh_poll(qemu_get_aio_context())) {
        continue;
    }
}

void fuzz_machine_tidy(void)
{
    static unsigned n;

    if (++n % TIDY_EVERY == 0) {
        drain_call_rcu();
    }
}

void fuzz_type(const char *chardev, const uint8_t *buf, size_t len)
{
    Chardev *chr = qemu_chr_find(chardev);

    if (chr) {
        len = MIN(len, qemu_chr_be_can_write(chr));
        qemu_chr_be_write(chr, buf, len);
    }
}

uint8_t *fuzz_state(ShadowGuest *g)
{
    uint32_t edges[16] = { };
    unsigned i = 0;
    ShadowDevice *dev;
    uint8_t *state = g_malloc(shadow_state_size(&g->devices));

    QTAILQ_FOREACH(dev, &g->devices, next) {
        if (dev->n_lines) {
            edges[i] = dev->line[0]->edges;
            dev->line[0]->edges = 0;
        }
        i++;
    }
    fuzz_assert(shadow_state_save(&g->devices, state, NULL));
    i = 0;
    QTAILQ_FOREACH(dev, &g->devices, next) {
        if (dev->n_lines) {
            dev->line[0]->edges = edges[i];
        }
        i++;
    }
    return state;
}

void fuzz_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            fprintf(stderr, "byte %zu: 0x%x, 0x%x\n", i, a[i], b[i]);
            fuzz_broken("the same state", __FILE__, __LINE__);
        }
    }
}

void fuzz_positions(ShadowGuest *g, FuzzPositions *pos)
{
    ShadowDevice *dev;

    memset(pos, 0, sizeof(*pos));
    QTAILQ_FOREACH(dev, &g->devices, next) {
        ShadowDeviceInfo info = { };

        SHADOW_DEVICE_GET_CLASS(dev)->query(dev, &info);
        pos->dev[pos->n].accepted = info.input_accepted;
        pos->dev[pos->n].taken = info.input_taken;
        pos->dev[pos->n].produced = info.output_produced;
        pos->dev[pos->n].sent = info.output_sent;
        pos->dev[pos->n].start = info.output_start;
        pos->n++;
    }
}

void fuzz_check_positions(ShadowGuest *g, FuzzPositions *pos)
{
    FuzzPositions now;

    fuzz_positions(g, &now);
    for (unsigned i = 0; i < now.n; i++) {
        typeof(now.dev[0]) a = pos->dev[i], b = now.dev[i];

        fuzz_assert(b.taken <= b.accepted);
        fuzz_assert(b.accepted - b.taken <= FUZZ_QUEUE + FUZZ_RECEIVER);
        fuzz_assert(b.start <= b.sent && b.sent <= b.produced);
        fuzz_assert(b.produced - b.start <= FUZZ_QUEUE);
        fuzz_assert(i >= pos->n ||
                    (a.accepted <= b.accepted &&
                     a.taken <= b.taken + FUZZ_RECEIVER &&
                     a.produced <= b.produced && a.sent <= b.sent &&
                     a.start <= b.start));
    }
    *pos = now;
}
