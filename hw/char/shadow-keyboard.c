/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keyboard of a console, and what is typed on it.
 */
#include "qemu/osdep.h"
#include "shadow/hw/char/shadow-console.h"
#include "shadow/hw/char/shadow-keyboard.h"

/* Leases are compared with those of other hosts. */
static uint32_t keyboard_new_lease(void)
{
    return g_random_int() ?: 1;
}

/*
 * For a line on a terminal, where a client reads counts too: of what a client
 * calls himself, only what cannot be taken for a part of the line
 */
static char *keyboard_who(const ShadowReader *r)
{
    g_autofree char *who = shadow_reader_who(r);

    return g_strcanon(g_steal_pointer(&who), G_CSET_A_2_Z G_CSET_a_2_z
                      G_CSET_DIGITS " ._:@()", '?');
}

static char *keyboard_since(const char *who, int64_t since)
{
    g_autoptr(GDateTime) then = g_date_time_new_from_unix_utc(since);
    g_autofree char *time = NULL;

    time = then ? g_date_time_format(then, "%Y-%m-%d %H:%M:%S UTC") :
                  g_strdup("long ago");
    return g_strdup_printf("%s has had the keyboard since %s", who, time);
}

/* The reader who has it, has it no more. */
static void keyboard_lost(ShadowConsole *c, const char *reason)
{
    ShadowReader *r = c->keyboard.holder;

    c->keyboard = (ShadowKeyboard) { };
    if (r) {
        r->ops->lost(r, reason);
        shadow_readers_due(r);
    }
}

static void keyboard_changed(ShadowConsole *c)
{
    shadow_readers_tell(&c->readers, SHADOW_DOOR_EVENT_WRITER, NULL);
    shadow_console_writer_changed(c);
}

static char *keyboard_taken_by_other(ShadowConsole *c)
{
    ShadowReader *holder = c->keyboard.holder;
    g_autofree char *who = NULL;

    if (!holder) {
        return keyboard_since("the chardev's user", c->user_since);
    }
    who = shadow_reader_who(holder);
    return keyboard_since(who, c->keyboard_since);
}

uint32_t shadow_keyboard_take(ShadowConsole *c, ShadowReader *r, bool over,
                              char **why)
{
    ShadowKeyboard *k = &c->keyboard;
    g_autofree char *who = keyboard_who(r);
    g_autofree char *text = g_strdup_printf("the keyboard was taken over by "
                                            "%s", who);

    if (k->holder == r) {
        return k->lease;
    }
    if (r->role != SHADOW_DOOR_ROLE_WRITE) {
        *why = g_strdup("this door is for readers");
        return 0;
    }
    if (!c->input_enabled) {
        *why = g_strdup("this console takes no input");
        return 0;
    }
    if ((k->holder || c->connected) && !over) {
        *why = keyboard_taken_by_other(c);
        return 0;
    }
    if (k->holder) {
        keyboard_lost(c, text);
    } else if (c->connected) {
        shadow_console_taken_over(c, who);
    }
    *k = (ShadowKeyboard) { .holder = r, .lease = keyboard_new_lease() };
    c->keyboard_since = g_get_real_time() / G_USEC_PER_SEC;
    keyboard_changed(c);
    return k->lease;
}

void shadow_keyboard_release(ShadowConsole *c, ShadowReader *r)
{
    if (c->keyboard.holder == r) {
        c->keyboard = (ShadowKeyboard) { };
        keyboard_changed(c);
    }
}

void shadow_keyboard_end(ShadowConsole *c, const char *reason)
{
    if (c->keyboard.holder) {
        keyboard_lost(c, reason);
        keyboard_changed(c);
    }
}

uint64_t shadow_keyboard_limit(ShadowConsole *c)
{
    return c->in.end + shadow_console_room(c);
}

/* Whether one with this lease may type at @pos, in the life of the console */
static const char *keyboard_refuses(ShadowConsole *c, ShadowReader *r,
                                    uint32_t lease, uint64_t pos)
{
    if (r->role != SHADOW_DOOR_ROLE_WRITE) {
        return "this door is for readers";
    }
    if (c->keyboard.holder != r || c->keyboard.lease != lease) {
        return "you do not have the keyboard by this lease";
    }
    if (pos > c->in.end) {
        return "something is missing before this";
    }
    return NULL;
}

const char *shadow_keyboard_input(ShadowConsole *c, ShadowReader *r,
                                  uint32_t lease, uint64_t pos,
                                  const uint8_t *buf, uint32_t len)
{
    const char *why = keyboard_refuses(c, r, lease, pos);
    uint64_t old = pos < c->in.end ? MIN(c->in.end - pos, len) : 0;

    if (why) {
        return why;
    }
    if (len - old > shadow_console_room(c)) {
        return "there is no room for this";
    }
    if (len > old) {
        shadow_console_type(c, buf + old, len - old);
    }
    return NULL;
}

const char *shadow_keyboard_break(ShadowConsole *c, ShadowReader *r,
                                  uint32_t lease, uint64_t pos,
                                  uint64_t number)
{
    const char *why = keyboard_refuses(c, r, lease, pos);

    if (why) {
        return why;
    }
    if (number < c->life.breaks) {
        return NULL;
    }
    if (pos != c->in.end || number > c->life.breaks) {
        return "a break before this is missing, or bytes are not";
    }
    if (!shadow_console_room(c)) {
        return "there is no room for this";
    }
    shadow_console_type_break(c);
    return NULL;
}

ShadowDoorClient *shadow_keyboard_query(ShadowConsole *c)
{
    if (c->keyboard.holder) {
        ShadowDoorClient *info = shadow_reader_query(c->keyboard.holder);

        info->since = c->keyboard_since;
        return info;
    }
    return c->connected && c->input_enabled ? shadow_console_query_user(c) :
                                              NULL;
}

char *shadow_keyboard_greeting(ShadowConsole *c, const char *name)
{
    g_autofree char *who = NULL;
    g_autofree char *text = NULL;

    if (!c->keyboard.holder) {
        return NULL;
    }
    who = keyboard_who(c->keyboard.holder);
    text = keyboard_since(who, c->keyboard_since);
    return g_strdup_printf("[%s %s: %s]\r\n", c->notices.type, name, text);
}
