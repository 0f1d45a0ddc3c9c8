/*
 * How fast a user VM is, told without its console.
 *
 *     measure-cpu          units of work for ever, and how long each has taken
 *     measure-cpu once     only says that it is there
 *
 * It says so, a line of nanoseconds each, on the port of QEMU's isa-debugcon.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PORT      0xe9
#define MEMORY    (4 << 20)
#define PAGE      4096

/* In one unit */
#define INTEGERS  4000000
#define WALKS     200000
#define COPIES    2
#define CALLS     10000
#define FAULTS    1000

static uint8_t memory[2 * MEMORY];
/* volatile: what nobody reads would not be worked out */
static volatile uint64_t result;

static void integers(void)
{
    uint64_t x = result | 1;

    for (int i = 0; i < INTEGERS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    result = x;
}

static void walk(void)
{
    uint64_t at = result;

    for (int i = 0; i < WALKS; i++) {
        at = at * 6364136223846793005ULL + 1442695040888963407ULL;
        memory[(at >> 33) % MEMORY] += i;
    }
    for (int i = 0; i < COPIES; i++) {
        memcpy(memory + MEMORY, memory, MEMORY);
    }
    result += memory[MEMORY + (at >> 33) % MEMORY];
}

static void calls(void)
{
    for (int i = 0; i < CALLS; i++) {
        result += syscall(SYS_getppid);
    }
}

static int faults(void)
{
    uint8_t *p = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("measure-cpu");
        return 1;
    }
    for (size_t i = 0; i < FAULTS; i++) {
        p[i * PAGE] = i;
    }
    munmap(p, FAULTS * PAGE);
    return 0;
}

/* By the kernel: QEMU without our patches refuses the port to a program. */
static int say(int64_t ns)
{
    int fd = open("/dev/port", O_WRONLY);
    char line[32];
    int n = snprintf(line, sizeof(line), "%lld\n", (long long)ns);

    for (int i = 0; i < n; i++) {
        if (pwrite(fd, line + i, 1, PORT) != 1) {
            perror("/dev/port");
            return 1;
        }
    }
    close(fd);
    return 0;
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int unit(void)
{
    integers();
    walk();
    calls();
    return faults();
}

int main(int argc, char **argv)
{
    int once = argc == 2 && !strcmp(argv[1], "once");

    if (argc > 1 && !once) {
        fprintf(stderr, "usage: measure-cpu [once]\n");
        return 2;
    }
    while (!once) {
        int64_t start = now();

        if (unit() || say(now() - start)) {
            return 1;
        }
    }
    return say(0);
}
