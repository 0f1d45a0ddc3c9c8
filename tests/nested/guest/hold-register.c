/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   hold-register TEXT
 *
 * Has a value, made of the first 8 bytes of TEXT turned around, in registers
 * only, and uses the processor until it is ended.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    uint64_t value = 0;

    if (argc != 2 || strlen(argv[1]) < 8) {
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
