/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What root of a cloud VM may pass to ultracalls: buffers that are valid, but
 * not there yet.
 *
 *     attack-paging GUEST
 */
#include "attack-calls.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The same, but touches what the doorbell could not reach */
static Outcome call_touching(Transport t, const Call *c, uint8_t *buf,
                             uint64_t len)
{
    Outcome o = call_on(t, c, buf, len);

    while (returned(&o, -EFAULT) && o.value - (uintptr_t)buf < len) {
        /* volatile: to be read and written although nothing changes */
        volatile uint8_t *p = (uint8_t *)o.value;

        *p = *p;
        o = call_on(t, c, buf, len);
    }
    return o;
}

static void check_good(Transport t, const Call *c, uint8_t *buf,
                       const char *what)
{
    Outcome o = call_touching(t, c, buf, c->len);

    check(returned(&o, c->ok) &&
              (c->ok || c->reads || !filled_with(buf, o.value, 0)),
          &o, "%s by %s: %s", c->name, transport_names[t], what);
}

static void attack_fresh(Transport t, const Call *c)
{
    size_t len = c->len + 2 * PAGE;
    uint8_t *p = area(len);

    check_good(t, c, p, "memory never touched");
    munmap(p, len);
    p = area(len);
    check_good(t, c, p + PAGE - 3, "not aligned, two pages never touched");
    munmap(p, len);
    p = area(len);
    for (size_t i = 0; i < len; i += PAGE) {
        /* volatile: to be read although nothing is done with it */
        (void)*(volatile uint8_t *)(p + i);
    }
    check_good(t, c, p, "shared page of zeros");
    munmap(p, len);
    p = area(len);
    check(filled_with(p, len, 0), NULL, "%s by %s: zeros are zeros still",
          c->name, transport_names[t]);
    munmap(p, len);
}

/* Pages shared with a parent process, or with a file */
static void attack_shared(Transport t, const Call *c)
{
    size_t len = (c->len + PAGE - 1) & -PAGE;
    uint8_t *p = area(len), *check_copy = area(len);
    int fd = open("/tmp/attack", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int status;

    memset(p, 0x5a, len);
    fflush(stdout);
    if (fork() == 0) {
        Outcome o = call_touching(t, c, p, c->len);

        _exit(returned(&o, c->ok) &&
                      (c->reads || !filled_with(p, c->len, 0x5a))
                  ? 0
                  : 1);
    }
    wait(&status);
    check(status == 0, NULL, "%s by %s: copy on write", c->name,
          transport_names[t]);
    check(filled_with(p, len, 0x5a), NULL,
          "%s by %s: the parent's copy is as it was", c->name,
          transport_names[t]);
    if (pwrite(fd, p, len, 0) != (ssize_t)len) {
        perror("/tmp/attack");
    }
    munmap(p, len);
    p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    check_good(t, c, p, "private mapping of a file");
    check(pread(fd, check_copy, len, 0) == (ssize_t)len &&
              filled_with(check_copy, len, 0x5a),
          NULL, "%s by %s: the file is as it was", c->name,
          transport_names[t]);
    munmap(p, len);
    munmap(check_copy, len);
    close(fd);
}

static void *paging_thread(void *opaque)
{
    int fd = *(int *)opaque;
    struct uffd_msg message;
    static uint8_t page[PAGE] __attribute__((aligned(4096)));

    memset(page, 0x5a, PAGE);
    while (read(fd, &message, sizeof(message)) == sizeof(message)) {
        struct uffdio_copy copy = {
            .dst = message.arg.pagefault.address & -PAGE,
            .src = (uintptr_t)page,
            .len = PAGE,
        };

        usleep(2000); /* the caller sleeps, as for a page on a disk */
        ioctl(fd, UFFDIO_COPY, &copy);
    }
    return NULL;
}

/* L1 has no swap; a program that serves the page faults takes as long */
static void attack_slow_paging(Transport t, const Call *c)
{
    size_t len = (c->len + 2 * PAGE) & -PAGE;
    uint8_t *p = area(len);
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register range = {
        .range = { (uintptr_t)p, len },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    static int fd;
    pthread_t thread;

    fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
        ioctl(fd, UFFDIO_REGISTER, &range)) {
        check(false, NULL, "userfaultfd: %s", strerror(errno));
        return;
    }
    pthread_create(&thread, NULL, paging_thread, &fd);
    check_good(t, c, p + 5, "paged in slowly");
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    close(fd);
    munmap(p, len);
}

static void attack_paging(void)
{
    for (Transport t = VMMCALL; t <= DOORBELL; t++) {
        for (const Call *c = calls; c < calls + N_CALLS; c++) {
            attack_fresh(t, c);
            attack_shared(t, c);
            attack_slow_paging(t, c);
        }
    }
}

int main(int argc, char **argv)
{
    attack_calls_open(argc, argv);
    attack_paging();
    return attack_summary();
}
