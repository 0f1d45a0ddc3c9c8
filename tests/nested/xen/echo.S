/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of hvmloader: a guest that knows nothing of shadow devices.  It
 * says that it is there, and echoes what is typed at its serial port.
 */
#define COM1    0x3f8
#define LSR     (COM1 + 5)

        .code32
        .globl _start
_start:
        cli
        movl $0x80000, %esp
        movl $hello, %ebx
print:
        movb (%ebx), %al
        testb %al, %al
        jz echo
        call send
        incl %ebx
        jmp print
echo:
        movw $LSR, %dx
        inb %dx, %al
        testb $1, %al
        jz echo
        movw $COM1, %dx
        inb %dx, %al
        call send
        jmp echo

send:   /* AL, polled */
        movb %al, %cl
        movw $LSR, %dx
1:      inb %dx, %al
        testb $0x20, %al
        jz 1b
        movw $COM1, %dx
        movb %cl, %al
        outb %al, %dx
        ret

hello:  .asciz "the guest is here\r\n"

        .section .note.GNU-stack, "", @progbits
