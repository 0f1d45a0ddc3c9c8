/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local interrupt controller (AMD APM vol. 2, 16), and its timer
 */
#include "hv.h"

#define LAPIC 0xfee00000ul
#define LAPIC_EOI 0xb0
#define LAPIC_SVR 0xf0
#define LAPIC_ICR 0x300
#define LAPIC_TIMER 0x320
#define LAPIC_COUNT 0x380
#define LAPIC_DIVIDE 0x3e0
#define TIMER_VECTOR 0x50
#define TIMER_PERIODIC (1u << 17)

static void lapic_write(unsigned reg, uint32_t val)
{
    /* volatile: a device's register */
    *(volatile uint32_t *)(LAPIC + reg) = val;
}

void lapic_send(uint32_t command)
{
    lapic_write(LAPIC_ICR, command);
}

static void __attribute__((interrupt)) timer(void *frame)
{
    lapic_write(LAPIC_EOI, 0);
}

void lapic_timer(uint32_t count)
{
    memory_set_gate(TIMER_VECTOR, timer);
    lapic_write(LAPIC_SVR, 0x1ff);
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_TIMER, TIMER_PERIODIC | TIMER_VECTOR);
    lapic_write(LAPIC_COUNT, count);
}
