/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's terminal.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

static struct termios terminal_saved;
static bool terminal_raw_now;

void terminal_raw(void)
{
    struct termios raw;

    if (terminal_raw_now || tcgetattr(STDIN_FILENO, &terminal_saved)) {
        return;
    }
    raw = terminal_saved;
    cfmakeraw(&raw);
    /* what was typed ahead stays */
    terminal_raw_now = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void terminal_restore(void)
{
    if (terminal_raw_now) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_saved);
        terminal_raw_now = false;
    }
}

bool terminal_is_raw(void)
{
    return terminal_raw_now;
}

void terminal_size(int *rows, int *cols)
{
    struct winsize size;

    *rows = 24;
    *cols = 80;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row &&
        size.ws_col) {
        *rows = MIN(size.ws_row, 1000);
        *cols = MIN(size.ws_col, 1000);
    }
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = { .fd = fd, .events = POLLOUT };

            poll(&room, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return false;
        } else if (n > 0) {
            data += n;
            len -= n;
        }
    }
    return true;
}

bool terminal_write(const void *data, size_t len)
{
    return write_all(STDOUT_FILENO, data, len);
}

void terminal_say(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *end = terminal_raw_now ? "\r\n" : "\n";
    GString *out = g_string_new(terminal_raw_now ? end : "");

    for (char **line = lines; *line; line++) {
        g_string_append_printf(out, "%s%s%s", line == lines ?
                               "[shadow-console: " : "", *line,
                               line[1] ? "" : "]");
        g_string_append(out, end);
    }
    write_all(STDERR_FILENO, out->str, out->len);
    g_string_free(out, true);
}

void terminal_title(const char *text)
{
    const char *term = g_getenv("TERM");
    g_autofree char *title = NULL;

    if (!terminal_raw_now || !isatty(STDERR_FILENO) || !term || !*term ||
        g_str_equal(term, "dumb") || g_str_equal(term, "linux")) {
        return;
    }
    title = g_strdup_printf("\033]2;%s\033\\", text);
    write_all(STDERR_FILENO, title, strlen(title));
}
