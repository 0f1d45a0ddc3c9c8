/*
 * Preloaded into the outer QEMU: counts what it asks of KVM, into the file that
 * SHADOW_COUNTS names.  lab/counted.py reads it.
 *
 * An ioctl belongs to what its thread came out of KVM_RUN with: what it takes
 * to serve a port access of a nested guest is counted apart from all else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ioctl.h"

/* Linux 6.12's; Debian 12's headers are older */
#ifndef KVM_RUN_X86_GUEST_MODE
#define KVM_RUN_X86_GUEST_MODE (1 << 2)
#endif

typedef enum Kind {
    KIND_PORT,                  /* an access to a port, of a nested guest */
    KIND_NESTED,                /* a nested guest, for any other reason */
    KIND_CLOUD,                 /* the cloud VM itself */
    KIND_OTHER,                 /* threads that are no CPU's */
    KINDS
} Kind;

typedef struct Counts {
    struct {
        uint64_t exits, ioctls, bytes;
    } of[KINDS];
    uint64_t kicks;
} Counts;

static Counts nowhere, *counts = &nowhere;
static __thread Kind kind = KIND_OTHER;
static __thread const struct kvm_run *cpu_run;

static void *map_page(int fd, int protection)
{
    void *page = mmap(NULL, 4096, protection, MAP_SHARED, fd, 0);

    return page == MAP_FAILED ? NULL : page;
}

static void __attribute__((constructor)) counts_init(void)
{
    const char *path = getenv("SHADOW_COUNTS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    void *page = NULL;

    if (fd >= 0 && ftruncate(fd, sizeof(Counts)) == 0) {
        page = map_page(fd, PROT_READ | PROT_WRITE);
    }
    counts = page ? page : &nowhere;
}

static void add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Of what has a variable length, all of a nested state, and else the header */
static uint64_t bytes_copied(unsigned long request, const void *arg)
{
    uint64_t once = _IOC_SIZE(request);

    if (request == KVM_GET_NESTED_STATE || request == KVM_SET_NESTED_STATE) {
        return ((const struct kvm_nested_state *)arg)->size;
    }
    return once * (!!(_IOC_DIR(request) & _IOC_READ) +
                   !!(_IOC_DIR(request) & _IOC_WRITE));
}

static void count_exit(int fd, int result)
{
    if (!cpu_run) {
        cpu_run = map_page(fd, PROT_READ);
    }
    kind = KIND_CLOUD;
    if (cpu_run && cpu_run->flags & KVM_RUN_X86_GUEST_MODE) {
        kind = result == 0 && cpu_run->exit_reason == KVM_EXIT_IO
               ? KIND_PORT : KIND_NESTED;
    }
    add(&counts->of[kind].exits, 1);
}

static int seen_ioctl(int fd, unsigned long request, void *arg)
{
    int result = next_ioctl(fd, request, arg), error = errno;

    if (request == KVM_RUN) {
        count_exit(fd, result);
    } else if (_IOC_TYPE(request) == KVMIO) {
        add(&counts->of[kind].ioctls, 1);
        add(&counts->of[kind].bytes, bytes_copied(request, arg));
    }
    errno = error;
    return result;
}

int pthread_kill(pthread_t thread, int signal)
{
    int (*next)(pthread_t, int) = dlsym(RTLD_NEXT, "pthread_kill");

    /* QEMU's SIG_IPI */
    if (signal == SIGUSR1) {
        add(&counts->kicks, 1);
    }
    return next(thread, signal);
}
