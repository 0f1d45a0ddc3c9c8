/*
 * How long SAVE and RESTORE take, as root of the cloud VM; and, in turns with
 * them, what they cannot do without (shadow-benchdev).  In microseconds.
 *
 *     measure-save save GUEST COUNT
 *     measure-save restore GUEST COUNT FILE
 *
 * Each SAVE is taken back.  FILE has COUNT envelopes of equal size, newer and
 * newer; the guest waits for its state, and does so again after each.  Each
 * line is one turn: the call; with the calls before it that found input still
 * arriving; and the least that is needed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"
#include "measure-time.h"

/* An envelope's padded length, in its header: what is encrypted */
#define PADDED_LEN_AT 16

/* shadow-benchdev */
#define BENCH_ENCRYPT 0x5a0
#define BENCH_DECRYPT 0x5a4

/* L0 tells its operator of 50 events a second; each call here is to be told. */
#define PAUSE_US 80000

/* In ticks of the processor */
typedef struct Turn {
    uint64_t took;
    uint64_t total;
    uint64_t least;
} Turn;

static struct ultracall_client client;
static const char *guest;
static uint8_t *envelope;   /* written by this program just before each call */

static void fail(const char *what, int64_t error)
{
    fprintf(stderr, "measure-save: %s: %s\n", what, strerror(error));
    exit(1);
}

static int64_t call(uint32_t nr, uint64_t len, uint64_t *value)
{
    return ultracall(&client, nr, (uintptr_t)guest, strlen(guest),
                     (uintptr_t)envelope, len, 0, value);
}

static void must(const char *what, uint32_t nr, uint64_t len)
{
    uint64_t value;
    int64_t ret = call(nr, len, &value);

    if (ret) {
        fail(what, -ret);
    }
}

static size_t state_size(void)
{
    uint64_t size;
    int64_t ret = call(ULTRACALL_STATE_SIZE, 0, &size);

    if (ret) {
        fail("state-size", -ret);
    }
    return size;
}

static uint64_t least(unsigned port)
{
    uint32_t padded = __builtin_bswap32(*(uint32_t *)(envelope +
                                                      PADDED_LEN_AT));
    uint64_t start = ticks();

    outl(padded, port);
    return ticks() - start;
}

static void save(size_t size, Turn *turn)
{
    uint64_t first, start, end, value;
    int64_t ret;

    memset(envelope, 0, size);
    first = ticks();
    do {
        start = ticks();
        ret = call(ULTRACALL_SAVE, size, &value);
        end = ticks();
    } while (ret == -EAGAIN);
    if (ret) {
        fail("save", -ret);
    }
    must("abort", ULTRACALL_ABORT, 0);
    turn->took = end - start;
    turn->total = end - first;
}

static void restore(size_t size, Turn *turn)
{
    uint64_t start = ticks();

    must("restore", ULTRACALL_RESTORE, size);
    turn->took = turn->total = ticks() - start;
    must("unbind", ULTRACALL_UNBIND, 0);
}

static uint8_t *open_envelopes(const char *path, unsigned count, size_t *size)
{
    FILE *file = fopen(path, "r");
    uint8_t *all;
    long len;

    if (!file || fseek(file, 0, SEEK_END)) {
        fail(path, errno);
    }
    len = ftell(file);
    rewind(file);
    all = malloc(len);
    if (fread(all, len, 1, file) != 1) {
        fail(path, errno);
    }
    fclose(file);
    *size = len / count;
    return all;
}

/* The first turn warms up.  @next: the envelopes, or NULL to save them */
static void measure(Turn *turn, unsigned count, size_t size,
                    const uint8_t *next)
{
    envelope = calloc(1, size);
    for (unsigned i = 0; i < count; i++) {
        unsigned port = next ? BENCH_DECRYPT : BENCH_ENCRYPT;

        if (i % 2) {
            turn[i].least = least(port);
        }
        if (next) {
            memcpy(envelope, next + i * size, size);
            restore(size, &turn[i]);
        } else {
            save(size, &turn[i]);
        }
        if (!(i % 2)) {
            turn[i].least = least(port);
        }
        usleep(PAUSE_US);
    }
}

static void report(const Turn *turn, unsigned count, double us_per_tick)
{
    for (unsigned i = 1; i < count; i++) {
        printf("%.1f %.1f %.1f\n", turn[i].took * us_per_tick,
               turn[i].total * us_per_tick, turn[i].least * us_per_tick);
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 3 ? atoi(argv[3]) : 0;
    bool to_save = argc == 4 && !strcmp(argv[1], "save");
    uint8_t *envelopes = NULL;
    uint64_t start;
    double start_us;
    size_t size;
    Turn *turn;

    if (count < 2 || (!to_save && (argc != 5 || strcmp(argv[1], "restore")))) {
        fprintf(stderr, "usage: measure-save save GUEST COUNT, "
                "or restore GUEST COUNT FILE\n");
        return 2;
    }
    guest = argv[2];
    errno = -ultracall_open(&client);
    if (errno || ioperm(BENCH_ENCRYPT, 8, 1)) {
        fail("no ultracalls here", errno);
    }
    if (inl(BENCH_ENCRYPT) == UINT32_MAX) {
        fail("the outer QEMU has no shadow-benchdev", ENODEV);
    }
    if (to_save) {
        size = state_size();
    } else {
        envelopes = open_envelopes(argv[4], count, &size);
    }
    turn = calloc(count, sizeof(*turn));
    start_us = clock_us();
    start = ticks();
    measure(turn, count, size, envelopes);
    report(turn, count, (clock_us() - start_us) / (ticks() - start));
    return 0;
}
