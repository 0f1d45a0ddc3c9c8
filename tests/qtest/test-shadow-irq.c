/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial port's interrupt, as the nested guest and the cloud VM see it,
 * and which of its edges the cloud VM is told.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "shadow-common.h"

#define ULTRACALL_DEVFN_ADDR(reg) (0x80000000 | 5 << 11 | (reg))

#define IER_RDI  0x01
#define IER_THRI 0x02

/* Longer than an edge is put off for a guest that makes no accesses */
#define SOON_NS  (10 * 1000 * 1000)
/* and for one that does */
#define LATE_NS  (100 * 1000 * 1000)

static uint8_t reg_in(QTestState *qts, unsigned reg)
{
    return port_in(qts, COM1 + reg);
}

static void reg_out(QTestState *qts, unsigned reg, uint8_t val)
{
    port_out(qts, COM1 + reg, val);
}

static bool irq_level(QTestState *qts)
{
    return shadow_irq_poll(qts, "vm1", 0).level;
}

static uint32_t irq_edges(QTestState *qts)
{
    return le32_to_cpu(shadow_irq_poll(qts, "vm1", 0).edges);
}

static void test_identity(void)
{
    QTestState *qts = shadow_renew_com1();
    struct ultracall_device dev = shadow_irq_poll(qts, "vm1", 0);

    g_assert_cmphex(le16_to_cpu(dev.iobase), ==, COM1);
    g_assert_cmpuint(dev.irq, ==, 4);
    g_assert_cmpuint(dev.level, ==, 0);
}

/* The edge, and IIR with it, comes a little later; and it does come. */
static void test_transmit_enabled(void)
{
    QTestState *qts = shadow_renew_com1();
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_IER, IER_THRI);
    g_assert_cmpuint(irq_edges(qts), ==, edges);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x01);
    g_assert_true(irq_level(qts));

    qtest_clock_step(qts, SOON_NS);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x02);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x01);
    g_assert_false(irq_level(qts));
    qtest_clock_step(qts, LATE_NS);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
}

/* A driver that polls IIR waits for no longer than a character takes. */
static void test_transmit_polled(void)
{
    QTestState *qts = shadow_renew_com1();

    reg_out(qts, UART_LCR, 0x83);
    reg_out(qts, UART_DATA, 1);
    reg_out(qts, UART_IER, 0);
    reg_out(qts, UART_LCR, 0x03);
    reg_out(qts, UART_FCR, 0x01);
    for (unsigned i = 0; i < 3; i++) {
        reg_out(qts, UART_IER, 0);
        reg_out(qts, UART_IER, IER_THRI);
        qtest_clock_step(qts, 50 * 1000);
        g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc1);
        qtest_clock_step(qts, 50 * 1000);
        g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc2);
        g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc1);
        uart_write(qts, COM1, "sixteen letters.");
    }
}

/* Modem lines that never change are not looked at: the machine is idle. */
static void test_modem_interrupt(void)
{
    QTestState *qts = shadow_renew_com1();
    int64_t now;

    reg_out(qts, UART_MCR, 0x0b);
    reg_out(qts, UART_IER, 0x0d);
    g_assert_cmphex(reg_in(qts, UART_MSR) & 0xf0, ==, 0xb0);
    qtest_clock_step(qts, LATE_NS);
    now = qtest_clock_step_next(qts);
    for (unsigned i = 0; i < 3; i++) {
        int64_t next = qtest_clock_step_next(qts);

        /* whatever timers this machine has */
        g_assert_cmpint(next - now, !=, 10 * 1000 * 1000);
        now = next;
    }
}

/* What Linux does with what fits the FIFO: no edge at all */
static void test_transmit_finished(void)
{
    QTestState *qts = shadow_renew_com1();
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_FCR, 0x01);
    for (int i = 0; i < 10; i++) {
        reg_out(qts, UART_IER, IER_THRI);
        uart_write(qts, COM1, "sixteen letters.");
        reg_out(qts, UART_IER, 0);
        qtest_clock_step(qts, SOON_NS);
    }
    g_assert_cmpuint(irq_edges(qts), ==, edges);
}

/* However much is sent at one go, one edge says that more may be. */
static void test_transmit_burst(void)
{
    QTestState *qts = shadow_renew_com1();
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_FCR, 0x01);
    reg_out(qts, UART_IER, IER_THRI);
    for (int i = 0; i < 256; i++) {
        reg_out(qts, UART_DATA, 'x');
        g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc2);
    }
    reg_out(qts, UART_DATA, 'x');
    g_assert_cmpuint(irq_edges(qts), ==, edges);
    qtest_clock_step(qts, SOON_NS);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc2);
}

/* A guest that looks elsewhere all the time is told all the same. */
static void test_busy_guest(void)
{
    QTestState *qts = shadow_renew_com1();
    uint32_t edges = irq_edges(qts);
    int64_t waited = 0;

    reg_out(qts, UART_IER, IER_THRI);
    while (irq_edges(qts) == edges) {
        reg_in(qts, UART_SCR);
        waited += 100 * 1000;
        qtest_clock_step(qts, 100 * 1000);
        g_assert_cmpint(waited, <, LATE_NS);
    }
    g_assert_cmpint(waited, >=, 1000 * 1000);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
}

/* To a guest that does nothing, input is told at once. */
static void test_receive(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_FCR, 0x81);
    reg_out(qts, UART_IER, IER_RDI);
    user_send(user, "12345678");
    shadow_wait_count(qts, "com1", "input-taken", 8);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    g_assert_true(irq_level(qts));
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc4);
    uart_expect(qts, COM1, "12345678");
    g_assert_false(irq_level(qts));
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xc1);
    qtest_clock_step(qts, LATE_NS);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    close(user);
}

/* Below the trigger level too: nothing more is on the way. */
static void test_receive_one(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_FCR, 0x81);
    reg_out(qts, UART_IER, IER_RDI);
    user_send(user, "1");
    shadow_wait_count(qts, "com1", "input-taken", 1);
    qtest_clock_step(qts, 1);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0xcc);
    uart_expect(qts, COM1, "1");
    g_assert_false(irq_level(qts));
    close(user);
}

/* The guest's own reads let more in: it is in its handler, or else is told. */
static void test_receive_more(void)
{
    QTestState *qts = shadow_renew_com1();
    g_autofree char *much = g_strnfill(4096, 'm');
    int user = user_connect("c0");
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_FCR, 0x81);
    reg_out(qts, UART_IER, IER_RDI);
    user_send(user, much);
    shadow_wait_count(qts, "com1", "input-accepted", 4096);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    much[4000] = 0;
    uart_expect(qts, COM1, much);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    /* it has left its handler, with the line up */
    g_assert_true(irq_level(qts));
    qtest_clock_step(qts, LATE_NS);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 2);
    uart_expect(qts, COM1, much + 4096 - 96);
    close(user);
}

/* Input does not wait for as long as an empty transmitter does. */
static void test_receive_while_transmitting(void)
{
    QTestState *qts = shadow_renew_com1();
    int user = user_connect("c0");
    uint32_t edges = irq_edges(qts);

    reg_out(qts, UART_IER, IER_THRI | IER_RDI);
    g_assert_cmpuint(irq_edges(qts), ==, edges);
    user_send(user, "1");
    shadow_wait_count(qts, "com1", "input-taken", 1);
    g_assert_cmpuint(irq_edges(qts), ==, edges + 1);
    g_assert_cmphex(reg_in(qts, UART_IIR), ==, 0x04);
    uart_expect(qts, COM1, "1");
    close(user);
}

static uint16_t config_in(QTestState *qts, unsigned reg)
{
    qtest_outl(qts, 0xcf8, ULTRACALL_DEVFN_ADDR(reg & ~3));
    return qtest_inw(qts, 0xcfc + (reg & 2));
}

static void config_out(QTestState *qts, unsigned reg, uint16_t val)
{
    qtest_outl(qts, 0xcf8, ULTRACALL_DEVFN_ADDR(reg & ~3));
    qtest_outw(qts, 0xcfc + (reg & 2), val);
}

static bool intx_pending(QTestState *qts)
{
    return config_in(qts, PCI_STATUS) & PCI_STATUS_INTERRUPT;
}

/* q35 routes PCI interrupts to these inputs of its IO-APIC */
static bool intx_asserted(QTestState *qts)
{
    for (int gsi = 16; gsi < 24; gsi++) {
        if (qtest_get_irq(qts, gsi)) {
            return true;
        }
    }
    return false;
}

static QTestState *start_intx(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    qtest_irq_intercept_in(qts, "ioapic");
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void test_intx(void)
{
    QTestState *qts = start_intx();

    /* whoever binds is to look at the lines first */
    g_assert_true(intx_pending(qts));
    g_assert_true(intx_asserted(qts));
    shadow_irq_poll(qts, "vm1", 0);
    g_assert_false(intx_pending(qts));
    g_assert_false(intx_asserted(qts));

    reg_out(qts, UART_IER, IER_THRI);
    qtest_clock_step(qts, SOON_NS);
    g_assert_true(intx_asserted(qts));
    shadow_irq_poll(qts, "vm1", 0);
    g_assert_false(intx_asserted(qts));
    /* that the line falls need not be told */
    reg_in(qts, UART_IIR);
    qtest_clock_step(qts, LATE_NS);
    g_assert_false(intx_asserted(qts));
    qtest_quit(qts);
}

/* As uio_pci_generic does it */
static void test_intx_disable(void)
{
    QTestState *qts = start_intx();

    g_assert_true(intx_asserted(qts));
    config_out(qts, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
    g_assert_false(intx_pending(qts));
    g_assert_false(intx_asserted(qts));

    reg_out(qts, UART_IER, IER_THRI);
    qtest_clock_step(qts, SOON_NS);
    g_assert_true(intx_pending(qts));
    g_assert_false(intx_asserted(qts));
    config_out(qts, PCI_COMMAND, 0);
    g_assert_true(intx_asserted(qts));
    g_assert_cmpuint(shadow_irq_poll(qts, "vm1", 0).level, ==, 1);
    g_assert_false(intx_asserted(qts));
    qtest_quit(qts);
}

/* IRQ_POLL can enable the interrupt too; nothing else of the register moves. */
static void test_intx_rearm(void)
{
    QTestState *qts = start_intx();
    uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MASTER |
                       PCI_COMMAND_INTX_DISABLE;

    config_out(qts, PCI_COMMAND, command);
    shadow_irq_poll(qts, "vm1", 0);
    g_assert_cmphex(config_in(qts, PCI_COMMAND), ==, command);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_IRQ_POLL, "vm1", SHADOW_BUF,
                                SHADOW_BUF_SIZE, 2), ==, -EINVAL);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_IRQ_POLL, "vm1", SHADOW_BUF, 0,
                                ULTRACALL_POLL_REARM), ==, -ENOSPC);
    g_assert_cmphex(config_in(qts, PCI_COMMAND), ==, command);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_IRQ_POLL, "vm1", SHADOW_BUF,
                                SHADOW_BUF_SIZE, ULTRACALL_POLL_REARM), ==, 0);
    g_assert_cmphex(config_in(qts, PCI_COMMAND), ==,
                    command & ~PCI_COMMAND_INTX_DISABLE);

    reg_out(qts, UART_IER, IER_THRI);
    qtest_clock_step(qts, SOON_NS);
    g_assert_true(intx_asserted(qts));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-irq/identity", test_identity);
    qtest_add_func("/shadow-irq/transmit/enabled", test_transmit_enabled);
    qtest_add_func("/shadow-irq/transmit/polled", test_transmit_polled);
    qtest_add_func("/shadow-irq/modem-lines", test_modem_interrupt);
    qtest_add_func("/shadow-irq/transmit/finished", test_transmit_finished);
    qtest_add_func("/shadow-irq/transmit/burst", test_transmit_burst);
    qtest_add_func("/shadow-irq/busy-guest", test_busy_guest);
    qtest_add_func("/shadow-irq/receive/full", test_receive);
    qtest_add_func("/shadow-irq/receive/one", test_receive_one);
    qtest_add_func("/shadow-irq/receive/more", test_receive_more);
    qtest_add_func("/shadow-irq/receive/while-transmitting",
                   test_receive_while_transmitting);
    qtest_add_func("/shadow-irq/intx", test_intx);
    qtest_add_func("/shadow-irq/intx-disable", test_intx_disable);
    qtest_add_func("/shadow-irq/intx-rearm", test_intx_rearm);
    return shadow_test_run();
}
