/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   hold-register TEXT
 *
 * Has a value, made of the first 8 bytes of TEXT turned around, in registers
 * only, and uses the processor until it is told by SIGUSR1 to say what they
 * have: TEXT, twice.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static void say(uint64_t value)
{
    char text[9];

    for (int i = 8; i--; value >>= 8) {
        text[i] = value;
    }
    text[8] = '\n';
    if (write(STDOUT_FILENO, text, sizeof(text)) != sizeof(text)) {
        _exit(1);
    }
}

static void told(int number, siginfo_t *info, void *opaque)
{
    const mcontext_t *context = &((ucontext_t *)opaque)->uc_mcontext;
    uint64_t value;

    say(context->gregs[REG_R12]);
    memcpy(&value, &context->fpregs->_xmm[7], sizeof(value));
    say(value);
    _exit(0);
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_sigaction = told, .sa_flags = SA_SIGINFO };
    uint64_t value = 0;

    if (argc != 2 || strlen(argv[1]) < 8 ||
        sigaction(SIGUSR1, &action, NULL)) {
        fprintf(stderr, "usage: hold-register TEXT\n");
        return 2;
    }
    for (int i = 0; i < 8; i++) {
        value = value << 8 | (uint8_t)argv[1][i];
    }
    memset(argv[1], 0, strlen(argv[1]));
    __asm__ volatile("movq %0, %%r12\n\t"
                     "movq %0, %%xmm7\n\t"
                     "xorl %k0, %k0\n"
                     "1:\tincq %%rbx\n\t"
                     "jmp 1b"
                     : "+r"(value) : : "r12", "rbx", "xmm7");
    return 0;
}
