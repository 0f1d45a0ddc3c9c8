/*
 * ioctl() of a program into which this is preloaded: seen_ioctl() has it in
 * place of the C library's, which is next_ioctl().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef KVM_LIB_IOCTL_H
#define KVM_LIB_IOCTL_H

#include <dlfcn.h>
#include <stdarg.h>

static int seen_ioctl(int fd, unsigned long request, void *arg);

static int next_ioctl(int fd, unsigned long request, void *arg)
{
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");

    return next(fd, request, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    void *arg;

    va_start(list, request);
    arg = va_arg(list, void *);
    va_end(list);
    return seen_ioctl(fd, request, arg);
}

#endif /* KVM_LIB_IOCTL_H */
