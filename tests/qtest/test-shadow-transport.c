/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chardevs that are no stream with a user at its end.
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
    g_autofree char *text = g_strnfill(100000, 'x');
    uint16_t port;
    int user = udp_socket(&port);
    QTestState *qts = start_udp(port);

    close(user);
    uart_write(qts, COM1, text);
    uart_write(qts, COM1, "end");
    shadow_wait_count(qts, "com1", "output-sent", 100003);
    g_assert_cmpuint(shadow_count(qts, "com1", "output-dropped"), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    shadow_test_init(&argc, &argv);
    qtest_add_func("/shadow-transport/udp/talk", test_udp);
    qtest_add_func("/shadow-transport/udp/nobody-listens",
                   test_udp_nobody_listens);
    return shadow_test_run();
}
