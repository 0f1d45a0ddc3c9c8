/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is sent ahead of the state that lacks it, from rings that have
 * wrapped and to rings of other sizes: none is lost that both hosts can keep.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* Envelopes of com1 with its default sizes, and of the state without output */
#define FULL_LEN (256 * 1024 + 128)
#define REST_LEN (8 * 1024 + 128)

/* Written from @from on, no faster than the user reads */
static void write_numbers(QTestState *qts, int user, GString *all,
                          unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i += 100) {
        g_autoptr(GString) text = g_string_new("");

        for (unsigned j = 0; j < 100; j++) {
            g_string_append_printf(text, "%04u.", i + j);
        }
        uart_write(qts, COM1, text->str);
        user_expect(user, text->str);
        g_string_append(all, text->str);
    }
}

/* Rings that have wrapped, of different sizes; two devices */
static void check_wrapped(unsigned from_size, unsigned to_size, unsigned end,
                          unsigned start)
{
    static const char devices[] =
        "-chardev socket,id=c0,path=%s/%s,server=on,wait=off "
        "-device shadow-serial,id=com1,guest=vm1,chardev=c0,output-size=%u,"
        "replay=history "
        "-device shadow-serial,id=com2,guest=vm1,iobase=0x2f8,irq=3";
    QTestState *from = shadow_start("", devices, shadow_dir, "c0",
                                    from_size);
    QTestState *to = shadow_start(",incoming=on", devices, shadow_dir, "d0",
                                  to_size);
    g_autoptr(GByteArray) ahead = NULL, env = NULL;
    g_autoptr(GString) all = g_string_new("");
    int user = user_connect("c0");

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    write_numbers(from, user, all, 0, 900);
    uart_write(from, COM2, "two");
    ahead = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_HISTORY);
    g_assert_cmpuint(ahead->len, ==, FULL_LEN);
    write_numbers(from, user, all, 900, end);
    close(user);
    env = shadow_envelope_flags(from, "vm1", ULTRACALL_SAVE_REST);
    g_assert_cmpuint(env->len, ==, REST_LEN);
    shadow_assert_state(from, "vm1", "frozen");
    shadow_restore_unchanged(to, ahead, 0);
    g_assert_cmpint(shadow_restore_env(to, env), ==, 0);
    shadow_run(to);
    g_assert_cmpuint(shadow_count(to, "com1", "output-start"), ==, start);
    g_assert_cmpuint(shadow_count(to, "com2", "output-produced"), ==, 3);
    user = user_connect("d0");
    user_expect(user, all->str + start);
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_wrapped(void)
{
    check_wrapped(3000, 3000, 1000, 2000);
    check_wrapped(3000, 2500, 1000, 2500);
    check_wrapped(3000, 400, 1000, 4600);
    /* what has been dropped since is still there */
    check_wrapped(3000, 8000, 1000, 1500);
}

/* The source has overwritten more than it had sent ahead. */
static void test_small_ring(void)
{
    check_wrapped(1000, 1000, 1200, 5000);
    check_wrapped(1000, 8000, 1200, 5000);
    check_wrapped(1000, 500, 1200, 5500);
    check_wrapped(1499, 8000, 1200, 4501);
    /* just not */
    check_wrapped(1500, 8000, 1200, 3000);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-history-ring/wrapped", test_wrapped);
    qtest_add_func("/shadow-history-ring/small", test_small_ring);
    return shadow_test_run();
}
