/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   search-memory PID HEX...       in /proc/PID/mem, as root reads it
 *   search-memory - HEX...         in what comes by standard input
 *
 * Prints how often it finds each.
 */
#define _FILE_OFFSET_BITS 64
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "process-memory.h"

#define PAGE         4096
#define PIECE        (1 << 20)
#define PATTERNS_MAX 8
#define PATTERN_MAX  128

static struct {
    uint8_t data[PATTERN_MAX];
    size_t len;
    unsigned long times;
} pattern[PATTERNS_MAX];
static unsigned patterns;

/* Which begin with a byte */
static uint8_t begin[256];

/* The end of the last piece, then the next one */
static uint8_t buf[PATTERN_MAX + PIECE];
static size_t kept;

static bool add_pattern(const char *hex)
{
    unsigned byte;
    size_t n = 0;

    if (patterns == PATTERNS_MAX) {
        return false;
    }
    for (; sscanf(hex, "%2x", &byte) == 1 && n < PATTERN_MAX; hex += 2) {
        pattern[patterns].data[n++] = byte;
        if (!hex[1]) {
            return false;
        }
    }
    begin[pattern[patterns].data[0]] |= 1 << patterns;
    pattern[patterns++].len = n;
    return n && !*hex;
}

/* From where on there may be a pattern: memory is mostly zeros */
static size_t skip_zeros(size_t i, size_t end)
{
    uint64_t word = 0;

    while (!begin[0] && i + sizeof(word) <= end) {
        memcpy(&word, buf + i, sizeof(word));
        if (word) {
            break;
        }
        i += sizeof(word);
    }
    return i;
}

static void look(const uint8_t *at, size_t left, unsigned which)
{
    for (unsigned i = 0; i < patterns; i++) {
        if (which >> i & 1 && pattern[i].len <= left &&
            !memcmp(at, pattern[i].data, pattern[i].len)) {
            pattern[i].times++;
        }
    }
}

/*
 * Of the piece of @n bytes that has been read behind what is kept; @last: none
 * follows.  What is kept is looked at with the next piece.
 */
static void search(size_t n, bool last)
{
    size_t len = kept + n;
    size_t end = last || len < PATTERN_MAX ? len : len - PATTERN_MAX;

    if (!last && len < PATTERN_MAX) {
        kept = len;
        return;
    }
    for (size_t i = skip_zeros(0, end); i < end; i = skip_zeros(i + 1, end)) {
        if (begin[buf[i]]) {
            look(buf + i, len - i, begin[buf[i]]);
        }
    }
    kept = len - end;
    memmove(buf, buf + end, kept);
}

/* Of what cannot be read, as a device's registers, nothing */
static void search_range(int mem, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t most = to - from < PIECE ? to - from : PIECE;
        ssize_t n = pread(mem, buf + kept, most, from);

        if (n <= 0) {
            search(0, true);
            from += PAGE;
            continue;
        }
        search(n, false);
        from += n;
    }
    search(0, true);
}

static bool search_input(void)
{
    ssize_t n;

    while ((n = read(STDIN_FILENO, buf + kept, PIECE)) > 0) {
        search(n, false);
    }
    search(0, true);
    return n == 0;
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (!add_pattern(argv[i])) {
            fprintf(stderr, "search-memory: not a pattern: %s\n", argv[i]);
            return 2;
        }
    }
    if (argc < 3) {
        fprintf(stderr, "usage: search-memory PID|- HEX...\n");
        return 2;
    }
    if (!(strcmp(argv[1], "-") ? process_memory(argv[1], search_range)
                               : search_input())) {
        return 1;
    }
    for (unsigned i = 0; i < patterns; i++) {
        printf("%lu\n", pattern[i].times);
    }
    return 0;
}
