/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the shadow devices share: starting QEMU, calls, and nested
 * port accesses.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "shadow-common.h"

char *shadow_dir;

unsigned shadow_hangs(void)
{
    const char *seconds = getenv("SHADOW_HANGS");

    return seconds ? atoi(seconds) : 300;
}

/* Set-up */

void shadow_test_init(int *argc, char ***argv)
{
    g_autoptr(GError) err = NULL;

    g_test_init(argc, argv, NULL);
    shadow_dir = g_dir_make_tmp("shadow-XXXXXX", &err);
    g_assert_no_error(err);
}

int shadow_test_run(void)
{
    int ret = g_test_run();
    GDir *dir = g_dir_open(shadow_dir, 0, NULL);
    const char *name;

    shadow_shared_quit();
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = shadow_path(name);

        g_remove(path);
    }
    g_dir_close(dir);
    g_rmdir(shadow_dir);
    g_free(shadow_dir);
    return ret;
}

char *shadow_path(const char *name)
{
    return g_build_filename(shadow_dir, name, NULL);
}

QTestState *shadow_start(const char *guest_props, const char *fmt, ...)
{
    g_autofree char *args = NULL;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return qtest_initf("-machine q35 -nodefaults -m 128M "
                       "-object secret,id=key0,data=" SHADOW_KEY " "
                       "-object shadow-guest,id=vm1,secret=key0%s "
                       "-device ultracall,id=uc0,addr=5 "
                       "-device shadow-testdev,id=cpu0 %s", guest_props, args);
}

QTestState *shadow_start_com1_with(const char *guest_props)
{
    QTestState *qts = shadow_start(guest_props, SHADOW_COM1, shadow_dir);

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

QTestState *shadow_start_com1(void)
{
    return shadow_start_com1_with("");
}

QTestState *shadow_start_incoming_with(const char *guest_props,
                                       const char *com1_props)
{
    g_autofree char *props = g_strconcat(",incoming=on", guest_props, NULL);
    QTestState *qts;

    qts = shadow_start(props, "-chardev socket,id=c0,path=%s/d0,server=on,"
                       "wait=off -device shadow-serial,id=com1,guest=vm1,"
                       "chardev=c0%s", shadow_dir, com1_props);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

QTestState *shadow_start_incoming(const char *com1_props)
{
    return shadow_start_incoming_with("", com1_props);
}

void shadow_host_lacks(const char *missing)
{
    if (missing) {
        g_setenv("SHADOW_QTEST_MISSING", missing, true);
    } else {
        g_unsetenv("SHADOW_QTEST_MISSING");
    }
}

QTestState *shadow_start_exposed(void)
{
    QTestState *qts;

    shadow_host_lacks(SHADOW_MISSING);
    qts = shadow_start_com1_with(",unprotected=on");
    shadow_host_lacks(NULL);
    return qts;
}

char *shadow_refuses_to_start(const char *args)
{
    g_autofree char *line = NULL;
    g_autoptr(GError) err = NULL;
    char *text = NULL;
    int status;

    line = g_strdup_printf("%s -machine q35 -nodefaults -display none -S "
                           "-accel qtest %s", g_getenv("QTEST_QEMU_BINARY"),
                           args);
    g_spawn_command_line_sync(line, NULL, &text, &status, &err);
    g_assert_no_error(err);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return text;
}

/* Calls */

int shadow_call_args(QTestState *qts, unsigned nr, uint64_t a0, uint64_t a1,
                     uint64_t a2, uint64_t a3, uint64_t a4)
{
    const uint64_t a[ULTRACALL_ARGS] = { a0, a1, a2, a3, a4 };

    for (unsigned i = 0; i < ULTRACALL_ARGS; i++) {
        qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ARG(i), a[i]);
    }
    return shadow_call_again(qts, nr);
}

int shadow_call_again(QTestState *qts, unsigned nr)
{
    qtest_writel(qts, TESTDEV_BASE + TESTDEV_CALL, nr);
    return qtest_readq(qts, TESTDEV_BASE + TESTDEV_STATUS);
}

int shadow_call(QTestState *qts, unsigned nr, const char *tag, uint64_t buf,
                uint64_t len, uint64_t flags)
{
    qtest_memwrite(qts, SHADOW_TAG, tag, strlen(tag));
    return shadow_call_args(qts, nr, SHADOW_TAG, strlen(tag), buf, len, flags);
}

uint64_t shadow_value(QTestState *qts)
{
    return qtest_readq(qts, TESTDEV_BASE + TESTDEV_VALUE);
}

int shadow_simple(QTestState *qts, unsigned nr, const char *tag)
{
    return shadow_call(qts, nr, tag, 0, 0, 0);
}

void shadow_enter(QTestState *qts, uint64_t process, uint64_t root,
                  uint64_t vmcb)
{
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_PROCESS, process);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_ROOT, root);
    qtest_writeq(qts, TESTDEV_BASE + TESTDEV_VMCB, vmcb);
}

void shadow_bind(QTestState *qts, const char *tag, uint64_t process,
                 unsigned n)
{
    shadow_enter(qts, process, 0, 0);
    g_assert_cmpint(shadow_call(qts, ULTRACALL_BIND, tag,
                                SHADOW_COOKIES + 8 * n, 8, 0), ==, 0);
}

int shadow_save_flags(QTestState *qts, const char *tag, uint64_t flags)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;
    int ret;

    while ((ret = shadow_call(qts, ULTRACALL_SAVE, tag, SHADOW_BUF,
                              SHADOW_BUF_SIZE, flags)) == -EAGAIN) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
    return ret;
}

int shadow_save(QTestState *qts, const char *tag)
{
    return shadow_save_flags(qts, tag, 0);
}

GByteArray *shadow_envelope_flags(QTestState *qts, const char *tag,
                                  uint64_t flags)
{
    GByteArray *env = g_byte_array_new();

    g_assert_cmpint(shadow_save_flags(qts, tag, flags), ==, 0);
    g_byte_array_set_size(env, shadow_value(qts));
    qtest_bufread(qts, SHADOW_BUF, env->data, env->len);
    return env;
}

GByteArray *shadow_envelope(QTestState *qts, const char *tag)
{
    return shadow_envelope_flags(qts, tag, 0);
}

GByteArray *shadow_snapshot(QTestState *qts)
{
    GByteArray *env = shadow_envelope_flags(qts, "vm1",
                                            ULTRACALL_SAVE_SNAPSHOT);

    shadow_assert_state(qts, "vm1", "active");
    return env;
}

int shadow_restore(QTestState *qts, const char *tag, const void *env,
                   size_t len)
{
    if (len) {
        qtest_bufwrite(qts, SHADOW_BUF, env, len);
    }
    return shadow_call(qts, ULTRACALL_RESTORE, tag, SHADOW_BUF, len, 0);
}

int shadow_restore_env(QTestState *qts, const GByteArray *env)
{
    return shadow_restore(qts, "vm1", env->data, env->len);
}

void shadow_restore_unchanged(QTestState *qts, const GByteArray *env, int err)
{
    QDict *before = shadow_view(qts);

    g_assert_cmpint(shadow_restore_env(qts, env), ==, err);
    shadow_assert_same(qts, before);
    qobject_unref(before);
}

void shadow_move(QTestState *from, QTestState *to)
{
    g_autoptr(GByteArray) env = shadow_envelope(from, "vm1");

    g_assert_cmpint(shadow_restore(to, "vm1", env->data, env->len), ==, 0);
    g_assert_cmpint(shadow_simple(from, ULTRACALL_COMMIT, "vm1"), ==, 0);
}

void shadow_run(QTestState *qts)
{
    port_in(qts, COM1 + UART_SCR);
    shadow_assert_state(qts, "vm1", "active");
}

struct ultracall_guest shadow_query_call(QTestState *qts, const char *tag)
{
    struct ultracall_guest g;

    g_assert_cmpint(shadow_call(qts, ULTRACALL_QUERY, tag, SHADOW_BUF,
                                SHADOW_BUF_SIZE, 0), ==, 0);
    qtest_memread(qts, SHADOW_BUF, &g, sizeof(g));
    g_assert_cmpuint(shadow_value(qts), ==,
                     sizeof(g) + le16_to_cpu(g.devices) *
                                 sizeof(struct ultracall_device));
    return g;
}

uint64_t shadow_epoch(QTestState *qts)
{
    return le64_to_cpu(shadow_query_call(qts, "vm1").epoch);
}

struct ultracall_device shadow_irq_poll(QTestState *qts, const char *tag,
                                        unsigned n)
{
    struct ultracall_device dev;

    g_assert_cmpint(shadow_call(qts, ULTRACALL_IRQ_POLL, tag, SHADOW_BUF,
                                SHADOW_BUF_SIZE, 0), ==, 0);
    g_assert_cmpuint(shadow_value(qts), >=, (n + 1) * sizeof(dev));
    qtest_memread(qts, SHADOW_BUF + n * sizeof(dev), &dev, sizeof(dev));
    return dev;
}

char *shadow_pattern(size_t len)
{
    char *text = g_malloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        text[i] = 'a' + i * 7 % 26;
    }
    text[len] = 0;
    return text;
}

/* Ports */

uint8_t port_in(QTestState *qts, uint16_t port)
{
    return qtest_readb(qts, TESTDEV_BASE + port);
}

void port_out(QTestState *qts, uint16_t port, uint8_t val)
{
    qtest_writeb(qts, TESTDEV_BASE + port, val);
}

uint64_t port_missed(QTestState *qts)
{
    return qtest_readq(qts, TESTDEV_BASE + TESTDEV_MISSED);
}

static uint64_t testdev(QTestState *qts, uint64_t reg)
{
    return qtest_readq(qts, TESTDEV_BASE + reg);
}

Server port_server(QTestState *qts)
{
    uint64_t missed = testdev(qts, TESTDEV_MISSED);
    uint64_t unserved = testdev(qts, TESTDEV_UNSERVED);
    uint8_t val = port_in(qts, COM1 + UART_SCR);

    if (testdev(qts, TESTDEV_MISSED) != missed) {
        return SOMEBODY_ELSE;
    }
    if (testdev(qts, TESTDEV_UNSERVED) != unserved) {
        g_assert_cmphex(val, ==, 0xff);
        return NOBODY;
    }
    return DEVICE;
}

bool entry_claimed(QTestState *qts, uint64_t process, uint64_t root,
                   uint64_t vmcb)
{
    Server server;

    shadow_enter(qts, process, root, vmcb);
    server = port_server(qts);
    g_assert_cmpint(server, !=, NOBODY);
    return server == DEVICE;
}

void uart_program(QTestState *qts)
{
    port_out(qts, COM1 + UART_LCR, 0x80);
    port_out(qts, COM1, 0x34);
    port_out(qts, COM1 + 1, 0x12);
    port_out(qts, COM1 + UART_LCR, 0x1b);
    port_out(qts, COM1 + UART_FCR, 0x81);
    port_out(qts, COM1 + UART_IER, 0x05);
    port_out(qts, COM1 + UART_MCR, 0x0b);
    port_out(qts, COM1 + UART_SCR, 0x5a);
}

void uart_write(QTestState *qts, uint16_t base, const char *text)
{
    for (; *text; text++) {
        g_assert_cmphex(port_in(qts, base + UART_LSR) & LSR_THRE, ==,
                        LSR_THRE);
        port_out(qts, base + UART_DATA, *text);
    }
}

void uart_wait(QTestState *qts, uint16_t base, uint8_t bits)
{
    int64_t end = g_get_monotonic_time() + SHADOW_HANGS_US;

    while ((port_in(qts, base + UART_LSR) & bits) != bits) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
}

void uart_expect(QTestState *qts, uint16_t base, const char *text)
{
    for (; *text; text++) {
        uart_wait(qts, base, LSR_DR);
        g_assert_cmphex(port_in(qts, base + UART_DATA), ==, (uint8_t)*text);
    }
}
