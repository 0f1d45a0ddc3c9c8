/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is sent to another host ahead of the state that lacks it, so
 * that little is left to send while the nested guest stands still.
 *
 * The salt of the envelope that it was sent in names it, within the sealed
 * state: the cloud VM can neither leave it out nor put another in its place.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "shadow/hw/core/shadow-arrival.h"
#include "shadow/hw/core/shadow-history.h"
#include "shadow/migration/shadow-state.h"
#include "shadow/trace.h"

/* Nothing is ahead, or kept, any more. */
static void history_forget(Notifier *n, void *data)
{
    ShadowGuest *g = container_of(n, ShadowGuest, history_forgets);
    ShadowHistory *h = &g->history;

    if (!h->valid) {
        return;
    }
    if (h->plain) {
        shadow_wipe(h->plain, h->len);
        g_free(h->plain);
    }
    *h = (ShadowHistory) { };
    trace_shadow_history_forgotten(g->id);
}

void shadow_history_start(ShadowGuest *g)
{
    g->history_forgets.notify = history_forget;
    notifier_list_add(&g->changed, &g->history_forgets);
}

static void history_set(ShadowGuest *g, const uint8_t *envelope, uint8_t *plain,
                        size_t len)
{
    shadow_guest_changed(g);
    g->history = (ShadowHistory) { .valid = true, .plain = plain, .len = len };
    memcpy(g->history.salt, shadow_seal_salt(envelope),
           sizeof(g->history.salt));
}

void shadow_history_sent(ShadowGuest *g, const uint8_t *envelope)
{
    ShadowDevice *dev;

    history_set(g, envelope, NULL, 0);
    QTAILQ_FOREACH(dev, &g->devices, next) {
        SHADOW_DEVICE_GET_CLASS(dev)->sent_ahead(dev);
    }
}

size_t shadow_history_save_rest(ShadowGuest *g, uint8_t *out)
{
    bool ok = g->history.valid && !g->history.plain &&
              shadow_state_size(&g->devices) > SHADOW_STATE_REST_SIZE &&
              shadow_state_save_rest(&g->devices, g->history.salt, out, NULL);

    return ok ? SHADOW_STATE_REST_SIZE : 0;
}

int shadow_history_keep(ShadowGuest *g, const uint8_t *envelope,
                        const uint8_t *plain, size_t len, Error **errp)
{
    uint8_t *copy = g_try_malloc(MAX(len, 1));

    if (!copy) {
        error_setg(errp, "there is no memory for the history of shadow-guest "
                   "'%s'", g->id);
        return -ENOMEM;
    }
    memcpy(copy, plain, len);
    history_set(g, envelope, copy, len);
    shadow_arrival_forget(g);
    trace_shadow_history_kept(g->id, len);
    return 0;
}

static bool history_is_kept(ShadowGuest *g, const uint8_t *salt)
{
    return g->history.valid && g->history.plain &&
           !memcmp(g->history.salt, salt, sizeof(g->history.salt));
}

bool shadow_history_join(ShadowGuest *g, Error **errp)
{
    ShadowDevice *dev;
    unsigned lack = 0;

    QTAILQ_FOREACH(dev, &g->devices, next) {
        if (buffer_is_zero(dev->ahead_salt, sizeof(dev->ahead_salt))) {
            continue;
        }
        if (!history_is_kept(g, dev->ahead_salt)) {
            error_setg(errp, "the history that '%s' was sent ahead %s",
                       shadow_device_name(dev), g->history.valid ?
                       "is not the one that has arrived" : "has not arrived");
            return false;
        }
        memset(dev->ahead_salt, 0, sizeof(dev->ahead_salt));
        lack++;
    }
    if (!lack) {
        return true;
    }
    if (lack != shadow_state_n_history(&g->devices)) {
        error_setg(errp, "not all devices were sent their history ahead");
        return false;
    }
    return shadow_state_load_history(&g->devices, g->history.plain,
                                     g->history.len, errp);
}
