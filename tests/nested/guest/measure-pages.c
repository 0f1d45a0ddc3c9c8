/*
 * How long root of the cloud VM waits for private pages of a user VM, which
 * has been stopped; and, in turns with that, for the least that the same bytes
 * can take (shadow-benchdev).  In microseconds.
 *
 *     measure-pages GUEST COUNT
 *
 * Each line is one of COUNT full records: EXPORT; the same pages, each for
 * itself with a key of its own; all of it at once with one key; the pages with
 * one key; and as many of them by EXPORT in the shortest records.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"
#include "measure-time.h"

/* shadow-benchdev */
#define BENCH_ENCRYPT   0x5a0
#define BENCH_ONE_KEY   0x5a8
#define BENCH_PORTS     12

#define PAGE            4096
#define FULL_PAGES      512     /* as many as a record has at most */
#define SHORT_LEN       (65536 + 40)
#define SHORT_PAGES     14      /* in one of that length */

/* In ticks of the processor */
typedef struct Turn {
    uint64_t record;
    uint64_t pages;
    uint64_t least;
    uint64_t one_key;
    uint64_t shorts;
} Turn;

static struct ultracall_client client;
static const char *guest;
static uint8_t record[ULTRACALL_RECORD_MAX]
    __attribute__((aligned(PAGE)));

static void fail(const char *what, int64_t error)
{
    fprintf(stderr, "measure-pages: %s: %s\n", what, strerror(error));
    exit(1);
}

static uint64_t must(const char *what, uint32_t nr, uint64_t len,
                     uint64_t flags)
{
    uint64_t value = 0;
    int64_t ret = ultracall(&client, nr, (uintptr_t)guest, strlen(guest),
                            (uintptr_t)record, len, flags, &value);

    if (ret) {
        fail(what, -ret);
    }
    return value;
}

static uint64_t sealed(unsigned times, uint32_t len, unsigned port)
{
    uint64_t start = ticks();

    for (unsigned i = 0; i < times; i++) {
        outl(len, port);
    }
    return ticks() - start;
}

static void compare(Turn *turn, uint32_t len)
{
    turn->least = sealed(1, len, BENCH_ONE_KEY);
    turn->one_key = sealed(FULL_PAGES, PAGE, BENCH_ONE_KEY);
    turn->pages = sealed(FULL_PAGES, PAGE, BENCH_ENCRYPT);
}

/* How long it takes to get a record of at most *@len bytes */
static uint64_t take(uint64_t *len)
{
    uint64_t start = ticks();

    *len = must("export", ULTRACALL_PAGES, *len, ULTRACALL_PAGES_EXPORT);
    if (!*len) {
        fail("the user VM has not written to enough memory", ENODATA);
    }
    return ticks() - start;
}

static uint64_t take_shorts(void)
{
    uint64_t took = 0;

    for (unsigned done = 0; done < FULL_PAGES; done += SHORT_PAGES) {
        uint64_t len = SHORT_LEN;

        took += take(&len);
    }
    return took;
}

static void measure(Turn *turn, unsigned count)
{
    Turn before = { };

    compare(&before, sizeof(record));
    for (unsigned done = 0; done < count; ) {
        uint64_t len = sizeof(record), took = take(&len);

        /* what is not full has pages of zeros, which take another time */
        if (len < FULL_PAGES * PAGE) {
            continue;
        }
        turn[done].record = took;
        compare(&turn[done], len);
        turn[done++].shorts = take_shorts();
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc == 3 ? atoi(argv[2]) : 0;
    double start_us, us_per_tick;
    uint64_t start;
    Turn *turn;

    if (count < 1) {
        fprintf(stderr, "usage: measure-pages GUEST COUNT\n");
        return 2;
    }
    guest = argv[1];
    errno = -ultracall_open(&client);
    if (errno || ioperm(BENCH_ENCRYPT, BENCH_PORTS, 1)) {
        fail("no ultracalls here", errno);
    }
    if (inl(BENCH_ENCRYPT) == UINT32_MAX) {
        fail("the outer QEMU has no shadow-benchdev", ENODEV);
    }
    turn = calloc(count, sizeof(*turn));
    memset(record, 0x55, sizeof(record));
    must("begin", ULTRACALL_SAVE, sizeof(record), ULTRACALL_SAVE_PAGES);
    start_us = clock_us();
    start = ticks();
    measure(turn, count);
    us_per_tick = (clock_us() - start_us) / (ticks() - start);
    must("end", ULTRACALL_PAGES, 0, ULTRACALL_PAGES_END);
    for (unsigned i = 0; i < count; i++) {
        printf("%.1f %.1f %.1f %.1f %.1f\n", turn[i].record * us_per_tick,
               turn[i].pages * us_per_tick, turn[i].least * us_per_tick,
               turn[i].one_key * us_per_tick, turn[i].shorts * us_per_tick);
    }
    return 0;
}
