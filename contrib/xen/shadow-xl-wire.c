/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two ends of shadow-xl-migrate read from, and write to. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "shadow-xl-migrate.h"

#define RELAY_SIZE (256 * 1024)

int wire_watch[WIRE_WATCH_MAX] = { -1, -1, -1 };

/*
 * Wait until @fd, or @other if it is not -1, is ready.  A descriptor that is
 * watched is waited for itself, too: what it still has to give is not lost.
 */
static bool wire_wait(int fd, short events, int other)
{
    struct pollfd p[2 + WIRE_WATCH_MAX] = {
        { .fd = fd, .events = events },
        { .fd = other, .events = POLLIN },
    };

    for (unsigned i = 0; i < WIRE_WATCH_MAX; i++) {
        p[2 + i].fd = wire_watch[i];
    }
    while (poll(p, 2 + WIRE_WATCH_MAX, -1) < 0) {
        if (errno != EINTR) {
            shadow_say("poll: %s", strerror(errno));
            return false;
        }
    }
    if (p[0].revents || p[1].revents) {
        return true;
    }
    shadow_say("xl or the other host has ended");
    return false;
}

bool wire_write(int fd, const void *buf, size_t len)
{
    const char *p = buf;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n > 0) {
            p += n;
            len -= n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wire_wait(fd, POLLOUT, -1)) {
                return false;
            }
        } else if (n < 0 && errno != EINTR) {
            shadow_say("the connection is closed: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

bool wire_read(int fd, void *buf, size_t len)
{
    char *p = buf;

    while (len) {
        ssize_t n;

        if (!wire_wait(fd, POLLIN, -1)) {
            return false;
        }
        n = read(fd, p, len);
        if (n > 0) {
            p += n;
            len -= n;
        } else if (!n || (errno != EINTR && errno != EAGAIN)) {
            shadow_say("the connection has ended%s%s", n ? ": " : "",
                       n ? strerror(errno) : "");
            return false;
        }
    }
    return true;
}

bool wire_read_line(int fd, char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!wire_read(fd, &line[i], 1)) {
            return false;
        }
        if (line[i] == '\n') {
            line[i] = 0;
            return true;
        }
    }
    shadow_say("the other end is no shadow-xl-migrate");
    return false;
}

bool wire_read_ok(int fd)
{
    char line[WIRE_LINE_MAX];

    if (!wire_read_line(fd, line, sizeof(line))) {
        return false;
    }
    if (!strcmp(line, "ok")) {
        return true;
    }
    for (char *p = line; *p; p++) {
        *p = *p < ' ' || *p > '~' ? '?' : *p;
    }
    shadow_say("the other host: %s", line);
    return false;
}

bool wire_pass(int from, int to, const char *message, size_t len)
{
    char buf[128];

    if (len > sizeof(buf) || !wire_read(from, buf, len)) {
        return false;
    }
    if (memcmp(buf, message, len)) {
        shadow_say("xl has said something else than \"%.*s\"",
                   (int)strcspn(message, "\n"), message);
        return false;
    }
    return to == -1 || wire_write(to, buf, len);
}

bool wire_relay(int from, int to, int until)
{
    static char buf[RELAY_SIZE];

    for (;;) {
        struct pollfd p[2] = {
            { .fd = from, .events = POLLIN },
            { .fd = until, .events = POLLIN },
        };
        ssize_t n;

        if (!wire_wait(from, POLLIN, until)) {
            return false;
        }
        if (poll(p, 2, 0) < 0) {
            continue;
        }
        if (p[1].revents) {
            return true;
        }
        if (!p[0].revents) {
            continue;
        }
        n = read(from, buf, sizeof(buf));
        if (!n || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            shadow_say("xl has ended");
            return false;
        }
        if (n > 0 && !wire_write(to, buf, n)) {
            return false;
        }
    }
}

bool wire_spawn(char *const argv[], pid_t *pid, int *to, int *from)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) {
        shadow_say("pipe: %s", strerror(errno));
        return false;
    }
    *pid = fork();
    if (*pid < 0) {
        shadow_say("fork: %s", strerror(errno));
        return false;
    }
    if (!*pid) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp(argv[0], argv);
        shadow_say("%s: %s", argv[0], strerror(errno));
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *to = in[1];
    *from = out[0];
    fcntl(*to, F_SETFL, O_NONBLOCK);
    return true;
}
