/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entered by Xen's domain builder in protected mode without paging, EBX the
 * start info (xen/arch-x86/hvm/start_info.h).  Segments as Linux' 32-bit boot
 * protocol wants them.
 */
        .code32
        .globl _start
_start:
        cli
        lgdt gdt_pointer
        ljmp $0x10, $1f
1:      movw $0x18, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $0x80000, %esp
        pushl %ebx
        call start_linux

        .balign 8
gdt:
        .quad 0
        .quad 0
        .quad 0x00cf9b000000ffff        /* 0x10: code */
        .quad 0x00cf93000000ffff        /* 0x18: data */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .section .note.GNU-stack, "", @progbits
