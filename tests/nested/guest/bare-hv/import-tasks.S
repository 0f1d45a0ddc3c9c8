/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in 32-bit mode, without paging, that has two tasks: one with secrets in
 * its registers, and one that an interrupt leads to (AMD APM vol. 2, 12).
 */
#include "import-places.h"
#include "../victim/victim.h"

#define INVERTED(n) (SECRET_INVERTED | (n) << 24)
/* Of EAX, in a TSS */
#define TSS_REGS 0x28

        .macro SECRET reg, n
        movl $INVERTED(\n), \reg
        notl \reg
        .endm
/* Secrets are nowhere in the code. */
        .macro EXPECT_SECRET reg, n
        notl \reg
        cmpl $INVERTED(\n), \reg
        je 8f
        incl TASKS_BAD
8:      notl \reg
        .endm
/* What the task switch has put into the TSS of the first task */
        .macro EXPECT_SAVED place, n
        movl TASKS_TSS_ONE + TSS_REGS + 4 * \place, %eax
        EXPECT_SECRET %eax, \n
        .endm

        .text
        .code64
        .globl tasks_enter
tasks_enter:
        movabs $PRIVATE_VIEW + TASKS_GDT_POINTER_64, %rax
        lgdt (%rax)
        pushq $TASKS_CODE
        pushq $tasks_32
        lretq

        .code32
tasks_32:
        movl %cr0, %eax
        andl $0x7fffffff, %eax
        movl %eax, %cr0
        lgdtl TASKS_GDT_POINTER
        lidtl TASKS_IDT_POINTER
        movl $TASKS_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $TASKS_STACK_ONE, %esp
        movl $TASKS_ONE, %eax
        ltr %ax
        SECRET %eax, 1
        SECRET %ecx, 2
        SECRET %edx, 3
        SECRET %ebx, 4
        SECRET %ebp, 5
        SECRET %esi, 6
        SECRET %edi, 7
        sti
        nop
1:      pause
        EXPECT_SECRET %eax, 1
        EXPECT_SECRET %ecx, 2
        EXPECT_SECRET %edx, 3
        EXPECT_SECRET %ebx, 4
        EXPECT_SECRET %ebp, 5
        EXPECT_SECRET %esi, 6
        EXPECT_SECRET %edi, 7
        decl TASKS_LEFT
        jnz 1b
        cli
        movl TASKS_BAD, %ebx
        movl TASKS_SWITCHES, %ecx
        xorl %edx, %edx
        xorl %esi, %esi
2:      movl $TASKS_SAYS_DONE, %eax
        vmmcall
        jmp 2b

        .globl tasks_other
tasks_other:
        EXPECT_SAVED 0, 1
        EXPECT_SAVED 1, 2
        EXPECT_SAVED 2, 3
        EXPECT_SAVED 3, 4
        EXPECT_SAVED 5, 5
        EXPECT_SAVED 6, 6
        EXPECT_SAVED 7, 7
        SECRET %edi, 8
        incl TASKS_SWITCHES
        movl TASKS_BAD, %ebx
        movl $TASKS_SAYS_SWITCHED, %eax
        vmmcall
        EXPECT_SECRET %edi, 8
        iret                            /* to the first task */
        jmp tasks_other

        .section .note.GNU-stack, "", @progbits
