/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a console, and what its users are told of it: some of them
 * have to come anew, and the keyboard is nobody's then.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "shadow/hw/char/shadow-console.h"

static void console_farewell(ShadowConsole *c, ShadowFarewell kind,
                             const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", c->name, what);

    shadow_notices_add(&c->notices, kind, text);
    qemu_bh_schedule(c->flush);
}

void shadow_console_taken_over(ShadowConsole *c, const char *who)
{
    g_autofree char *what = NULL;

    what = g_strdup_printf("the keyboard was taken over by %s", who);
    c->announced = false;
    console_farewell(c, SHADOW_FAREWELL_TAKEN, what);
}

void shadow_console_moved(ShadowConsole *c)
{
    c->announced = false;
    shadow_keyboard_end(c, "moved to another host");
    shadow_carrier_moved(&c->carrier);
    shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_MOVED, NULL);
    shadow_notices_drop(&c->notices, SHADOW_FAREWELL_SNAPSHOT);
    console_farewell(c, SHADOW_FAREWELL_MOVED, "moved to another host");
}

void shadow_console_restored(ShadowConsole *c, bool snapshot)
{
    shadow_keyboard_end(c, snapshot ? "went back to a snapshot" :
                                      "its state has arrived");
    shadow_readers_tell(&c->readers, snapshot ? SHADOW_DOOR_EVENT_SNAPSHOT :
                                                SHADOW_DOOR_EVENT_RESTORED,
                        NULL);
    if (snapshot) {
        console_farewell(c, SHADOW_FAREWELL_SNAPSHOT,
                         "went back to a snapshot");
    } else {
        shadow_notices_drop(&c->notices, SHADOW_FAREWELL_MOVED);
        shadow_notices_drop(&c->notices, SHADOW_FAREWELL_SNAPSHOT);
        /* the user has left it since, and comes back from elsewhere */
        shadow_notices_drop(&c->notices, SHADOW_FAREWELL_DETACHED);
        c->severed = false;
    }
}

void shadow_console_protection(ShadowConsole *c, bool exposed,
                               const char *broken, const char *privacy)
{
    const char *greets = exposed ? "not protected from the cloud VM" : privacy;
    g_autofree char *text = NULL;

    if (greets) {
        text = g_strdup_printf("[%s %s: %s]\r\n", c->notices.type, c->name,
                               greets);
    }
    shadow_notices_set_greeting(&c->notices, text);
    if (broken) {
        g_autofree char *what = NULL;

        what = g_strdup_printf("no longer protected from the cloud VM: %s",
                               broken);
        console_farewell(c, SHADOW_FAREWELL_BROKEN, what);
        shadow_keyboard_end(c, what);
    }
    shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_PROTECTION, broken);
}

void shadow_console_attached(ShadowConsole *c, bool attached,
                             const char *reason)
{
    if (attached != c->detached) {
        return;
    }
    c->detached = !attached;
    if (attached) {
        /* one who has taken the keyboard since */
        c->severed &= !c->keyboard.holder;
        shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_ATTACHED, NULL);
        shadow_console_announce(c);
        shadow_console_pump(c);
        qemu_bh_schedule(c->flush);
        return;
    }
    c->announced = false;
    c->severed = true;
    shadow_keyboard_end(c, "detached from its virtual machine");
    shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_DETACHED, reason);
    shadow_console_lines(c);
    /* who comes later has connected anew, and is not sent away */
    if (c->connected) {
        g_autofree char *what = NULL;

        what = g_strdup_printf("detached from its virtual machine: %s",
                               reason);
        console_farewell(c, SHADOW_FAREWELL_DETACHED, what);
    }
}
