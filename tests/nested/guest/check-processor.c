/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs expect of a processor and its kernel, whoever runs them: PASS
 * or FAIL for each.  As root.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "check-processor.h"

static void check(const char *what, int good)
{
    printf("%s %s\n", good ? "PASS" : "FAIL", what);
    fflush(stdout);
}

/* What the traced child runs, and changes */
static volatile uint64_t watched;       /* by the assembler's code */

__asm__(".text\n"
        "traced:\n"
        "traced_0: xorl %eax, %eax\n"
        "traced_1: cpuid\n"             /* an exit to L1 */
        "traced_2: rdtsc\n"
        "traced_3: movq $7, watched(%rip)\n"
        "traced_4: nop\n"
        "traced_end: ret\n");

static pid_t start_traced(void)
{
    pid_t child = fork();

    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        __asm__ volatile("call traced" : : : "rax", "rbx", "rcx", "rdx",
                         "memory");
        _exit(watched == 7 ? 0 : 1);
    }
    waitpid(child, NULL, 0);
    return child;
}

static uint64_t rip_of(pid_t child)
{
    struct user_regs_struct regs = { 0 };

    ptrace(PTRACE_GETREGS, child, 0, &regs);
    return regs.rip;
}

static int debug_register(pid_t child, int n, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, child,
                  offsetof(struct user, u_debugreg) + n * 8, value) == 0;
}

/* Goes on until it stops: true if that is for a trap */
static int goes_on(pid_t child, int how)
{
    int status;

    ptrace(how, child, 0, 0);
    return waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
           WSTOPSIG(status) == SIGTRAP;
}

static int ends_well(pid_t child)
{
    int status;

    ptrace(PTRACE_CONT, child, 0, 0);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void check_steps(void)
{
    const char *places[] = { traced_1, traced_2, traced_3, traced_4,
                             traced_end };
    pid_t child = start_traced();
    int good = debug_register(child, 0, (uintptr_t)traced_0) &&
               debug_register(child, 7, 1) && goes_on(child, PTRACE_CONT);

    check("a hardware breakpoint",
          good && rip_of(child) == (uintptr_t)traced_0);
    debug_register(child, 7, 0);
    for (int i = 0; i < 5; i++) {
        good = good && goes_on(child, PTRACE_SINGLESTEP) &&
               rip_of(child) == (uintptr_t)places[i];
    }
    check("single steps, one of an instruction that leaves to L1", good);
    check("the program that was stepped through ends well", ends_well(child));
}

static void check_watchpoint(void)
{
    pid_t child = start_traced();
    int good = debug_register(child, 0, (uintptr_t)&watched) &&
               debug_register(child, 7, 1 | 0x9 << 16) &&
               goes_on(child, PTRACE_CONT);

    check("a watchpoint", good && rip_of(child) == (uintptr_t)traced_4);
    debug_register(child, 7, 0);
    check("the program that was watched ends well", ends_well(child));
}

/* As strace does */
static void check_syscalls(void)
{
    pid_t child = fork();
    int stops = 0;

    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (int i = 0; i < 50; i++) {
            syscall(SYS_getppid);
        }
        _exit(0);
    }
    waitpid(child, NULL, 0);
    while (goes_on(child, PTRACE_SYSCALL)) {
        stops++;
    }
    check("system calls are traced", stops == 101);
}

/* Signals */

static volatile sig_atomic_t alarms, answers;

static void on_alarm(int sig)
{
    alarms++;
}

static void on_answer(int sig)
{
    answers++;
}

static void handle(int sig, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigaction(sig, &action, NULL);
}

static void check_signals(void)
{
    struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0 } };
    pid_t parent = getpid(), child;
    int rounds = 500, status;
    sigset_t usr, before;

    handle(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    while (alarms < 50) {
        pause();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    check("a timer's signals", 1);

    handle(SIGUSR1, on_answer);
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr, &before);
    child = fork();
    for (int i = 0; i < rounds; i++) {
        if (!child) {
            kill(parent, SIGUSR1);
        }
        while (answers <= i) {
            sigsuspend(&before);
        }
        if (child) {
            kill(child, SIGUSR1);
        }
    }
    if (!child) {
        _exit(answers == rounds ? 0 : 1);
    }
    waitpid(child, &status, 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    check("signals to and fro", answers == rounds && !status);
}

/* Registers beyond the general ones */

/* Fills them with what the process has alone; false if one is another then. */
static int keep_registers(uint64_t seed, int rounds, int avx)
{
    uint64_t in[8], out[8];
    double d = seed, e;

    for (int i = 0; i < 8; i++) {
        in[i] = seed * 0x9e3779b97f4a7c15 + i;
    }
    for (int round = 0; round < rounds; round++) {
        if (avx) {
            __asm__ volatile("vmovdqu (%2), %%ymm3\n\t"
                             "vmovdqu 32(%2), %%ymm15\n\t"
                             "fldl %4\n\tmovl %3, %%eax\n\tsyscall\n\t"
                             "xorl %%eax, %%eax\n\tcpuid\n\tfstpl %0\n\t"
                             "vmovdqu %%ymm3, (%1)\n\tvmovdqu %%ymm15, 32(%1)"
                             : "=m"(e) : "D"(out), "S"(in),
                             "i"(SYS_sched_yield), "m"(d)
                             : "rax", "rbx", "rcx", "rdx", "r11",
                             "xmm3", "xmm15", "memory");
        } else {
            __asm__ volatile("movdqu (%2), %%xmm3\n\t"
                             "movdqu 16(%2), %%xmm7\n\t"
                             "movdqu 32(%2), %%xmm14\n\t"
                             "movdqu 48(%2), %%xmm15\n\t"
                             "fldl %4\n\tmovl %3, %%eax\n\tsyscall\n\t"
                             "xorl %%eax, %%eax\n\tcpuid\n\tfstpl %0\n\t"
                             "movdqu %%xmm3, (%1)\n\tmovdqu %%xmm7, 16(%1)\n\t"
                             "movdqu %%xmm14, 32(%1)\n\t"
                             "movdqu %%xmm15, 48(%1)"
                             : "=m"(e) : "D"(out), "S"(in),
                             "i"(SYS_sched_yield), "m"(d)
                             : "rax", "rbx", "rcx", "rdx", "r11",
                             "xmm3", "xmm7", "xmm14", "xmm15", "memory");
        }
        if (memcmp(in, out, sizeof(in)) || d != e) {
            return 0;
        }
    }
    return 1;
}

static void check_registers(int avx)
{
    int good = 1, status;

    for (int n = 1; n <= 6; n++) {
        if (!fork()) {
            _exit(keep_registers(n, 2000, avx) ? 0 : 1);
        }
    }
    while (wait(&status) > 0) {
        good = good && !status;
    }
    check(avx ? "AVX and x87 registers of six processes"
              : "SSE and x87 registers of six processes", good);
}

static void check_perf(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
        .config = PERF_COUNT_SW_TASK_CLOCK,
    };
    int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    uint64_t count = 0;

    for (int i = 0; i < 1000000; i++) {
        __asm__ volatile("" : : : "memory");
    }
    check("perf counts by the clock",
          fd >= 0 && read(fd, &count, sizeof(count)) == sizeof(count) && count);
}

static unsigned pit(void)
{
    unsigned low;

    outb(0, 0x43);
    low = inb(0x40);
    return inb(0x40) << 8 | low;
}

/* In the mode that it has; it is not set anew under the kernel. */
static void check_pit(void)
{
    unsigned first, tries = 100000;

    outb(0x34, 0x43);           /* a rate, of the greatest period */
    outb(0, 0x40);
    outb(0, 0x40);
    first = pit();
    while (tries && pit() == first) {
        tries--;
    }
    check("the PIT counts", tries);
}

static void check_clocks(void)
{
    struct timespec last = { 0 }, now;
    int good = 1;

    for (int i = 0; i < 100000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        good = good && (now.tv_sec > last.tv_sec ||
                        (now.tv_sec == last.tv_sec &&
                         now.tv_nsec >= last.tv_nsec));
        last = now;
        if (i % 1000 == 0) {
            sched_yield();
        }
    }
    check("the clock never goes back", good);
}

int main(void)
{
    if (iopl(3)) {
        perror("check-processor");
        return 1;
    }
    check_steps();
    check_watchpoint();
    check_syscalls();
    check_signals();
    check_registers(0);
    if (__builtin_cpu_supports("avx")) {
        check_registers(1);
    }
    check_perf();
    check_pit();
    check_clocks();
    return 0;
}
