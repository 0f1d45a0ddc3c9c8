/*
 * Preloaded into the outer QEMU: KVM is asked as ever, but is without what
 * forced pass-through needs most, as that of an older kernel or of another
 * processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include "ioctl.h"

static int seen_ioctl(int fd, unsigned long request, void *arg)
{
    if (request == KVM_CHECK_EXTENSION &&
        (unsigned long)arg == KVM_CAP_NESTED_STATE) {
        return 0;
    }
    return next_ioctl(fd, request, arg);
}
