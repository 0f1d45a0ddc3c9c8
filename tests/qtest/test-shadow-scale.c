/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many guests in one QEMU: what each takes, and that none costs the others.
 */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include "qobject/qdict.h"
#include "shadow-door-user.h"

#define GUESTS 1000

/* Of a console that nobody is connected to: its socket, its loop's eventfd */
#define WATCHED_IDLE 2

#define IDLE_MAX_KIB 64

typedef struct Names {
    char guest[16], user[16], device[16];
} Names;

static Names names(unsigned n)
{
    Names name;

    snprintf(name.guest, sizeof(name.guest), "g%u", n);
    snprintf(name.user, sizeof(name.user), "u%u", n);
    snprintf(name.device, sizeof(name.device), "d%u", n);
    return name;
}

static void add_guest(QTestState *qts, unsigned n)
{
    Names name = names(n);
    g_autofree char *path = shadow_path(name.user);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': "
                             "{'qom-type': 'shadow-guest', 'id': %s, "
                             "'secret': 'key0'}}", name.guest);
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-add', 'arguments': "
                             "{'id': %s, 'backend': {'type': 'socket', "
                             "'data': {'wait': false, 'addr': {'type': 'unix',"
                             " 'data': {'path': %s}}}}}}", name.user, path);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'id': %s, "
                             "'guest': %s, 'chardev': %s}}", name.device,
                             name.guest, name.user);
}

static void remove_guest(QTestState *qts, unsigned n)
{
    Names name = names(n);

    qtest_qmp_assert_success(qts, "{'execute': 'device_del', 'arguments': "
                             "{'id': %s}}", name.device);
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-remove', "
                             "'arguments': {'id': %s}}", name.user);
    shadow_object_del(qts, name.guest);
}

static unsigned count_lines(const char *path, const char *start)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned n = 0;

    if (g_file_get_contents(path, &text, NULL, NULL)) {
        lines = g_strsplit(text, "\n", 0);
        for (unsigned i = 0; lines[i]; i++) {
            n += g_str_has_prefix(lines[i], start);
        }
    }
    return n;
}

typedef struct Descriptors {
    unsigned open;
    unsigned watched;           /* by an epoll */
} Descriptors;

static Descriptors descriptors(QTestState *qts)
{
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
    Descriptors d = { };
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(fds, name, NULL);
        g_autofree char *info = g_strdup_printf("/proc/%d/fdinfo/%s",
                                                qtest_pid(qts), name);
        g_autofree char *what = g_file_read_link(link, NULL);

        d.open++;
        if (what && strstr(what, "eventpoll")) {
            d.watched += count_lines(info, "tfd:");
        }
    }
    return d;
}

static void wait_watched(QTestState *qts, unsigned watched)
{
    for (unsigned i = 0; descriptors(qts).watched != watched; i++) {
        if (i == 2000) {
            g_assert_cmpuint(descriptors(qts).watched, ==, watched);
        }
        g_usleep(10000);
    }
}

static void assert_works(QTestState *qts, unsigned n)
{
    Names name = names(n);
    int user;

    g_assert_cmpuint(le16_to_cpu(shadow_query_call(qts, name.guest).devices),
                     ==, 1);
    shadow_bind(qts, name.guest, SHADOW_PROCESS + (n + 1) * 0x10000, 1);
    user = user_connect(name.user);
    user_send(user, name.guest);
    uart_expect(qts, COM1, name.guest);
    uart_write(qts, COM1, name.device);
    user_expect(user, name.device);
    close(user);
}

/*
 * Guests are added and removed twice, so that what removal leaves, and the
 * next do not use, counts too.
 */
static void test_idle(void)
{
    struct rlimit files;
    QTestState *qts = shadow_start("", " ");
    unsigned none = descriptors(qts).watched;
    Descriptors before;
    unsigned memory;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 3 * GUESTS) {
        g_test_skip("too few files may be open");
        qtest_quit(qts);
        return;
    }
    add_guest(qts, GUESTS);
    wait_watched(qts, none + WATCHED_IDLE);
    before = descriptors(qts);
    memory = shadow_memory(qts);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 0; n < GUESTS; n++) {
            add_guest(qts, n);
        }
        shadow_assert_memory(qts, memory, GUESTS * IDLE_MAX_KIB);
        wait_watched(qts, before.watched + GUESTS * WATCHED_IDLE);
        assert_works(qts, 0);
        assert_works(qts, GUESTS - 1);
        for (unsigned n = 0; n < GUESTS; n++) {
            remove_guest(qts, n);
        }
        wait_watched(qts, before.watched);
        g_assert_cmpuint(descriptors(qts).open, ==, before.open);
    }
    qtest_quit(qts);
}

/* What it costs the machine that runs: nothing */
static void test_no_view(void)
{
    g_autofree char *path = shadow_path("trace");
    g_autofree char *args = g_strdup_printf("-D %s -trace flatview_new", path);
    QTestState *qts = shadow_start("", args);
    unsigned views = count_lines(path, "flatview_new");

    g_assert_cmpuint(views, >, 0);
    add_guest(qts, 0);
    remove_guest(qts, 0);
    g_assert_cmpuint(count_lines(path, "flatview_new"), ==, views);
    qtest_quit(qts);
}

static void add_com(QTestState *qts, const char *id, const char *chardev,
                    unsigned iobase)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': "
                             "{'driver': 'shadow-serial', 'guest': 'vm1', "
                             "'id': %s, 'chardev': %s, 'iobase': %u}}", id,
                             chardev, iobase);
}

/* vm1 with com1, of which @idle descriptors are watched then */
static QTestState *start_com1(unsigned *idle)
{
    QTestState *qts = shadow_start("", SHADOW_CHARDEV, shadow_dir);

    *idle = descriptors(qts).watched + WATCHED_IDLE;
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    add_com(qts, "com1", "c0", COM1);
    wait_watched(qts, *idle);
    return qts;
}

/* As many as the test itself has open */
static bool raise_files(unsigned n)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < n) {
        return false;
    }
    files.rlim_cur = files.rlim_max;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
    return true;
}

/*
 * Many who read one console: each costs what a console costs, all get what is
 * written, and when they have gone nothing is left of them.
 */
static void test_readers(void)
{
    static DoorUser *users[GUESTS];
    struct rlimit files;
    QTestState *qts;
    Descriptors before;
    unsigned idle, memory;

    getrlimit(RLIMIT_NOFILE, &files);
    if (!raise_files(3 * GUESTS)) {
        g_test_skip("too few files may be open");
        return;
    }
    qts = start_com1(&idle);
    door_add(qts, ", 'max-clients': 1000");
    wait_watched(qts, idle + WATCHED_IDLE);
    before = descriptors(qts);
    memory = shadow_memory(qts);
    for (unsigned n = 0; n < GUESTS; n++) {
        users[n] = door_enter("door", "reader");
        door_start(users[n], SHADOW_WIRE_FROM_END, 0);
        door_ping(users[n]);
    }
    shadow_assert_memory(qts, memory, GUESTS * IDLE_MAX_KIB);
    wait_watched(qts, before.watched + GUESTS * WATCHED_IDLE);
    uart_write(qts, COM1, "to all");
    for (unsigned n = 0; n < GUESTS; n++) {
        door_expect_output(users[n], "to all");
        door_leave(users[n]);
    }
    wait_watched(qts, before.watched);
    g_assert_cmpuint(descriptors(qts).open, ==, before.open);
    qtest_quit(qts);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
}

/* The main loop has no part in it: see shadow-loop.h */
static void test_watched(void)
{
    unsigned idle;
    QTestState *qts = start_com1(&idle);
    int user = user_connect("c0");

    shadow_wait_connected(qts, "com1", true);
    wait_watched(qts, idle);
    close(user);
    shadow_wait_connected(qts, "com1", false);
    wait_watched(qts, idle);
    qtest_quit(qts);
}

/*
 * An open file that someone else keeps, after it was closed here, would be
 * watched, and wake the main loop, for ever.
 */
static void test_kept_open(void)
{
    unsigned idle;
    QTestState *qts = start_com1(&idle);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    qtest_qmp_fds_assert_success(qts, &pair[1], 1, "{'execute': 'getfd', "
                                 "'arguments': {'fdname': 'user'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'add_client', 'arguments': "
                             "{'protocol': 'c0', 'fdname': 'user'}}");
    shadow_wait_connected(qts, "com1", true);
    user_send(pair[0], "typed");
    uart_expect(qts, COM1, "typed");
    shutdown(pair[0], SHUT_RDWR);
    shadow_wait_connected(qts, "com1", false);
    wait_watched(qts, idle);
    close(pair[0]);
    close(pair[1]);
    pair[0] = user_connect("c0");
    user_send(pair[0], "again");
    uart_expect(qts, COM1, "again");
    close(pair[0]);
    qtest_quit(qts);
}

static void limit_files(QTestState *qts, rlim_t limit)
{
    struct rlimit files;

    prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &files);
    files.rlim_cur = limit;
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, &files, NULL), ==,
                    0);
}

/* It may still poll those that it has. */
static void limit_files_to_those_open(QTestState *qts)
{
    rlim_t lowest = 0;

    for (; ; lowest++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo/%u",
                                                qtest_pid(qts),
                                                (unsigned)lowest);

        if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
            limit_files(qts, lowest);
            return;
        }
    }
}

/* What has no descriptors for a loop of its own has the main loop's. */
static void test_no_descriptors(void)
{
    QTestState *qts = shadow_start("", SHADOW_CHARDEV "-chardev socket,id=c1,"
                                   "path=%s/c1,server=on,wait=off",
                                   shadow_dir, shadow_dir);
    unsigned none = descriptors(qts).watched;
    int user;

    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    limit_files_to_those_open(qts);
    add_com(qts, "com1", "c0", COM1);
    limit_files(qts, 1000);
    add_com(qts, "com2", "c1", COM2);
    wait_watched(qts, none + WATCHED_IDLE);
    qtest_qmp_device_del(qts, "com2");
    limit_files_to_those_open(qts);
    add_com(qts, "com2", "c1", COM2);
    wait_watched(qts, none);
    limit_files(qts, 1000);
    for (unsigned i = 0; i < 2; i++) {
        user = user_connect(i ? "c1" : "c0");
        user_send(user, "typed");
        uart_expect(qts, i ? COM2 : COM1, "typed");
        close(user);
    }
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-scale/no-view", test_no_view);
    qtest_add_func("/shadow-scale/readers", test_readers);
    qtest_add_func("/shadow-scale/idle", test_idle);
    qtest_add_func("/shadow-scale/watched", test_watched);
    qtest_add_func("/shadow-scale/kept-open", test_kept_open);
    qtest_add_func("/shadow-scale/no-descriptors", test_no_descriptors);
    return shadow_test_run();
}
