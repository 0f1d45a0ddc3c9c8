/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of a console's chardev.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "shadow/hw/char/shadow-log.h"

void shadow_log_init(ShadowLog *log)
{
    log->fd = -1;
}

void shadow_log_take(ShadowLog *log, Chardev *chr)
{
    log->chr = chr;
    log->failed = false;
    if (chr) {
        log->fd = chr->logfd;
        chr->logfd = -1;
    }
}

void shadow_log_return(ShadowLog *log, Chardev *chr)
{
    if (log->fd < 0) {
        return;
    }
    if (chr == log->chr) {
        chr->logfd = log->fd;
    } else {
        /* the chardev is gone, or is about to be */
        close(log->fd);
    }
    log->fd = -1;
}

void shadow_log_write(ShadowLog *log, Chardev *chr, const uint8_t *buf,
                      size_t len)
{
    if (log->fd < 0 || qemu_write_full(log->fd, buf, len) == len) {
        return;
    }
    if (!log->failed && chr) {
        /* a guest may not fill QEMU's own log with this */
        log->failed = true;
        warn_report("shadow-serial: the log of chardev '%s' lacks output: %s",
                    chr->label, strerror(errno));
    }
}
