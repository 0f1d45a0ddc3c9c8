/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines on the debug console, and the command line.
 */
#include <stdarg.h>
#include "hv.h"

#define DEBUGCON 0xe9
#define DEBUG_EXIT 0xf4

#define MULTIBOOT_CMDLINE 4     /* in the flags, the first word */

static unsigned failed;
static const char *command_line = "";

static void say_number(uint64_t n, unsigned base)
{
    char digits[20];
    int i = 0;

    do {
        digits[i++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (i) {
        outb(digits[--i], DEBUGCON);
    }
}

static void say_text(const char *text)
{
    while (*text) {
        outb(*text++, DEBUGCON);
    }
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            outb(*format, DEBUGCON);
            continue;
        }
        format++;
        if (*format == 's') {
            say_text(va_arg(args, const char *));
        } else {
            say_number(va_arg(args, uint64_t), *format == 'x' ? 16 : 10);
        }
    }
    va_end(args);
    outb('\n', DEBUGCON);
}

bool check(const char *what, uint64_t got, uint64_t want)
{
    if (got == want) {
        say("PASS %s", what);
    } else {
        say("FAIL %s: 0x%x, not 0x%x", what, got, want);
        failed++;
    }
    return got == want;
}

unsigned differences(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    unsigned count = 0;

    while (n--) {
        count += *x++ != *y++;
    }
    return count;
}

void options_init(uint32_t multiboot_info)
{
    const uint32_t *info = (const uint32_t *)(uintptr_t)multiboot_info;

    if (info[0] & MULTIBOOT_CMDLINE) {
        command_line = (const char *)(uintptr_t)info[4];
    }
}

static const char *skip_prefix(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix) {
        text++;
        prefix++;
    }
    return *prefix ? NULL : text;
}

static const char *option_value(const char *name)
{
    for (const char *at = command_line; *at; at++) {
        const char *value = skip_prefix(at, name);

        if (value && *value == '=' && at != command_line && at[-1] == ' ') {
            return value + 1;
        }
    }
    return NULL;
}

uint64_t option(const char *name, uint64_t def)
{
    const char *value = option_value(name);

    if (!value) {
        return def;
    }
    for (def = 0; *value >= '0' && *value <= '9'; value++) {
        def = def * 10 + *value - '0';
    }
    return def;
}

bool option_is(const char *name, const char *value)
{
    const char *rest = option_value(name);

    rest = rest ? skip_prefix(rest, value) : NULL;
    return rest && (!*rest || *rest == ' ');
}

void hv_end(void)
{
    say("done %u failed", (uint64_t)failed);
    outb(failed ? 1 : 0, DEBUG_EXIT);
}
