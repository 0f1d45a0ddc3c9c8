/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a chardev is besides a connection of its user: datagrams, a log.
 */
#include "qemu/osdep.h"
#include "shadow-common.h"

/* A socket for datagrams on any port of this host */
static int udp_socket(uint16_t *port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = { .tv_sec = 20 };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&addr, &len), ==, 0);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
                               sizeof(limit)), ==, 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* Lets @fd talk to whom the datagrams come from. */
static void udp_expect(int fd, const char *text)
{
    size_t len = strlen(text), have = 0;
    g_autofree char *got = g_malloc0(len + 1);
    struct sockaddr_in from;
    socklen_t size = sizeof(from);

    while (have < len) {
        ssize_t n = recvfrom(fd, got + have, len - have, MSG_TRUNC,
                             (struct sockaddr *)&from, &size);

        g_assert_cmpint(n, >, 0);
        g_assert_cmpint(n, <=, len - have);
        have += n;
    }
    g_assert_cmpstr(got, ==, text);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&from, size), ==, 0);
}

static QTestState *start_udp(uint16_t port)
{
    QTestState *qts;

    qts = shadow_start("", "-chardev udp,id=c0,host=127.0.0.1,port=%d "
                       "-device shadow-serial,guest=vm1,chardev=c0,id=com1",
                       port);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

static void test_udp(void)
{
    uint16_t port;
    int user = udp_socket(&port);
    QTestState *qts = start_udp(port);

    uart_write(qts, COM1, "login: ");
    udp_expect(user, "login: ");
    user_send(user, "root\r");
    uart_expect(qts, COM1, "root\r");
    uart_write(qts, COM1, "Password: ");
    udp_expect(user, "Password: ");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-sent"), ==, 17);
    close(user);
    qtest_quit(qts);
}

/* The host says so of a datagram when the next one is to be sent. */
static void test_udp_nobody_listens(void)
{
    g_autofree char *text = g_strnfill(20000, 'x');
    uint16_t port;
    int user = udp_socket(&port);
    QTestState *qts = start_udp(port);

    close(user);
    uart_write(qts, COM1, text);
    uart_write(qts, COM1, "end");
    shadow_wait_count(qts, "com1", "output-sent", 20003);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 0);
    qtest_quit(qts);
}

#define SHADOW_CHARDEV_LOG \
    "-chardev socket,id=c0,path=%s/c0,server=on,wait=off,logfile=%s "

static void log_expect(const char *path, const char *text)
{
    g_autofree char *got = NULL;

    g_assert_true(g_file_get_contents(path, &got, NULL, NULL));
    g_assert_cmpstr(got, ==, text);
}

static QTestState *start_log(const char *path, const char *props)
{
    QTestState *qts;

    qts = shadow_start("", SHADOW_CHARDEV_LOG "-device shadow-serial,guest=vm1,"
                       "chardev=c0,id=com1%s", shadow_dir, path, props);
    shadow_bind(qts, "vm1", SHADOW_PROCESS, 0);
    return qts;
}

/* All the guest's output, once, with a user and without */
static void test_log(void)
{
    g_autofree char *path = shadow_path("log");
    QTestState *qts = start_log(path, ",replay=history");
    int user;

    uart_write(qts, COM1, "one ");
    log_expect(path, "one ");
    user = user_connect("c0");
    user_expect(user, "one ");
    uart_write(qts, COM1, "two ");
    user_expect(user, "two ");
    log_expect(path, "one two ");
    close(user);
    shadow_wait_connected(qts, "com1", false);
    uart_write(qts, COM1, "three ");
    user = user_connect("c0");
    user_expect(user, "one two three ");
    log_expect(path, "one two three ");
    close(user);
    qtest_quit(qts);
}

/* What the ring overwrites before a user comes is in the log. */
static void test_log_of_lost_output(void)
{
    g_autofree char *path = shadow_path("lost");
    QTestState *qts = start_log(path, ",output-size=4");

    uart_write(qts, COM1, "kernel panic");
    log_expect(path, "kernel panic");
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 8);
    qtest_quit(qts);
}

/* What was written at the other host stays in that one's log. */
static void test_log_moves(void)
{
    g_autofree char *here = shadow_path("here");
    g_autofree char *there = shadow_path("there");
    QTestState *from = start_log(here, "");
    QTestState *to;
    int user;

    uart_write(from, COM1, "one ");
    to = shadow_start(",incoming=on",
                      "-chardev socket,id=c0,path=%s/d0,server=on,wait=off,"
                      "logfile=%s -device shadow-serial,guest=vm1,chardev=c0,"
                      "id=com1", shadow_dir, there);
    shadow_bind(to, "vm1", SHADOW_PROCESS, 0);
    shadow_move(from, to);
    shadow_run(to);
    uart_write(to, COM1, "two ");
    user = user_connect("d0");
    user_expect(user, "one two ");
    log_expect(here, "one ");
    log_expect(there, "two ");
    close(user);
    qtest_quit(from);
    qtest_quit(to);
}

/* A log that takes nothing holds nobody up. */
static void test_log_full(void)
{
    QTestState *qts = start_log("/dev/full", "");
    int user = user_connect("c0");

    uart_write(qts, COM1, "goes on");
    user_expect(user, "goes on");
    close(user);
    qtest_quit(qts);
}

static void test_log_of_another_chardev(void)
{
    g_autofree char *first = shadow_path("first");
    g_autofree char *next = shadow_path("next");
    QTestState *qts = start_log(first, "");

    uart_write(qts, COM1, "one ");
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-change', 'arguments': {"
                             "'id': 'c0', 'backend': {'type': 'null', 'data': {"
                             "'logfile': %s}}}}", next);
    uart_write(qts, COM1, "two ");
    log_expect(first, "one ");
    log_expect(next, "two ");
    /* the log goes back with the chardev */
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-change', 'arguments': {"
                             "'id': 'c0', 'backend': {'type': 'null', 'data': {"
                             "'logfile': %s, 'logappend': true}}}}", next);
    uart_write(qts, COM1, "three");
    log_expect(next, "two three");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-transport/udp/talk", test_udp);
    qtest_add_func("/shadow-transport/udp/nobody-listens",
                   test_udp_nobody_listens);
    qtest_add_func("/shadow-transport/log/all-once", test_log);
    qtest_add_func("/shadow-transport/log/lost", test_log_of_lost_output);
    qtest_add_func("/shadow-transport/log/moves", test_log_moves);
    qtest_add_func("/shadow-transport/log/full", test_log_full);
    qtest_add_func("/shadow-transport/log/change", test_log_of_another_chardev);
    return shadow_test_run();
}
