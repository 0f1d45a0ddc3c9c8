/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page of memory that stays where it is, as far as a process can see to that.
 *
 * The outer QEMU looks for the cookie at each nested entry.  While Linux moves
 * a page, or wants to know which CPU uses it, the page is away for a moment.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/madvise.h"
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include "shadow/hw/misc/shadow-agent.h"

/*
 * What does not work here, on a kernel without it or that forbids it, is done
 * without: the outer QEMU waits for a page that is away.
 */
static void page_advise(void *page, size_t size)
{
    static const int advice[] = {
        QEMU_MADV_NOHUGEPAGE, QEMU_MADV_UNMERGEABLE, QEMU_MADV_DONTFORK,
        QEMU_MADV_DONTDUMP,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(advice); i++) {
        qemu_madvise(page, size, advice[i]);
    }
    /* NUMA balancing leaves memory alone that has a policy of its own. */
    syscall(SYS_mbind, page, size, MPOL_LOCAL, NULL, 0, 0);
}

/*
 * Memory that is registered for I/O is pinned: compaction and migration pass it
 * by.  No I/O is ever done; the file is open for as long as the process runs.
 */
static void page_pin(void *page, size_t size)
{
    struct io_uring_params params = { };
    struct iovec iov = { .iov_base = page, .iov_len = size };
    int fd = syscall(SYS_io_uring_setup, 1, &params);

    if (fd >= 0 && syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS,
                           &iov, 1) < 0) {
        close(fd);
    }
}

void *shadow_agent_page_new(Error **errp)
{
    size_t size = qemu_real_host_page_size();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map a page of memory");
        return NULL;
    }
    page_advise(page, size);
    if (mlock(page, size) < 0) {
        error_setg_errno(errp, errno, "cannot lock a page of memory");
        munmap(page, size);
        return NULL;
    }
    page_pin(page, size);
    return page;
}
