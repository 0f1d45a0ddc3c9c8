/*
 * Root of a hostile cloud VM, who wants the outer QEMU to be busy with him:
 *
 *     measure-hostile call WAITS RUNS     RESTORE, SAVE of history and BIND
 *     measure-hostile compute             nothing of the outer QEMU
 *
 * In two threads, until it is told to end (SIGTERM); then it says how many
 * calls of each kind there were, and what the last of each returned.  WAITS is
 * a guest that waits for its state, RUNS one that is active.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#define ULTRACALL_CLIENT
#include "ultracall.h"

#define THREADS 2
#define KINDS 3

/* An envelope, docs/envelope.rst */
#define HEADER_LEN 112
#define AUTH_LEN 16
#define ROOM (16 * 1024 * 1024 + 256)

/* As much as the outer QEMU opens of a guest that has one port */
#define PADDED_LEN (8 * 1024 * 1024)
#define ENVELOPE_LEN (HEADER_LEN + PADDED_LEN + AUTH_LEN)

static struct ultracall_client client;
static const char *waits, *runs;
static uint64_t calls[THREADS][KINDS];
static int64_t last[THREADS][KINDS];

static int64_t call(uint32_t nr, const char *guest, void *buf, size_t len,
                    uint64_t flags)
{
    uint64_t value;

    return ultracall(&client, nr, (uintptr_t)guest, strlen(guest),
                     (uintptr_t)buf, len, flags, &value);
}

/* Of the right shape, so that all of it is decrypted */
static void forge(uint8_t *env)
{
    memset(env, 0, HEADER_LEN);
    memcpy(env, "QSHD\1\1\1", 7);
    env[7] = strlen(waits);
    env[15] = 9;                                /* the epoch */
    for (unsigned i = 0; i < 4; i++) {
        env[16 + i] = (uint32_t)PADDED_LEN >> (24 - 8 * i);
    }
    memcpy(env + 56, waits, strlen(waits));
}

static void *run(void *opaque)
{
    unsigned n = (uintptr_t)opaque;
    uint8_t *env = calloc(1, ROOM), *out = calloc(1, ROOM);
    uint64_t cookie[8] = { 0 };

    ioperm(client.port, ULTRACALL_BAR_SIZE, 1);
    memset(out, 1, ROOM);
    memset(env, 1, ROOM);
    forge(env);
    for (;;) {
        last[n][0] = call(ULTRACALL_RESTORE, waits, env, ENVELOPE_LEN, 0);
        last[n][1] = call(ULTRACALL_SAVE, runs, out, ROOM,
                          ULTRACALL_SAVE_HISTORY);
        last[n][2] = call(ULTRACALL_BIND, runs, cookie, sizeof(cookie[0]), 0);
        for (unsigned i = 0; i < KINDS; i++) {
            calls[n][i]++;
        }
    }
    return NULL;
}

static void *compute(void *opaque)
{
    for (;;) {
        __asm__ volatile("" : : : "memory");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    bool to_call = argc == 4 && !strcmp(argv[1], "call");
    pthread_t thread;
    sigset_t set;
    int sig;

    if (!to_call && (argc != 2 || strcmp(argv[1], "compute"))) {
        fprintf(stderr, "usage: measure-hostile call WAITS RUNS, or compute\n");
        return 2;
    }
    waits = argv[2];
    runs = argv[3];
    errno = to_call ? -ultracall_open(&client) : 0;
    if (errno) {
        fprintf(stderr, "measure-hostile: %s\n", strerror(errno));
        return 1;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (uintptr_t n = 0; n < THREADS; n++) {
        if (pthread_create(&thread, NULL, to_call ? run : compute,
                           (void *)n)) {
            return 1;
        }
    }
    sigwait(&set, &sig);
    for (unsigned i = 0; to_call && i < KINDS; i++) {
        printf("%llu:%lld ", (unsigned long long)(calls[0][i] + calls[1][i]),
               (long long)last[0][i]);
    }
    printf("%u\n", ENVELOPE_LEN);
    fflush(stdout);
    _exit(0);
}
