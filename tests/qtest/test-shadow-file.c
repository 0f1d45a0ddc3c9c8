/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envelopes in files: shadow-state-save, shadow-state-restore and
 * shadow-guest-resume.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <sys/resource.h>
#include "qobject/qlist.h"
#include "shadow-common.h"

static QTestState *start_incoming(void)
{
    return shadow_start(",incoming=on", "-device shadow-serial,id=com1,"
                        "guest=vm1");
}

static void do_file(QTestState *qts, const char *command, const char *path)
{
    qtest_qmp_assert_success(qts, "{'execute': %s, 'arguments': "
                             "{'guest': 'vm1', 'file': %s}}", command, path);
}

static void refuse_file(QTestState *qts, const char *what,
                        const char *command, const char *path)
{
    shadow_qmp_refused(qts, what, "{'execute': %s, 'arguments': "
                       "{'guest': 'vm1', 'file': %s}}", command, path);
}

static void resume(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'shadow-guest-resume', "
                             "'arguments': {'guest': 'vm1'}}");
}

static void refuse_resume(QTestState *qts, const char *what)
{
    shadow_qmp_refused(qts, what, "{'execute': 'shadow-guest-resume', "
                       "'arguments': {'guest': 'vm1'}}");
}

static void write_file(const char *path, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_file_set_contents(path, text, -1, &err);
    g_assert_no_error(err);
}

static void test_save_and_restore(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    QTestState *from = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1");
    QTestState *to = start_incoming();
    struct stat st;
    QDict *data;

    shadow_bind(from, "vm1", SHADOW_PROCESS, 0);
    port_out(from, COM1 + UART_SCR, 0x5a);
    uart_write(from, COM1, "kept");
    do_file(from, "shadow-state-save", path);
    shadow_assert_state(from, "vm1", "frozen");
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 0777, ==, 0600);

    data = shadow_event(from, "SHADOW_GUEST_SAVED");
    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    g_assert_cmpint(qdict_get_int(data, "epoch"), ==, 1);
    g_assert_cmpint(qdict_get_int(data, "bytes"), ==, st.st_size);
    qobject_unref(data);

    do_file(to, "shadow-state-restore", path);
    shadow_assert_state(to, "vm1", "restored");
    data = shadow_event(to, "SHADOW_GUEST_RESTORED");
    g_assert_cmpint(qdict_get_int(data, "epoch"), ==, 1);
    qobject_unref(data);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmphex(port_in(to, COM1 + UART_SCR), ==, 0x5a);
    g_assert_cmpuint(shadow_count(to, "com1", "output-produced"), ==, 4);
    shadow_assert_state(to, "vm1", "active");

    qtest_quit(from);
    qtest_quit(to);
    g_unlink(path);
}

static void test_save_refused(void)
{
    g_autofree char *path = shadow_path("exists");
    g_autofree char *lost = shadow_path("missing/vm1.env");
    g_autofree char *text = NULL;
    QTestState *qts = shadow_start_com1();

    write_file(path, "precious");
    refuse_file(qts, "File exists", "shadow-state-save", path);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "precious");
    refuse_file(qts, "No such file", "shadow-state-save", lost);
    refuse_file(qts, "File exists", "shadow-state-save", "/");
    shadow_assert_state(qts, "vm1", "active");
    uart_write(qts, COM1, "goes on");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-produced"), ==, 7);
    qtest_quit(qts);
    g_unlink(path);
}

/* As on a full disk */
static void test_save_too_large(void)
{
    g_autofree char *path = shadow_path("limited");
    const struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
    QTestState *qts;

    /* which QEMU inherits */
    signal(SIGXFSZ, SIG_IGN);
    qts = shadow_start_com1();
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_FSIZE, &limit, NULL), ==,
                    0);
    refuse_file(qts, "File too large", "shadow-state-save", path);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    shadow_assert_state(qts, "vm1", "active");
    qtest_quit(qts);
}

/* Through a monitor of its own: this one waits for the save. */
static void monitor_say(int hmp, const char *line)
{
    g_assert_cmpint(write(hmp, line, strlen(line)), ==, strlen(line));
}

static void wait_devices(QTestState *qts, unsigned n)
{
    int64_t end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    size_t have;

    do {
        QDict *guest = shadow_query(qts, "vm1");

        have = qlist_size(qdict_get_qlist(guest, "devices"));
        qobject_unref(guest);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (have != n);
}

/*
 * com2 is removed while the save waits for the input to come to rest, or just
 * before or after it: the file has what was sealed.  Returns how much.
 */
static int64_t save_and_remove(QTestState *qts, int hmp, unsigned long us,
                               const char *path)
{
    struct stat st;
    int64_t bytes;
    QDict *data;

    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             "'driver': 'shadow-serial', 'id': 'com2', "
                             "'guest': 'vm1', 'iobase': 760, 'irq': 3}}");
    qtest_qmp_send(qts, "{'execute': 'shadow-state-save', 'arguments': "
                   "{'guest': 'vm1', 'file': %s}}", path);
    g_usleep(us);
    monitor_say(hmp, "device_del com2\n");
    qobject_unref(qtest_qmp_receive(qts));
    data = shadow_event(qts, "SHADOW_GUEST_SAVED");
    bytes = qdict_get_int(data, "bytes");
    qobject_unref(data);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, bytes);
    wait_devices(qts, 1);
    return bytes;
}

static void test_device_removed(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    QTestState *qts = shadow_start("", SHADOW_COM1 " -chardev socket,id=hmp,"
                                   "path=%s/hmp,server=on,wait=off -mon "
                                   "chardev=hmp,mode=readline", shadow_dir,
                                   shadow_dir);
    QTestState *to = start_incoming();
    int hmp = user_connect("hmp");
    bool restored = false;
    int64_t one_device;

    g_assert_cmpint(shadow_simple(qts, ULTRACALL_STATE_SIZE, "vm1"), ==, 0);
    one_device = shadow_value(qts);
    /* it waits for a millisecond: some of these come just then */
    for (unsigned i = 0; i < 60; i++) {
        bool less = save_and_remove(qts, hmp, 25 * i, path) == one_device;

        if (less && !restored) {
            do_file(to, "shadow-state-restore", path);
            restored = true;
        }
        g_unlink(path);
        resume(qts);
    }
    close(hmp);
    qtest_quit(qts);
    qtest_quit(to);
}

static void test_unknown_guest(void)
{
    static const char *const commands[] = {
        "shadow-state-save", "shadow-state-restore",
    };
    g_autofree char *path = shadow_path("nobody");
    QTestState *qts = shadow_start_com1();

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        shadow_qmp_refused(qts, "there is no shadow-guest 'nobody'",
                           "{'execute': %s, 'arguments': {'guest': 'nobody', "
                           "'file': %s}}", commands[i], path);
    }
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    shadow_qmp_refused(qts, "there is no shadow-guest 'nobody'",
                       "{'execute': 'shadow-guest-resume', 'arguments': "
                       "{'guest': 'nobody'}}");
    qtest_quit(qts);
}

static void test_resume(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    g_autofree char *again = shadow_path("again.env");
    QTestState *qts = shadow_start_com1();
    QDict *data;

    refuse_resume(qts, "it is active");
    do_file(qts, "shadow-state-save", path);
    refuse_file(qts, "it is frozen", "shadow-state-save", again);
    g_assert_false(g_file_test(again, G_FILE_TEST_EXISTS));
    g_assert_cmphex(port_in(qts, COM1 + UART_LSR) & LSR_THRE, ==, 0);
    resume(qts);
    data = shadow_event(qts, "SHADOW_GUEST_ACTIVATED");
    g_assert_cmpstr(qdict_get_str(data, "guest"), ==, "vm1");
    qobject_unref(data);
    shadow_assert_state(qts, "vm1", "active");
    uart_write(qts, COM1, "on");
    qtest_quit(qts);
    g_unlink(path);
}

/* Gone to another host, which was then lost for good */
static void test_resume_when_gone(void)
{
    QTestState *qts = shadow_start_com1();

    g_assert_cmpint(shadow_save(qts, "vm1"), ==, 0);
    g_assert_cmpint(shadow_simple(qts, ULTRACALL_COMMIT, "vm1"), ==, 0);
    shadow_assert_state(qts, "vm1", "gone");
    resume(qts);
    shadow_assert_state(qts, "vm1", "active");
    uart_write(qts, COM1, "on");
    qtest_quit(qts);
}

static void test_restore_refused(void)
{
    g_autofree char *path = shadow_path("garbage");
    g_autofree char *none = shadow_path("none");
    QTestState *qts = start_incoming();

    refuse_file(qts, "No such file", "shadow-state-restore", none);
    refuse_file(qts, "is not an envelope", "shadow-state-restore", "/");
    refuse_file(qts, "is not an envelope", "shadow-state-restore",
                "/dev/zero");
    write_file(path, "");
    refuse_file(qts, "", "shadow-state-restore", path);
    write_file(path, "not a sealed state, though of some length");
    refuse_file(qts, "", "shadow-state-restore", path);
    shadow_assert_state(qts, "vm1", "incoming");
    refuse_resume(qts, "it is incoming");
    refuse_file(qts, "it is incoming", "shadow-state-save", none);
    qtest_quit(qts);
    g_unlink(path);
}

static void test_restore_in_the_wrong_state(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    QTestState *from = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1");
    QTestState *to = start_incoming();

    do_file(from, "shadow-state-save", path);
    refuse_file(from, "it is frozen", "shadow-state-restore", path);
    resume(from);
    refuse_file(from, "it is active", "shadow-state-restore", path);
    do_file(to, "shadow-state-restore", path);
    refuse_file(to, "it is restored", "shadow-state-restore", path);
    refuse_resume(to, "it is restored");
    qtest_quit(from);
    qtest_quit(to);
    g_unlink(path);
}

/* An envelope opens once. */
static void test_restore_stale(void)
{
    g_autofree char *path = shadow_path("vm1.env");
    g_autofree char *newer = shadow_path("newer.env");
    QTestState *from = shadow_start("", "-device shadow-serial,id=com1,"
                                    "guest=vm1");
    QTestState *to = start_incoming();

    do_file(from, "shadow-state-save", path);
    do_file(to, "shadow-state-restore", path);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    g_assert_cmpint(shadow_simple(to, ULTRACALL_UNBIND, "vm1"), ==, 0);
    shadow_assert_state(to, "vm1", "incoming");
    refuse_file(to, "epoch", "shadow-state-restore", path);
    shadow_assert_state(to, "vm1", "incoming");
    resume(from);
    do_file(from, "shadow-state-save", newer);
    do_file(to, "shadow-state-restore", newer);
    shadow_assert_state(to, "vm1", "restored");
    qtest_quit(from);
    qtest_quit(to);
    g_unlink(path);
    g_unlink(newer);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-file/save-and-restore", test_save_and_restore);
    qtest_add_func("/shadow-file/save/refused", test_save_refused);
    qtest_add_func("/shadow-file/save/too-large", test_save_too_large);
    qtest_add_func("/shadow-file/save/device-removed", test_device_removed);
    qtest_add_func("/shadow-file/unknown-guest", test_unknown_guest);
    qtest_add_func("/shadow-file/resume/frozen", test_resume);
    qtest_add_func("/shadow-file/resume/gone", test_resume_when_gone);
    qtest_add_func("/shadow-file/restore/refused", test_restore_refused);
    qtest_add_func("/shadow-file/restore/wrong-state",
                   test_restore_in_the_wrong_state);
    qtest_add_func("/shadow-file/restore/stale", test_restore_stale);
    return shadow_test_run();
}
