/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of hvmloader: a guest that knows nothing of shadow devices.  It
 * says that it is there, and echoes what is typed at its serial port.
 */
        .code32
        .globl _start
_start:
        cli
        movl $0x80000, %esp
        movl $hello, %ebx
#include "../guest/echo.inc"

hello:  .asciz "the guest is here\r\n"

        .section .note.GNU-stack, "", @progbits
