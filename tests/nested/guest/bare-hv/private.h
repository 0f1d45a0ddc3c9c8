/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in private memory, guest/victim, and what L1 does about its exits.
 */
#ifndef PRIVATE_H
#define PRIVATE_H

#include "vmcb.h"
#include "../victim/victim.h"

/* What an exit needs, to be completed; see private_answer(). */
typedef struct PrivateExit {
    uint64_t code;
    bool completes;             /* else it is entered again as it is */
    bool may_gp, may_ud;        /* may be injected instead */
    bool interrupts;            /* may be injected, once it is completed */
    bool spins;                 /* until an interrupt */
} PrivateExit;

/* Where L0's CPUs have the memory of private guests, and which bit it is */
#define PRIVATE_WINDOW (1ul << 51)
#define PRIVATE_C_BIT (1ul << 39)

extern Vm private_vm;

/* How often the guest is to start another CPU, up to 2 */
extern unsigned private_cpus;

/* Bind vm1 and launch; the first exit is there. */
bool private_launch(void);
/* LAUNCH by a nested guest of process A: the status, or 1 if it is launched */
int64_t private_try_launch(Vm *vm, const void *map, uint64_t len);

/* The same with the right list */
int64_t private_launch_again(Vm *vm);

/* private-look.c: nothing of the guest's may be anywhere after an exit. */
void private_look(void);
/* Only what is wrong is said: there are many exits. */
void must(const char *what, uint64_t got, uint64_t want);

/* On another CPU that will enter it */
void private_cpu_init(void);

/* How often there is something secret in this CPU, or in what L1 has of @vm */
unsigned private_secrets_here(void);
unsigned private_secrets_in(const Vm *vm);
unsigned private_secrets_at(const void *buf, size_t len);

/* Enter it once.  Nothing of the guest's may be anywhere then. */
uint64_t private_enter(void);

/*
 * Do what the exit needs.  All that the guest must not get has other contents
 * each time.
 */
PrivateExit private_answer(uint64_t code);
/* How many rounds it has made, and what it has taken then; 16 bits of that */
extern unsigned private_rounds, private_nmis, private_interrupts;

/* Once more with the same: whether it is refused, and put all back if so */
bool private_refused(void);

/* attack-private-table.c, between two exits; the next one's code is returned */
uint64_t attack_save(PrivateExit *exit);
uint64_t attack_control(PrivateExit *exit);
uint64_t attack_unpaged(PrivateExit *exit);
/* Whether there is more to try; at the end, what has been */
bool private_table_left(void);
void private_table_say(void);

#endif /* PRIVATE_H */
