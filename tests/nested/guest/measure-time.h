/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long something takes in a cloud VM */
#ifndef MEASURE_TIME_H
#define MEASURE_TIME_H

#include <stdint.h>
#include <time.h>

/*
 * An emulated processor's clock for programs is an emulated device, slow
 * enough to matter.  Its ticks are not, but have to be compared with it.
 */
static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline double clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

#endif /* MEASURE_TIME_H */
