/*
 * What the benchmarks have a guest do; it runs in the user VM and, for what is
 * compared with that, in the cloud VM.
 *
 *     measure output BYTES         lines of text, between two marks
 *     measure input BYTES          says READY, reads so many, says DONE
 *     measure echo                 the terminal echoes until a ^D comes
 *     measure port PORT COUNT      nanoseconds that a read of a port takes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE_LEN 64
#define PARTS    25
#define LINES    32 /* in one write, as a program with a buffer does */

static long number(const char *text)
{
    long n = 0;

    sscanf(text, "%li", &n);
    return n;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void put(const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n < 0) {
            perror("measure");
            exit(1);
        }
        data += n;
        len -= n;
    }
}

static void say(const char *text)
{
    put(text, strlen(text));
}

/* The terminal makes two characters of each newline; both are counted. */
static int output(size_t bytes)
{
    char text[LINES * (LINE_LEN - 1)];

    for (size_t i = 0; i < sizeof(text); i++) {
        size_t column = i % (LINE_LEN - 1);

        text[i] = column == LINE_LEN - 2 ? '\n' : '0' + column;
    }
    say("@BEGIN@\n");
    for (size_t done = 0; done < bytes; done += LINES * LINE_LEN) {
        put(text, sizeof(text));
    }
    say("@END@\n");
    return 0;
}

static void set_raw(int echo)
{
    struct termios t;

    tcgetattr(STDIN_FILENO, &t);
    cfmakeraw(&t);
    t.c_lflag |= echo ? ECHO : 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static int input(size_t bytes)
{
    struct termios before;
    char buf[4096];
    size_t done = 0;

    tcgetattr(STDIN_FILENO, &before);
    set_raw(0);
    say("@READY@\n");
    while (done < bytes) {
        ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

        if (n <= 0) {
            perror("measure");
            return 1;
        }
        done += n;
    }
    say("@DONE@\n");
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return 0;
}

static int echo(void)
{
    struct termios before;
    char c = 0;

    tcgetattr(STDIN_FILENO, &before);
    set_raw(1);
    say("@READY@\n");
    while (c != 4 && read(STDIN_FILENO, &c, 1) == 1) {
        continue;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of some parts: what interrupts the loop is in few of them */
static int port(unsigned where, unsigned count)
{
    double parts[PARTS];

    if (ioperm(where, 1, 1)) {
        perror("measure");
        return 1;
    }
    for (unsigned part = 0; part < PARTS; part++) {
        double start = now();

        for (unsigned i = 0; i < count / PARTS; i++) {
            inb(where);
        }
        parts[part] = (now() - start) * 1e9 / (count / PARTS);
    }
    qsort(parts, PARTS, sizeof(parts[0]), by_size);
    printf("%.1f ns\n", parts[PARTS / 2]);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? number(argv[2]) : 0;

    if (!strcmp(what, "output") && argc == 3) {
        return output(n);
    }
    if (!strcmp(what, "input") && argc == 3) {
        return input(n);
    }
    if (!strcmp(what, "echo") && argc == 2) {
        return echo();
    }
    if (!strcmp(what, "port") && argc == 4) {
        return port(n, number(argv[3]));
    }
    fprintf(stderr, "usage: measure output|input BYTES, measure echo, "
            "measure port PORT COUNT\n");
    return 2;
}
