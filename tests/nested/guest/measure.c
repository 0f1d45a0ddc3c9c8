/*
 * What the benchmarks have a guest do; it runs in the user VM and, for what is
 * compared with that, in the cloud VM.
 *
 *     measure output BYTES         lines of text, between two marks
 *     measure input BYTES          says READY, reads so many, says DONE
 *     measure echo                 the terminal echoes until a ^D comes
 *     measure port PORT COUNT      nanoseconds that a read of a port takes
 *     measure write PAGES RATE     writes to so many in turn, RATE a second
 *
 * and of some thousands of parts the fastest, which nothing has interrupted:
 *
 *     measure access PORT COUNT    the same
 *     measure cpuid COUNT          the same of CPUID, with which L1 is asked
 *     measure loop COUNT           of a step with arithmetic and memory
 *     measure read FILE            of reading a KiB, past the page cache
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <stdbool.h>
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
#define MANY     2000
#define PAGE     4096
#define READ_SIZE (128 << 10)
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

/* COUNT times in all, in some parts; their nanoseconds, the least first */
static double *parts_of(unsigned parts, void (*what)(long), long count)
{
    static double took[MANY];

    for (unsigned part = 0; part < parts; part++) {
        double start = now();

        for (long i = 0; i < count / parts; i++) {
            what(i);
        }
        took[part] = (now() - start) * 1e9 / (count / parts);
    }
    qsort(took, parts, sizeof(took[0]), by_size);
    return took;
}

static unsigned port_number;

static void do_port(long i)
{
    inb(port_number);
}

/* The median: what interrupts the loop is in few of the parts */
static int port(unsigned where, long count, bool least)
{
    if (ioperm(where, 1, 1)) {
        perror("measure");
        return 1;
    }
    port_number = where;
    printf("%.1f ns\n", least ? parts_of(MANY, do_port, count)[0]
                              : parts_of(PARTS, do_port, count)[PARTS / 2]);
    return 0;
}

static void do_cpuid(long i)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
}

static void do_step(long i)
{
    static uint32_t memory[1 << 17], at = 1;

    at = at * 1664525 + 1013904223;
    memory[at >> 15] += at ^ i;
}

/* Where it has been held up it does not hurry. */
static int write_pages(long pages, long rate)
{
    static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
    long each = rate / 100, at = 0;
    /* volatile: nobody reads it */
    volatile uint64_t *memory = aligned_alloc(PAGE, pages * PAGE);

    if (!memory || each < 1) {
        fprintf(stderr, "measure: no such memory\n");
        return 1;
    }
    for (uint64_t value = 1; ; value++) {
        for (long i = 0; i < each; i++, at = (at + 1) % pages) {
            memory[at * (PAGE / sizeof(*memory))] = value;
        }
        nanosleep(&pause, NULL);
    }
}

static int least(void (*what)(long), long count)
{
    printf("%.3f ns\n", parts_of(MANY, what, count)[0]);
    return 0;
}

static int read_past_cache(const char *path)
{
    static char buf[READ_SIZE] __attribute__((aligned(4096)));
    int fd = open(path, O_RDONLY | O_DIRECT);
    double best = 0, start = now();
    ssize_t n;

    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) == sizeof(buf)) {
        double took = now() - start;

        best = best && best < took ? best : took;
        start = now();
    }
    if (fd < 0 || n || !best) {
        perror("measure");
        return 1;
    }
    close(fd);
    printf("%.1f ns\n", best * 1e9 / (READ_SIZE >> 10));
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
        return port(n, number(argv[3]), false);
    }
    if (!strcmp(what, "write") && argc == 4) {
        return write_pages(n, number(argv[3]));
    }
    if (!strcmp(what, "access") && argc == 4) {
        return port(n, number(argv[3]), true);
    }
    if (!strcmp(what, "cpuid") && argc == 3) {
        return least(do_cpuid, n);
    }
    if (!strcmp(what, "loop") && argc == 3) {
        return least(do_step, n);
    }
    if (!strcmp(what, "read") && argc == 3) {
        return read_past_cache(argv[2]);
    }
    fprintf(stderr, "usage: measure output|input BYTES, measure echo, "
            "measure port|access PORT COUNT, measure cpuid|loop COUNT, "
            "measure read FILE, measure write PAGES RATE\n");
    return 2;
}
