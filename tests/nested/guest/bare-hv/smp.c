/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another CPU (AMD APM vol. 2, 15.27 and 16.5): told to start by the local
 * interrupt controller.
 */
#include "hv.h"

#define ICR_NMI 0xc4400u        /* to all others */
#define ICR_INIT 0xc4500u       /* to all others */
#define ICR_STARTUP 0xc4600u    /* and the number of the page */
#define STARTUP_PAGE 8ul
#define ROUNDS 100000
#define ROUNDS_MAX 10000

static void (*cpu_function)(void);
/* volatile: set by the other CPU */
static volatile bool cpu_started;

void cpu_main(void)
{
    cpu_started = true;
    memory_cpu_init();
    cpu_function();
}

void smp_send_nmi(void)
{
    lapic_send(ICR_NMI);
}

bool smp_start(void (*function)(void))
{
    uint8_t *to = (uint8_t *)(STARTUP_PAGE * PAGE);

    cpu_function = function;
    cpu_started = false;
    for (const uint8_t *p = cpu_start; p < cpu_start_end; p++) {
        poke(to++, *p);
    }
    lapic_send(ICR_INIT);
    relax(ROUNDS);
    lapic_send(ICR_STARTUP | STARTUP_PAGE);
    for (unsigned n = 0; !cpu_started && n < ROUNDS_MAX; n++) {
        relax(ROUNDS);
    }
    return check("there is another CPU", cpu_started, true);
}
