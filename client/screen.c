/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal without a display.
 *
 * What it would answer to the guest's questions goes nowhere: the guest asked
 * long ago, and the answers would be typed to what runs there now.
 */
#include <string.h>
#include <vterm.h>

#include "screen.h"

struct Screen {
    VTerm *vt;
    VTermScreen *screen;
    int rows, cols;
    bool altscreen, hidden;
    int mouse;                  /* VTERM_PROP_MOUSE_* */
    GString *answer;            /* of the last key that was tried */
};

static void screen_answer(const char *s, size_t len, void *opaque)
{
    Screen *screen = opaque;

    if (screen->answer) {
        g_string_append_len(screen->answer, s, len);
    }
}

static int screen_property(VTermProp prop, VTermValue *val, void *opaque)
{
    Screen *s = opaque;

    switch (prop) {
    case VTERM_PROP_CURSORVISIBLE:
        s->hidden = !val->boolean;
        break;
    case VTERM_PROP_ALTSCREEN:
        s->altscreen = val->boolean;
        break;
    case VTERM_PROP_MOUSE:
        s->mouse = val->number;
        break;
    default:
        break;
    }
    return 1;
}

static const VTermScreenCallbacks screen_callbacks = {
    .settermprop = screen_property,
};

Screen *screen_new(int rows, int cols)
{
    Screen *s = g_new0(Screen, 1);

    s->rows = rows;
    s->cols = cols;
    s->vt = vterm_new(rows, cols);
    vterm_set_utf8(s->vt, 1);
    vterm_output_set_callback(s->vt, screen_answer, s);
    s->screen = vterm_obtain_screen(s->vt);
    vterm_screen_set_callbacks(s->screen, &screen_callbacks, s);
    vterm_screen_enable_altscreen(s->screen, 1);
    vterm_screen_reset(s->screen, 1);
    return s;
}

void screen_free(Screen *s)
{
    if (s) {
        vterm_free(s->vt);
        g_free(s);
    }
}

void screen_write(Screen *s, const void *data, size_t len)
{
    vterm_input_write(s->vt, data, len);
}

/* Whether a mode is on is seen by what a key is in it. */
static bool screen_tries(Screen *s, VTermKey key, const char *wanted)
{
    bool same;

    s->answer = g_string_new("");
    if (key == VTERM_KEY_NONE) {
        vterm_keyboard_start_paste(s->vt);
    } else {
        vterm_keyboard_key(s->vt, key, VTERM_MOD_NONE);
    }
    same = g_str_equal(s->answer->str, wanted);
    g_string_free(s->answer, true);
    s->answer = NULL;
    return same;
}

static void paint_color(GString *out, VTermColor color, bool back)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(&color) ||
        VTERM_COLOR_IS_DEFAULT_BG(&color)) {
        return;
    }
    if (VTERM_COLOR_IS_INDEXED(&color)) {
        g_string_append_printf(out, ";%d;5;%d", back ? 48 : 38,
                               color.indexed.idx);
    } else {
        g_string_append_printf(out, ";%d;2;%d;%d;%d", back ? 48 : 38,
                               color.rgb.red, color.rgb.green, color.rgb.blue);
    }
}

static void paint_pen(GString *out, VTermScreenCellAttrs attrs, VTermColor fg,
                      VTermColor bg)
{
    g_string_append_printf(out, "\033[0%s%s%s%s%s%s", attrs.bold ? ";1" : "",
                           attrs.italic ? ";3" : "",
                           attrs.underline == VTERM_UNDERLINE_DOUBLE ? ";21" :
                           attrs.underline ? ";4" : "",
                           attrs.blink ? ";5" : "", attrs.reverse ? ";7" : "",
                           attrs.strike ? ";9" : "");
    paint_color(out, fg, false);
    paint_color(out, bg, true);
    g_string_append_c(out, 'm');
}

static bool same_pen(const VTermScreenCell *a, const VTermScreenCell *b)
{
    return a->attrs.bold == b->attrs.bold &&
           a->attrs.underline == b->attrs.underline &&
           a->attrs.italic == b->attrs.italic &&
           a->attrs.blink == b->attrs.blink &&
           a->attrs.reverse == b->attrs.reverse &&
           a->attrs.strike == b->attrs.strike &&
           vterm_color_is_equal(&a->fg, &b->fg) &&
           vterm_color_is_equal(&a->bg, &b->bg);
}

/* The last column that shows anything, or -1 */
static int row_end(Screen *s, int row, const VTermScreenCell *plain)
{
    VTermScreenCell cell;
    int end = s->cols - 1;

    for (; end >= 0; end--) {
        vterm_screen_get_cell(s->screen, (VTermPos) { row, end }, &cell);
        if ((cell.chars[0] && cell.chars[0] != ' ') ||
            !same_pen(&cell, plain)) {
            break;
        }
    }
    return end;
}

static void paint_cell(GString *out, const VTermScreenCell *cell)
{
    if (!cell->chars[0]) {
        g_string_append_c(out, ' ');
    }
    for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i]; i++) {
        /* a cell holds nothing that a terminal would obey */
        bool prints = g_unichar_validate(cell->chars[i]) &&
                      !g_unichar_iscntrl(cell->chars[i]);

        g_string_append_unichar(out, prints ? cell->chars[i] : '?');
    }
}

static void paint_row(Screen *s, GString *out, int row, VTermScreenCell *pen)
{
    VTermScreenCell plain = { .width = 1 }, cell;
    int end;

    vterm_state_get_default_colors(vterm_obtain_state(s->vt), &plain.fg,
                                   &plain.bg);
    end = row_end(s, row, &plain);
    g_string_append_printf(out, "\033[%d;1H", row + 1);
    for (int col = 0; col <= end; col += MAX(cell.width, 1)) {
        vterm_screen_get_cell(s->screen, (VTermPos) { row, col }, &cell);
        if (!same_pen(&cell, pen)) {
            paint_pen(out, cell.attrs, cell.fg, cell.bg);
            *pen = cell;
        }
        paint_cell(out, &cell);
    }
}

/* The pen with which the guest goes on */
static void paint_last_pen(Screen *s, GString *out)
{
    VTermState *state = vterm_obtain_state(s->vt);
    VTermScreenCellAttrs attrs = { 0 };
    VTermColor fg, bg;
    VTermValue val;

#define PEN(attr, field, kind) \
    (vterm_state_get_penattr(state, attr, &val) ? attrs.field = val.kind : 0)
    PEN(VTERM_ATTR_BOLD, bold, boolean);
    PEN(VTERM_ATTR_UNDERLINE, underline, number);
    PEN(VTERM_ATTR_ITALIC, italic, boolean);
    PEN(VTERM_ATTR_BLINK, blink, boolean);
    PEN(VTERM_ATTR_REVERSE, reverse, boolean);
    PEN(VTERM_ATTR_STRIKE, strike, boolean);
#undef PEN
    vterm_state_get_default_colors(state, &fg, &bg);
    if (vterm_state_get_penattr(state, VTERM_ATTR_FOREGROUND, &val)) {
        fg = val.color;
    }
    if (vterm_state_get_penattr(state, VTERM_ATTR_BACKGROUND, &val)) {
        bg = val.color;
    }
    paint_pen(out, attrs, fg, bg);
}

static void paint_modes(Screen *s, GString *out)
{
    static const int mouse[] = {
        [VTERM_PROP_MOUSE_CLICK] = 1000, [VTERM_PROP_MOUSE_DRAG] = 1002,
        [VTERM_PROP_MOUSE_MOVE] = 1003,
    };

    g_string_append(out, screen_tries(s, VTERM_KEY_UP, "\033OA") ?
                    "\033[?1h" : "\033[?1l");
    g_string_append(out, screen_tries(s, VTERM_KEY_KP_0, "\033Op") ?
                    "\033=" : "\033>");
    g_string_append(out, screen_tries(s, VTERM_KEY_NONE, "\033[200~") ?
                    "\033[?2004h" : "\033[?2004l");
    g_string_append(out, "\033[?1000l\033[?1002l\033[?1003l");
    if (s->mouse > 0 && s->mouse < (int)G_N_ELEMENTS(mouse)) {
        g_string_append_printf(out, "\033[?%dh", mouse[s->mouse]);
    }
    g_string_append(out, s->hidden ? "\033[?25l" : "\033[?25h");
}

GString *screen_paint(Screen *s)
{
    GString *out = g_string_new(s->altscreen ? "\033[?1049h" : "\033[?1049l");
    VTermScreenCell pen = { .width = 1 };
    VTermPos cursor;

    /* no scrolling region, no origin mode, ASCII, and empty */
    g_string_append(out, "\033[r\033[?6l\033[?7h\033(B\017\033[0m\033[2J");
    vterm_state_get_default_colors(vterm_obtain_state(s->vt), &pen.fg,
                                   &pen.bg);
    for (int row = 0; row < s->rows; row++) {
        paint_row(s, out, row, &pen);
    }
    vterm_state_get_cursorpos(vterm_obtain_state(s->vt), &cursor);
    g_string_append_printf(out, "\033[%d;%dH", cursor.row + 1, cursor.col + 1);
    paint_last_pen(s, out);
    paint_modes(s, out);
    return out;
}
