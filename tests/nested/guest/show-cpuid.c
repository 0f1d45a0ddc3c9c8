/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   show-cpuid LEAF.SUBLEAF...
 *
 * What CPUID tells here, in hexadecimal: the leaf and EAX, EBX, ECX, EDX.
 */
#include <cpuid.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        unsigned leaf, subleaf, a, b, c, d;

        if (sscanf(argv[i], "%x.%x", &leaf, &subleaf) != 2) {
            fprintf(stderr, "usage: show-cpuid LEAF.SUBLEAF...\n");
            return 2;
        }
        __cpuid_count(leaf, subleaf, a, b, c, d);
        printf("%x.%x %x %x %x %x\n", leaf, subleaf, a, b, c, d);
    }
    return 0;
}
