/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user asks of the client itself.
 */
#include <string.h>

#include "escape.h"
#include "terminal.h"

static const char escape_help[] =
    "Ctrl-] and then:\n"
    "  q or .  leave              t  take the keyboard over\n"
    "  b       send a break       r  only read: give it back\n"
    "  w       who is there       d  drop what waits to be typed\n"
    "  s       how it stands      z  type the size of this terminal\n"
    "  l       draw the screen    Ctrl-]  type Ctrl-]";

/* Only a shell at its prompt knows what to do with it: so only on request */
static void escape_size(Session *s)
{
    g_autofree char *line = NULL;
    int rows, cols;

    terminal_size(&rows, &cols);
    line = g_strdup_printf("stty rows %d cols %d\r", rows, cols);
    if (keyboard_may_type(&s->keyboard) &&
        strlen(line) <= typed_room(&s->keyboard.typed)) {
        keyboard_type(&s->keyboard, (const uint8_t *)line, strlen(line));
    } else {
        terminal_say("not typed: you do not have the keyboard");
    }
}

static void escape_break(Session *s, const Args *args)
{
    if (args->no_break) {
        terminal_say("breaks are not allowed here");
    } else if (!keyboard_may_type(&s->keyboard)) {
        terminal_say("no break: you do not have the keyboard");
    } else if (!keyboard_break(&s->keyboard)) {
        terminal_say("no break: too many wait");
    }
}

static void escape_text(char *text)
{
    terminal_say(text);
    g_free(text);
}

EscapeResult escape_do(Session *s, uint8_t key, const Args *args)
{
    switch (key) {
    case 'q':
    case '.':
        return ESCAPE_LEAVE;
    case ESCAPE_KEY:
        return ESCAPE_ITSELF;
    case 'b':
        escape_break(s, args);
        break;
    case 'w':
        escape_text(session_who(s));
        break;
    case 's':
        escape_text(session_text(s));
        break;
    case 'l':
        session_restart(s);
        break;
    case 't':
        if (args->watch) {
            terminal_say("you can only watch here");
        } else {
            keyboard_take(&s->keyboard, true);
        }
        break;
    case 'r':
        keyboard_release(&s->keyboard);
        break;
    case 'd':
        keyboard_drop(&s->keyboard);
        break;
    case 'z':
        escape_size(s);
        break;
    default:
        terminal_say(escape_help);
    }
    return ESCAPE_DONE;
}
