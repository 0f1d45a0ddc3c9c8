/*
 * Preloaded into the outer QEMU: KVM is asked as ever, but is without what
 * forced pass-through needs most, as that of an older kernel or of another
 * processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>

int ioctl(int fd, unsigned long request, ...)
{
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    va_list list;
    void *arg;

    va_start(list, request);
    arg = va_arg(list, void *);
    va_end(list);
    if (request == KVM_CHECK_EXTENSION &&
        (unsigned long)arg == KVM_CAP_NESTED_STATE) {
        return 0;
    }
    return next(fd, request, arg);
}
