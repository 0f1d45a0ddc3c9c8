/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of a console's chardev, logfile=: it is to have what the guest
 * writes, user or not, and once.  Left with the chardev it would get what a
 * user is sent.
 */
#ifndef SHADOW_LOG_H
#define SHADOW_LOG_H

#include "chardev/char.h"

typedef struct ShadowLog {
    Chardev *chr;               /* it was taken from; may be gone: to compare */
    int fd;                     /* -1: none */
    bool failed;
} ShadowLog;

void shadow_log_init(ShadowLog *log);

/* Take the log of @chr, which may be NULL. */
void shadow_log_take(ShadowLog *log, Chardev *chr);

/* Give it back if it is that of @chr; else it is closed. */
void shadow_log_return(ShadowLog *log, Chardev *chr);

/* What cannot be written is not in the log; QEMU warns once, of @chr's. */
void shadow_log_write(ShadowLog *log, Chardev *chr, const uint8_t *buf,
                      size_t len);

#endif /* SHADOW_LOG_H */
