/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a UART as a nested guest sees them.
 */
#include "qemu/osdep.h"
#include "chardev/char-serial.h"
#include "shadow/hw/char/shadow-uart.h"

/* However slow a line the guest asks for */
#define INTERVAL_MAX_NS (1 * SCALE_MS)

/* For how many reads of IIR an interrupt is hidden at least */
#define THRI_READS 1

/* Registers, PC16550D data sheet table II */
enum {
    UART_RBR_THR_DLL = 0,
    UART_IER_DLM = 1,
    UART_IIR_FCR = SHADOW_UART_FCR,
    UART_LCR = 3,
    UART_MCR = SHADOW_UART_MCR,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define LCR_DLAB    0x80
#define IER_THRI    0x02
#define IIR_NO_INT  0x01
#define IIR_THRI    0x02
#define IIR_ID      0x0f
#define FCR_ENABLE  0x01
#define MCR_OUT2    0x08
#define MCR_LOOP    0x10
#define LSR_DR      0x01
#define LSR_BI      0x10
#define LSR_THRE    0x20
#define LSR_TEMT    0x40
#define MSR_CTS     0x10
#define MSR_DCD     0x80

static uint8_t uart_chip_read(ShadowUart *u, unsigned reg)
{
    return serial_io_ops.read(u->chip, reg, 1);
}

/*
 * Modem lines that are no real ones need not be looked at every 10 ms, as
 * SerialState does for a guest that wants an interrupt from them.
 */
static void uart_poll_no_lines(SerialState *chip)
{
    if (chip->poll_msl > 0) {
        chip->poll_msl = 0;
        timer_del(chip->modem_status_poll);
    }
}

static void uart_chip_write(ShadowUart *u, unsigned reg, uint8_t val)
{
    serial_io_ops.write(u->chip, reg, val, 1);
    if (reg == UART_IER_DLM) {
        uart_poll_no_lines(u->chip);
    }
}

/*
 * The transmitter's interrupt comes a character's time after it was enabled
 * (PC16550D data sheet, FIFO interrupt mode, point 2), and IIR agrees.  Linux
 * finds that out, and from then on begins to send without an interrupt
 * (UART_BUG_TXEN), which for what fits the FIFO is all.  On a host where its
 * two reads take longer than that, it is to find out all the same.
 */
static bool uart_hides_thri(ShadowUart *u)
{
    if (!u->thri_fresh || u->line->told ||
        (u->chip->iir & IIR_ID) != IIR_THRI) {
        return false;
    }
    return u->thri_reads++ < THRI_READS ||
           qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) < u->thri_time;
}

/*
 * What a register shows while the port is held: no side effect, nothing to
 * read, and the transmitter never ready, so that a polling guest waits.  No
 * interrupt, since none would ever go away.  And what the guest has written,
 * since drivers read a register, change it for a while, and put it back.
 */
uint8_t shadow_uart_peek(ShadowUart *u, unsigned reg)
{
    SerialState *chip = u->chip;
    ShadowUartShown *shown = &u->shown;
    bool dlab = shown->lcr & LCR_DLAB;

    switch (reg) {
    case UART_RBR_THR_DLL:
        return dlab ? shown->divider & 0xff : 0;
    case UART_IER_DLM:
        return dlab ? shown->divider >> 8 : shown->ier;
    case UART_IIR_FCR:
        return (chip->iir & ~IIR_ID) | IIR_NO_INT;
    case UART_LCR:
        return shown->lcr;
    case UART_MCR:
        return shown->mcr;
    case UART_LSR:
        return chip->lsr & ~(LSR_DR | LSR_THRE | LSR_TEMT);
    case UART_MSR:
        return chip->msr;
    default:
        return shown->scr;
    }
}

void shadow_uart_show(ShadowUart *u)
{
    SerialState *chip = u->chip;

    u->shown = (ShadowUartShown) {
        .ier = chip->ier, .lcr = chip->lcr, .mcr = chip->mcr,
        .scr = chip->scr, .divider = chip->divider,
    };
    /* nothing waits to be told: what IIR hid it must show from now on */
    u->thri_fresh = false;
}

void shadow_uart_written_late(ShadowUart *u, unsigned reg, uint8_t val)
{
    ShadowUartShown *shown = &u->shown;
    bool dlab = shown->lcr & LCR_DLAB;

    if (reg <= UART_IER_DLM && dlab) {
        shown->divider = deposit32(shown->divider, 8 * reg, 8, val);
    } else if (reg == UART_IER_DLM) {
        shown->ier = val & 0x0f;
    } else if (reg == UART_LCR) {
        shown->lcr = val;
    } else if (reg == UART_MCR) {
        shown->mcr = val & 0x1f;
    } else if (reg == UART_SCR) {
        shown->scr = val;
    }
}

uint8_t shadow_uart_read(ShadowUart *u, unsigned reg)
{
    if (reg == UART_IIR_FCR && uart_hides_thri(u)) {
        return (u->chip->iir & ~IIR_ID) | IIR_NO_INT;
    }
    if (reg == UART_RBR_THR_DLL && !(u->chip->lcr & LCR_DLAB)) {
        u->broke = false;
    }
    return uart_chip_read(u, reg);
}

static void uart_note_write(ShadowUart *u, unsigned reg, uint8_t val)
{
    if (u->chip->lcr & LCR_DLAB) {
        return;
    }
    if (reg == UART_IER_DLM) {
        u->thri_fresh = val & ~u->chip->ier & IER_THRI;
        u->thri_reads = 0;
        u->thri_time = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                       u->chip->char_transmit_time;
    } else if (reg == UART_RBR_THR_DLL) {
        u->thri_fresh = false;
        u->looped |= u->chip->mcr & MCR_LOOP;
    }
}

/* Once the receiver is empty it does not matter what was in it. */
static bool uart_receiver_empty(ShadowUart *u)
{
    if (u->chip->lsr & LSR_DR) {
        return false;
    }
    u->looped = false;
    u->broke = false;
    return true;
}

bool shadow_uart_may_receive(ShadowUart *u, bool brk)
{
    SerialState *chip = u->chip;
    bool empty = uart_receiver_empty(u);

    if (u->looped || (chip->mcr & MCR_LOOP) || (brk && !empty)) {
        return false;
    }
    if (brk) {
        /* SerialState puts each there, also while the FIFO is off */
        fifo8_reset(&chip->recv_fifo);
        u->broke = true;
    }
    return true;
}

unsigned shadow_uart_unread(ShadowUart *u, uint8_t buf[SHADOW_UART_FIFO],
                            bool *brk)
{
    SerialState *chip = u->chip;
    Fifo8 *fifo = &chip->recv_fifo;
    unsigned n = 0;

    *brk = false;
    if (uart_receiver_empty(u) || u->looped) {
        return 0;
    }
    *brk = u->broke;
    if (!(chip->fcr & FCR_ENABLE)) {
        buf[0] = chip->rbr;
        return !*brk;
    }
    for (uint32_t i = *brk; i < fifo->num && n < SHADOW_UART_FIFO; i++) {
        buf[n++] = fifo->data[(fifo->head + i) % fifo->capacity];
    }
    return n;
}

void shadow_uart_write(ShadowUart *u, unsigned reg, uint8_t val)
{
    uart_note_write(u, reg, val);
    uart_chip_write(u, reg, val);
}

void shadow_uart_late_lost(ShadowUart *u)
{
    const ShadowUartShown *shown = &u->shown;

    shadow_uart_write(u, UART_LCR, shown->lcr & ~LCR_DLAB);
    shadow_uart_write(u, UART_MCR, shown->mcr);
    shadow_uart_write(u, UART_IER_DLM, shown->ier);
    shadow_uart_write(u, UART_LCR, shown->lcr);
}

/* SerialState looks at the lines when its timer fires. */
void shadow_uart_lines(ShadowUart *u)
{
    SerialState *chip = u->chip;
    int lines = 0;

    qemu_chr_fe_ioctl(&chip->chr, CHR_IOCTL_SERIAL_GET_TIOCM, &lines);
    if (!(lines & CHR_TIOCM_CTS) != !(chip->msr & MSR_CTS) ||
        !(lines & CHR_TIOCM_CAR) != !(chip->msr & MSR_DCD)) {
        timer_mod(chip->modem_status_poll,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

/*
 * SerialState has no reset of its own to call, so do what firmware would: the
 * order lets FCR's and IER's side effects leave nothing pending.
 */
void shadow_uart_power_on(ShadowUart *u)
{
    uart_chip_write(u, UART_MCR, MCR_OUT2);
    uart_chip_write(u, UART_LCR, LCR_DLAB);
    uart_chip_write(u, UART_RBR_THR_DLL, 0x0c);
    uart_chip_write(u, UART_IER_DLM, 0);
    uart_chip_write(u, UART_LCR, 0);
    uart_chip_write(u, UART_IIR_FCR, FCR_ENABLE);
    uart_chip_write(u, UART_IIR_FCR, 0);
    uart_chip_write(u, UART_IER_DLM, IER_THRI);
    uart_chip_write(u, UART_IER_DLM, 0);
    uart_chip_write(u, UART_SCR, 0);
    uart_chip_read(u, UART_LSR);
    uart_chip_read(u, UART_MSR);
    u->chip->rbr = 0;
    timer_del(u->chip->modem_status_poll);
    u->thri_fresh = false;
    uart_receiver_empty(u);
}

/*
 * A receiver below its trigger level waits for four characters' time, in case
 * more come (PC16550D data sheet, FIFO interrupt mode, point 1): not here.
 */
void shadow_uart_input_idle(ShadowUart *u)
{
    if (timer_pending(u->chip->fifo_timeout_timer) &&
        u->chip->recv_fifo.num < u->chip->recv_fifo_itl) {
        timer_mod(u->chip->fifo_timeout_timer,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

static bool uart_fifo_valid(Fifo8 *fifo)
{
    return fifo->head < fifo->capacity && fifo->num <= fifo->capacity;
}

/*
 * The console never refuses a byte, so no honest UART is in the midst of
 * retrying one.  Timers hold the other host's clock: start them afresh.
 */
int shadow_uart_loaded(ShadowUart *u)
{
    SerialState *chip = u->chip;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    if (!uart_fifo_valid(&chip->recv_fifo) ||
        !uart_fifo_valid(&chip->xmit_fifo) || chip->tsr_retry) {
        return -EINVAL;
    }
    u->looped = chip->mcr & MCR_LOOP;
    u->broke = chip->lsr & LSR_BI;
    shadow_uart_show(u);
    chip->poll_msl = 0;
    if (timer_pending(chip->fifo_timeout_timer)) {
        timer_mod(chip->fifo_timeout_timer, now + chip->char_transmit_time * 4);
    }
    timer_del(chip->modem_status_poll);
    return 0;
}

int64_t shadow_uart_interval(ShadowUart *u, bool *idle)
{
    SerialState *chip = u->chip;

    *idle = (chip->iir & IIR_ID) == IIR_THRI;
    return MIN(chip->char_transmit_time, INTERVAL_MAX_NS);
}

void shadow_uart_start(ShadowUart *u, SerialState *chip, ShadowLine *line)
{
    u->chip = chip;
    u->line = line;
}
