/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest of a few instructions, started instead of a BIOS, that registers
 * itself by its tag and then echoes what is typed at its serial port.
 *
 * 64 KiB at 0xf0000.  From the reset vector to long mode (AMD APM vol. 2,
 * 14.6), with the first GiB mapped to itself by tables at 0x1000.
 */
/* As in include/ultracall.h, which is C */
#define ULTRACALL_MAGIC     0x53480000
#define ULTRACALL_REGISTER  3

#define PML4    0x1000
#define PDPT    0x2000

        .code16
        .section .text
start16:
        cli
        cs lgdtl gdt_pointer - start16
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $0x08, $start32

        .code32
start32:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $PDPT + 3, PML4
        movl $0, PML4 + 4
        movl $0x83, PDPT
        movl $0, PDPT + 4
        movl $PML4, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax                 /* PAE */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER.LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80000000, %eax           /* PG */
        movl %eax, %cr0
        ljmpl $0x18, $start64

        .code64
start64:
        movl $0x8000, %esp
        /* REGISTER("vm1") without a proof */
        movl $ULTRACALL_MAGIC + ULTRACALL_REGISTER, %eax
        movl $tag, %edi
        movl $3, %esi
        xorl %r8d, %r8d
        xorl %r9d, %r9d
        xorl %r10d, %r10d
        vmmcall
        movl $registered, %ebx
        testq %rax, %rax
        jz print
        movl $refused, %ebx
#include "echo.inc"

tag:        .ascii "vm1"
registered: .asciz "registered\r\n"
refused:    .asciz "refused\r\n"

        .balign 8
gdt:
        .quad 0
        .quad 0x00cf9b000000ffff        /* 0x08: 32-bit code */
        .quad 0x00cf93000000ffff        /* 0x10: data */
        .quad 0x00af9b000000ffff        /* 0x18: 64-bit code */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .org 0xfff0
        .code16
        ljmp $0xf000, $0
        .org 0x10000
