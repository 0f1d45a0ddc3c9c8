/*
 * What an access to the outer QEMU costs:
 *
 *     measure-cost query|poll GUEST COUNT     an ultracall, in the cloud VM
 *     measure-cost port PORT COUNT            a read of a port
 *
 * It is made COUNT times in each of many parts, and the nanoseconds are those
 * of the median: what seldom interrupts is in few of them.  What is always
 * there, as the outer QEMU's main loop, is in each part that is long enough.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

#define PARTS 64

static struct ultracall_client client;
static uint32_t call_number;
static const char *call_guest;
static unsigned port_number;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "measure-cost: %s\n", what);
    exit(1);
}

static void do_call(void)
{
    static struct {
        struct ultracall_guest guest;
        struct ultracall_device device[ULTRACALL_DEVICES_MAX];
    } reply;
    uint64_t value;
    int64_t ret = ultracall(&client, call_number, (uintptr_t)call_guest,
                            strlen(call_guest), (uintptr_t)&reply,
                            sizeof(reply), 0, &value);

    if (ret) {
        fail(strerror(-ret));
    }
}

static void do_port(void)
{
    inb(port_number);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(void (*what)(void), int count)
{
    double parts[PARTS];

    for (int n = 0; n < PARTS; n++) {
        double start = now();

        for (int i = 0; i < count; i++) {
            what();
        }
        parts[n] = (now() - start) / count;
    }
    qsort(parts, PARTS, sizeof(parts[0]), by_size);
    return parts[PARTS / 2];
}

int main(int argc, char **argv)
{
    void (*what)(void) = do_call;
    int ret;

    if (argc != 4) {
        fail("usage: query|poll GUEST COUNT, or port PORT COUNT");
    }
    if (strcmp(argv[1], "port")) {
        call_number = strcmp(argv[1], "poll") ? ULTRACALL_QUERY
                                              : ULTRACALL_IRQ_POLL;
        call_guest = argv[2];
        ret = -ultracall_open(&client);
    } else {
        what = do_port;
        sscanf(argv[2], "%i", (int *)&port_number);
        ret = ioperm(port_number, 1, 1) ? errno : 0;
    }
    if (ret) {
        fail(strerror(ret));
    }
    printf("%.1f ns\n", median(what, atoi(argv[3])));
    return 0;
}
