/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of hvmloader: a guest that knows nothing of shadow devices.  It
 * says that it is there, and echoes what is typed at its serial port.  Ctrl-R
 * resets it.  If it has been there before, and the serial port was not reset
 * since, it says that; Ctrl-S asks.
 */
#define RESET   0x12
#define AGAIN   0x13
#define SCRATCH 0x3ff
#define MARK    0x5a

        .code32
        .globl _start
_start:
        cli
        movl $0x80000, %esp
        movl $hello, %ebx
        movw $SCRATCH, %dx
        inb %dx, %al
        cmpb $MARK, %al
        jne 1f
        movl $kept, %ebx
1:      movb $MARK, %al
        outb %al, %dx
#include "../guest/echo.inc"

kept:   .asciz "the serial port is as it was left\r\n"
hello:  .asciz "the guest is here\r\n"

        .section .note.GNU-stack, "", @progbits
