/*
 * Run tests, each in a process of its own, and print TAP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tap.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE 512

static char *tap_message; /* written by the test's process, read by the first */

void tap_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(tap_message, MESSAGE, format, args);
    va_end(args);
    fflush(stdout);
    _exit(1);
}

void tap_note(const char *format, ...)
{
    va_list args;

    fputs("# ", stdout);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static bool tap_one(const TapTest *test)
{
    int status;
    pid_t child;

    tap_message[0] = '\0';
    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(TAP_SECONDS);
        test->run();
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        snprintf(tap_message, MESSAGE, "no process for the test");
        return false;
    }
    if (WIFSIGNALED(status)) {
        snprintf(tap_message, MESSAGE,
                 WTERMSIG(status) == SIGALRM
                     ? "expected an end within %d s, saw none"
                     : "expected an end, saw signal %d",
                 WTERMSIG(status) == SIGALRM ? TAP_SECONDS : WTERMSIG(status));
    }
    return status == 0;
}

int tap_run(const TapTest *tests, unsigned n, const char *filter)
{
    unsigned planned = 0, number = 0, failed = 0;

    tap_message = mmap(NULL, MESSAGE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tap_message == MAP_FAILED) {
        puts("Bail out! no memory");
        return 2;
    }
    for (unsigned i = 0; i < n; i++) {
        planned += !filter || strstr(tests[i].name, filter);
    }
    printf("1..%u\n", planned);
    for (unsigned i = 0; i < n; i++) {
        if (filter && !strstr(tests[i].name, filter)) {
            continue;
        }
        number++;
        if (tap_one(&tests[i])) {
            printf("ok %u %s\n", number, tests[i].name);
        } else {
            printf("not ok %u %s # %s\n", number, tests[i].name, tap_message);
            failed++;
        }
    }
    fflush(stdout);
    return failed || !planned ? 1 : 0;
}
