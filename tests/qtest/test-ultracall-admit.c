/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ultracalls of processes without I/O permission: by a token that only the
 * cloud VM's administrator can read, or a ticket that he has passed on.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "shadow-common.h"

#define LEN  ULTRACALL_TOKEN_LEN
#define USER TESTDEV_UNPRIVILEGED

/* Of which one has the token */
enum { ROOT = 0x4000, MINE = 0x5000, OTHER = 0x6000 };

typedef struct Token {
    uint8_t bytes[LEN];
} Token;

static uint8_t config_read(QTestState *qts, uint8_t at)
{
    qtest_outl(qts, 0xcf8, 0x80000000 | 5 << 11 | (at & ~3));
    return qtest_inb(qts, 0xcfc + (at & 3));
}

static void config_write(QTestState *qts, uint8_t at, uint8_t val)
{
    qtest_outl(qts, 0xcf8, 0x80000000 | 5 << 11 | (at & ~3));
    qtest_outb(qts, 0xcfc + (at & 3), val);
}

/* Where the token is: behind what Linux shows to everybody */
static uint8_t token_at(QTestState *qts)
{
    uint8_t at = config_read(qts, PCI_CAPABILITY_LIST);

    g_assert_true(config_read(qts, PCI_STATUS) & PCI_STATUS_CAP_LIST);
    g_assert_cmphex(at, >=, PCI_STD_HEADER_SIZEOF);
    g_assert_cmphex(config_read(qts, at), ==, PCI_CAP_ID_VNDR);
    g_assert_cmphex(config_read(qts, at + 1), ==, 0);
    g_assert_cmphex(config_read(qts, at + 2), ==, ULTRACALL_CAP_LEN);
    g_assert_cmphex(config_read(qts, at + ULTRACALL_CAP_KIND), ==,
                    ULTRACALL_CAP_IS_TOKEN);
    return at + ULTRACALL_CAP_TOKEN;
}

static Token token_read(QTestState *qts)
{
    uint8_t at = token_at(qts);
    Token token;

    for (unsigned i = 0; i < LEN; i++) {
        token.bytes[i] = config_read(qts, at + i);
    }
    return token;
}

static void be(QTestState *qts, uint64_t process)
{
    shadow_enter(qts, process, 0x2000, 0x3000);
}

/* Each process has its memory: where its token, and then its cookie is */
static uint64_t cookie_of(uint64_t process)
{
    return SHADOW_BUF + process;
}

static int admit(QTestState *qts, uint64_t process, Token token)
{
    be(qts, process);
    qtest_memwrite(qts, cookie_of(process), &token, LEN);
    return shadow_call_args(qts, USER | ULTRACALL_ADMIT, cookie_of(process),
                            LEN, 0, 0, 0);
}

/* A call that changes nothing, and what comes of it without I/O permission */
static int try_as(QTestState *qts, uint64_t process)
{
    be(qts, process);
    return shadow_call(qts, USER | ULTRACALL_STATE_SIZE, "vm1", 0, 0, 0);
}

static void assert_may_not(QTestState *qts, uint64_t process)
{
    be(qts, process);
    for (unsigned nr = 0; nr < 0x100; nr++) {
        if (nr != ULTRACALL_ADMIT) {
            g_assert_cmpint(shadow_call(qts, USER | nr, "vm1", SHADOW_BUF,
                                        SHADOW_BUF_SIZE, 0), ==, -EPERM);
        }
    }
    for (unsigned flags = 0; flags <= ULTRACALL_ADMIT_TICKET; flags++) {
        g_assert_cmpint(shadow_call_args(qts, USER | ULTRACALL_ADMIT,
                                         SHADOW_BUF, LEN, flags, 0, 0), ==,
                        -EPERM);
    }
}

static int draw(QTestState *qts, uint64_t process, unsigned rights)
{
    be(qts, process);
    return shadow_call_args(qts, rights | ULTRACALL_ADMIT, SHADOW_BUF, LEN,
                            ULTRACALL_ADMIT_TICKET, 0, 0);
}

/* By the administrator's process, which has the token */
static Token ticket_draw(QTestState *qts)
{
    Token ticket;

    g_assert_cmpint(admit(qts, ROOT, token_read(qts)), ==, 0);
    g_assert_cmpint(draw(qts, ROOT, USER), ==, 0);
    qtest_memread(qts, SHADOW_BUF, &ticket, LEN);
    return ticket;
}

static void test_token(void)
{
    static const Token none;
    QTestState *qts = shadow_start("", " "), *other = shadow_start("", " ");
    Token first = token_read(qts), again = token_read(other);
    uint8_t at = token_at(qts);

    g_assert_true(memcmp(&first, &none, LEN));
    g_assert_true(memcmp(&first, &again, LEN));
    for (unsigned i = 0; i < LEN; i++) {
        config_write(qts, at + i, ~first.bytes[i]);
    }
    again = token_read(qts);
    g_assert_cmpmem(&first, LEN, &again, LEN);
    qtest_system_reset(qts);
    again = token_read(qts);
    g_assert_true(memcmp(&first, &again, LEN));
    qtest_quit(qts);
    qtest_quit(other);
}

static void test_admitted(void)
{
    static const uint8_t zeros[LEN];
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts);
    uint8_t seen[LEN];

    assert_may_not(qts, MINE);
    g_assert_cmpint(admit(qts, MINE, token), ==, 0);
    g_assert_cmpuint(shadow_value(qts), ==, LEN);
    qtest_memread(qts, cookie_of(MINE), seen, LEN);
    g_assert_true(memcmp(seen, zeros, 8));
    g_assert_true(memcmp(seen, &token, 8));
    g_assert_cmpmem(seen + 8, LEN - 8, zeros, LEN - 8);

    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    assert_may_not(qts, OTHER);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    g_assert_cmpint(shadow_call(qts, USER | 0xff, "vm1", 0, 0, 0), ==,
                    -ENOSYS);
    qtest_quit(qts);
}

/* Guesses, one of which is but a bit away, change nothing. */
static void test_guesses(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts), seen;

    for (unsigned bit = 0; bit < 8 * LEN; bit++) {
        Token guess = token;

        guess.bytes[bit / 8] ^= 1 << bit % 8;
        g_assert_cmpint(admit(qts, MINE, guess), ==, -EPERM);
        qtest_memread(qts, cookie_of(MINE), &seen, LEN);
        g_assert_cmpmem(&seen, LEN, &guess, LEN);
    }
    g_assert_cmpint(admit(qts, MINE, (Token) { }), ==, -EPERM);
    assert_may_not(qts, MINE);
    /* whoever guesses keeps nobody out */
    g_assert_cmpint(admit(qts, OTHER, token), ==, 0);
    g_assert_cmpint(try_as(qts, OTHER), ==, 0);
    qtest_quit(qts);
}

static void test_arguments(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts);

    be(qts, MINE);
    qtest_memwrite(qts, SHADOW_BUF, &token, LEN);
    for (unsigned len = 0; len < LEN; len++) {
        g_assert_cmpint(shadow_call_args(qts, USER | ULTRACALL_ADMIT,
                                         SHADOW_BUF, len, 0, 0, 0), ==,
                        -ENOSPC);
        g_assert_cmpuint(shadow_value(qts), ==, LEN);
    }
    g_assert_cmpint(shadow_call_args(qts, USER | ULTRACALL_ADMIT, SHADOW_HOLE,
                                     LEN, 0, 0, 0), ==, -EFAULT);
    g_assert_cmphex(shadow_value(qts), ==, SHADOW_HOLE);
    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_ADMIT, SHADOW_BUF, LEN, 2,
                                     0, 0), ==, -EINVAL);
    g_assert_cmpint(shadow_call_args(qts, ULTRACALL_ADMIT | TESTDEV_NO_PROCESS,
                                     SHADOW_BUF, LEN, 0, 0, 0), ==,
                    -EOPNOTSUPP);
    g_assert_cmpint(try_as(qts, MINE), ==, -EPERM);
    qtest_quit(qts);
}

/* Page tables that are another process' now; a wrong cookie is one try. */
static void test_reused(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    uint64_t cookie;

    g_assert_cmpint(admit(qts, MINE, token_read(qts)), ==, 0);
    cookie = qtest_readq(qts, cookie_of(MINE));
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    qtest_writeq(qts, cookie_of(MINE), cookie ^ 1);
    g_assert_cmpint(try_as(qts, MINE), ==, -EPERM);
    qtest_writeq(qts, cookie_of(MINE), cookie);
    assert_may_not(qts, MINE);
    qtest_quit(qts);
}

/* L1's kernel may take the page away for a moment. */
static void test_absent(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);

    g_assert_cmpint(admit(qts, MINE, token_read(qts)), ==, 0);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, 1);
    g_assert_cmpint(try_as(qts, MINE), ==, -EFAULT);
    g_assert_cmphex(shadow_value(qts), ==, 0);
    g_assert_cmpint(try_as(qts, OTHER), ==, -EPERM);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ABSENT, 0);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    qtest_quit(qts);
}

static void test_nested(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts);

    g_assert_cmpint(admit(qts, MINE, token), ==, 0);
    qtest_memwrite(qts, SHADOW_BUF, &token, LEN);
    for (unsigned nr = 0; nr < 0x100; nr++) {
        g_assert_cmpint(shadow_call_args(qts, USER | TESTDEV_NESTED | nr,
                                         SHADOW_BUF, LEN, 0, 0, 0), ==,
                        -EPERM);
    }
    /* nor its kernel */
    g_assert_cmpint(shadow_call_args(qts, TESTDEV_NESTED | ULTRACALL_ADMIT,
                                     SHADOW_BUF, LEN, 0, 0, 0), ==, -EPERM);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    qtest_quit(qts);
}

static void test_ticket(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts), ticket = ticket_draw(qts);

    g_assert_true(memcmp(&ticket, &token, LEN));
    g_assert_cmpint(admit(qts, MINE, ticket), ==, 0);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    g_assert_cmpint(admit(qts, OTHER, ticket), ==, -EPERM);
    g_assert_cmpint(try_as(qts, OTHER), ==, -EPERM);
    /* nor can it be passed on, nor what I/O permission gives */
    g_assert_cmpint(draw(qts, MINE, USER), ==, -EPERM);
    g_assert_cmpint(draw(qts, OTHER, 0), ==, -EPERM);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    qtest_quit(qts);
}

static void test_tickets_bounded(void)
{
    enum { KEPT = 64 };
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token ticket[KEPT + 1];

    for (unsigned i = 0; i <= KEPT; i++) {
        ticket[i] = ticket_draw(qts);
    }
    g_assert_cmpint(admit(qts, MINE, ticket[0]), ==, -EPERM);
    for (unsigned i = 1; i <= KEPT; i++) {
        g_assert_cmpint(admit(qts, MINE, ticket[i]), ==, 0);
    }
    qtest_quit(qts);
}

static void test_reset(void)
{
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts), ticket = ticket_draw(qts);
    uint64_t cookie;

    g_assert_cmpint(admit(qts, MINE, token), ==, 0);
    cookie = qtest_readq(qts, cookie_of(MINE));
    qtest_system_reset(qts);
    qtest_writeq(qts, cookie_of(MINE), cookie);
    assert_may_not(qts, MINE);
    g_assert_cmpint(admit(qts, MINE, token), ==, -EPERM);
    g_assert_cmpint(admit(qts, MINE, ticket), ==, -EPERM);
    g_assert_cmpint(admit(qts, MINE, token_read(qts)), ==, 0);
    g_assert_cmpint(try_as(qts, MINE), ==, 0);
    qtest_quit(qts);
}

/* Those that have ended make room; those that live are not sent away. */
static void test_many(void)
{
    enum { KEPT = 256 };
    QTestState *qts = shadow_start("", SHADOW_COM1, shadow_dir);
    Token token = token_read(qts), ticket;
    uint64_t process = MINE;

    ticket = ticket_draw(qts);
    qtest_writeq(qts, cookie_of(ROOT), 0);
    for (unsigned i = 0; i < KEPT; i++) {
        g_assert_cmpint(admit(qts, process + 0x1000 * i, token), ==, 0);
    }
    g_assert_cmpint(admit(qts, process + 0x1000 * KEPT, ticket), ==, -EBUSY);
    g_assert_cmpint(try_as(qts, process + 0x1000 * (KEPT - 1)), ==, 0);
    qtest_writeq(qts, cookie_of(process), 0);
    /* what was refused is not used up */
    g_assert_cmpint(admit(qts, process + 0x1000 * KEPT, ticket), ==, 0);
    for (unsigned i = 1; i <= KEPT; i++) {
        g_assert_cmpint(try_as(qts, process + 0x1000 * i), ==, 0);
    }
    g_assert_cmpint(try_as(qts, process), ==, -EPERM);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/ultracall-admit/token", test_token);
    qtest_add_func("/ultracall-admit/admitted", test_admitted);
    qtest_add_func("/ultracall-admit/guesses", test_guesses);
    qtest_add_func("/ultracall-admit/arguments", test_arguments);
    qtest_add_func("/ultracall-admit/reused", test_reused);
    qtest_add_func("/ultracall-admit/absent", test_absent);
    qtest_add_func("/ultracall-admit/nested", test_nested);
    qtest_add_func("/ultracall-admit/ticket", test_ticket);
    qtest_add_func("/ultracall-admit/tickets-bounded", test_tickets_bounded);
    qtest_add_func("/ultracall-admit/reset", test_reset);
    qtest_add_func("/ultracall-admit/many", test_many);
    return shadow_test_run();
}
