/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When an interrupt line's edges are told to the cloud VM.
 */
#include "qemu/osdep.h"
#include "shadow/hw/core/shadow-device.h"

/*
 * How often a guest that makes accesses is left to find out, each time for
 * twice as long: up to 63 intervals in all
 */
#define LINE_WAITS_MAX 5

static void line_tell(ShadowLine *line)
{
    line->edges++;
    if (line->dev->guest) {
        line->dev->irq_changed(line->dev->guest);
    }
}

static void line_tell_moderated(ShadowLine *line, int64_t now)
{
    line->told = true;
    line->last = now;
    line->waits = 0;
    line_tell(line);
}

/* Timers are lazy: one that comes early is set anew. */
static void line_wait(ShadowLine *line, int64_t due)
{
    line->due = due;
    if (!timer_pending(line->timer) ||
        timer_expire_time_ns(line->timer) > due) {
        timer_mod(line->timer, due);
    }
}

static void line_expired(void *opaque)
{
    ShadowLine *line = opaque;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    bool busy = line->dev->accesses != line->seen;

    line->seen = line->dev->accesses;
    if (!line->up || line->told) {
        return;
    }
    if (now < line->due) {
        line_wait(line, line->due);
    } else if (busy && line->waits < LINE_WAITS_MAX) {
        line->waits++;
        line_wait(line, now + (line->wait << line->waits));
    } else {
        line_tell_moderated(line, now);
    }
}

static void line_moderate(ShadowLine *line)
{
    bool idle = false;
    int64_t now, due, wait;

    if (!line->level) {
        line->up = false;
        line->told = false;
        return;
    }
    wait = line->interval(line->dev, &idle);
    if (line->told || (line->up && line->idle == idle)) {
        return;
    }
    now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    due = (idle || line->dev->in_access ? now : line->last) + wait;
    line->up = true;
    line->idle = idle;
    line->wait = wait;
    if (due <= now) {
        line_tell_moderated(line, now);
    } else {
        line_wait(line, due);
    }
}

static void line_set(void *opaque, int n, int level)
{
    ShadowLine *line = opaque;
    bool rises = level && !line->level;

    line->level = level;
    if (line->interval) {
        line_moderate(line);
    } else if (rises) {
        line_tell(line);
    }
}

static void line_forget(ShadowLine *line)
{
    if (line->timer) {
        timer_del(line->timer);
    }
    line->up = false;
    line->told = false;
    line->waits = 0;
}

void shadow_lines_forget(ShadowDevice *dev)
{
    for (unsigned i = 0; i < dev->n_lines; i++) {
        line_forget(dev->line[i]);
    }
}

void shadow_lines_again(ShadowDevice *dev)
{
    for (unsigned i = 0; i < dev->n_lines; i++) {
        dev->line[i]->edges++;
    }
}

void shadow_line_start(ShadowLine *line, ShadowDevice *dev, uint32_t number,
                       ShadowLineInterval *interval)
{
    *line = (ShadowLine) {
        .dev = dev,
        .irq = qemu_allocate_irq(line_set, line, 0),
        .number = number,
        .interval = interval,
        .last = INT64_MIN / 2,
    };
    if (interval) {
        line->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, line_expired, line);
    }
}

void shadow_line_stop(ShadowLine *line)
{
    qemu_free_irq(line->irq);
    line->irq = NULL;
    timer_free(line->timer);
    line->timer = NULL;
}
