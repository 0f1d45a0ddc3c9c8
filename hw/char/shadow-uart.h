/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a UART as a nested guest sees them: QEMU's SerialState, and
 * what it does not know: what shows while it is held, to be reset, and how long
 * an interrupt may wait.
 *
 * All functions are called with the BQL held.
 */
#ifndef SHADOW_UART_H
#define SHADOW_UART_H

#include "hw/char/serial.h"
#include "shadow/hw/core/shadow-line.h"

#define SHADOW_UART_PORTS 8
#define SHADOW_UART_FIFO 16

/* Registers whose writing may let input in */
#define SHADOW_UART_FCR 2
#define SHADOW_UART_MCR 4

/* Registers that read as they were written */
typedef struct ShadowUartShown {
    uint8_t ier, lcr, mcr, scr;
    uint16_t divider;
} ShadowUartShown;

typedef struct ShadowUart {
    SerialState *chip;
    ShadowLine *line;
    bool thri_fresh;            /* enabled, and nothing has been sent since */
    unsigned thri_reads;        /* of IIR since */
    int64_t thri_time;          /* when IIR may tell, ns of the virtual clock */
    bool looped;                /* the receiver has what the guest sent */
    bool broke;                 /* the receiver's first byte is a BREAK's */
    ShadowUartShown shown;      /* while held: with the late writes done */
} ShadowUart;

/* Neither @chip nor its interrupt @line is owned. */
void shadow_uart_start(ShadowUart *u, SerialState *chip, ShadowLine *line);

/* An access of one byte; @reg is below SHADOW_UART_PORTS. */
uint8_t shadow_uart_read(ShadowUart *u, unsigned reg);
void shadow_uart_write(ShadowUart *u, unsigned reg, uint8_t val);

/*
 * What a register shows while the port is held, and what of it changes when one
 * is written meanwhile; begin with what the chip has.
 */
void shadow_uart_show(ShadowUart *u);
uint8_t shadow_uart_peek(ShadowUart *u, unsigned reg);
void shadow_uart_written_late(ShadowUart *u, unsigned reg, uint8_t val);

/* Not all of that could be done: of the rest, what the guest goes on from */
void shadow_uart_late_lost(ShadowUart *u);

/* As after power-on; whatever the chip held is lost. */
void shadow_uart_power_on(ShadowUart *u);

/*
 * Whether the chip may be given a byte: not while it is in the loop-back test,
 * when its input is disconnected.  Or, if @brk, a BREAK, which it then gets:
 * not while there are bytes in the receiver, since LSR tells of it at once.
 */
bool shadow_uart_may_receive(ShadowUart *u, bool brk);

/*
 * What the chip was given and the guest has not read: returns how many bytes
 * are put in @buf, and sets *@brk if a BREAK comes before them.
 */
unsigned shadow_uart_unread(ShadowUart *u, uint8_t buf[SHADOW_UART_FIFO],
                            bool *brk);

/* A ShadowLineInterval, but for the device */
int64_t shadow_uart_interval(ShadowUart *u, bool *idle);

/* The modem lines, which are those of the chip's chardev, may have changed. */
void shadow_uart_lines(ShadowUart *u);

/* The chip has been given all input that there is. */
void shadow_uart_input_idle(ShadowUart *u);

/* The chip's state was loaded: -EINVAL if no chip can be in it. */
int shadow_uart_loaded(ShadowUart *u);

#endif /* SHADOW_UART_H */
