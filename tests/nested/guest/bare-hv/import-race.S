/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another CPU of a guest that comes to be private: from real mode, in a copy, to
 * 32-bit mode without paging, where all that it has is private.  It reads a page
 * each time when it is its turn.
 */
#include "import-places.h"

        .text
        .globl race_start, race_end
        .code16
race_start:
        cli
        cs lgdtl race_gdt_pointer - race_start
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $0x08, $race_32
race_gdt_pointer:
        .word race_gdt_pointer_end - race_gdt - 1
        .long race_gdt
race_end:

        .code32
race_32:
        movl $0x10, %eax
        movl %eax, %ds
        xorl %ebx, %ebx
        movl $RACE_BASE, %esi
1:      incl %ebx
2:      cmpl race_turn, %ebx
        jne 2b
        movl (%esi), %eax
        movl %eax, race_first(, %ebx, 4)
        movl %ebx, race_done
        addl $4096, %esi
        cmpl $RACE_PAGES, %ebx
        jne 1b
        xorl %eax, %eax
3:      vmmcall
        jmp 3b

        .balign 8
race_gdt:
        .quad 0
        .quad 0x00cf9b000000ffff        /* 0x08: 32-bit code */
        .quad 0x00cf93000000ffff        /* 0x10: data */
race_gdt_pointer_end:

        .bss
        .balign 4096
        .globl race_turn, race_done, race_first
race_turn:
        .skip 4096
race_done:
        .skip 4096
race_first:
        .skip 4 * (RACE_PAGES + 1)

        .section .note.GNU-stack, "", @progbits
