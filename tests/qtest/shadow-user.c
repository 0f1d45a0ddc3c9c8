/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user of a console, as the tests of the shadow devices play him.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <poll.h>
#include <sys/un.h>
#include "shadow-common.h"

int user_connect(const char *name)
{
    g_autofree char *path = shadow_path(name);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    0);
    return fd;
}

void user_send(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==,
                    strlen(text));
}

ssize_t user_receive(int fd, char *buf, size_t len)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&pfd, 1, SHADOW_HANGS_US / 1000), ==, 1);
    return read(fd, buf, len);
}

void user_expect(int fd, const char *text)
{
    size_t len = strlen(text), have = 0;
    g_autofree char *buf = g_malloc0(len + 1);

    while (have < len) {
        ssize_t n = user_receive(fd, buf + have, len - have);

        g_assert_cmpint(n, >, 0);
        have += n;
    }
    g_assert_cmpstr(buf, ==, text);
}

/* To be called when QEMU has had its turn: after a QMP command, say */
void user_expect_nothing(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&pfd, 1, 50), ==, 0);
}

void user_expect_end(int fd)
{
    char c;

    g_assert_cmpint(user_receive(fd, &c, 1), ==, 0);
    close(fd);
}

void user_expect_line(int fd, const char *what, unsigned input,
                      unsigned output)
{
    g_autofree char *text = NULL;

    text = g_strdup_printf("\r\n[shadow-serial vm1/com1: %s, input=%u "
                           "output=%u]\r\n", what, input, output);
    user_expect(fd, text);
}

void user_expect_notice(int fd, const char *what, unsigned input,
                        unsigned output)
{
    user_expect_line(fd, what, input, output);
    user_expect_end(fd);
}

void pipe_user_start(PipeUser *p, unsigned filled)
{
    g_autofree char *filler = g_strnfill(filled, '.');

    p->base = shadow_path("pipe");
    p->in = g_strconcat(p->base, ".in", NULL);
    p->out = g_strconcat(p->base, ".out", NULL);
    g_assert_cmpint(mkfifo(p->in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(p->out, 0600), ==, 0);
    p->to = open(p->in, O_RDWR);
    p->from = open(p->out, O_RDWR);
    g_assert_cmpint(fcntl(p->from, F_SETPIPE_SZ, PIPE_USER_SIZE), ==,
                    PIPE_USER_SIZE);
    g_assert_cmpint(write(p->from, filler, filled), ==, filled);
}

void pipe_user_send(PipeUser *p, const char *text)
{
    g_assert_cmpint(write(p->to, text, strlen(text)), ==, strlen(text));
}

void pipe_user_end(PipeUser *p)
{
    close(p->to);
    close(p->from);
    g_unlink(p->in);
    g_unlink(p->out);
    g_free(p->in);
    g_free(p->out);
    g_free(p->base);
}
